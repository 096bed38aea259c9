"""Registers, profiles and logs by commands, through the driver: what is asked, and what becomes of each answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.iec62056_21 import driver as driver_module
from drivers.iec62056_21 import session_settings
from drivers.iec62056_21.answers import request_code
from drivers.iec62056_21.commands import table_of
from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.session_settings import settings_of
from drivers.iec62056_21.vendors import Table, Vendor, choose
from gatewayd.channel import Framing
from gatewayd.errors import GatewayError, MeterDiffers, MeterRefused, MeterSilent, PasswordUnclear
from gatewayd.model import Flag, Kind, Outcome, Profile, RawStatus, Registers
from gatewayd.obis import Obis
from gatewayd.options import SecretUnavailable
from tests.drivers.iec62056_21.channels import PlayingChannel, Said, answers_of, build, password_file, session
from tests.drivers.iec62056_21.conversation import BLOCK, IDENTIFICATION, OPTION, SIGN_ON, block
from tests.drivers.iec62056_21.interview import (
    ACK,
    BREAK,
    ENTER,
    ERROR,
    NAK,
    OPTION_P,
    P0,
    P1,
    command,
    reply,
    spoilt,
)

OPEN = Vendor.model_validate(
    {"name": "open", "sources": ["a test"], "password": {"needed": False}, "access": "R5", "window_days": 1}
)
"""A meter that asks for no password and reads registers by R5."""
CLOSED = Vendor.model_validate({"name": "closed", "sources": ["a test"], "window_days": 1})
ENTER_OPEN: dict[bytes, Sequence[Said]] = {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0]}
LEFT: list[Any] = [BREAK, (300, Framing.E71)]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Callable[[Vendor], None]:
    """Makes every meter one of this profile."""

    def use(profile: Vendor) -> None:
        for module in (driver_module, session_settings):
            monkeypatch.setattr(module, "choose", lambda name, identification: profile)

    use(OPEN)
    return use


def asked(*codes: str) -> Registers:
    return Registers(tuple(Obis.parse(code) for code in codes))


def r5(code: str) -> bytes:
    return command("R5", f"{code}()")


Use = Callable[[Vendor], None]

# -- registers -------------------------------------------------------------------------------------------------------


def test_each_register_by_its_own_command(vendor: Use) -> None:
    channel = PlayingChannel(
        {
            **ENTER_OPEN,
            r5("1.8.0"): [reply(b"1.8.0(0008048.375*kWh)")],
            r5("2.8.0"): [reply(b"(00000.5*kWh)")],
            r5("1.6.0"): [reply(b"1.6.0(02.468*kW)(1703100930)")],
            r5("3.8.0"): [ERROR],
            r5("1.8.0*05"): [reply(b"1.8.0*05(1)\r\n")],
        }
    )
    answers = session(channel, asked("1.8.0", "2.8.0", "1.6.0", "3.8.0", "1.8.0*5"))
    assert channel.sent == [
        SIGN_ON,
        OPTION_P,
        *(r5(code) for code in ("1.8.0", "2.8.0", "1.6.0", "3.8.0", "1.8.0*05")),
        BREAK,
    ]
    assert channel.log[-2:] == LEFT
    readings = [reading for answer in answers for reading in answer.readings]
    assert [(reading.code, reading.raw_text, reading.unit, reading.kind) for reading in readings] == [
        ("1-0:1.8.0*255", "0008048.375", "kWh", Kind.REGISTER),
        ("1-0:2.8.0*255", "00000.5", "kWh", Kind.REGISTER),
        ("1-0:1.6.0*255", "02.468", "kW", Kind.MAXIMUM),
        ("1-0:3.8.0*255", "", "", Kind.REGISTER),
        ("1-0:1.8.0*5", "1", "", Kind.REGISTER),
    ]
    assert [reading.raw for reading in readings[:2]] == [b"1.8.0(0008048.375*kWh)", b"(00000.5*kWh)"]
    assert readings[1].obis_raw == "2.8.0"
    assert (readings[3].status, readings[3].flags) == (RawStatus.MISSING, Flag.NOT_SENT)
    assert "3.8.0" in answers[3].detail
    assert "ERROR" in answers[3].detail
    assert all(answer.sound and answer.identification == "/ISK5MT174-0001" for answer in answers)


def test_a_maximum_without_its_code_is_a_maximum(vendor: Use) -> None:
    channel = PlayingChannel({**ENTER_OPEN, r5("1.6.0"): [reply(b"(02.468*kW)(1703100930)")]})
    ((reading,),) = (answer.readings for answer in session(channel, asked("1.6.0")))
    assert (reading.kind, reading.at) == (Kind.MAXIMUM, datetime(2017, 3, 10, 8, 30, tzinfo=UTC))
    assert reading.raw == b"(02.468*kW)(1703100930)"


def test_an_answer_of_another_register_is_kept_and_the_asked_one_is_missing(vendor: Use) -> None:
    channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): [reply(b"1-1:1.8.0(5*kWh)")]})
    (answer,) = session(channel, asked("1.8.0"))
    assert [(reading.code, reading.status) for reading in answer.readings] == [
        ("1-1:1.8.0*255", RawStatus.TRUE),
        ("1-0:1.8.0*255", RawStatus.MISSING),
    ]


def test_an_abstract_register_may_come_under_the_medium_of_the_meter(vendor: Use) -> None:
    channel = PlayingChannel({**ENTER_OPEN, r5("F.F"): [reply(b"1-0:F.F(00)")], r5("1.8.0"): [reply(b"")]})
    first, second = session(channel, asked("F.F", "1.8.0"))
    assert [reading.obis_raw for reading in first.readings] == ["1-0:F.F"]
    assert [reading.flags for reading in second.readings] == [Flag.NOT_SENT]


@pytest.mark.parametrize(
    ("entries", "outcome", "flag"),
    [
        ([spoilt(reply(b"1.8.0(1*kWh)"))], Outcome.CHECK_FAILED, Flag.BCC_FAILED),
        ([reply(b"1.8.0(1*kWh)")[:-1]], Outcome.TRUNCATED, Flag.TRUNCATED),
    ],
)
def test_an_unsound_answer_is_kept_and_distorted(
    vendor: Use, entries: list[bytes], outcome: Outcome, flag: Flag
) -> None:
    channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): entries, NAK: entries})
    (answer,) = session(channel, asked("1.8.0"))
    assert answer.outcome is outcome
    assert answer.detail
    assert [(reading.raw_text, reading.status, reading.flags) for reading in answer.readings] == [
        ("1", RawStatus.DISTORTED, flag)
    ]


def test_characters_with_wrong_parity_count_in_the_copy_that_is_taken(vendor: Use) -> None:
    good, bad = reply(b"1.8.0(1*kWh)"), spoilt(reply(b"1.8.0(1*kWh)"))
    for harmed, sound in ((bad, True), (good, False), (P0, True), (b"/ISK", True)):
        channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): [bad], NAK: [good]}, parity_at=harmed)
        (answer,) = session(channel, asked("1.8.0"))
        assert answer.sound is sound
        assert bool(answer.readings[0].flags & Flag.PARITY_ERROR) is not sound


def test_parity_errors_of_each_partial_block_count(vendor: Use) -> None:
    blocks = [reply(b"1.8.0(", last=False), reply(b"1*kWh", last=False), reply(b")")]
    for harmed in blocks:
        channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): blocks[:1], ACK: blocks[1:]}, parity_at=harmed)
        (answer,) = session(channel, asked("1.8.0"))
        assert answer.detail == "1 characters with wrong parity"
    channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): blocks[:1], ACK: blocks[1:]}, parity_at=b"\x02")
    (answer,) = session(channel, asked("1.8.0"))
    assert answer.detail == "3 characters with wrong parity"


def test_the_access_of_the_options_goes_before_that_of_the_vendor(vendor: Use) -> None:
    channel = PlayingChannel({**ENTER_OPEN, command("R1", "1.8.0()"): [reply(b"(1*kWh)")]})
    assert session(channel, asked("1.8.0"), access="R1")[0].readings[0].raw_text == "1"
    channel = PlayingChannel({SIGN_ON: [IDENTIFICATION], OPTION: [BLOCK]})
    (answer,) = session(channel, asked("1.8.0"), access="readout")
    assert answer.readings[0].raw_text == "0008048.375"
    assert channel.sent == [SIGN_ON, OPTION]


def test_mode_a_stays_at_the_first_rate(vendor: Use) -> None:
    channel = PlayingChannel({SIGN_ON: [IDENTIFICATION], b"\x06001\r\n": [P0], r5("1.8.0"): [reply(b"(1*kWh)")]})
    assert session(channel, asked("1.8.0"), mode="A")[0].sound
    assert {entry for entry in channel.log if isinstance(entry, tuple)} == {(300, Framing.E71)}


def test_mode_a_stays_at_a_first_rate_of_its_own(vendor: Use) -> None:
    channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): [reply(b"(1*kWh)")]})
    assert session(channel, asked("1.8.0"), mode="A", start_baud=9600)[0].sound
    assert {entry for entry in channel.log if isinstance(entry, tuple)} == {(9600, Framing.E71)}


@pytest.mark.parametrize(
    ("options", "option", "rate"),
    [
        ({"start_baud": 9600, "baud_after_sign_on": 2400}, b"\x06031\r\n", 2400),
        ({"line_baud": 57600}, b"\x06001\r\n", 300),  # no acknowledgement can name that rate
    ],
)
def test_other_rates_in_mode_a(vendor: Use, options: dict[str, Any], option: bytes, rate: int) -> None:
    channel = PlayingChannel({SIGN_ON: [IDENTIFICATION], option: [P0], r5("1.8.0"): [reply(b"(1*kWh)")]})
    (answer,) = asyncio.run(answers_of(build(mode="A", **options), channel, asked("1.8.0")))
    assert answer.sound
    assert channel.log[3] == (rate, Framing.E71)


def test_all_registers_are_read_out_even_where_single_ones_are_asked_for(vendor: Use) -> None:
    channel = PlayingChannel({SIGN_ON: [IDENTIFICATION], OPTION: [BLOCK]})
    (answer,) = session(channel, Registers())
    assert len(answer.readings) == 4
    assert channel.sent == [SIGN_ON, OPTION]


def test_the_identification_decides_where_the_vendor_is_found_by_it(
    vendor: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose_by(name: str, identification: str) -> Vendor:
        return OPEN if identification.startswith("/ISK") else choose("generic", "")

    monkeypatch.setattr(driver_module, "choose", choose_by)
    channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): [reply(b"(1*kWh)")]})
    assert session(channel, asked("1.8.0"))[0].readings[0].raw_text == "1"
    channel = PlayingChannel({SIGN_ON: [b"/XYZ5other\r\n"], OPTION: [BLOCK]})
    (answer,) = session(channel, asked("1.8.0"))
    assert answer.readings[0].raw_text == "0008048.375"
    assert answer.identification == "/XYZ5other"
    assert channel.sent == [SIGN_ON, OPTION]


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("1.8.0", "1.8.0"),
        ("C.1.0", "C.1.0"),
        ("F.F", "F.F"),
        ("1-1:1.8.0", "1-1:1.8.0"),
        ("1.8.0*5", "1.8.0*05"),
        ("1.8.0&12", "1.8.0&12"),
        ("1-1:1.8.0*101", "1-1:1.8.0*101"),
    ],
)
def test_codes_as_meters_want_them(code: str, written: str) -> None:
    assert request_code(Obis.parse(code)) == written


# -- lists -----------------------------------------------------------------------------------------------------------


def test_several_lists_are_read_out_one_after_the_other() -> None:
    channel = PlayingChannel(
        {
            SIGN_ON: [IDENTIFICATION],
            b"/2!\r\n": [IDENTIFICATION],
            OPTION: [block(b"1.8.0(1*kWh)\r\n"), block(b"2.8.0(2*kWh)\r\n")],
        }
    )
    answers = session(channel, Registers(), tables=["", "2"])
    assert [[reading.raw_text for reading in answer.readings] for answer in answers] == [["1"], ["2"]]
    assert channel.sent == [SIGN_ON, OPTION, b"/2!\r\n", OPTION]


@pytest.mark.parametrize(
    ("codes", "texts"),
    [
        (("1.8.0", "2.8.0"), [["1"], ["2"]]),
        (("2.8.0",), [["2"]]),
        (("1.8.0",), [["1"]]),
        (("1.8.0", "9.9.9"), [["1"], [""]]),
        (("9.9.9",), [[""]]),
    ],
)
def test_a_register_is_missing_when_it_is_in_none_of_the_lists(codes: tuple[str, ...], texts: list[list[str]]) -> None:
    channel = PlayingChannel(
        {
            SIGN_ON: [IDENTIFICATION],
            b"/2!\r\n": [IDENTIFICATION],
            OPTION: [block(b"1.8.0(1*kWh)\r\n"), block(b"2.8.0(2*kWh)\r\n")],
        }
    )
    answers = session(channel, asked(*codes), tables=["", "2"])
    assert [[reading.raw_text for reading in answer.readings] for answer in answers] == texts


# -- profiles and logs -----------------------------------------------------------------------------------------------

START = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
"""Midnight in Prague, the beginning of 2026-11-21."""
DAY = Profile(Obis.parse("P.01"), START, START + timedelta(days=1))
TWO_DAYS = Profile(Obis.parse("P.01"), START, START + timedelta(days=2))
FIRST_DAY = "P.01(02611210000;02611220001)"
SECOND_DAY = "P.01(02611220000;02611230001)"


def table(day: str, *values: str) -> bytes:
    head = f"P.01(0{day}001500)(0000)(15)(1)(1.5)(kW)\r\n"
    return head.encode() + b"".join(f"({value})\r\n".encode() for value in values)


def test_a_profile_is_read_window_by_window(vendor: Use) -> None:
    channel = PlayingChannel(
        {
            **ENTER_OPEN,
            command("R5", FIRST_DAY): [reply(table("261121", "0.125", "0.250"))],
            command("R5", SECOND_DAY): [reply(table("261122", "0.375"))],
        }
    )
    first, second = session(channel, TWO_DAYS)
    assert channel.sent == [SIGN_ON, OPTION_P, command("R5", FIRST_DAY), command("R5", SECOND_DAY), BREAK]
    assert [(reading.raw_text, reading.at, reading.kind) for reading in first.readings] == [
        ("0.125", START + timedelta(minutes=15), Kind.INTERVAL),
        ("0.250", START + timedelta(minutes=30), Kind.INTERVAL),
    ]
    assert [reading.raw_text for reading in second.readings] == ["0.375"]
    assert first.sound
    assert first.identification == "/ISK5MT174-0001"


def test_rows_at_the_border_of_two_windows_come_once(vendor: Use) -> None:
    """Meters answer with both ends of the range."""
    row = b"P.01(0261122000000)(0000)(15)(1)(1.5)(kW)\r\n(7)\r\n"
    channel = PlayingChannel(
        {**ENTER_OPEN, command("R5", FIRST_DAY): [reply(row)], command("R5", SECOND_DAY): [reply(row)]}
    )
    assert [len(answer.readings) for answer in session(channel, TWO_DAYS)] == [1, 0]


def test_partial_blocks_become_one_table(vendor: Use) -> None:
    data = table("261121", "0.125", "0.250")
    channel = PlayingChannel(
        {
            **ENTER_OPEN,
            command("R6", FIRST_DAY): [reply(data[:30], last=False)],
            ACK: [reply(data[30:50], last=False), reply(data[50:])],
        }
    )
    (answer,) = session(channel, DAY, profile_command="R6")
    assert [reading.raw_text for reading in answer.readings] == ["0.125", "0.250"]


def test_the_second_command_is_tried_and_stayed_with(vendor: Use) -> None:
    channel = PlayingChannel(
        {
            **ENTER_OPEN,
            command("R5", FIRST_DAY): [ERROR],
            command("R6", FIRST_DAY): [reply(table("261121", "1"))],
            command("R6", SECOND_DAY): [reply(table("261122", "2"))],
        }
    )
    assert [answer.readings[0].raw_text for answer in session(channel, TWO_DAYS)] == ["1", "2"]
    assert channel.sent[2:-1] == [command("R5", FIRST_DAY), command("R6", FIRST_DAY), command("R6", SECOND_DAY)]


def test_nak_is_a_reason_to_try_the_second_command_as_well(vendor: Use) -> None:
    channel = PlayingChannel(
        {**ENTER_OPEN, command("R5", FIRST_DAY): [NAK], command("R6", FIRST_DAY): [reply(table("261121", "1"))]}
    )
    assert session(channel, DAY)[0].readings[0].raw_text == "1"


def test_a_window_without_data_does_not_hide_that_the_other_command_is_the_right_one(vendor: Use) -> None:
    """The meter is younger than the first window, and knows only R6."""
    channel = PlayingChannel(
        {
            **ENTER_OPEN,
            command("R5", FIRST_DAY): [ERROR],
            command("R6", FIRST_DAY): [ERROR],
            command("R5", SECOND_DAY): [ERROR],
            command("R6", SECOND_DAY): [reply(table("261122", "2"))],
        }
    )
    first, second = session(channel, TWO_DAYS)
    assert (first.readings, first.outcome) == ((), Outcome.DONE)
    assert "ERROR" in first.detail
    assert second.readings[0].raw_text == "2"


def test_a_window_without_data_behind_one_with_data_is_empty(vendor: Use) -> None:
    channel = PlayingChannel(
        {**ENTER_OPEN, command("R5", FIRST_DAY): [reply(table("261121", "1"))], command("R5", SECOND_DAY): [ERROR]}
    )
    first, second = session(channel, TWO_DAYS)
    assert len(first.readings) == 1
    assert (second.readings, second.outcome, second.detail) == ((), Outcome.DONE, "the meter answers ERROR")


def test_a_profile_that_the_meter_never_answers_is_a_difference(vendor: Use) -> None:
    channel = PlayingChannel(
        {**ENTER_OPEN, **{command(name, FIRST_DAY): [reply(b"P.01(ERROR)")] for name in ("R5", "R6")}}
    )
    with pytest.raises(MeterDiffers, match=r"em-1001.*ERROR to R5 and R6 of P\.01"):
        session(channel, DAY)
    assert channel.log[-2:] == LEFT


@pytest.mark.parametrize("code", ["P.98", "P.99"])
def test_a_log_without_entries_is_a_sound_answer(vendor: Use, code: str) -> None:
    data = FIRST_DAY.replace("P.01", code)
    channel = PlayingChannel({**ENTER_OPEN, **{command(name, data): [reply(b"P.98(ERROR)")] for name in ("R5", "R6")}})
    (answer,) = session(channel, Profile(Obis.parse(code), DAY.start, DAY.end))
    assert (answer.readings, answer.outcome, answer.detail) == ((), Outcome.DONE, "no entries")


def test_a_log_that_is_not_understood_is_a_difference(vendor: Use) -> None:
    data = FIRST_DAY.replace("P.01", "P.98")
    channel = PlayingChannel({**ENTER_OPEN, **{command(name, data): [NAK] for name in ("R5", "R6")}})
    with pytest.raises(MeterDiffers, match="NAK"):
        session(channel, Profile(Obis.parse("P.98"), DAY.start, DAY.end))


def test_an_unsound_table_is_distorted_and_complaints_are_not(vendor: Use) -> None:
    sent = reply(table("261121", "0.125"))
    channel = PlayingChannel({**ENTER_OPEN, command("R5", FIRST_DAY): [spoilt(sent)], NAK: [spoilt(sent)]})
    (answer,) = session(channel, DAY)
    assert answer.outcome is Outcome.CHECK_FAILED
    assert answer.readings[0].flags & Flag.BCC_FAILED
    odd = table("261121", "0.125") + b"what is this\r\n"
    channel = PlayingChannel({**ENTER_OPEN, command("R5", FIRST_DAY): [reply(odd)]})
    (answer,) = session(channel, DAY)
    assert answer.outcome is Outcome.DONE
    assert answer.detail
    assert answer.readings[0].status is RawStatus.TRUE


def test_the_table_of_the_vendor_is_found_by_its_code() -> None:
    tables = [{"code": "P.02", "time": "start"}, {"code": "P.200", "kind": "log"}]
    vendor = Vendor.model_validate({"name": "x", "sources": ["y"], "tables": tables})
    assert table_of(Obis.parse("1-0:99.2.0"), vendor) == vendor.tables[0]
    assert table_of(Obis.parse("P.200"), vendor) == vendor.tables[1]
    assert table_of(Obis.parse("P.01"), vendor) == Table(code="P.01")
    assert table_of(Obis.parse("P.03"), vendor) == Table(code="P.03")
    for code in ("P.98", "P.99"):
        assert table_of(Obis.parse(code), vendor) == Table(code=code, kind="log")
    assert table_of(Obis.parse("1-0:98.1.0"), vendor).kind == "profile"


def test_a_meter_that_only_pushes_has_no_profiles() -> None:
    channel = PlayingChannel({})
    with pytest.raises(MeterDiffers, match="mode: D"):
        session(channel, DAY, mode="D")
    assert channel.log == []


# -- the serial number -----------------------------------------------------------------------------------------------


def serial_vendor(**more: Any) -> Vendor:
    return Vendor.model_validate({**OPEN.model_dump(exclude_unset=True), "serial_code": "0.0.0", **more})


def test_the_serial_number_is_read_first_and_goes_into_every_answer(vendor: Use) -> None:
    vendor(serial_vendor())
    channel = PlayingChannel(
        {
            **ENTER_OPEN,
            r5("0.0.0"): [reply(b"0.0.0(35031234)")],
            r5("1.8.0"): [reply(b"(1*kWh)")],
            r5("2.8.0"): [ERROR],
            command("R5", FIRST_DAY): [reply(table("261121", "1"))],
        }
    )
    answers = session(channel, asked("1.8.0", "2.8.0"), serial="35031234")
    assert [answer.serials for answer in answers] == [("35031234",)] * 2
    assert channel.sent[2] == r5("0.0.0")
    assert [answer.serials for answer in session(channel, DAY, serial="999")] == [("35031234",)]
    channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): [reply(b"(1*kWh)")]})
    assert session(channel, asked("1.8.0"))[0].serials == ()  # none is configured, none is asked for


def test_a_serial_number_that_cannot_be_read_is_said_and_nothing_more(vendor: Use) -> None:
    vendor(serial_vendor())
    channel = PlayingChannel(
        {**ENTER_OPEN, r5("0.0.0"): [ERROR], command("R5", FIRST_DAY): [reply(table("261121", "1"))]}
    )
    (answer,) = session(channel, DAY, serial="35031234")
    assert answer.sound
    assert "0.0.0" in answer.detail
    assert answer.serials == ()


def test_a_serial_number_in_an_unsound_answer_is_not_believed(vendor: Use) -> None:
    vendor(serial_vendor())
    bad = spoilt(reply(b"0.0.0(35031235)"))
    channel = PlayingChannel({**ENTER_OPEN, r5("0.0.0"): [bad], NAK: [bad], r5("1.8.0"): [reply(b"(1*kWh)")]})
    assert session(channel, asked("1.8.0"), serial="35031234")[0].serials == ()


def test_the_operand_names_the_meter_when_it_is_the_configured_number(vendor: Use) -> None:
    channel = PlayingChannel(
        {**ENTER_OPEN, OPTION_P: [command("P0", "(0035031234)")], r5("1.8.0"): [reply(b"(1*kWh)")]}
    )
    assert session(channel, asked("1.8.0"), serial="35031234")[0].serials == ("0035031234",)
    assert session(channel, asked("1.8.0"), serial="77")[0].serials == ()  # an operand may be a seed


# -- the password ----------------------------------------------------------------------------------------------------


def test_the_password_is_read_padded_and_sent_as_a_secret(vendor: Use, tmp_path: Path) -> None:
    vendor(Vendor.model_validate({"name": "x", "sources": ["y"], "password": {"length": 8}, "window_days": 1}))
    message = command("P1", "(00001234)")
    channel = PlayingChannel(
        {**ENTER_OPEN, message: [ACK], command("R5", FIRST_DAY): [reply(table("261121", "1"))]}, echo=True
    )
    (answer,) = session(channel, DAY, password_file=password_file(tmp_path, "1234\nnot this\n"))
    assert answer.readings[0].raw_text == "1"
    assert channel.secrets == [message]


def test_the_form_of_the_password_is_the_vendors(vendor: Use, tmp_path: Path) -> None:
    vendor(
        Vendor.model_validate({"name": "x", "sources": ["y"], "password": {"command": "P2", "length": 6, "fill": ""}})
    )
    channel = PlayingChannel({**ENTER_OPEN, command("P2", "(1234)"): [BREAK]})
    with pytest.raises(MeterRefused, match=r"em-1001 on line optical refused the password"):
        session(channel, DAY, password_file=password_file(tmp_path, "1234"))
    assert channel.log[-2:] == LEFT


def test_a_meter_that_needs_a_password_is_not_called_without_one(vendor: Use) -> None:
    vendor(CLOSED)
    channel = PlayingChannel(dict(ENTER))
    with pytest.raises(MeterDiffers, match=r"em-1001 on line optical needs a password.*password_file"):
        session(channel, DAY, vendor="generic")
    assert channel.log == []
    with pytest.raises(MeterDiffers, match="password_file"):
        session(channel, DAY)  # auto: known only behind the identification
    assert channel.sent == [SIGN_ON, BREAK]


def test_a_sign_on_with_a_password_behind_the_address(tmp_path: Path) -> None:
    """It is a secret, for every kind of session, and a silent meter hears it once."""
    secret = b"/?77Tajne5!\r\n"
    file = password_file(tmp_path, "Tajne5\nnot this")
    for request, option, answer in (
        (Registers(), OPTION, BLOCK),
        (asked("1.8.0"), OPTION, BLOCK),
        (DAY, OPTION_P, BREAK),
    ):
        channel = PlayingChannel({secret: [IDENTIFICATION], option: [answer]}, echo=True)
        with suppress(MeterDiffers):
            session(channel, request, address="77", sign_on_password_file=file, login="none")
        assert channel.sent[:2] == [secret, option]
        assert channel.secrets == [secret]
    channel = PlayingChannel({})
    with pytest.raises(MeterSilent) as fault:
        session(channel, Registers(), address="77", sign_on_password_file=file, attempts=3)
    assert channel.sent == [secret]
    assert "Tajne5" not in f"{fault.value} {build(sign_on_password_file=file).__dict__!r}"


@pytest.mark.parametrize("text", ["", "\n", "a!b", "/?", "1" * 31, "č"])
def test_what_a_sign_on_cannot_carry_is_an_error_before_the_line_is_used(tmp_path: Path, text: str) -> None:
    channel = PlayingChannel({})
    with pytest.raises(SecretUnavailable, match=r"em-1001.*sign-on"):
        session(channel, Registers(), address="77", sign_on_password_file=password_file(tmp_path, text))
    assert channel.log == []


def test_the_credentials_change_with_either_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1234")
    other.write_text("5678")
    driver = build(password_file=one, sign_on_password_file=other)
    before = driver.credentials
    other.write_text("56789")
    assert driver.credentials != before
    assert str(one) in before
    assert str(other) in before


def test_who_says_that_no_password_is_wanted_goes_straight_to_the_commands(vendor: Use, tmp_path: Path) -> None:
    vendor(CLOSED)
    chosen: list[dict[str, Any]] = [{}, {"password_file": password_file(tmp_path, "1234")}]
    for options in chosen:
        channel = PlayingChannel({**ENTER_OPEN, r5("1.8.0"): [reply(b"(1*kWh)")]})
        (answer,) = session(channel, asked("1.8.0"), login="none", access="R5", **options)
        assert [reading.raw_text for reading in answer.readings] == ["1"]
        assert not any(b"P1" in data for data in channel.sent)


def test_who_says_that_a_password_is_wanted_needs_one(vendor: Use) -> None:
    vendor(OPEN)
    channel = PlayingChannel(ENTER_OPEN)
    with pytest.raises(MeterDiffers, match="login: none"):
        session(channel, asked("1.8.0"), login="password")


def test_the_list_of_some_makers_behind_one(vendor: Use) -> None:
    channel = PlayingChannel({b"/1!\r\n": [IDENTIFICATION], OPTION: [block(b"2.8.0(2*kWh)\r\n")]})
    (answer,) = session(channel, Registers(), tables=["1"])
    assert [reading.raw_text for reading in answer.readings] == ["2"]


@pytest.mark.parametrize("text", [None, "", "\n1234\n", "\x00", "a(b)", "x" * 33, "pässword", "1\x7f"])
def test_a_password_file_that_holds_none_is_an_error_before_the_line_is_used(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "meter.pw" if text is None else password_file(tmp_path, text)
    channel = PlayingChannel(dict(ENTER))
    for vendor in ("auto", "generic"):
        with pytest.raises(SecretUnavailable, match=rf"em-1001 on line optical .*{path}") as caught:
            session(channel, DAY, password_file=path, vendor=vendor)
        assert not text or text.strip() not in str(caught.value)
    assert channel.log == []


def test_the_password_is_in_no_error(tmp_path: Path) -> None:
    message = command("P1", "(Geheim77)")
    path = password_file(tmp_path, "Geheim77")
    assert "Geheim77" not in repr(build(password_file=path).__dict__)
    for said in (b"", b"x", BREAK, ERROR, message[:-3]):
        channel = PlayingChannel({**ENTER_OPEN, message: [said]})
        with pytest.raises(GatewayError) as caught:
            session(channel, DAY, password_file=path)
        assert "Geheim77" not in f"{caught.value!r} {caught.value.__cause__!r}"
        assert b"Geheim77" not in getattr(caught.value, "raw", b"")


def test_credentials_change_with_the_file_and_are_no_secret(tmp_path: Path) -> None:
    assert build().credentials == ""
    path = password_file(tmp_path)
    driver = build(password_file=path)
    os.utime(path, ns=(1, 1_000_000_007))
    before = driver.credentials
    assert before == driver.credentials == f"{path}:1000000007:9"
    os.utime(path, ns=(1, 1_000_000_008))
    assert driver.credentials != before
    path.write_text("123456789012\n")
    os.utime(path, ns=(1, 1_000_000_007))
    assert driver.credentials != before
    path.unlink()
    assert driver.credentials == driver.credentials
    assert str(path) in driver.credentials


# -- faults ----------------------------------------------------------------------------------------------------------


def test_what_came_before_a_fault_has_been_answered(vendor: Use) -> None:
    channel = PlayingChannel({**ENTER_OPEN, command("R5", FIRST_DAY): [reply(table("261121", "1"))]})

    async def run() -> list[str]:
        texts = []
        with pytest.raises(MeterSilent, match="em-1001 on line optical fell silent"):
            async for answer in build().execute(channel, TWO_DAYS):
                texts += [reading.raw_text for reading in answer.readings]
        return texts

    assert asyncio.run(run()) == ["1"]
    assert channel.log[-2:] == LEFT


def test_a_password_that_is_answered_by_nothing_is_sent_once(vendor: Use, tmp_path: Path) -> None:
    channel = PlayingChannel(dict(ENTER_OPEN))
    with pytest.raises(PasswordUnclear, match="may have counted it"):
        session(channel, DAY, password_file=password_file(tmp_path))
    assert channel.sent == [SIGN_ON, OPTION_P, P1, BREAK]


def test_two_meters_on_a_bus_of_which_one_is_dead(vendor: Use) -> None:
    """One line, one channel after the other session; the dead one costs its attempts and disturbs nothing."""
    channel = PlayingChannel(
        {b"/?2!\r\n": [IDENTIFICATION], OPTION_P: [P0], r5("1.8.0"): [reply(b"(1*kWh)")], OPTION: [BLOCK]}
    )
    for _ in range(2):
        with pytest.raises(MeterSilent, match="does not answer"):
            session(channel, asked("1.8.0"), address="1")
        assert session(channel, asked("1.8.0"), address="2")[0].readings[0].raw_text == "1"
        assert len(session(channel, Registers(), address="2")[0].readings) == 4
    assert channel.sent.count(b"/?1!\r\n") == 6
    assert channel.sent.count(BREAK) == 2


# -- settings --------------------------------------------------------------------------------------------------------


def settings(line_baud: int | None = None, **options: Any) -> Any:
    return settings_of(Iec62056_21Options.model_validate(options), line_baud)


def test_rates_come_from_the_options_then_the_line_then_the_vendor(vendor: Use) -> None:
    vendor(Vendor.model_validate({"name": "x", "sources": ["y"], "start_baud": 2400, "max_baud": 4800}))
    assert settings(vendor="generic").start_baud == 2400
    assert settings(9600, vendor="generic").start_baud == 9600
    assert settings(9600, vendor="generic", start_baud=300).start_baud == 300
    assert settings(vendor="generic").max_baud == 4800
    assert settings(vendor="generic").max_baud_of is None
    assert settings(vendor="generic", max_baud=9600).max_baud == 9600
    assert settings(max_baud=9600).max_baud_of is None
    assert settings().max_baud_of("/XYZ5x") == 4800
    assert settings(baud_after_sign_on=1200).baud_after_sign_on == 1200


def test_the_wake_up_comes_from_the_vendor_unless_it_is_configured(vendor: Use) -> None:
    assert settings(wake_up="auto").wake_up == 0
    assert (settings(wake_up="yes").wake_up, settings(wake_up="yes").wake_up_pause) == (2.2, 1.6)
    vendor(Vendor.model_validate({"name": "x", "sources": ["y"], "wake_up": {"seconds": "3.5", "pause_s": "0.5"}}))
    for choice in ("auto", "yes"):
        assert (settings(wake_up=choice).wake_up, settings(wake_up=choice).wake_up_pause) == (3.5, 0.5)
    assert settings(wake_up="no").wake_up == 0


def test_the_clock_of_the_options_holds_for_the_times_of_maxima_as_well() -> None:
    readout = block(b"1.6.0(02.468*kW)(2607011200)\r\n")
    for clock, hour in (("legal", 10), ("standard", 11), ("utc", 12)):
        channel = PlayingChannel({SIGN_ON: [IDENTIFICATION], OPTION: [readout]})
        (answer,) = session(channel, Registers(), clock=clock)
        assert answer.readings[0].at == datetime(2026, 7, 1, hour, 0, tzinfo=UTC)


def test_a_meter_that_ignores_the_season_digit_is_asked_for_the_whole_repeated_hour(vendor: Use) -> None:
    vendor(OPEN.model_copy(update={"season_digit": False}))
    request = Profile(
        Obis.parse("P.01"), datetime(2026, 10, 25, 0, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    )
    channel = PlayingChannel(dict(ENTER_OPEN))
    with suppress(GatewayError):
        session(channel, request)
    assert command("R5", "P.01(12610250159;02610250301)") in channel.sent


def test_the_clock_of_the_options_goes_before_that_of_the_vendor(vendor: Use) -> None:
    channel = PlayingChannel(
        {**ENTER_OPEN, command("R5", "P.01(22611202300;22611212301)"): [reply(table("261121", "1"))]}
    )
    assert len(session(channel, DAY, clock="utc")) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"access": "R3"},
        {"tables": []},
        {"tables": ["5"]},
        {"profile_command": "W1"},
        {"clock": "winter"},
        {"wake_up": "maybe"},
        {"baud_after_sign_on": 1234},
        {"writes": ["R5 1.8.0"]},
        {"writes": ["W5"]},
        {"writes": ["W5 0.9.1(1)"]},
        {"writes": ["W5 0.9.1\x03"]},
    ],
)
def test_options_that_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Iec62056_21Options.model_validate(options)


def test_allowed_writes_are_pairs() -> None:
    options = Iec62056_21Options(writes=("W5 0.9.1", "E2 1"))
    assert options.allowed_writes == {("W5", "0.9.1"), ("E2", "1")}
    assert Iec62056_21Options().allowed_writes == frozenset()
