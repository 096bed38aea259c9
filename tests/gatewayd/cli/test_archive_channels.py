"""`archive gaps` of a meter or a channel that there is not: said so, and no day of gaps."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewayd import daemon
from gatewayd.cli.archive_gaps import gaps
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.cli.test_archive_watching import MIDNIGHT, NOON, PROFILE, QUARTER, Site, asked
from tests.gatewayd.profile_world import row

DAY = ("--from", "2026-11-24", "--to", "2026-11-24")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """em1 has sent a row of one channel; the others nothing, and gone is not configured any more."""
    monkeypatch.setattr(daemon, "now", lambda: NOON)
    site = Site(tmp_path)
    named = "{profile: 1-0:99.1.0, channels: [1-0:1.29.0, 1-0:2.29.0]}"
    made = "{intervals: [1-0:1.8.0], every: 15m}"
    site.configure(em1=PROFILE, em2="{registers: all, every: 1h}", em3=PROFILE, em4=named, em5=made)
    with opened(site.archive) as store:
        asked(store, "em1", "profile 1-0:99.1.0*255 a/b", NOON, row(MIDNIGHT + QUARTER, "1.29.0", "1", meter="em1"))
        asked(store, "gone", "profile 1-0:99.1.0*255 a/b", NOON, row(MIDNIGHT + QUARTER, "1.29.0", "1", meter="gone"))
    yield site


@pytest.mark.parametrize(
    ("meter", "code", "words"),
    [
        ("em1", "1-0:9.99.7", "has no channel 1-0:9.99.7*255; it has 1-0:1.29.0*255"),
        ("gone", "1-0:9.99.7", "has no channel 1-0:9.99.7*255; it has 1-0:1.29.0*255"),
        ("em2", "1-0:1.29.0", "has no channel 1-0:1.29.0*255; it has no intervals, and is asked for none"),
        ("em4", "1-0:9.99.7", "it has 1-0:1.29.0*255, 1-0:2.29.0*255"),
        ("em5", "1-0:2.29.0", "it has 1-0:1.29.0*255"),
        (
            "em-9",
            "1-0:1.29.0",
            "unknown meter 'em-9': it is not configured, and the archive has nothing of it; known: em1",
        ),
        ("em-9", "", "unknown meter 'em-9'"),
    ],
)
def test_what_there_is_not_has_no_gaps(meter: str, code: str, words: str, site: Site) -> None:
    done = CliRunner().invoke(gaps, [meter, *([code] if code else []), *DAY], obj=site._path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.split())


def test_a_meter_that_is_asked_for_no_intervals_is_told(site: Site) -> None:
    done = CliRunner().invoke(gaps, ["em2", *DAY], obj=site._path)
    assert done.exit_code == 1 and "no intervals of meter 'em2'; it is asked for none" in done.stderr


@pytest.mark.parametrize(
    ("meter", "code", "present"),
    [
        ("em1", "1-0:1.29.0", 1),
        ("gone", "1-0:1.29.0", 1),
        ("em3", "1-0:1.29.0", 0),
        ("em3", "1-0:5.29.0", 0),
        ("em4", "1-0:2.29.0", 0),
        ("em5", "1-0:1.29.0", 0),
    ],
)
def test_what_is_to_come_is_absent_until_it_comes(meter: str, code: str, present: int, site: Site) -> None:
    """Also a channel of a profile that was never read, where nobody has named them."""
    (series,) = site.json(meter, code, *DAY)["series"]
    assert (series["obis"], series["present"]) == (f"{code}*255", present)
