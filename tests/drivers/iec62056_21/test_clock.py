"""The meter's clock out of readouts and by commands: which texts are a time, against which moment it is compared, and
when nothing is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21 import driver as driver_module
from drivers.iec62056_21.clock import LIMIT, Heard, Moment, clock_reading, described, seconds_text
from drivers.iec62056_21.conversation import Span
from drivers.iec62056_21.readings import readings
from drivers.iec62056_21.vendors import Vendor, choose
from drivers.iec62056_21.wire.telegram import Check, Telegram
from gatewayd.channel import Channel
from gatewayd.driver import Driver
from gatewayd.errors import MeterDiffers
from gatewayd.model import Answer, Clock, Flag, Kind, Profile, RawStatus, Reading, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.channels import NOW, PlayingChannel, answers_of, build, session
from tests.drivers.iec62056_21.conversation import IDENTIFICATION, OPTION, SIGN_ON, block
from tests.drivers.iec62056_21.interview import BREAK, ERROR, OPTION_P, P0, command, reply, spoilt

PRAGUE = ZoneInfo("Europe/Prague")
GENERIC = choose("generic", "")
INSTANT = Span(0.0, 0.0, 0.0)
"""An answer that took no time at all."""
CLOCK = Obis.parse("0-0:1.0.0")


def vendor(**changes: Any) -> Vendor:
    return Vendor.model_validate({"name": "some", "sources": ["a test"], **changes})


def shown(body: bytes, at: datetime, profile: Vendor = GENERIC, span: Span = INSTANT) -> Reading | None:
    """What is made of the clock in a data block that was there at an instant."""
    found = readings(Telegram(None, body, Check.RIGHT), (), meter="m1", at=at, zone=PRAGUE, vendor=profile)
    heard = Heard(at, span, body)
    return clock_reading([(one, heard) for one in found], profile, PRAGUE)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# -- what is a time --------------------------------------------------------------------------------------------------

NOON = utc("2026-11-21T11:00:00")


@pytest.mark.parametrize(
    ("body", "off"),
    [
        (b"0.9.1(12:00:03)\r\n0.9.2(26-11-21)", "3.0"),  # Landis+Gyr E650, Elster
        (b"0.9.2(26-11-21)\r\n0.9.1(11:59:58)", "-2.0"),  # in whichever order
        (b"0.9.1(120001)\r\n0.9.2(261121)", "1.0"),
        (b"0.9.1(0120000)\r\n0.9.2(0261121)", "0.0"),  # EMH LZQJ, Iskraemeco MT17x: season digit before both
        (b"1-0:0.9.1(12:00:00)\r\n1-0:0.9.2(2026-11-21)", "0.0"),
        (b"0.9.1(2110000)\r\n0.9.2(2261121)", "0.0"),  # 2: UTC
        (b"0-0:1.0.0(261121120007W)", "7.0"),  # P1
        (b"0-0:1.0.0(2026-11-21 12:00:00)", "0.0"),  # Apator NORAX
    ],
)
def test_forms_of_the_clock(body: bytes, off: str) -> None:
    clock = shown(body, NOON)
    assert clock is not None
    assert (clock.obis, clock.kind, clock.at, clock.more) == (CLOCK, Kind.REGISTER, NOON, (off,))
    assert (clock.status, clock.flags) == (RawStatus.TRUE, Flag(0))
    assert clock.meter_time == clock.raw_text != ""
    assert clock.raw in body.replace(b"\r\n", b"") or clock.raw[:5] in body


def test_what_the_meter_wrote_is_kept() -> None:
    clock = shown(b"F.F(00)\r\n0.9.1(1155843)\r\n0.9.2(1260716)\r\n", utc("2026-07-16T13:58:43"))
    assert clock is not None
    assert (clock.obis_raw, clock.raw_text, clock.raw, clock.more) == (
        "0.9.1 0.9.2",
        "1260716 1155843",
        b"0.9.1(1155843)0.9.2(1260716)",
        ("0.0",),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"1.8.0(1)",
        b"0.9.1(12:00:00)",
        b"0.9.2(26-11-21)",
        b"0.9.1(25:00:00)\r\n0.9.2(26-11-21)",
        b"0.9.1(12:00:00)\r\n0.9.2(00-00-00)",
        b"0.9.1(12:00)\r\n0.9.2(26-11-21)",
        b"0.9.1()\r\n0.9.2(26-11-21)",
        b"0.9.1(12:00:00)\r\n0.9.2(21.11.26)",  # which of the three is the year nobody has said
        b"0.9.1*05(12:00:00)\r\n0.9.2*05(26-11-21)",  # of a month that is over
        b"0-0:1.0.0(no time)",
    ],
)
def test_what_is_no_clock(body: bytes) -> None:
    assert shown(body, NOON) is None


def test_a_clock_without_seconds_has_no_deviation() -> None:
    clock = shown(b"0-0:1.0.0(2611211200)", NOON)
    assert clock is not None
    assert (clock.more, clock.meter_time) == ((), "2611211200")
    assert described(clock) == "the clock shows 2611211200; how far it is off cannot be said"


@pytest.mark.parametrize(("kind", "time"), [("legal", b"14:00:00"), ("standard", b"13:00:00"), ("utc", b"12:00:00")])
def test_what_the_clock_of_the_meter_shows_is_configured(kind: str, time: bytes) -> None:
    body = b"0.9.1(" + time + b")\r\n0.9.2(26-07-21)"
    clock = shown(body, utc("2026-07-21T12:00:00"), vendor(clock=kind))
    assert clock is not None
    assert clock.more == ("0.0",)


def test_a_vendor_may_have_other_codes() -> None:
    clock = shown(b"C.3.1(12:00:00)\r\nC.3.2(26-11-21)", NOON, vendor(clock_codes=["C.3.1", "C.3.2"]))
    assert clock is not None
    assert clock.obis_raw == "C.3.1 C.3.2"


@pytest.mark.parametrize(("at", "first"), [("2026-10-25T00:30:00", True), ("2026-10-25T01:30:00", False)])
def test_in_the_repeated_hour_the_nearer_one_is_meant(at: str, first: bool) -> None:
    clock = shown(b"0.9.1(02:30:00)\r\n0.9.2(26-10-25)", utc(at))
    assert clock is not None
    assert (clock.more, clock.status, clock.flags) == (("0.0",), RawStatus.TRUE, Flag.TIME_AMBIGUOUS)
    digit = b"1" if first else b"0"
    certain = shown(b"0.9.1(" + digit + b"023000)\r\n0.9.2(" + digit + b"261025)", utc(at))
    assert certain is not None
    assert (certain.more, certain.flags) == (("0.0",), Flag(0))


def test_a_season_that_contradicts_legal_time_is_flagged() -> None:
    clock = shown(b"0.9.1(1120000)\r\n0.9.2(1261121)", NOON)
    assert clock is not None
    assert (clock.status, clock.flags) == (RawStatus.DISTORTED, Flag.TIME_AMBIGUOUS)
    ignored = shown(b"0.9.1(1120000)\r\n0.9.2(1261121)", NOON, vendor(season_digit=False))
    assert ignored is not None
    assert ignored.status is RawStatus.TRUE


@pytest.mark.parametrize(
    ("time", "date", "at", "more"),
    [
        (b"00:00:01", b"26-11-21", "2026-11-20T23:00:01", ()),
        (b"23:59:58", b"26-11-21", "2026-11-21T22:59:58", ()),
        (b"00:00:09", b"26-11-21", "2026-11-20T23:00:09", ("0.0",)),
    ],
)
def test_around_midnight_time_and_date_may_be_of_two_days(
    time: bytes, date: bytes, at: str, more: tuple[str, ...]
) -> None:
    clock = shown(b"0.9.1(" + time + b")\r\n0.9.2(" + date + b")", utc(at))
    assert clock is not None
    assert clock.more == more
    whole = shown(b"0-0:1.0.0(" + b"20" + date + b" " + time + b")", utc(at))  # in one piece it is of one day
    assert whole is not None
    assert whole.more == ("0.0",)


@given(st.integers(-(10**13), 10**13))
def test_seconds_have_one_digit_and_no_negative_nothing(microseconds: int) -> None:
    text = seconds_text(timedelta(microseconds=microseconds))
    value = Decimal(text)
    assert value.as_tuple().exponent == -1
    assert not text.startswith("-0.0")
    assert abs(value * 1_000_000 - microseconds) <= 50_000


# -- against which moment --------------------------------------------------------------------------------------------


def test_the_moment_lies_between_our_question_and_the_line_with_the_time() -> None:
    """300 Bd: the question left at 100 s, data began at 101 s, and were all there at 131 s; the time stood in the first
    tenth of them."""
    data = b"0.9.1(12:00:00)".ljust(150, b"x")
    moment = Heard(NOON, Span(100.0, 101.0, 131.0), data).moment_of(b"0.9.1(12:00:00)")
    assert moment == Moment(NOON - timedelta(seconds=31), NOON - timedelta(seconds=27))
    assert (moment.middle, moment.uncertainty) == (NOON - timedelta(seconds=29), timedelta(seconds=2))


def test_the_deviation_is_against_the_middle_of_it() -> None:
    body = b"0.9.1(12:00:00)\r\n0.9.2(26-11-21)\r\n".ljust(165, b" ")
    clock = shown(body, NOON + timedelta(seconds=29), GENERIC, Span(100.0, 101.0, 131.0))
    assert clock is not None
    assert Decimal(clock.more[0]) == pytest.approx(Decimal("0.1"), abs=Decimal("0.4"))


@pytest.mark.parametrize(("seconds", "known"), [(17.9, True), (18.2, False)])
def test_a_deviation_that_is_not_known_well_enough_is_none(seconds: float, known: bool) -> None:
    assert timedelta(seconds=9) == LIMIT
    clock = shown(b"0-0:1.0.0(261121120000W)", NOON, GENERIC, Span(0.0, seconds, seconds))
    assert clock is not None
    assert bool(clock.more) is known


def test_of_a_telegram_that_is_pushed_the_first_character_counts() -> None:
    moment = Heard(NOON, Span(None, 5.0, 7.0), b"ab").moment_of(b"b")
    assert moment == Moment(NOON - timedelta(seconds=2), NOON)


@given(st.floats(0, 1e6), st.floats(0, 300), st.floats(0, 300), st.binary(min_size=1, max_size=50), st.integers(0, 49))
def test_a_moment_is_never_longer_than_the_answer(
    asked: float, silence: float, length: float, data: bytes, place: int
) -> None:
    span = Span(asked, asked + silence, asked + silence + length)
    moment = Heard(NOON, span, data).moment_of(data[place % len(data) :][:1])
    assert NOON - timedelta(seconds=silence + length + 1e-3) <= moment.earliest <= moment.latest <= NOON


# -- sessions --------------------------------------------------------------------------------------------------------

READOUT = b"F.F(00)\r\n0.9.1(13:00:02)\r\n0.9.2(26-11-21)\r\n1.8.0(0008048.375*kWh)\r\n"
"""NOW is 13:00:00 in Prague."""


def readout(body: bytes) -> PlayingChannel:
    return PlayingChannel({SIGN_ON: [IDENTIFICATION], OPTION: [block(body)]})


def codes(answer: Answer) -> list[str]:
    return [reading.obis_raw for reading in answer.readings]


def test_every_readout_shows_the_clock_that_the_meter_shows() -> None:
    (answer,) = session(readout(READOUT), Registers())
    assert codes(answer) == ["F.F", "0.9.1", "0.9.2", "1.8.0", "0.9.1 0.9.2"]
    assert answer.readings[-1].more == ("2.0",)
    (answer,) = session(readout(READOUT), Registers((Obis.parse("1.8.0"),)))
    assert codes(answer) == ["1.8.0", "0.9.1 0.9.2"]
    (answer,) = session(readout(b"1.8.0(1)\r\n"), Registers())
    assert codes(answer) == ["1.8.0"]


def test_a_clock_in_one_piece_stays_where_it_stood() -> None:
    (answer,) = session(readout(b"0-0:1.0.0(2026-11-21 13:00:02)\r\n1.8.0(1)\r\n"), Registers())
    assert codes(answer) == ["0-0:1.0.0", "1.8.0"]
    clock = answer.readings[0]
    assert (clock.raw, clock.raw_text, clock.more) == (
        b"0-0:1.0.0(2026-11-21 13:00:02)",
        "2026-11-21 13:00:02",
        ("2.0",),
    )


def test_an_unsound_block_shows_no_clock() -> None:
    channel = PlayingChannel({SIGN_ON: [IDENTIFICATION], OPTION: [spoilt(block(READOUT))]})
    (answer,) = session(channel, Registers())
    assert codes(answer) == ["F.F", "0.9.1", "0.9.2", "1.8.0"]
    assert not answer.sound


def test_asked_for_the_clock_it_is_all_that_comes() -> None:
    (answer,) = session(readout(READOUT), Clock())
    assert codes(answer) == ["0.9.1 0.9.2"]
    assert (answer.sound, answer.detail) == (True, "the clock is 2.0 s ahead")


def test_a_meter_that_shows_no_clock_lacks_two_registers() -> None:
    (answer,) = session(readout(b"1.8.0(1)\r\n"), Clock())
    assert [(one.code, one.status) for one in answer.readings] == [
        ("1-0:0.9.1*255", RawStatus.MISSING),
        ("1-0:0.9.2*255", RawStatus.MISSING),
    ]


def test_no_clock_is_put_right() -> None:
    channel = readout(READOUT)
    with pytest.raises(MeterDiffers, match="puts no clock right; nothing was sent"):
        session(channel, Clock(set=True))
    assert channel.log == []


ASKS = vendor(password={"needed": False}, access="R5", clock_command=True)
DAY = Profile(Obis.parse("P.01"), utc("2026-11-20T23:00:00"), utc("2026-11-20T23:30:00"))
P01 = command("R5", "P.01(02611210000;02611210031)")
ROWS = reply(b"P.01(0261121001500)(00)(15)(1)(1.5.0)(kW)(0.123)(0.456)")
ENTER: dict[bytes, Sequence[bytes]] = {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0]}
TIME, DATE = command("R5", "0.9.1()"), command("R5", "0.9.2()")


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "choose", lambda name, identification: ASKS)


def playing(**changes: Sequence[bytes]) -> PlayingChannel:
    table = {
        "time": [reply(b"0.9.1(130003)")],
        "date": [reply(b"0.9.2(261121)")],
        **changes,
    }
    return PlayingChannel({**ENTER, TIME: table["time"], DATE: table["date"], P01: [ROWS]})


def between(channel: PlayingChannel) -> list[bytes]:
    """What was sent behind the sign-on, without the break."""
    return [data for data in channel.sent if data not in (SIGN_ON, OPTION_P, BREAK)]


def test_before_a_profile_the_clock_is_an_exchange_of_its_own(asks: None) -> None:
    channel = playing()
    clock, rows = session(channel, DAY)
    assert between(channel) == [TIME, DATE, P01]
    assert [(one.obis, one.obis_raw, one.more) for one in clock.readings] == [(CLOCK, "0.9.1 0.9.2", ("3.0",))]
    assert clock.detail == "the clock is 3.0 s ahead"
    assert [one.kind for one in rows.readings] == [Kind.INTERVAL, Kind.INTERVAL]


def test_a_bracket_without_a_code_is_what_was_asked_for(asks: None) -> None:
    clock, _ = session(playing(time=[reply(b"(130003)")], date=[reply(b"(261121)")]), DAY)
    assert clock.readings[0].more == ("3.0",)


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"time": [ERROR]}, [TIME, P01]),  # then the date is not asked for
        ({"date": [ERROR]}, [TIME, DATE, P01]),
        ({"time": [reply(b"0.9.1(noon)")]}, [TIME, DATE, P01]),
    ],
)
def test_a_meter_that_does_not_tell_gives_its_profile_all_the_same(
    asks: None, changes: dict[str, Sequence[bytes]], sent: list[bytes]
) -> None:
    channel = playing(**changes)
    (rows,) = session(channel, DAY)
    assert between(channel) == sent
    assert len(rows.readings) == 2


def session_of(driver: Driver, channel: Channel, request: Request) -> list[Answer]:
    return asyncio.run(answers_of(driver, channel, request))


@pytest.mark.parametrize("told", [True, False])
def test_the_clock_is_asked_for_once_in_a_session(asks: None, told: bool) -> None:
    """A session is what goes over one channel, however many pieces of a profile that is."""
    driver = build()
    first, second = (playing() if told else playing(time=[ERROR]) for _ in range(2))
    once = [TIME, DATE] if told else [TIME]
    for channel in (first, first, second):
        session_of(driver, channel, DAY)
    assert between(first) == [*once, P01, P01]
    assert between(second) == [*once, P01]


def test_a_vendor_of_whom_that_is_not_known_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = ASKS.model_copy(update={"clock_command": False})
    monkeypatch.setattr(driver_module, "choose", lambda name, identification: quiet)
    channel = playing()
    assert len(session(channel, DAY)) == 1
    assert between(channel) == [P01]


@pytest.mark.parametrize("told", [True, False])
def test_the_clock_of_a_meter_whose_registers_are_read_by_commands(asks: None, told: bool) -> None:
    channel = playing() if told else playing(date=[ERROR])
    (answer,) = session(channel, Clock())
    assert between(channel) == [TIME, DATE]
    expected = [("0-0:1.0.0*255", RawStatus.TRUE)]
    if not told:
        expected = [("1-0:0.9.1*255", RawStatus.MISSING), ("1-0:0.9.2*255", RawStatus.MISSING)]
    assert [(one.code, one.status) for one in answer.readings] == expected


def test_a_telegram_that_is_pushed_shows_its_clock() -> None:
    class Pushes(PlayingChannel):
        def __init__(self) -> None:
            super().__init__({})
            self._coming = [b"/ESY5Q3DA1004 V3.03\r\n\r\n0-0:1.0.0(261121130004W)\r\n1-0:1.8.0(1)\r\n!\r\n"]

    async def run() -> list[Answer]:
        async with aclosing(build(mode="D").execute(Pushes(), Registers())) as answers:
            return [answer async for answer in answers]

    (answer,) = asyncio.run(run())
    assert codes(answer) == ["0-0:1.0.0", "1-0:1.8.0"]
    assert answer.readings[0].more == ("4.0",)


class SlowLine(PlayingChannel):
    """Time passes on it: so many seconds before each chunk of an answer is there."""

    def __init__(self, table: dict[bytes, Sequence[bytes]], chunk: int, seconds: float) -> None:
        super().__init__({})
        self._answers = {message: list(said) for message, said in table.items()}
        self._chunk = chunk
        self._seconds = seconds
        self.passed = 0.0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        await super().send(data, deadline=deadline, secret=secret)
        for said in self._answers.get(data, ()):
            self._coming += [said[place : place + self._chunk] for place in range(0, len(said), self._chunk)]

    async def receive(self, *, deadline: float) -> bytes:
        self.passed += self._seconds
        return await super().receive(deadline=deadline)


def test_a_readout_at_300_baud_takes_its_time() -> None:
    """30 characters a second. The meter forms its answer at once, and its clock is right."""
    body = b"F.F(00)\r\n0.9.1(13:00:00)\r\n0.9.2(26-11-21)\r\n" + b"1.8.0(0008048.375*kWh)\r\n" * 30
    channel = SlowLine({SIGN_ON: [b"/ISK0MT174-0001\r\n"]}, 30, 1.0)
    channel._answers[b"\x06000\r\n"] = [block(body)]

    async def run() -> list[Answer]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(loop, "time", lambda: begun + channel.passed)
            driver = build()
            # The wall clock of the gateway is NOW when our acknowledgement has left: behind the identification.
            patch.setattr(driver, "_clock", lambda: NOW + timedelta(seconds=channel.passed - 1.0))
            return await answers_of(driver, channel, Registers())

    (answer,) = asyncio.run(run())
    clock = answer.readings[-1]
    assert clock.obis == CLOCK
    assert clock.at - NOW > timedelta(seconds=20)
    assert abs(Decimal(clock.more[0])) <= Decimal("1.5")
