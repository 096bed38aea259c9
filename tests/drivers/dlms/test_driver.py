"""The driver with a whole meter at the other end: links, associations, counters, requests, and the words of its errors.

The channel never waits: what the meter does not answer is silence at once.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from drivers import DRIVERS
from drivers.dlms.connection import Connection
from drivers.dlms.options import DlmsOptions
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from gatewayd.channel import Channel, Framing
from gatewayd.driver import Forgetful
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    PasswordUnclear,
    ProtocolError,
)
from gatewayd.model import Clock, Kind, Listen, Profile, RawStatus, Registers, Scan
from gatewayd.obis import Obis
from gatewayd.options import SecretUnavailable
from tests.drivers.dlms.asked_meter import (
    NOW,
    CountingMemory,
    FakeMeter,
    Stored,
    array,
    clock_octets,
    entry,
    enum,
    i8,
    name,
    octets,
    scaler_unit,
    structure,
    text,
    u16,
    u32,
)
from tests.drivers.dlms.association_meter import AUTHENTICATION_KEY, KEY
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.talking import HdlcMeter
from tests.drivers.dlms.whole_meter import Access, Installation, MeterChannel, WholeMeter, texts

IMPORT = "1-0:1.8.0*255"
CLOCK, COUNTER = (8, "0-0:1.0.0*255", 2), (1, "0-0:43.1.0*255", 2)
TOTAL = Registers((Obis.parse(IMPORT),))
PASSWORD = "Canary42"
SHOWN = "2026-11-21T13:04:00+01:00"
WITHOUT_LISTS = "FFFDFF"


def objects(**other: Stored) -> FakeMeter:
    return FakeMeter(
        {
            CLOCK: octets(clock_octets(NOW)),
            (1, "0-0:96.1.0*255", 2): octets(b"4711"),
            (1, "0-0:42.0.0*255", 2): octets(b"ABC4711"),
            (1, "1-0:0.2.0*255", 2): text("1.2"),
            (15, "0-0:40.0.0*255", 2): array(entry(3, IMPORT, [(2, 1), (3, 1)]), entry(7, "1-0:99.1.0")),
            (3, IMPORT, 2): u32(12345),
            (3, IMPORT, 3): scaler_unit(0, 30),
            COUNTER: u32(500),
        }
    )


class Cabin(Installation):
    """A meter behind the wrapper."""

    def __init__(self, meter: WholeMeter, **more: Any) -> None:  # Any: options, as YAML gives them
        super().__init__(meter, transport="wrapper", **more)
        self.whole = meter


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ek").write_text(KEY.hex())
    (tmp_path / "ak").write_text(AUTHENTICATION_KEY.hex())
    (tmp_path / "pw").write_text(PASSWORD)
    return {
        "system_title": "4D4D4D0000000001",
        "block_cipher_key_file": str(tmp_path / "ek"),
        "authentication_key_file": str(tmp_path / "ak"),
    }


def ciphered_cabin(secrets: dict[str, str], **more: Any) -> Cabin:  # Any: as above
    meter = WholeMeter(objects(), {16: Access(), 1: Access(5, ciphered=True)})
    meter.expected = 500
    options = {"client": 1, "authentication": "hls-gmac", "security": "authenticated-encrypted"} | secrets | more
    return Cabin(meter, **options)


def caught(installation: Installation, request: Any = TOTAL, **channel: Any) -> GatewayError:  # Any: as above
    with pytest.raises(GatewayError) as error:
        installation.ask(request, **channel)
    return error.value


# -- requests ----------------------------------------------------------------------------------------------------------


def test_registers_come_with_the_clock_and_the_names_of_the_meter() -> None:
    cabin = Cabin(WholeMeter(objects()))
    (answer,) = cabin.ask(TOTAL)
    assert texts([answer]) == [f"0-0:1.0.0*255 {SHOWN}", f"{IMPORT} 12345"]
    assert answer.serials == ("4711", "ABC4711")
    assert (answer.sound, answer.detail) == (True, "")
    assert answer.readings[0].more == ("0.0",)
    assert cabin.channels[0].lines == [(9600, Framing.N81)]


def test_a_second_session_asks_for_the_values_only() -> None:
    cabin = Cabin(WholeMeter(objects()))
    first = cabin.ask(TOTAL)
    cabin.whole.heard.clear()
    assert cabin.ask(TOTAL) == first
    # AARQ, one list for the prologue, the value, RLRQ
    assert [apdu[0] for _, apdu in cabin.whole.heard] == [0x60, 0xC0, 0xC0, 0x62]


def test_a_meter_without_lists_is_asked_one_by_one() -> None:
    cabin = Cabin(WholeMeter(objects(), conformance=WITHOUT_LISTS))
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    assert {apdu[1] for _, apdu in cabin.whole.heard if apdu[0] == 0xC0} == {1}


def test_lists_may_be_forbidden() -> None:
    cabin = Cabin(WholeMeter(objects()), lists="no")
    cabin.ask(TOTAL)
    assert {apdu[1] for _, apdu in cabin.whole.heard if apdu[0] == 0xC0} == {1}


def test_all_registers() -> None:
    assert texts(Cabin(WholeMeter(objects())).ask(Registers())) == [f"0-0:1.0.0*255 {SHOWN}", f"{IMPORT} 12345"]


def test_the_clock_alone() -> None:
    meter = objects()
    meter.objects[CLOCK] = octets(clock_octets(NOW + timedelta(seconds=61)))
    (answer,) = Cabin(WholeMeter(meter)).ask(Clock())
    assert [reading.more for reading in answer.readings] == [("61.0",)]
    assert answer.detail == "the clock is 61.0 s ahead"
    assert not meter.done


def test_the_clock_is_set_only_where_that_is_configured() -> None:
    meter = objects()
    meter.objects[CLOCK] = octets(clock_octets(NOW + timedelta(seconds=10)))
    error = caught(Cabin(WholeMeter(meter)), Clock(set=True))
    assert isinstance(error, MeterDiffers)
    assert str(error).startswith("meter em-2001 on line cabin has a clock that is not set: set_clock is not configured")
    assert not meter.done
    before, after = Cabin(WholeMeter(meter), set_clock={}).ask(Clock(set=True))
    assert meter.done == [("action 8 0-0:1.0.0*255 6", bytes.fromhex("10 FFF6"))]
    assert "shift_time(-10) follows" in before.detail and "was shifted by -10 s" in after.detail


def test_a_refused_shift_is_told_with_the_name_of_the_meter() -> None:
    meter = objects()
    meter.objects[CLOCK] = octets(clock_octets(NOW + timedelta(seconds=10)))
    meter.action_result = ActionResult.READ_WRITE_DENIED
    error = caught(Cabin(WholeMeter(meter), set_clock={}), Clock(set=True))
    assert str(error).startswith("meter em-2001 on line cabin refuses shift_time(-10): read-write-denied")


def test_the_time_is_written_over_the_line() -> None:
    meter = objects()
    meter.objects[CLOCK] = octets(clock_octets(NOW + timedelta(seconds=10)))
    meter.action_result = ActionResult.READ_WRITE_DENIED
    Cabin(WholeMeter(meter), set_clock={"method": "set"}).ask(Clock(set=True))
    assert meter.done[-1] == ("set 8 0-0:1.0.0*255 2", octets(clock_octets(NOW)))


def test_a_clock_that_is_refused_is_a_remark_with_registers_and_an_error_by_itself() -> None:
    meter = objects()
    meter.objects[CLOCK] = DataAccess.READ_WRITE_DENIED
    cabin = Cabin(WholeMeter(meter))
    (answer,) = cabin.ask(TOTAL)
    assert texts([answer]) == [f"{IMPORT} 12345"]
    assert answer.detail == "0-0:1.0.0*255: read-write-denied"
    assert isinstance(caught(cabin, Clock()), MeterDiffers)


def test_a_scan() -> None:
    (answer,) = Cabin(WholeMeter(objects())).ask(Scan())
    assert [(one.class_id, str(one.obis), one.unit) for one in answer.objects] == [
        (3, IMPORT, "Wh"),
        (7, "1-0:99.1.0*255", ""),
    ]
    assert texts([answer]) == [f"0-0:1.0.0*255 {SHOWN}"]


def profile_meter() -> FakeMeter:
    meter = objects()
    code = "1-0:99.1.0*255"
    columns = (
        structure(u16(8), octets(name("0-0:1.0.0")), i8(2), u16(0)),
        structure(u16(3), octets(name(IMPORT)), i8(2), u16(0)),
    )
    start = datetime(2026, 11, 21, 11, 15, tzinfo=UTC)
    rows = [structure(octets(clock_octets(start + n * timedelta(minutes=15))), u32(100 + n)) for n in range(3)]
    meter.objects |= {
        (7, code, 2): array(*rows),
        (7, code, 3): array(*columns),
        (7, code, 4): u32(900),
        (7, code, 5): enum(1),
        (7, code, 6): columns[0],
        (7, code, 7): u32(3),
        (7, code, 8): u32(1000),
    }
    return meter


def test_a_profile_begins_with_the_clock() -> None:
    cabin = Cabin(WholeMeter(profile_meter()), range_deviation="unset")
    request = Profile(Obis.parse("1-0:99.1.0"), datetime(2026, 11, 21, 11, tzinfo=UTC), NOW)
    first, rows = cabin.ask(request)
    assert (texts([first]), first.detail) == ([f"0-0:1.0.0*255 {SHOWN}"], "the clock is 0.0 s ahead")
    assert texts([rows]) == [f"{IMPORT} 100", f"{IMPORT} 101", f"{IMPORT} 102"]
    assert {reading.kind for reading in rows.readings} == {Kind.INTERVAL}
    assert rows.readings[-1].at == datetime(2026, 11, 21, 11, 45, tzinfo=UTC)
    assert rows.serials == ("4711", "ABC4711")
    (ranged,) = [apdu for _, apdu in cabin.whole.heard if apdu[:2] == b"\xc0\x01" and apdu[12:14] == b"\x01\x01"]
    assert ranged.count(b"\x80\x00") >= 2  # both ends without a deviation


@pytest.mark.parametrize(("clock", "hours"), [("legal", 2), ("standard", 1), ("utc", 0)])
def test_a_meter_on_another_time_than_the_legal_one_that_does_not_say_so(clock: str, hours: int) -> None:
    """In July, without deviations and without the bit of summer time."""
    now = datetime(2026, 7, 1, 12, 4, tzinfo=UTC)
    meter = profile_meter()
    shown = clock_octets(now, deviation=-60 * hours)[:9] + b"\x80\x00\x00"
    end = clock_octets(now.replace(minute=0), deviation=-60 * hours)[:9] + b"\x80\x00\x00"
    meter.objects[CLOCK] = octets(shown)
    meter.objects[7, "1-0:99.1.0*255", 2] = array(structure(octets(end), u32(100)))
    cabin = Cabin(WholeMeter(meter), clock=clock, daylight_bit=False)
    cabin.clock.at = now
    first, rows = cabin.ask(Profile(Obis.parse("1-0:99.1.0"), now - timedelta(hours=1), now))
    assert first.detail == "the clock is 0.0 s ahead"
    (reading,) = rows.readings
    assert (reading.at, reading.status) == (now.replace(minute=0), RawStatus.TRUE)


# -- who is asked, and how ---------------------------------------------------------------------------------------------


def test_a_released_association_ends_the_session_of_the_wrapper() -> None:
    cabin = Cabin(WholeMeter(objects()), release="no")
    cabin.ask(TOTAL)
    assert 0x62 not in [apdu[0] for _, apdu in cabin.whole.heard]


def test_a_password_is_sent_as_a_secret_and_accepted(secrets: dict[str, str], tmp_path: Path) -> None:
    meter = WholeMeter(objects(), {16: Access(1, PASSWORD.encode())})
    cabin = Cabin(meter, authentication="low", password_file=tmp_path / "pw")
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    (channel,) = cabin.channels
    assert [PASSWORD.encode() in sent for sent in channel.secrets] == [True]
    assert cabin.driver.credentials


def test_a_refused_password_is_a_refusal_and_sent_once(secrets: dict[str, str], tmp_path: Path) -> None:
    meter = WholeMeter(objects(), {16: Access(1, b"another")})
    error = caught(Cabin(meter, authentication="low", password_file=tmp_path / "pw"))
    assert isinstance(error, MeterRefused)
    assert str(error).startswith("meter em-2001 on line cabin refuses the association")
    assert meter.aarqs == [16]


def test_a_password_that_nobody_answers_is_unclear(secrets: dict[str, str], tmp_path: Path) -> None:
    silent = WholeMeter(objects(), {17: Access()})
    error = caught(Cabin(silent, authentication="low", password_file=tmp_path / "pw"))
    assert isinstance(error, PasswordUnclear)


def test_a_missing_password_sends_nothing(tmp_path: Path) -> None:
    cabin = Cabin(WholeMeter(objects()), authentication="low", password_file=tmp_path / "nothing")
    error = caught(cabin)
    assert isinstance(error, SecretUnavailable)
    assert (
        str(error) == f"meter em-2001: cannot read the password file {tmp_path / 'nothing'}: No such file or directory"
    )
    assert not cabin.channels[0].log


def test_a_meter_that_wants_another_context_differs() -> None:
    error = caught(Cabin(WholeMeter(objects(), {16: Access(1, b"x")})))
    assert isinstance(error, MeterDiffers) and not isinstance(error, MeterRefused)


def test_a_silent_meter_is_named() -> None:
    error = caught(Cabin(WholeMeter(objects(), {17: Access()})))
    assert isinstance(error, MeterSilent)
    assert str(error).startswith("meter em-2001 on line cabin ")


# -- keys and counters -------------------------------------------------------------------------------------------------


def test_a_counter_that_is_not_remembered_is_taken_from_the_meter_first(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    (answer,) = cabin.ask(TOTAL)
    assert texts([answer]) == [f"0-0:1.0.0*255 {SHOWN}", f"{IMPORT} 12345"]
    assert cabin.whole.aarqs == [16, 1]
    counters = cabin.whole.counters
    assert counters == sorted(set(counters)) and counters[0] > 500
    cabin.ask(TOTAL)
    assert cabin.whole.aarqs == [16, 1, 1]
    assert cabin.whole.counters == sorted(set(cabin.whole.counters))


def test_a_new_process_goes_on_above_all_numbers_of_the_old_one(secrets: dict[str, str]) -> None:
    memory = CountingMemory()
    first = ciphered_cabin(secrets, memory=memory)
    first.ask(TOTAL)
    second = ciphered_cabin(secrets, memory=memory)
    second.whole.expected, second.whole.sent = first.whole.expected, first.whole.sent
    second.ask(TOTAL)
    assert second.whole.aarqs == [1]
    assert min(second.whole.counters) > max(first.whole.counters)


def test_sessions_of_one_process_do_not_each_skip_a_block_of_numbers(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    for _ in range(3):
        cabin.ask(TOTAL)
    counters = cabin.whole.counters
    assert counters[-1] - counters[0] < 2 * len(counters)


def test_no_counter_object_is_asked_where_there_is_none(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets, counter_object="none")
    cabin.whole.expected = 0
    cabin.ask(TOTAL)
    assert cabin.whole.aarqs == [1]
    assert cabin.whole.counters[0] == 1


def test_a_counter_that_is_rejected_is_put_right_once(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    cabin.whole.expected = 70_000
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    assert cabin.whole.aarqs == [16, 1, 1, 1]
    assert cabin.whole.counters[-1] > 70_000


def test_a_meter_that_rejects_every_counter_is_refused_after_the_second(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets, counter_cap=0xFFFF_FFFF)
    cabin.ask(TOTAL)
    cabin.whole.heard.clear()
    cabin.whole.expected = 0xF000_0000

    def greedy(apdu: bytes) -> int | None:
        cabin.whole.expected += 100_000
        return None

    cabin.whole._counted = greedy  # type: ignore[method-assign] # a meter that is never content
    error = caught(cabin)
    assert isinstance(error, MeterRefused) and "invocation counter" in str(error)
    assert cabin.whole.aarqs == [1, 1]


def test_a_counter_beyond_the_cap_is_not_believed(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets, counter_cap=10_000)
    cabin.ask(TOTAL)
    cabin.whole.expected = 70_000
    error = caught(cabin)
    assert isinstance(error, MeterDiffers) and "counter_cap" in str(error)
    cabin.whole.expected = 2000
    cabin.ask(TOTAL)


def test_a_refusal_that_the_counter_does_not_explain_stands(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    cabin.whole.heard.clear()
    cabin.whole.refuse_deciphering = True
    error = caught(cabin)
    assert isinstance(error, MeterRefused) and "keys" in str(error)
    assert cabin.whole.aarqs == [1, 16]  # the counter object is looked at, and is not above ours


def test_a_password_that_is_refused_is_not_tried_again_whatever_the_counter_is(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    cabin = ciphered_cabin(secrets, authentication="low", password_file=tmp_path / "pw")
    cabin.whole.clients[1] = Access(1, PASSWORD.encode(), ciphered=True)
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    cabin.whole.heard.clear()
    cabin.whole.clients[1].password = b"another"
    cabin.whole.objects.objects[COUNTER] = u32(80_000)
    assert isinstance(caught(cabin), MeterRefused)
    assert cabin.whole.aarqs == [1]


def test_a_meter_that_only_says_that_it_cannot_decipher_gets_a_higher_counter_where_its_own_is_above(
    secrets: dict[str, str],
) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    cabin.whole.objects.objects[COUNTER] = u32(80_000)
    cabin.whole.refuse_deciphering = True
    caught(cabin)
    assert cabin.whole.aarqs == [16, 1, 1, 16, 1]
    cabin.whole.refuse_deciphering = False
    cabin.ask(TOTAL)
    assert cabin.whole.counters[-1] > 80_000


@pytest.mark.parametrize(
    "counter_object",
    [DataAccess.READ_WRITE_DENIED, text("500"), structure(), u32(100)],
    ids=["denied", "text", "odd", "low"],
)
def test_a_counter_object_that_tells_nothing_leaves_it_to_our_own_counter(
    secrets: dict[str, str], counter_object: Stored
) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.whole.objects.objects[COUNTER] = counter_object
    cabin.whole.expected = 0
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_a_meter_without_a_public_client_is_asked_with_our_own_counter(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    del cabin.whole.clients[16]
    cabin.whole.expected = 0
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_a_replayed_session_is_not_believed(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets)
    cabin.ask(TOTAL)
    cabin.whole.sent = 1000  # the meter's counters of the first session once more
    error = caught(cabin)
    assert isinstance(error, ProtocolError)
    assert "counter" in str(error)


def test_ciphering_without_hls(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets, authentication="none")
    cabin.whole.clients[1] = Access(ciphered=True)
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]


def test_gmac_without_ciphering_takes_counters_too(secrets: dict[str, str]) -> None:
    cabin = ciphered_cabin(secrets, security="none")
    cabin.whole.clients[1] = Access(5)
    assert texts(cabin.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    assert cabin.whole.aarqs == [16, 1]
    assert cabin.whole.counters and cabin.whole.counters[0] > 500


def test_a_memory_that_fails_is_the_archives_fault_and_nothing_is_sent_with_a_number_that_is_not_reserved(
    secrets: dict[str, str],
) -> None:
    class Full(Forgetful):
        async def remember(self, key: str, value: bytes) -> None:
            raise ArchiveError("disk full")

        async def count(self, name: str, least: int, by: int) -> int:
            raise ArchiveError("disk full")

    cabin = ciphered_cabin(secrets, memory=Full(), counter_object="none")
    error = caught(cabin)
    assert type(error) is ArchiveError and str(error) == "disk full"
    assert not cabin.channels[0].log


def test_no_secret_is_told_anywhere(
    secrets: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    wrong = (bytes(16), AUTHENTICATION_KEY, KEY[::-1])
    for key in wrong:
        (tmp_path / "ek").write_bytes(key)
        cabin = ciphered_cabin(secrets)
        try:
            cabin.ask(TOTAL)
        except GatewayError as error:
            told += traceback.format_exception(error)
            told.append(repr(error.__dict__))
        except InvalidTag:  # the meter of the test cannot decipher it either
            told.append("em-2001")
        told += [repr(cabin.driver), cabin.driver.credentials]
    meter = WholeMeter(objects(), {16: Access(1, b"another")})
    cabin = Cabin(meter, authentication="low", password_file=tmp_path / "pw")
    told += traceback.format_exception(caught(cabin))
    told += [repr(vars(cabin.driver)), cabin.driver.credentials, caplog.text, *capsys.readouterr()]
    everything = " ".join(told)
    assert "em-2001" in everything
    for secret in (PASSWORD, KEY.hex(), AUTHENTICATION_KEY.hex(), repr(KEY)[2:-1], repr(AUTHENTICATION_KEY)[2:-1]):
        assert secret.lower() not in everything.lower()


# -- the line ----------------------------------------------------------------------------------------------------------


def hdlc(**options: Any) -> tuple[Installation, WholeMeter]:  # Any: as above
    meter = WholeMeter(objects())

    def apdus(apdu: bytes) -> Iterable[bytes]:
        return [meter.answer(16, apdu)]

    return Installation(HdlcMeter(apdus), baud=4800, **options), meter


def test_hdlc_on_a_serial_line() -> None:
    installation, meter = hdlc()
    (answer,) = installation.ask(TOTAL)
    assert texts([answer]) == [f"0-0:1.0.0*255 {SHOWN}", f"{IMPORT} 12345"]
    (channel,) = installation.channels
    assert channel.lines == [(4800, Framing.N81)]
    proposal = bytes.fromhex("818014 05020400 06020400 070400000001 080400000001")
    assert channel.log[0] == frame("03 21 93", proposal)
    assert channel.log[-1] == frame("03 21 53")
    assert 0x62 not in [apdu[0] for _, apdu in meter.heard]  # DISC is enough


def test_the_link_is_as_configured() -> None:
    installation, _ = hdlc(client=1, server=1, physical=17, address_bytes=4, max_info=128, attempts=2)
    error = caught_silent(installation)
    assert isinstance(error, MeterSilent)
    (channel,) = installation.channels
    assert channel.log[:2] == [frame("00 02 00 23 03 93")] * 2


def caught_silent(installation: Installation) -> GatewayError:
    class Nobody:
        def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
            return []

    installation.meter = Nobody()
    return caught(installation)


def test_an_optical_head_signs_on_first_and_its_rate_is_taken() -> None:
    calls: list[tuple[str, int, int]] = []

    async def enter(channel: Channel, address: str, start: int, most: int) -> int:
        calls.append((address, start, most))
        return 2400

    installation, _ = hdlc(transport="optical", device_address="123", max_baud=9600, enter_hdlc=enter)
    assert texts(installation.ask(TOTAL))[1:] == [f"{IMPORT} 12345"]
    assert calls == [("123", 300, 9600)]
    assert installation.channels[0].lines == []


def test_errors_of_the_optical_head_are_passed_on_as_they_are() -> None:
    async def enter(channel: Channel, address: str, start: int, most: int) -> int:
        raise MeterSilent("meter em-2001 on line cabin does not answer")

    installation, _ = hdlc(transport="optical", enter_hdlc=enter)
    assert str(caught(installation)) == "meter em-2001 on line cabin does not answer"
    installation, _ = hdlc(transport="optical")
    assert "optical" in str(caught(installation))


def test_a_line_that_fails_is_named_with_the_meter() -> None:
    class Broken(WholeMeter):
        def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
            return [ChannelError("line cabin: the peer has hung up")]

    error = caught(Cabin(Broken(objects())))
    assert type(error) is ChannelError
    assert str(error) == "meter em-2001: line cabin: the peer has hung up"


def test_cancelled_at_any_await_the_meter_is_told() -> None:
    installation, _ = hdlc()
    installation.ask(TOTAL)
    awaits = installation.channels[0].awaits
    assert awaits > 10
    for number in range(1, awaits + 1):
        installation, _ = hdlc()
        with pytest.raises(asyncio.CancelledError):
            installation.ask(TOTAL, cancel=number)
        log = installation.channels[0].log
        assert not log or log[-1] == frame("03 21 53")


# -- meters that send by themselves ------------------------------------------------------------------------------------


def test_a_meter_that_is_asked_is_not_listened_to() -> None:
    error = caught(Cabin(WholeMeter(objects())), Listen())
    assert isinstance(error, MeterDiffers) and "push" in str(error)


NOTIFICATION = bytes.fromhex("0F 00000001 00 0201") + structure(
    octets(name(IMPORT)), u32(7), structure(i8(0), enum(30))
)


class Sender:
    """Sends a notification by itself."""

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
        raise AssertionError("nobody may ask")


def test_a_meter_that_sends_is_listened_to_and_never_asked() -> None:
    installation = Installation(Sender(), transport="wrapper", push={})
    channel = MeterChannel(Sender())
    channel._coming = [bytes.fromhex("0001 0001 0010") + len(NOTIFICATION).to_bytes(2) + NOTIFICATION]
    answers = asyncio.run(installation._ask(channel, TOTAL))
    assert texts(answers) == [f"{IMPORT} 7"]
    assert (channel.log, channel.lines) == ([], [(9600, Framing.N81)])
    error = caught(installation, Profile(Obis.parse("1-0:99.1.0"), NOW - timedelta(days=1), NOW))
    assert isinstance(error, MeterDiffers)


# -- the registry ------------------------------------------------------------------------------------------------------


def test_the_registry_has_the_driver() -> None:
    assert DRIVERS["dlms"].options is DlmsOptions


def test_a_connection_keeps_its_keys_to_itself(secrets: dict[str, str]) -> None:
    options = DlmsOptions.model_validate({"authentication": "hls-gmac", **secrets})
    connection = Connection(options, Forgetful(), {}, MeterChannel(Sender()), None)
    shown = f"{connection!r} {vars(connection)!r}"
    assert KEY.hex() not in shown and repr(KEY)[2:-1] not in shown
