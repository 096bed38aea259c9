"""Days before a meter was watched: `archive gaps` says so, and counts them as nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gatewayd import daemon
from gatewayd.archive.beginnings import first_asked, oldest_intervals
from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.cli.archive_gaps import gaps
from gatewayd.model import DIRECT, Flag, Outcome, RawStatus, Reading
from tests.crash.rig import seal
from tests.gatewayd.archive.samples import append, exchange, opened
from tests.gatewayd.profile_world import row

NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
"""Of the 24th in Prague: today."""
MIDNIGHT = datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
"""With which the 24th began."""
QUARTER = timedelta(minutes=15)
INTERVALS = "{intervals: [1-0:1.8.0], every: 15m}"
PROFILE = "{profile: 1-0:99.1.0, backfill_months: 1}"
DAYS = ("--from", "2026-11-22", "--to", "2026-11-24", "--days")

Document = dict[str, Any]  # whatever JSON has


class Site:
    """A configuration and an archive."""

    def __init__(self, folder: Path) -> None:
        self.archive, self._path = folder / "archive", folder / "gatewayd.yaml"
        self._folder = folder

    def configure(self, **jobs: str) -> None:
        meters = "".join(
            f"- {{id: {meter}, driver: iec62056_21, line: a, jobs: [{job}]}}\n" for meter, job in jobs.items()
        )
        self._path.write_text(
            f"gateway: {{id: gw}}\narchive: {{path: {self.archive}}}\n"
            f"lines: {{a: {{type: tcp, host: 127.0.0.1, port: 9}}}}\nmeters:\n{meters}"
        )

    def told(self, *arguments: str) -> str:
        done = CliRunner().invoke(gaps, arguments, obj=self._path)
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *arguments: str) -> Document:
        document: Document = json.loads(self.told(*arguments, "--json"), parse_float=str)
        return document

    def days(self) -> dict[str, list[object]]:
        """Of each meter how complete each day is."""
        document: Document = self.json(*DAYS)
        return {one["meter"]: [day["completeness"] for day in one["days"]] for one in document["meters"]}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(daemon, "now", lambda: NOON)
    yield Site(tmp_path)


def asked(store: Store, meter: str, request: str, at: datetime, *readings: Reading) -> None:
    """An exchange that began then."""
    made = replace(exchange(meter=meter), request=request, started_at=at, ended_at=at + QUARTER)
    outcome = made if readings else replace(made, outcome=Outcome.SILENT)
    append(store, Entry(outcome, readings, (DIRECT,) * len(readings), "77"))


REGISTERS = "registers 1-0:1.8.0*255"


def test_days_before_the_first_asking_are_not_yet_watched(site: Site) -> None:
    site.configure(em1=INTERVALS, em2=INTERVALS, em3=INTERVALS)
    with opened(site.archive) as store:
        asked(store, "em1", "clock", NOON - timedelta(days=5))  # somebody has tried it out
        asked(store, "em1", REGISTERS, NOON, row(NOON, "1.29.0", "1", meter="em1"))
        asked(store, "em2", REGISTERS, NOON - timedelta(days=1))  # and it has not answered
        asked(store, "em2", REGISTERS, NOON)
    assert site.days() == {"em1": [None, None, "1.0"], "em2": [None, "0.0", "0.0"], "em3": [None, None, None]}
    table = [line.split() for line in site.told(*DAYS).splitlines()]
    assert ["em1", "2026-11-23", "-", "-", "-", "-"] in table
    assert ["em2", "2026-11-23", "96", "0", "96", "0.0", "%"] in table
    assert ["total", "288", "1", "287", "0.3", "%"] in table
    assert table[-1] == ["-:", "not", "yet", "watched"]
    whole = [line.split() for line in site.told(*DAYS[:-1]).splitlines()]
    assert ["em1", "96", "1", "95", "1.0", "%"] in whole and ["em3", "-", "-", "-", "-"] in whole


def test_readings_of_a_day_are_counted_whoever_has_asked_when(site: Site) -> None:
    """They have come later: all days behind the oldest one are expected."""
    site.configure(em1=INTERVALS)
    with opened(site.archive) as store:
        asked(store, "em1", REGISTERS, NOON, row(MIDNIGHT - timedelta(hours=30), "1.29.0", "1", meter="em1"))
    assert site.days() == {"em1": ["1.0", "0.0", "0.0"]}


def test_what_is_told_missing_was_watched(site: Site) -> None:
    site.configure(em1=INTERVALS)
    told = row(MIDNIGHT - timedelta(hours=2), "1.29.0", "", Flag.NOT_READ, meter="em1")
    fields = {name: getattr(told, name) for name in told.__struct_fields__}
    with opened(site.archive) as store:
        asked(store, "em1", "gap 1-0:1.29.0*255 a/b", NOON, Reading(**fields | {"status": RawStatus.MISSING}))
    assert site.days() == {"em1": [None, "0.0", "0.0"]}


def test_a_profile_is_expected_as_far_as_it_is_read_back(site: Site) -> None:
    site.configure(em1=PROFILE, em2="{profile: P.98}")
    with opened(site.archive) as store:
        asked(store, "em1", "profile 1-0:99.1.0*255 a/b", NOON)
        asked(store, "em2", REGISTERS, NOON, row(NOON, "1.29.0", "1", meter="em2"))
    found = site.days()
    assert found["em1"] == ["0.0", "0.0", "0.0"]
    before = site.json("--from", "2026-10-23", "--to", "2026-10-25", "--days")["meters"][0]
    assert [day["completeness"] for day in before["days"]] == [None, "0.0", "0.0"]


def test_one_meter(site: Site) -> None:
    site.configure(em1=INTERVALS)
    with opened(site.archive) as store:
        asked(store, "em1", REGISTERS, NOON, row(NOON, "1.29.0", "1", meter="em1"))
    days = DAYS[:-1]
    (series,) = site.json("em1", *days)["series"]
    assert [(day["expected"], day["completeness"], len(day["gaps"])) for day in series["days"]] == [
        (0, None, 0),
        (0, None, 0),
        (96, "1.0", 2),
    ]
    assert (series["expected"], series["completeness"]) == (96, "1.0")
    table = [line.split() for line in site.told("em1", *days).splitlines()]
    assert ["2026-11-22", *"----", "not", "yet", "watched"] in table
    assert site.told("em1", "--from", "2026-11-22", "--to", "2026-11-22").split()[-5:] == ["total", *"----"]


def test_who_is_not_configured_is_expected_every_day(site: Site) -> None:
    site.configure(em1=INTERVALS)
    with opened(site.archive) as store:
        asked(store, "old", REGISTERS, NOON, row(NOON, "1.29.0", "1", meter="old"))
    (series,) = site.json("old", *DAYS[:-1])["series"]
    assert [day["completeness"] for day in series["days"]] == ["0.0", "0.0", "1.0"]


def test_the_archive_says_since_when(tmp_path: Path) -> None:
    """Over several segments, the oldest of which does not know the meter."""
    with opened(tmp_path / "archive") as store:
        asked(store, "other", REGISTERS, NOON - timedelta(days=40), row(NOON, "1.29.0", "1", meter="other"))
        seal(store)
        asked(store, "em1", "clock", NOON - timedelta(days=3))
        asked(store, "em1", REGISTERS, NOON - timedelta(days=2))
        asked(store, "em1", REGISTERS, NOON, row(MIDNIGHT, "1.29.0", "1", meter="em1"))
        asked(store, "em1", REGISTERS, NOON, row(MIDNIGHT - QUARTER, "1.29.0", "1", meter="em1"))
    folder = tmp_path / "archive"
    assert oldest_intervals(folder) == {"other": NOON, "em1": MIDNIGHT - QUARTER}
    assert first_asked(folder, "em1", ["registers"]) == NOON - timedelta(days=2)
    assert first_asked(folder, "em1", ["gap ", "clock"]) == NOON - timedelta(days=3)
    assert first_asked(folder, "em1", ["profile"]) is None
    assert first_asked(folder, "nobody", ["registers"]) is None
