"""What the daemon does besides reading, and what it hands over the control socket."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd import errors, upkeep
from gatewayd.alarms import Alarms
from gatewayd.archive.records import Audit
from gatewayd.daemon import upkeep_loop
from gatewayd.daemon.asking import PORTION, Collected, kind_of, question_from, question_text, result_events
from gatewayd.daemon.upkeep_loop import DEADLINES, Chores, look_after, save
from gatewayd.errors import ArchiveError, GatewayError, MeterSilent
from gatewayd.model import (
    Archived,
    Clock,
    Flag,
    Kind,
    Listen,
    MeterObject,
    Profile,
    Ratio,
    RawStatus,
    Reading,
    Registers,
    Scan,
)
from gatewayd.obis import Obis
from gatewayd.progress import Progress, progress_of
from gatewayd.talk import Result
from gatewayd.watched import Watched
from tests.gatewayd.doubles import PATIENCE, START
from tests.gatewayd.profile_world import START as PROFILE_START
from tests.gatewayd.profile_world import World

LATE = "1-0:99.1.0 of 2026-11-20 is not complete at 06:00"
CODE = Obis.parse("1-0:1.8.0")


# -- chores ------------------------------------------------------------------------------------------------------------


class Parts:
    """A gateway of doubles that note what is asked of them."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.audits: list[Audit] = []
        self.found: dict[str, tuple[str, ...]] = {}
        self.fault: Exception | None = None
        self.alarms = Alarms()
        self.rows = [("em-1", "job x", b"1")]

    async def tick(self, at: datetime) -> dict[str, tuple[str, ...]]:
        self.note(f"tick {at:%H:%M:%S}")
        return self.found

    async def review(self) -> None:
        self.note("review")

    async def save(self, *, everything: bool = False) -> None:
        self.note("save everything" if everything else "save")

    async def remember_all(self, rows: list[Any]) -> None:
        self.note(f"rows {len(rows)}")

    def saved(self, rows: list[Any]) -> None:
        self.rows = []

    def note(self, what: str) -> None:
        self.log.append(what)
        if self.fault is not None:
            raise self.fault

    def look(self) -> tuple[Audit, ...]:
        self.note("look")
        return ()

    @property
    def gateway(self) -> Any:  # a Gateway as far as the chores use it
        return SimpleNamespace(
            acquisition=SimpleNamespace(upkeep=self, alarms=self.alarms, save=self.save),
            store=SimpleNamespace(submit=self.audits.append, remember_all=self.remember_all),
            clock=self,
            diary=SimpleNamespace(changed=lambda: self.rows, saved=self.saved),
        )


def test_a_deadline_raises_an_alarm_once_and_ends_it_when_it_is_met() -> None:
    """And what a session finds does not end it."""
    parts = Parts()
    chores = Chores(parts.gateway)
    parts.found = {"em-1": (LATE,), "em-2": ()}
    for _ in range(3):
        asyncio.run(chores.tick())
    assert parts.alarms.standing == {"em-1": (LATE,)}
    assert parts.alarms.over("em-1", ()) == ()
    parts.found = {"em-1": ()}
    asyncio.run(chores.tick())
    assert parts.alarms.standing == {}
    assert [(one.subject, one.result, one.detail) for one in parts.audits] == [
        ("em-1", "raised", LATE),
        ("em-1", "over", LATE),
    ]
    assert parts.alarms.raised("em-1", (LATE,), DEADLINES) == (LATE,)


def test_a_chore_that_fails_is_told_of_once_and_when_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    chores = Chores(parts.gateway)
    with caplog.at_level(logging.INFO):
        for fault in (None, ArchiveError("disk full"), ArchiveError("disk full"), ValueError("x"), None, None):
            parts.fault = fault
            asyncio.run(chores.do("the upkeep", chores.tick))
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("ERROR", "the upkeep fails: disk full"),
        ("CRITICAL", "the upkeep fails: a defect in gatewayd: ValueError('x')"),
        ("INFO", "the upkeep works again"),
    ]


def test_what_is_remembered_is_written_down_and_kept_when_that_fails() -> None:
    parts = Parts()
    chores = Chores(parts.gateway)
    parts.fault = ArchiveError("disk full")
    with pytest.raises(ArchiveError):
        asyncio.run(chores.save())
    assert len(parts.rows) == 1
    parts.fault = None
    asyncio.run(chores.save())
    assert parts.rows == [] and parts.log == ["rows 1", "rows 1", "save"]
    asyncio.run(save(parts.gateway))
    assert parts.log[-1] == "save everything", "so that the next start has nothing to read"


def test_the_upkeep_comes_with_each_minute_and_the_clock_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with one that the wall clock has leapt to, in either direction."""

    class Over(Exception):
        """Enough seen."""

    parts, clock = Parts(), [START + timedelta(seconds=34)]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += timedelta(seconds=seconds)
        if len(waits) == 6:
            clock[0] -= timedelta(days=1)
        if len(waits) == 8:
            raise Over

    monkeypatch.setattr(upkeep_loop, "now", lambda: clock[0])
    with pytest.raises(Over):
        asyncio.run(look_after(parts.gateway, sleep))
    assert waits == [10.0, 10.0, 6.0, 10.0, 10.0, 10.0, 10.0, 10.0]
    assert [one for one in parts.log if one.startswith("tick")] == ["tick 20:00:34", "tick 20:01:00", "tick 20:01:30"]
    assert parts.log.count("look") == 8


def test_of_many_profiles_it_is_worked_out_once_how_complete_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, now=PROFILE_START + timedelta(minutes=20))
    world.meter.since = PROFILE_START - timedelta(days=2)
    made: list[datetime] = []

    def counted(one: Watched, now: datetime) -> Progress:
        made.append(now)
        return progress_of(one, now)

    monkeypatch.setattr(upkeep, "progress_of", counted)

    async def scene() -> None:
        async with world.gateway() as gateway:
            await gateway.all()
            (fresh,) = gateway.upkeep.progress()
            monkeypatch.setattr(upkeep, "_FEW", 0)
            assert gateway.upkeep.progress() == ()
            made.clear()
            for _ in range(3):
                await gateway.upkeep.review()
            assert gateway.upkeep.progress() == (fresh,) and len(made) == 1
            world.advance(timedelta(days=1))
            assert gateway.upkeep.progress() == (fresh,)
            await gateway.upkeep.review()
            (later,) = gateway.upkeep.progress()
            assert (later.expected, later.present) == (fresh.expected + 96, fresh.present)
            await gateway.all()
            await gateway.upkeep.review()
            assert gateway.upkeep.progress()[0].present == fresh.present + 96
            gateway.upkeep.forget(world.known.id)
            await gateway.upkeep.review()
            assert gateway.upkeep.progress() == ()

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))


# -- questions and results ---------------------------------------------------------------------------------------------

codes = st.builds(Obis, *(st.integers(0, 255) for _ in range(6)), st.booleans())
instants = st.integers(0, 1 << 52).map(lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us))
questions = st.one_of(
    st.builds(Registers, st.tuples(codes, codes)),
    st.just(Registers()),
    st.builds(Profile, codes, instants, instants),
    st.just(Scan()),
    st.builds(Clock, st.booleans()),
)


@given(questions)
def test_a_question_arrives_as_it_was_asked(question: Registers | Profile | Scan | Clock) -> None:
    assert question_from(question_text(question)) == question


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"kind": "listen", "what": {}}', '{"kind": "read", "what": {"registers": [1]}}', '{"kind": 1}'],
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(GatewayError, match="that is no question to a meter"):
        question_from(text)


def test_nobody_listens_by_hand() -> None:
    with pytest.raises(GatewayError, match="nobody asks by hand for Listen"):
        kind_of(Listen())


@given(
    st.binary(max_size=20),
    st.text(max_size=20),
    st.integers(-9, 9),
    st.sampled_from(RawStatus),
    st.integers(0, (1 << len(Flag)) - 1),
    st.lists(st.text(max_size=5), max_size=3),
    instants,
)
def test_a_reading_arrives_as_the_archive_has_it(
    raw: bytes, text: str, scaler: int, status: RawStatus, flags: int, more: list[str], at: datetime
) -> None:
    reading = Reading(
        "em-1", None, "x", Kind.REGISTER, at, raw, text, "kWh", scaler, status, Flag(flags), tuple(more), 900, text
    )
    archived = Archived(7, reading, at, "S", 3, Ratio(ct="200/5", vt="22000/100"), 9)
    assert sent(Result("em-1", (archived,), None)).readings == (archived,)


@pytest.mark.parametrize("count", [0, 1, PORTION, PORTION + 1])
def test_a_result_arrives_whole(count: int) -> None:
    reading = Reading("em-1", CODE, "1.8.0", Kind.REGISTER, START, b"1.50", "1.50")
    readings = tuple(Archived(number, reading, START, "", 1, Ratio()) for number in range(count))
    objects = (MeterObject(3, 0, CODE, "energy", ((1, "read"),), (), "Wh", -1),)
    result = Result("em-1", readings, MeterSilent("nobody answers"), objects, ("a remark",))
    found = sent(result)
    assert (found.readings, found.objects, found.remarks) == (readings, objects, ("a remark",))
    assert type(found.fault) is MeterSilent and str(found.fault) == "nobody answers"


def test_every_fault_keeps_its_kind() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]
    for kind in kinds:
        if kind is not errors.ConfigError:
            # Where something is not permitted it is the gateway that may not: not for who asks to put right.
            wanted = GatewayError if issubclass(kind, errors.NotPermitted) else kind
            fault = sent(Result("em-1", (), kind("text"))).fault
            assert type(fault) is wanted and "text" in str(fault)


def test_a_result_of_another_version_is_no_result() -> None:
    with pytest.raises(GatewayError, match="a result that is not known here"):
        Collected("em-1").take({"event": "readings", "readings": [{"seq": "x"}]})
    assert not Collected("em-1").take({"event": "progress"})


def sent(result: Result) -> Result:
    """Over the socket and back."""
    collected = Collected("em-1")
    for event in result_events(result):
        assert collected.take(cast("dict[str, Any]", msgspec.json.decode(msgspec.json.encode(event))))
    assert collected.done is not None
    return collected.done
