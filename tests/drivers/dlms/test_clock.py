"""The meter's clock: its deviation, what it is worth, and how it is put right - and when it is left alone."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.clock import RoundTrip, Shown, seconds_text, shown
from drivers.dlms.clock_setting import ClockSetter, described
from drivers.dlms.options import SetClock
from drivers.dlms.wire.association_dialogue import ServiceRefused
from drivers.dlms.wire.cosem_time import ClockRules, Deviation
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from gatewayd.errors import MeterDiffers, MeterSilent
from gatewayd.model import Answer, DeedResult, Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import NOW, PRAGUE, FakeMeter, Ticking, clock_octets, collected, octets, u32, value

CLOCK = (8, "0-0:1.0.0*255", 2)
SHIFT = "action 8 0-0:1.0.0*255 6"
WRITE = "set 8 0-0:1.0.0*255 2"
AUTUMN = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
"""The second 02:30 of the night in which summer time ends."""


def seen(octets_of_clock: bytes, *, took: float = 0, rules: ClockRules = PRAGUE, now: datetime = NOW) -> Shown:
    half = timedelta(seconds=took) / 2
    return shown("m", value(octets(octets_of_clock)), RoundTrip(now - half, now + half), rules)


def test_a_clock_reading_has_the_twelve_octets_and_the_deviation_from_the_middle_of_the_round_trip() -> None:
    at = NOW - timedelta(seconds=3, milliseconds=200)
    found = seen(clock_octets(at), took=4)
    assert found.reading == Reading(
        meter="m",
        obis=Obis(0, 0, 1, 0),
        obis_raw="0-0:1.0.0*255",
        kind=Kind.REGISTER,
        at=NOW + timedelta(seconds=2),
        raw=clock_octets(at),
        raw_text="2026-11-21T13:03:56.80+01:00",
        more=("-3.2",),
        meter_time="2026-11-21T13:03:56.80+01:00",
    )
    assert found.deviation == timedelta(seconds=-3.2)
    assert found.trip.uncertainty == timedelta(seconds=2)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0.0"), (-40, "0.0"), (50, "0.1"), (-50, "-0.1"), (-3249, "-3.2"), (-3250, "-3.3"), (86_400_000, "86400.0")],
)
def test_deviations_in_tenths_of_a_second(milliseconds: int, text: str) -> None:
    assert seconds_text(timedelta(milliseconds=milliseconds)) == text


@pytest.mark.parametrize(
    ("status", "faulty"), [(0x00, False), (0x01, True), (0x02, True), (0x04, False), (0x08, True), (0xFF, False)]
)
def test_a_clock_that_the_meter_does_not_trust_is_distorted(status: int, faulty: bool) -> None:
    reading = seen(clock_octets(NOW, status=status)).reading
    verdict = (RawStatus.DISTORTED, Flag.CLOCK_INVALID) if faulty else (RawStatus.TRUE, Flag(0))
    assert (reading.status, reading.flags) == verdict
    assert reading.more == ("0.0",)


@pytest.mark.parametrize("sent", ["FFFFFFFFFFFFFFFFFF8000FF", "07EA0D15FF0D2D0000800000", "07EA0B15FF0D2D3C00800000"])
def test_a_clock_that_shows_no_instant_has_no_deviation(sent: str) -> None:
    found = seen(bytes.fromhex(sent))
    assert (found.deviation, found.reading.more) == (None, ())
    assert (found.reading.status, found.reading.flags) == (RawStatus.DISTORTED, Flag.CLOCK_INVALID)
    assert found.reading.raw == bytes.fromhex(sent)
    assert found.reading.meter_time


@pytest.mark.parametrize(
    ("sent", "status", "flag"),
    [
        (b"\x00", RawStatus.MISSING, Flag.NO_VALUE),
        (u32(7), RawStatus.DISTORTED, Flag.UNDECODABLE),
        (octets(b"\x07\xea\x0b"), RawStatus.DISTORTED, Flag.UNDECODABLE),
    ],
)
def test_what_is_no_time_is_a_reading_that_says_so(sent: bytes, status: RawStatus, flag: Flag) -> None:
    found = shown("m", value(sent), RoundTrip(NOW, NOW), PRAGUE)
    assert (found.reading.raw, found.reading.status, found.reading.flags) == (sent, status, flag)
    assert (found.deviation, found.reading.meter_time) == (None, "")


@pytest.mark.parametrize("now", [AUTUMN, AUTUMN - timedelta(hours=1)])
def test_in_the_repeated_hour_a_clock_without_season_is_taken_for_the_nearer_one(now: datetime) -> None:
    sent = clock_octets(AUTUMN, status=0xFF)[:9] + b"\x80\x00\xff"
    found = seen(sent, now=now)
    assert (found.deviation, found.reading.flags) == (timedelta(0), Flag.TIME_AMBIGUOUS)


def test_the_rules_of_the_meter_hold() -> None:
    sent = clock_octets(NOW, deviation=-60)
    odd = sent[:9] + (60).to_bytes(2, signed=True) + sent[11:]
    assert seen(odd, rules=ClockRules(PRAGUE.zone, Deviation.LOCAL_MINUS_UTC)).deviation == timedelta(0)
    assert seen(odd, rules=ClockRules(PRAGUE.zone, Deviation.IGNORED)).deviation == timedelta(0)
    assert seen(odd).deviation == timedelta(hours=2)


class Setting:
    """A clock that is off by `seconds`, and what becomes of it."""

    def __init__(
        self,
        seconds: float,
        *,
        now: datetime = NOW,
        limits: SetClock | None = None,
        took: float = 0,
        archiving: float = 0,
    ) -> None:
        self.clock = Ticking(now)
        self.off = timedelta(seconds=seconds)
        self.meter = FakeMeter({CLOCK: lambda: octets(clock_octets(self.clock.at + self.off))})
        self.meter.on_action = self._shifted
        self.limits = limits
        self.answers: list[Answer] = []
        self._took = took
        self._archiving = archiving

    def _shifted(self, parameter: bytes) -> None:
        self.off += timedelta(seconds=int.from_bytes(parameter[1:], signed=True))

    def run(self, rules: ClockRules = PRAGUE) -> list[Answer]:
        before = seen(clock_octets(self.clock.at + self.off), took=self._took, now=self.clock.at)
        setter = ClockSetter(self.meter, "m", rules, self.clock, self.limits)

        async def go() -> None:
            async for answer in setter.put_right(before):
                self.answers.append(answer)
                self.clock.at += timedelta(seconds=self._archiving)

        asyncio.run(go())
        return self.answers

    def refused(self) -> str:
        with pytest.raises(MeterDiffers) as caught:
            self.run()
        return str(caught.value)


def test_a_clock_is_shifted_and_everything_is_told() -> None:
    setting = Setting(-7.2, limits=SetClock())
    before, after = setting.run()
    assert setting.meter.done == [(SHIFT, bytes.fromhex("10 0007"))]
    assert before.detail == "the clock is 7.2 s behind; shift_time(+7) follows"
    assert [reading.more for reading in before.readings] == [("-7.2",)]
    assert after.detail == (
        "the clock was shifted by +7 s; before: the clock is 7.2 s behind; now: the clock is 0.2 s behind"
    )
    assert [reading.more for reading in after.readings] == [("-0.2",)]


def test_a_clock_that_is_ahead_is_put_back() -> None:
    setting = Setting(12, limits=SetClock())
    setting.run()
    assert setting.meter.done == [(SHIFT, bytes.fromhex("10 FFF4"))]


@pytest.mark.parametrize("seconds", [0, 2.9, -2.9])
def test_a_small_deviation_is_left_alone(seconds: float) -> None:
    setting = Setting(seconds, limits=SetClock())
    (answer,) = setting.run()
    assert answer.detail.endswith("not set: it is right enough")
    assert not setting.meter.done


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (Setting(10), "set_clock is not configured"),
        (Setting(31, limits=SetClock()), r"more than set_clock.max_shift_s (30 s)"),
        (Setting(-31, limits=SetClock()), r"more than set_clock.max_shift_s (30 s)"),
        (Setting(5, took=10, limits=SetClock()), "uncertain by 5.0 s"),
    ],
)
def test_a_clock_that_is_not_for_a_machine_to_judge_is_archived_and_left_alone(setting: Setting, why: str) -> None:
    assert why in setting.refused()
    (answer,) = setting.answers
    assert len(answer.readings) == 1
    assert why in answer.detail
    assert not setting.meter.done


def test_the_largest_deviation_that_is_allowed_is_put_right() -> None:
    setting = Setting(30, limits=SetClock())
    setting.run()
    assert setting.meter.done


@pytest.mark.parametrize(
    ("clock", "seconds", "allowed"),
    [
        ("12:14:40", 10, True),  # 12:14:50 back to :40
        ("12:14:50", 10, False),  # 12:15:00 is itself an end
        ("12:14:45", 10.5, False),  # within 5 s of it
        ("12:14:55", -10, False),  # would jump over it
        ("12:14:40", -10, True),  # 12:14:30 on to :40
        ("12:15:00", -10, False),
        ("12:15:16", -10, True),  # 12:15:06 on to :16
        ("12:15:14", -10, False),  # 12:15:04
        ("12:15:16", 20, True),  # 12:15:36 back to :16
        ("12:15:04", 20, False),  # back to :04
        ("11:59:56", -4, False),
    ],
)
def test_a_clock_is_never_shifted_over_the_end_of_an_interval(clock: str, seconds: float, allowed: bool) -> None:
    now = datetime.fromisoformat(f"2026-11-21T{clock}+00:00")
    setting = Setting(seconds, now=now, limits=SetClock())
    if allowed:
        setting.run()
        assert len(setting.meter.done) == 1
    else:
        assert "not now" in setting.refused()
        assert not setting.meter.done


@given(second=st.integers(0, 3599), off=st.integers(-30, 30))
def test_no_quarter_hour_is_ever_crossed_or_touched(second: int, off: int) -> None:
    now = NOW.replace(minute=0) + timedelta(seconds=second)
    setting = Setting(off, now=now, limits=SetClock())
    try:
        setting.run()
    except MeterDiffers:
        assert not setting.meter.done
        return
    if setting.meter.done:
        old = int((now + timedelta(seconds=off)).timestamp())
        between = range(min(old, old - off) - 4, max(old, old - off) + 5)
        assert not [at for at in between if at % 900 == 0]


def test_time_that_passes_while_the_intention_is_archived_counts() -> None:
    setting = Setting(-10, now=NOW.replace(minute=14, second=40), limits=SetClock(), archiving=17)
    assert "not now" in setting.refused()
    assert not setting.meter.done
    assert "follows" in setting.answers[0].detail


def test_on_a_slow_line_the_clock_is_left_alone_earlier_before_the_end_of_an_interval() -> None:
    quick, slow = (
        Setting(-20, now=NOW.replace(minute=14, second=45), limits=SetClock(), took=took) for took in (0, 12)
    )
    quick.run()
    assert quick.meter.done
    assert "not now" in slow.refused()


def test_a_refused_shift_is_not_followed_by_anything_else() -> None:
    setting = Setting(10, limits=SetClock())
    setting.meter.action_result = ActionResult.READ_WRITE_DENIED
    message = setting.refused()
    assert "refuses shift_time(-10): read-write-denied" in message
    assert "set_clock.method: set" in message
    assert [what for what, _ in setting.meter.done] == [SHIFT]


def test_the_time_is_written_where_that_is_allowed_and_the_shift_is_refused() -> None:
    setting = Setting(10, limits=SetClock(method="set"))
    setting.meter.action_result = ActionResult.OBJECT_UNDEFINED
    _, after = setting.run()
    assert setting.meter.done[1] == (WRITE, octets(clock_octets(NOW)))
    assert after.detail.startswith("shift_time(-10) was refused (object-undefined) and the time was written")


def test_where_shifting_works_nothing_is_written() -> None:
    setting = Setting(10, limits=SetClock(method="set"))
    setting.run()
    assert [what for what, _ in setting.meter.done] == [SHIFT]


def test_both_refused_is_told() -> None:
    setting = Setting(10, limits=SetClock(method="set"))
    setting.meter.action_result = ActionResult.OBJECT_UNDEFINED
    setting.meter.set_result = DataAccess.READ_WRITE_DENIED
    assert "and its time: read-write-denied" in setting.refused()


def test_a_time_without_deviation_is_written_where_the_meter_ignores_it() -> None:
    setting = Setting(10, limits=SetClock(method="set"))
    setting.meter.action_result = ActionResult.OBJECT_UNDEFINED
    setting.run(ClockRules(PRAGUE.zone, Deviation.IGNORED))
    assert setting.meter.done[1][1][11:13] == b"\x80\x00"


def test_a_clock_that_cannot_be_read_again_is_told() -> None:
    setting = Setting(10, limits=SetClock())
    setting.meter.objects[CLOCK] = DataAccess.HARDWARE_FAULT
    _, after = setting.run()
    assert after.readings == ()
    assert after.detail.endswith("now: it cannot be read again")


def test_words_for_a_clock() -> None:
    assert described(seen(clock_octets(NOW + timedelta(seconds=2)))) == "the clock is 2.0 s ahead"
    assert described(seen(bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF"))).endswith("which is no time")


def test_a_clock_that_shows_no_time_is_not_set() -> None:
    setting = Setting(0, limits=SetClock())
    setter = ClockSetter(setting.meter, "m", PRAGUE, setting.clock, setting.limits)
    lost = seen(bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF"))
    with pytest.raises(MeterDiffers, match="shows no time"):
        asyncio.run(collected(setter.put_right(lost)))
    assert not setting.meter.done


def deeds(setting: Setting) -> list[tuple[DeedResult, dict[str, str | int | None]]]:
    found = [deed for answer in setting.answers for deed in answer.deeds]
    assert {deed.type for deed in found} <= {"clock-set"}
    return [(deed.result, dict(deed.facts)) for deed in found]


def test_what_is_done_to_the_clock_is_a_deed_before_and_behind_it() -> None:
    setting = Setting(-7.2, limits=SetClock())
    setting.run()
    (first, announced), (last, done) = deeds(setting)
    assert (first, last) == (DeedResult.ANNOUNCED, DeedResult.DONE)
    assert announced == {"shift_s": 7, "deviation_s": "-7.2", "clock": "2026-11-21T13:03:52.80+01:00"}
    assert str(done["said"]).startswith("the clock was shifted by +7 s; before: the clock is 7.2 s behind; now: the")


@pytest.mark.parametrize("setting", [Setting(1, limits=SetClock()), Setting(31, limits=SetClock()), Setting(10)])
def test_what_is_not_going_to_be_done_is_no_deed(setting: Setting) -> None:
    with contextlib.suppress(MeterDiffers):
        setting.run()
    assert setting.answers
    assert not deeds(setting)


def test_a_deed_that_is_refused_or_given_up_says_so() -> None:
    refused = Setting(10, limits=SetClock())
    refused.meter.action_result = ActionResult.READ_WRITE_DENIED
    refused.refused()
    late = Setting(-10, now=NOW.replace(minute=14, second=40), limits=SetClock(), archiving=17)
    late.refused()
    assert [result for result, _ in deeds(refused)] == [DeedResult.ANNOUNCED, DeedResult.REFUSED]
    assert [result for result, _ in deeds(late)] == [DeedResult.ANNOUNCED, DeedResult.GIVEN_UP]


class Silent(FakeMeter):
    """Does what it is told and says nothing more."""

    async def action(self, class_id: int, logical_name: bytes, method: int, parameter: bytes) -> ActionResult:
        await super().action(class_id, logical_name, method, parameter)
        raise MeterSilent("no answer")


def test_a_shift_that_nobody_confirms_is_unclear() -> None:
    setting = Setting(10, limits=SetClock())
    setting.meter = Silent()
    with pytest.raises(MeterSilent):
        setting.run()
    assert [result for result, _ in deeds(setting)] == [DeedResult.ANNOUNCED, DeedResult.UNCLEAR]


def test_a_clock_that_is_set_and_then_silent_has_been_set() -> None:
    setting = Setting(10, limits=SetClock())

    def silent() -> bytes:
        raise MeterSilent("no answer")

    setting.meter.objects[CLOCK] = silent
    with pytest.raises(MeterSilent):
        setting.run()
    assert [result for result, _ in deeds(setting)] == [DeedResult.ANNOUNCED, DeedResult.DONE]


@pytest.mark.parametrize(("period", "allowed"), [(0, True), (900, True), (1800, True), (86_400, True), (300, False)])
def test_the_intervals_of_the_load_profiles_are_not_crossed_either(period: int, allowed: bool) -> None:
    setting = Setting(-10, now=NOW.replace(minute=5, second=3), limits=SetClock())
    setting.meter.objects[(7, "1-0:99.1.0*255", 4)] = u32(period)
    if allowed:
        setting.run()
    else:
        assert "not now" in setting.refused()
    assert bool(setting.meter.done) is allowed


class WithoutMethods(FakeMeter):
    async def action(self, class_id: int, logical_name: bytes, method: int, parameter: bytes) -> ActionResult:
        raise ServiceRefused("refuses the service")


@pytest.mark.parametrize("method", ["shift", "set"])
def test_the_time_is_written_where_the_meter_has_no_methods_at_all(method: str) -> None:
    setting = Setting(10, limits=SetClock.model_validate({"method": method}))
    setting.meter = WithoutMethods({CLOCK: octets(clock_octets(NOW))})
    if method == "set":
        setting.run()
        assert setting.meter.done == [(WRITE, octets(clock_octets(NOW)))]
    else:
        assert "set_clock.method: set" in setting.refused()
        assert not setting.meter.done


SUMMER = datetime(2026, 7, 1, 12, 4, tzinfo=UTC)


@pytest.mark.parametrize("deviation", [0, -60, -120])
@pytest.mark.parametrize("season", [0x00, 0x80, 0xFF])
def test_a_time_is_written_on_the_base_that_the_clock_is_on(deviation: int, season: int) -> None:
    """A clock on UTC or on winter time that is told legal time would leap by an hour."""
    setting = Setting(0, now=SUMMER, limits=SetClock(method="set"))
    setting.meter.action_result = ActionResult.OBJECT_UNDEFINED
    wrong = seen(clock_octets(SUMMER + timedelta(seconds=10), deviation=deviation, status=season), now=SUMMER)
    setting.meter.objects[CLOCK] = octets(clock_octets(SUMMER, deviation=deviation, status=season))
    setting.clock.at += timedelta(seconds=2)
    setter = ClockSetter(setting.meter, "m", PRAGUE, setting.clock, setting.limits)
    asyncio.run(collected(setter.put_right(wrong)))
    expected = clock_octets(SUMMER + timedelta(seconds=2), deviation=deviation, status=season)
    assert setting.meter.done[-1] == (WRITE, octets(expected))


def test_a_clock_that_goes_the_wrong_way_is_an_error() -> None:
    setting = Setting(10, limits=SetClock())
    setting.meter.on_action = lambda parameter: setting._shifted(b"\x10" + (10).to_bytes(2))
    message = setting.refused()
    assert "not better for being set" in message
    assert [result for result, _ in deeds(setting)] == [DeedResult.ANNOUNCED, DeedResult.DONE]
