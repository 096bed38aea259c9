"""Doubtful readings by hand wait, and another person releases or rejects them: over the control socket, and alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gatewayd.archive.by_hand import note_entry
from gatewayd.archive.follow import Follower
from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.records import Audit, Bundle, Entry
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.config import Config, ManualSettings
from gatewayd.daemon import Decision, Handing, hand_in, manual, releases, settle
from gatewayd.daemon.build import build_store, now, opened
from gatewayd.daemon.reload import differences
from gatewayd.errors import ArchiveError, GatewayError
from gatewayd.legal_time import PRAGUE
from gatewayd.manual.held import State
from gatewayd.manual.queue import Queue
from gatewayd.manual.submission import Handled, Method, Outcome, Submission
from gatewayd.model import Archived
from tests.gatewayd.test_manual_entry import configured, with_gateway

T = TypeVar("T")
Main = Callable[[Config, Store], Awaitable[T]]
HOLD = Handing(enter=True, author="Jan", hold=True)
RELEASED, REJECTED = State.RELEASED, State.REJECTED


def submission(value: str, ago: float = 0.0, meter: int = 0, **rest: Any) -> Submission:
    """Of so many days ago."""
    at = now().replace(microsecond=0) - timedelta(days=ago)
    return Submission(value, meter=f"gm-{meter}", obis="7-0:3.0.0*255", at=at, **rest)


def alone(folder: Path, main: "Main[T]") -> T:
    """Run where no gateway does; the store is not open."""
    config = configured(folder)
    return asyncio.run(asyncio.wait_for(main(config, build_store(config)), 30))


@pytest.fixture(params=[with_gateway, alone])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Path, "Main[T]"], T]]:
    """Through a running gateway, and without one."""
    yield request.param


async def handed_in(config: Config, *table: Submission, handing: Handing = HOLD) -> list[Handled]:
    return await hand_in(config, table, handing)


async def lower(config: Config, meter: int = 0) -> Handled:
    """One that waits, because it is lower than that of five days before."""
    found = await handed_in(config, submission("1000", 5, meter), submission("900", 1, meter))
    assert [one.outcome for one in found] == [Outcome.ARCHIVED, Outcome.HELD]
    return found[1]


async def decided(
    config: Config, *numbers: int, state: State = RELEASED, author: str = "Petra", note: str = "seen"
) -> list[Handled]:
    return await settle(config, Decision(numbers, state, author, note))


def archived(folder: Path) -> list[str]:
    return [one.reading.raw_text for one in Reader(folder).select(Selection())]


def waiting(folder: Path) -> list[int]:
    return [one.number for one in Queue(folder).waiting()]


def audits(folder: Path) -> list[Audit]:
    return list(Reader(folder).audits("operator"))


def published(folder: Path) -> list[Archived]:
    """All that a sink would get."""
    return list(Follower(folder).after(0, 100))


def facts(folder: Path, one: Archived) -> dict[str, Any]:
    """What stands beside a reading by hand."""
    with Neighbours(folder) as neighbours:
        details = {archived.seq: detail for archived, detail in neighbours.entered(None)}
    found: dict[str, Any] = json.loads(details[one.seq])
    return found


def test_what_is_sound_is_archived_and_what_is_doubtful_waits(run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> Handled:
        return await lower(config)

    found = run(tmp_path, main)
    assert (found.number, found.seq, [one.check for one in found.findings]) == (1, 0, ["lower"])
    assert archived(tmp_path) == ["1000"] and len(published(tmp_path)) == 1
    (one,) = Queue(tmp_path).waiting()
    assert (one.author, one.submission.value, one.seen.meter) == ("Jan", "900", "gm-0")
    assert one.seen.findings == found.findings
    (audit,) = audits(tmp_path)
    detail = json.loads(audit.detail)
    assert (audit.result, detail["archived"], detail["held"]) == ("done", 1, 1)
    assert (detail["first_number"], detail["last_number"], "not_archived" in detail) == (1, 1, False)
    assert verify(tmp_path).ok


def test_another_person_releases_it_and_both_stand_in_its_detail(run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        (own,) = await decided(config, 1, author="jan")
        assert own.outcome is Outcome.REFUSED and "another person" in own.findings[0].text
        assert waiting(tmp_path) == [1] and archived(tmp_path) == ["1000"]
        return await decided(config, 1)

    (found,) = run(tmp_path, main)
    assert (found.outcome, found.seq, found.number, found.status) == (Outcome.ARCHIVED, 2, 1, "distorted")
    assert archived(tmp_path) == ["1000", "900"] and waiting(tmp_path) == []
    assert [one.reading.raw_text for one in published(tmp_path)] == ["1000", "900"]
    detail = facts(tmp_path, published(tmp_path)[1])
    assert (detail["author"], detail["released_by"], detail["release_note"], detail["held"]) == (
        "Jan",
        "Petra",
        "seen",
        1,
    )
    assert detail["user"] == detail["released_user"] and detail["handed_in"].endswith("Z")
    assert detail["findings"][0].startswith("warning lower: ")
    own, done = audits(tmp_path)[1:]
    assert (own.type, own.result, done.type, done.result) == ("reading-release", "refused", "reading-release", "done")
    assert json.loads(done.detail)["seq"] == 2 and done.subject == "gm-0"
    assert [step.author for step in Queue(tmp_path).known()[1].history] == ["Jan", "Petra"]


def test_it_may_be_rejected_with_the_reason(run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        with pytest.raises(GatewayError, match="not said why"):
            await decided(config, 1, state=REJECTED, note=" ")
        return await decided(config, 1, state=REJECTED, author="Jan")

    (found,) = run(tmp_path, main)
    assert (found.outcome, found.seq) == (Outcome.REJECTED, 0)
    assert archived(tmp_path) == ["1000"] and waiting(tmp_path) == []
    assert Queue(tmp_path).known()[1].history[1].note == "seen"
    assert (audits(tmp_path)[-1].type, audits(tmp_path)[-1].result) == ("reading-reject", "done")
    assert run(tmp_path, lambda config, _store: decided(config, 1))[0].outcome is Outcome.REFUSED


def test_of_two_at_the_same_time_one_releases_it(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        return [one for (one,) in await asyncio.gather(*(decided(config, 1) for _ in range(6)))]

    found = with_gateway(tmp_path, main)
    assert sorted(one.outcome.value for one in found) == ["archived"] + ["refused"] * 5
    assert all("released already, by Petra" in one.findings[0].text for one in found if one.outcome is Outcome.REFUSED)
    assert archived(tmp_path) == ["1000", "900"]
    assert len(audits(tmp_path)) == 7


def test_a_number_that_is_named_twice_and_one_that_is_not_there(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        return await decided(config, 9, 1, 1)

    found = alone(tmp_path, main)
    assert [(one.number, one.outcome) for one in found] == [(1, Outcome.ARCHIVED), (9, Outcome.REFUSED)]


def test_what_is_an_error_meanwhile_is_refused_and_goes_on_waiting(run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        await lower(config, 1)
        (other,) = await handed_in(config, submission("950", 1), handing=Handing(enter=True, stand_by=True))
        assert other.outcome is Outcome.ARCHIVED
        return await decided(config, 1, 2)

    first, second = run(tmp_path, main)
    assert (first.outcome, [one.check for one in first.findings][-1]) == (Outcome.REFUSED, "lower")
    assert "duplicate" in [one.check for one in first.findings]
    assert second.outcome is Outcome.ARCHIVED and waiting(tmp_path) == [1]
    assert archived(tmp_path) == ["1000", "1000", "950", "900"]
    assert [one.result for one in audits(tmp_path)[-2:]] == ["refused", "done"]


def test_one_of_a_register_and_a_day_waits_at_a_time(run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        return await handed_in(config, submission("901", 1), submission("902", 3), submission("903", 3))

    found = run(tmp_path, main)
    assert [one.outcome for one in found] == [Outcome.REFUSED, Outcome.HELD, Outcome.REFUSED]
    assert "waits for its release already (number 1)" in found[0].findings[-1].text
    assert found[0].findings[-1].portal.startswith("Odečet je duplicitní")
    assert "stands further up" in found[2].findings[-1].text
    assert waiting(tmp_path) == [1, 2]


def test_looking_alone_holds_nothing_and_says_what_would_be_refused(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        await lower(config)
        return await handed_in(config, submission("901", 1), submission("902", 3), handing=Handing(hold=True))

    assert [one.outcome for one in alone(tmp_path, main)] == [Outcome.REFUSED, Outcome.DOUBTFUL]
    assert waiting(tmp_path) == [1]


def test_who_stands_by_it_has_it_archived(tmp_path: Path) -> None:
    handing = Handing(enter=True, stand_by=True, hold=True)

    async def main(config: Config, _store: Store) -> list[Handled]:
        return await handed_in(config, submission("0"), handing=handing)

    assert alone(tmp_path, main)[0].outcome is Outcome.ARCHIVED and waiting(tmp_path) == []


def test_what_waits_does_not_count_for_the_rows_behind_it(run: Any, tmp_path: Path) -> None:
    """A digit too many waits; the next state is judged beside what is archived."""

    async def main(config: Config, _store: Store) -> list[Handled]:
        before = await handed_in(config, submission("1000", 35), submission("1020", 20))
        return before + await handed_in(config, submission("1110", 10), submission("1060", 1))

    found = run(tmp_path, main)
    assert [one.outcome for one in found] == [Outcome.ARCHIVED, Outcome.ARCHIVED, Outcome.HELD, Outcome.ARCHIVED]


def test_the_deadline_is_that_of_the_day_on_which_it_was_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = now()

    def clock(ago: float) -> None:
        for module in (manual, releases):
            monkeypatch.setattr(module, "now", lambda: today - timedelta(days=ago))

    async def main(config: Config, _store: Store) -> list[Handled]:
        clock(40)
        day = f"{(today - timedelta(days=50)).astimezone(PRAGUE):%d.%m.%Y}"
        (one,) = await handed_in(config, Submission("0", meter="gm-0", obis="7-0:3.0.0*255", day=day, type="K"))
        assert one.outcome is Outcome.HELD
        clock(0)
        late = await handed_in(config, Submission("0", meter="gm-1", obis="7-0:3.0.0*255", day=day, type="K"))
        assert "deadline" in [finding.check for finding in late[0].findings]
        return await decided(config, 1)

    (found,) = alone(tmp_path, main)
    assert found.outcome is Outcome.ARCHIVED and [one.check for one in found.findings] == ["state-zero"]
    (reading,) = published(tmp_path)
    assert reading.received_at == today, "archived now, read then"
    assert facts(tmp_path, reading)["handed_in"].startswith(f"{today - timedelta(days=40):%Y-%m-%dT%H:%M}")


def test_a_reading_of_today_keeps_its_instant(tmp_path: Path) -> None:
    """Of a day without a time: noon, or when it was handed in."""

    async def main(config: Config, _store: Store) -> tuple[datetime | None, datetime]:
        day = f"{now().astimezone(PRAGUE):%d.%m.%Y}"
        (one,) = await handed_in(config, Submission("0", meter="gm-0", obis="7-0:3.0.0*255", day=day))
        await decided(config, 1)
        return one.at, published(tmp_path)[0].reading.at

    held_at, archived_at = alone(tmp_path, main)
    assert held_at == archived_at


def test_all_of_a_row_is_kept(tmp_path: Path) -> None:
    whole = submission("0", 2, number="77", note="„ž\\", method=Method.TERMINAL, maximum=30, decimals=True, row=7)

    async def main(config: Config, _store: Store) -> None:
        await handed_in(config, whole, handing=Handing(enter=True, file="jan.xlsx", hold=True))

    alone(tmp_path, main)
    (one,) = Queue(tmp_path).waiting()
    assert (one.submission, one.file, one.seen.row, one.author) == (whole, "jan.xlsx", 7, one.history[0].user)


def test_more_than_one_portion_is_held_and_released(run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Handled]:
        held = await handed_in(config, *(submission("0", 1, meter) for meter in range(60)))
        assert [one.number for one in held] == list(range(1, 61))
        return await decided(config, *range(1, 61))

    found = run(tmp_path, main)
    assert [(one.number, one.seq, one.meter) for one in found] == [(n, n, f"gm-{n - 1}") for n in range(1, 61)]


def test_nothing_is_archived_where_the_archive_takes_nothing(tmp_path: Path) -> None:
    async def main(config: Config, store: Store) -> str:
        await lower(config)
        await asyncio.to_thread(store.close)
        with pytest.raises(GatewayError) as caught:
            await decided(config, 1)
        return str(caught.value)

    assert "takes nothing more" in with_gateway(tmp_path, main)
    assert archived(tmp_path) == ["1000"] and waiting(tmp_path) == [1]


def test_the_reading_and_the_note_are_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both or neither, whatever happens to the process: what is one record is one transaction."""
    records: list[Entry | Bundle] = []
    append = Store.append

    async def watched(self: Store, record: Entry | Bundle) -> tuple[Archived, ...]:
        records.append(record)
        return await append(self, record)

    monkeypatch.setattr(Store, "append", watched)

    async def main(config: Config, _store: Store) -> None:
        await lower(config)
        await decided(config, 1)

    alone(tmp_path, main)
    (_, last) = records
    assert isinstance(last, Bundle) and [len(entry.readings) for entry in last.entries] == [1, 0]


def test_a_meter_that_is_not_configured_any_more(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> None:
        await lower(config, 59)

    alone(tmp_path, main)
    config = configured(tmp_path)
    fewer = Config(config.gateway, config.archive, config.lines, config.meters[:1], config.sinks)
    (refused,) = asyncio.run(decided(fewer, 1))
    assert refused.outcome is Outcome.REFUSED and refused.findings[0].check == "point"
    (rejected,) = asyncio.run(decided(fewer, 1, state=REJECTED))
    assert rejected.outcome is Outcome.REJECTED and waiting(tmp_path) == []


@pytest.mark.parametrize(
    "decision",
    [
        Decision((1,), State.HELD),
        Decision((1,), REJECTED),
        Decision((1,), RELEASED, "a\x1b[2J"),
        Decision((1,), RELEASED, "", "x" * 201),
    ],
)
def test_what_is_no_order_is_refused_in_words(decision: Decision, run: Any, tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> None:
        await lower(config)
        with pytest.raises(GatewayError):
            await settle(config, decision)

    run(tmp_path, main)
    assert waiting(tmp_path) == [1]


def test_garbage_on_the_socket_is_refused_in_words(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> str:
        with pytest.raises(GatewayError) as caught:
            await manual._asked(config, decision='{"numbers": "all"}')
        return str(caught.value)

    assert "no order for held readings" in with_gateway(tmp_path, main)


def test_a_note_that_nobody_understands_stops_nothing(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> Handled:
        async with opened(build_store(config, group_seconds=0.0)) as store:
            await store.append(note_entry("gm-0", "held x", b"\xff", "", now()))
        return await lower(config)

    assert alone(tmp_path, main).number == 1


def test_a_queue_that_cannot_be_read_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_queue: Queue, _meter: str | None = None) -> list[Any]:
        raise ArchiveError("damaged")

    async def main(config: Config, _store: Store) -> None:
        monkeypatch.setattr(Queue, "waiting", broken)
        with pytest.raises(GatewayError, match="damaged"):
            await handed_in(config, submission("0"))

    alone(tmp_path, main)
    assert archived(tmp_path) == []


def test_a_reload_says_what_of_the_settings_is_another_one(tmp_path: Path) -> None:
    before = configured(tmp_path)
    after = replace(before, manual=ManualSettings(most_rows=200, hold=True))
    assert differences(before, after)["settings"].changed == ("manual.most_rows", "manual.hold")
