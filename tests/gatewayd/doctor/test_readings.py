"""What `gatewayd doctor` says of readings by hand that wait for their release."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from gatewayd.archive.by_hand import note_entry
from gatewayd.doctor import readings
from gatewayd.doctor.findings import Level, Unseen
from gatewayd.doctor.readings import AREA, judged
from gatewayd.errors import ArchiveNotPermitted
from gatewayd.manual.held import REQUEST, Entry, State, Step, document
from gatewayd.manual.submission import Handled, Outcome, Submission
from tests.gatewayd.archive.samples import append, opened

AT = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
MONTHS = 36


def put(folder: Path, *entries: Entry) -> None:
    with opened(folder) as store:
        for one in entries:
            append(store, note_entry("gm-1", f"{REQUEST} x", document(one), "", one.step.at))


def waits(number: int, at: datetime = AT) -> Entry:
    return Entry(number, Step(State.HELD, "Jan", at), Submission("900"), Handled(Outcome.HELD, meter="gm-1"))


@pytest.mark.parametrize(
    ("days", "level"),
    [(0, Level.NOTE), (6, Level.NOTE), (7, Level.WARNING), (989, Level.WARNING), (990, Level.ERROR)],
)
def test_what_waits_for_long(days: int, level: Level, tmp_path: Path) -> None:
    put(tmp_path, waits(3), waits(4, AT + timedelta(days=days)))
    (found,) = judged(tmp_path, AT + timedelta(days=days, minutes=1), MONTHS)
    assert (found.level, found.area) == (level, AREA)
    assert found.text.startswith(
        f"2 wait for release, the oldest number 3 of meter gm-1, handed in by Jan {days} days ago"
    )
    assert ("older than 36 months" in found.text) == (level is Level.ERROR)
    assert "gatewayd reading release NUMBER" in found.remedy


def test_what_does_not_wait_any_more_is_not_spoken_of(tmp_path: Path) -> None:
    assert judged(tmp_path / "none", AT, MONTHS) == []
    put(tmp_path, waits(3), Entry(3, Step(State.REJECTED, "Petra", AT)))
    assert judged(tmp_path, AT + timedelta(days=30), MONTHS) == []
    put(tmp_path, waits(4))
    (found,) = judged(tmp_path, AT + timedelta(days=1), MONTHS)
    assert found.text == "1 waits for release, number 4 of meter gm-1, handed in by Jan 1 day ago"


def test_a_look_leaves_nothing_behind(tmp_path: Path) -> None:
    put(tmp_path, waits(3))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert judged(tmp_path, AT, MONTHS)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("fault", [apsw.CantOpenError("unable to open"), ArchiveNotPermitted("cannot be read")])
def test_who_may_not_read_the_segments_has_not_seen_it(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, waits(3))

    def refused(_path: Path) -> apsw.Connection:
        raise fault

    monkeypatch.setattr(readings, "opened_in_passing", refused)
    with pytest.raises(Unseen, match="may not read the segments"):
        judged(tmp_path, AT, MONTHS)
