"""What the gateway finds on what was read: clocks, exchanges of meters, totals that go back, and its own clock.

Rules: a real archive; a session is a list of answers, each examined and archived before the next. A new process is a
new Examiner over the same archive.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from gatewayd.acquire import Acquisition, Station
from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.errors import ArchiveError
from gatewayd.examine import Examined, Examiner, Sitting
from gatewayd.model import DIRECT, Answer, Exchange, Flag, Kind, Meter, Outcome, Part, RawStatus, Reading, Registers
from gatewayd.policy import POLICY, Policy
from tests.crash.rig import audits as audits_of
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import (
    PATIENCE,
    START,
    ScriptedChannel,
    TestClock,
    answering,
    line_to,
    reading,
    station,
)

METER = Meter("em-1001", "scripted", "optical")
CONFIGURED = Meter("em-1001", "scripted", "optical", serial="35031234")
CLOCK_ALARM = "the clock is more than 9 s off"
SOUND = (RawStatus.TRUE, Flag(0))


def clock(seconds: str) -> Reading:
    return replace(reading("12:00", "0-0:1.0.0"), more=(seconds,), meter_time="12:00")


def total(text: str, code: str = "1.8.0", meter: str = "em-1001") -> Reading:
    return reading(text, code, meter=meter)


def answer(*readings: Reading, serials: tuple[str, ...] = (), outcome: Outcome = Outcome.DONE) -> Answer:
    return Answer(readings, outcome, serials=serials)


QUARTER = reading("0.123", "1.29.0", kind=Kind.INTERVAL)


@dataclass
class Gateway:
    """A gateway that reads one meter; `now` is its clock."""

    store: Store
    meter: Meter = METER
    policy: Policy = POLICY
    sure: bool = True
    now: TestClock = field(default_factory=TestClock)
    lost: bool = False
    """True for an archive that takes nothing."""

    def __post_init__(self) -> None:
        self.examiner = Examiner(self.store, self.now, lambda: self.sure)

    async def read(self, *answers: Answer) -> list[Examined]:
        """One session."""
        sitting = await self.examiner.sitting(self.meter, self.policy)
        return [await self.take(sitting, one) for one in answers]

    async def take(self, sitting: Sitting, one: Answer) -> Examined:
        await sitting.ready(one)
        examined = sitting.look(one)
        if not self.lost:
            owners = {reading.meter for reading in examined.readings} or {self.meter.id}
            for owner in sorted(owners):
                found = tuple(reading for reading in examined.readings if reading.meter == owner)
                await self.store.append(entry(owner, found, self.meter.serial or "".join(one.serials[:1])))
            sitting.kept()
        return examined


def entry(meter: str, readings: Sequence[Reading], serial: str) -> Entry:
    exchange = Exchange(meter, "optical", "registers all", START, START, b"", Outcome.DONE)
    return Entry(exchange, tuple(readings), (DIRECT,) * len(readings), serial)


def verdicts(examined: Examined) -> list[tuple[RawStatus, Flag]]:
    return [(one.status, one.flags) for one in examined.readings]


def audits(*found: Examined) -> list[tuple[str, str, str]]:
    every = [one for examined in found for one in examined.audits]
    assert all((one.source, one.category, one.subject) == ("gateway", "meter", "em-1001") for one in every)
    return [(one.type, one.result, one.detail) for one in every]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as opened_store:
        yield opened_store


# -- the meter's clock -----------------------------------------------------------------------------------------------


def test_a_clock_that_is_right_says_nothing(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        sitting = await gateway.examiner.sitting(METER, POLICY)
        (examined,) = [await gateway.take(sitting, answer(clock("9.0"), QUARTER, reading()))]
        assert verdicts(examined) == [SOUND] * 3
        assert (examined.alarms, examined.audits) == ((), ())
        assert (sitting.deviation, sitting.evidence) == (timedelta(seconds=9), True)

    asyncio.run(run())


def test_a_clock_that_is_off_flags_what_it_has_stamped(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        stamped = replace(reading(code="1.6.0", kind=Kind.MAXIMUM), meter_time="2611211915")
        event = reading("0080", "P.98", kind=Kind.EVENT)
        first, second = await gateway.read(
            answer(clock("-9.1"), reading()), answer(QUARTER, stamped, replace(reading(), meter_time="x"), event)
        )
        off = RawStatus.TRUE, Flag.CLOCK_DEVIATION
        assert verdicts(first) == [off, SOUND]
        assert verdicts(second) == [off, off, off, SOUND]
        assert first.alarms == second.alarms == (CLOCK_ALARM,)
        assert audits(first, second) == [("clock-deviation", "began", "-9.1 s")]

    asyncio.run(run())


def test_a_status_is_not_made_better_nor_flags_lost(store: Store) -> None:
    async def run() -> None:
        bad = replace(QUARTER, status=RawStatus.DISTORTED, flags=Flag.PARTIAL_INTERVAL)
        (examined,) = await Gateway(store).read(answer(clock("60.0"), bad))
        assert verdicts(examined)[1] == (RawStatus.DISTORTED, Flag.PARTIAL_INTERVAL | Flag.CLOCK_DEVIATION)

    asyncio.run(run())


def test_the_alarm_stands_until_a_session_has_shown_that_it_is_over(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        await gateway.read(answer(clock("60.0")))
        (hidden,) = await gateway.read(answer(QUARTER))  # a session in which the meter does not show it
        assert (hidden.alarms, hidden.audits) == ((CLOCK_ALARM,), ())
        assert verdicts(hidden) == [SOUND]  # how far it is off now nobody has seen
        (again,) = await gateway.read(answer(clock("61.0")))
        assert (again.alarms, again.audits) == ((CLOCK_ALARM,), ())
        (right,) = await gateway.read(answer(clock("0.3")))
        assert right.alarms == ()
        assert audits(right) == [("clock-deviation", "over", "+0.3 s")]
        (after,) = await gateway.read(answer(clock("0.2")))
        assert (after.alarms, after.audits) == ((), ())

    asyncio.run(run())


def test_the_next_process_knows_that_the_clock_was_off(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            gateway = Gateway(store)
            await gateway.read(answer(clock("60.0")))
            await gateway.examiner.save()
        with opened(tmp_path) as store:
            gateway = Gateway(store)
            (hidden,) = await gateway.read(answer(QUARTER))
            assert (hidden.alarms, hidden.audits) == ((CLOCK_ALARM,), ())
            (right,) = await gateway.read(answer(clock("1.0")))
            assert audits(right) == [("clock-deviation", "over", "+1.0 s")]
            await gateway.examiner.save()
        with opened(tmp_path) as store:
            (right,) = await Gateway(store).read(answer(clock("1.0")))
            assert (right.alarms, right.audits) == ((), ())

    asyncio.run(run())


def test_the_limit_is_that_of_the_policy(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store, policy=Policy(clock_limit=timedelta(seconds=36)))
        assert [one.alarms for one in await gateway.read(answer(clock("30.0")))] == [()]
        assert [one.alarms for one in await gateway.read(answer(clock("36.1")))] == [
            ("the clock is more than 36 s off",)
        ]

    asyncio.run(run())


@pytest.mark.parametrize(("seconds", "evidence"), [("450.0", True), ("-450.1", False), ("3600.0", False)])
def test_a_clock_half_an_interval_off_is_no_evidence(store: Store, seconds: str, evidence: bool) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        sitting = await gateway.examiner.sitting(METER, POLICY)
        assert sitting.evidence
        await gateway.take(sitting, answer(clock(seconds)))
        assert sitting.evidence is evidence

    asyncio.run(run())


def test_what_the_archive_has_not_taken_has_not_happened(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store, lost=True)
        for _ in range(2):
            (examined,) = await gateway.read(answer(clock("60.0"), total("5"), serials=("1",)))
            assert audits(examined) == [("clock-deviation", "began", "+60.0 s")]
        gateway.lost = False
        (examined,) = await gateway.read(answer(total("4"), serials=("2",)))
        assert (verdicts(examined), examined.alarms, examined.audits) == ([SOUND], (), ())

    asyncio.run(run())


# -- the gateway's clock ---------------------------------------------------------------------------------------------


def test_what_the_gateway_stamps_without_being_sure_is_flagged(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store, sure=False)
        stamped = replace(reading(), meter_time="2611211915")
        (examined,) = await gateway.read(answer(clock("0.1"), reading(), stamped, QUARTER))
        assert verdicts(examined) == [SOUND, (RawStatus.TRUE, Flag.GATEWAY_CLOCK), SOUND, SOUND]
        (examined,) = await gateway.read(answer(clock("60.0"), QUARTER))
        assert verdicts(examined) == [(RawStatus.TRUE, Flag.CLOCK_DEVIATION | Flag.GATEWAY_CLOCK)] * 2
        gateway.sure = True
        (examined,) = await gateway.read(answer(reading()))
        assert verdicts(examined) == [SOUND]

    asyncio.run(run())


def test_an_examiner_that_is_told_nothing_is_sure(store: Store) -> None:
    async def run() -> None:
        assert Examiner().sure()
        sitting = await Examiner().sitting(METER, POLICY)
        await sitting.ready(answer(total("1")))
        assert verdicts(sitting.look(answer(total("1")))) == [SOUND]

    asyncio.run(run())


# -- exchanges of meters ---------------------------------------------------------------------------------------------

EXCHANGED = [("meter-exchanged", "seen", "serial number 2, before 1")]
EXCHANGE_ALARM = ("another meter answers: serial number 2, before 1",)


def test_an_exchange_is_told_once_and_stays_an_alarm_for_a_day(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        one, two = answer(reading(), serials=("1",)), answer(reading(), serials=("2",))
        (before,) = await gateway.read(one)
        assert (before.alarms, before.audits) == ((), ())
        first, second = await gateway.read(two, two)
        assert audits(first, second) == EXCHANGED
        assert first.alarms == second.alarms == EXCHANGE_ALARM
        (later,) = await gateway.read(answer(reading()))  # it does not say who it is, and may be the same
        assert later.alarms == EXCHANGE_ALARM
        gateway.now.advance(86400)
        (later,) = await gateway.read(two)
        assert (later.alarms, later.audits) == ((), ())

    asyncio.run(run())


@pytest.mark.parametrize("meter", [METER, CONFIGURED], ids=["none configured", "configured"])
@pytest.mark.parametrize("saved", [True, False], ids=["written down", "killed"])
def test_an_exchange_is_seen_by_the_next_process(tmp_path: Path, meter: Meter, saved: bool) -> None:
    async def run() -> None:
        now = TestClock()
        before, behind = ("35031234", "2") if meter.serial else ("1", "2")
        with opened(tmp_path) as store:
            gateway = Gateway(store, meter, now=now)
            await gateway.read(answer(reading(), serials=(before,)))
            if saved:
                await gateway.examiner.save()
        with opened(tmp_path) as store:
            gateway = Gateway(store, meter, now=now)
            (same,) = await gateway.read(answer(reading(), serials=(f"0{before}",)))
            assert same.audits == ()
            (examined,) = await gateway.read(answer(reading(), serials=(behind,)))
            assert audits(examined) == [("meter-exchanged", "seen", f"serial number {behind}, before 0{before}")]
            await gateway.examiner.save()
        with opened(tmp_path) as store:
            (examined,) = await Gateway(store, meter, now=now).read(answer(reading(), serials=(behind,)))
            assert examined.audits == ()
            assert len(examined.alarms) == 1

    asyncio.run(run())


def test_what_was_seen_is_written_down_behind_the_session(tmp_path: Path) -> None:
    """Many at once: one of them writes for all."""
    meters = [Meter(f"em-{number}", "scripted", "optical", serial="1") for number in range(20)]

    def work(meter: Meter) -> Station:
        return station(answering(answer(reading(meter=meter.id), serials=("2",))), meter)

    async def run() -> None:
        for _ in range(2):
            with opened(tmp_path) as store:
                acquisition = Acquisition(store, TestClock(), ZoneInfo("Europe/Prague"))
                await asyncio.gather(
                    *(acquisition.run(line_to(ScriptedChannel([b"x"])), work(one), Registers()) for one in meters)
                )

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert len(audits_of(tmp_path, "meter-exchanged")) == len(meters)


def test_what_is_written_down_is_not_written_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[str]] = []
    write = store.remember_all

    async def run() -> None:
        gateway = Gateway(store)

        async def noted(rows: Sequence[tuple[str, str, bytes]]) -> None:
            written.append([key for _, key, _ in rows])
            if len(written) == 1:
                raise ArchiveError("the disk is full")
            if len(written) == 2:  # a session ends while another one is written down
                await gateway.read(answer(clock("60.0")))
            await write(rows)

        monkeypatch.setattr(store, "remember_all", noted)
        await gateway.read(answer(reading(), serials=("1",)))
        for _ in range(4):
            await gateway.examiner.save()

    asyncio.run(run())
    assert written == [["seen identity"], ["seen identity"], ["seen identity", "seen clock"]]


def test_another_meter_than_configured_is_flagged_as_long_as_it_answers(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store, CONFIGURED)
        first, second = await gateway.read(*[answer(reading(), serials=("77",))] * 2)
        assert verdicts(first) == verdicts(second) == [(RawStatus.TRUE, Flag.SERIAL_MISMATCH)]
        assert audits(first, second) == [("meter-exchanged", "seen", "serial number 77, before 35031234")]
        gateway.now.advance(10 * 86400)
        (later,) = await gateway.read(answer(reading(), serials=("77",)))
        assert later.alarms == ("another meter answers: serial number 77, before 35031234",)

    asyncio.run(run())


def test_an_unsound_answer_names_nobody(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        await gateway.read(answer(reading(), serials=("1",)))
        (examined,) = await gateway.read(answer(reading(), serials=("!",), outcome=Outcome.CHECK_FAILED))
        assert (examined.alarms, examined.audits) == ((), ())

    asyncio.run(run())


# -- totals that go back ---------------------------------------------------------------------------------------------

BACK = RawStatus.DISTORTED, Flag.BACKWARD


def test_a_total_that_goes_back_is_distorted_once(store: Store) -> None:
    async def run() -> None:
        gateway = Gateway(store)
        found = [
            verdicts(one)[0] for one in await gateway.read(*(answer(total(text)) for text in ("7", "9", "2", "3")))
        ]
        assert found == [SOUND, SOUND, BACK, SOUND]
        (rolled,) = await gateway.read(answer(total("0.5"), total("9999.5", "2.8.0")))
        assert verdicts(rolled) == [BACK, SOUND]
        (rolled,) = await gateway.read(answer(total("0000.5", "2.8.0"), total("1", "16.8.0"), total("0", "16.8.0")))
        assert verdicts(rolled) == [(RawStatus.TRUE, Flag.OVERFLOW), SOUND, SOUND]

    asyncio.run(run())


def test_the_total_before_is_known_from_the_archive(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            await Gateway(store).read(answer(total("7"), total("5", "2.8.0")), answer(total("9")))
        with opened(tmp_path) as store:
            (examined,) = await Gateway(store).read(answer(total("8"), total("5", "2.8.0")))
        assert verdicts(examined) == [BACK, SOUND]
        with opened(tmp_path) as store:  # that one counts from now on, distorted as it is
            (examined,) = await Gateway(store).read(answer(total("8")))
        assert verdicts(examined) == [SOUND]

    asyncio.run(run())


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("apart", [False, True], ids=["with its totals", "in a session before"])
@pytest.mark.parametrize("meter", [METER, CONFIGURED], ids=["none configured", "configured"])
def test_another_meter_begins_where_it_stands(tmp_path: Path, meter: Meter, apart: bool, restarted: bool) -> None:
    async def run() -> None:
        old, new = meter.serial or "1", ("2",)
        with opened(tmp_path) as store:
            gateway = Gateway(store, meter)
            await gateway.read(answer(total("9000"), serials=(old,)))
            await gateway.examiner.save()
            if not restarted:
                await exchanged(gateway, new)
        if restarted:
            with opened(tmp_path) as store:
                await exchanged(Gateway(store, meter), new)

    async def exchanged(gateway: Gateway, new: tuple[str, ...]) -> None:
        if apart:
            await gateway.read(answer(QUARTER, serials=new))
        first, second = await gateway.read(answer(total("5"), serials=new), answer(total("4"), serials=new))
        assert not verdicts(first)[0][1] & (Flag.BACKWARD | Flag.OVERFLOW)
        assert verdicts(second)[0][1] & Flag.BACKWARD

    asyncio.run(run())


def test_each_metering_point_of_a_registrar_has_totals_of_its_own(tmp_path: Path) -> None:
    parts = tuple(Part(Meter(f"part-{n}", "scripted", "optical"), ((1, n),)) for n in (1, 2))
    registrar = Meter("em-1001", "scripted", "optical", parts=parts)

    def read(first: str, second: str, serial: str = "1") -> Answer:
        return answer(total(first, "1-1:1.8.0", "part-1"), total(second, "1-2:1.8.0", "part-2"), serials=(serial,))

    async def run() -> None:
        with opened(tmp_path) as store:
            await Gateway(store, registrar).read(read("9", "5"))
        with opened(tmp_path) as store:
            gateway = Gateway(store, registrar)
            (examined,) = await gateway.read(read("8", "5"))
            assert verdicts(examined) == [BACK, SOUND]
            (examined,) = await gateway.read(read("1", "1", "2"))
            assert verdicts(examined) == [SOUND, SOUND]

    asyncio.run(run())


def test_a_value_that_nobody_believes_is_no_total(store: Store) -> None:
    async def run() -> None:
        bad = replace(total("99999"), status=RawStatus.DISTORTED, flags=Flag.BCC_FAILED)
        gateway = Gateway(store)
        found = await gateway.read(answer(total("7")), answer(bad, outcome=Outcome.CHECK_FAILED), answer(total("8")))
        assert [verdicts(one)[0] for one in found] == [SOUND, (RawStatus.DISTORTED, Flag.BCC_FAILED), SOUND]

    asyncio.run(run())


# -- answers on their way to the disk --------------------------------------------------------------------------------


def test_answers_of_which_the_archive_has_taken_none_yet_tell_everything_once(store: Store) -> None:
    """A meter does not wait for the disk: several answers of one session may be on their way."""

    async def run() -> None:
        gateway = Gateway(store)
        await gateway.read(answer(total("100"), serials=("1111",)))
        sitting = await gateway.examiner.sitting(gateway.meter, POLICY)
        found = []
        for shown in ("500", "400", "450"):
            one = answer(clock("60.0"), total(shown), serials=("2222",))
            await sitting.ready(one)
            found.append(sitting.look(one))
        assert [(what, how) for what, how, _ in audits(*found)] == [
            ("clock-deviation", "began"),
            ("meter-exchanged", "seen"),
        ]
        backward = [Flag.BACKWARD in examined.readings[-1].flags for examined in found]
        assert backward == [False, True, False], "compared with the answer before, and not with the old meter"
        sitting.kept()
        (after,) = await gateway.read(answer(clock("60.0"), total("449"), serials=("2222",)))
        assert audits(after) == [] and Flag.BACKWARD in after.readings[-1].flags

    asyncio.run(run())
