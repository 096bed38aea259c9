"""Single bits turn over: whatever changes a row is found by `verify`, and nothing ends it or the gateway."""

import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.verify import Finding
from tests.crash.rig import Clock, Content, build, content, copied, found, rounds, varied
from tests.gatewayd.archive.samples import append, opened

FLIPS = rounds(120, 1500)


@dataclass(frozen=True, slots=True)
class Target:
    """An archive and the segment in which bits turn over."""

    folder: Path
    number: int
    suffix: str = ""

    def file(self, folder: Path) -> Path:
        path = segments.segment_path(folder, self.number)
        return path.with_name(path.name + self.suffix)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return Target(build(tmp_path_factory.mktemp("sealed"), per_segment=12), 1)


@pytest.fixture(scope="module")
def folder_of_a_killed_gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest segment with a journal that holds its second half."""
    live, killed = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed")
    clock = Clock()
    for half in (0, 1):
        with opened(live, now_us=clock) as store:
            for number in range(10):
                append(store, varied(half * 10 + number))
                clock.go_on(20)
            copied(live, killed)
    for left_over in killed.glob("*-shm"):
        left_over.unlink()
    assert segments.segment_path(killed, 1).with_name("segment-000001.sqlite-wal").stat().st_size > 50_000
    assert found(killed) == ()
    return killed


@pytest.fixture(scope="module")
def live(folder_of_a_killed_gateway: Path) -> Target:
    return Target(folder_of_a_killed_gateway, 1)


@pytest.fixture(scope="module")
def journal(folder_of_a_killed_gateway: Path) -> Target:
    return Target(folder_of_a_killed_gateway, 1, "-wal")


def rows_of(folder: Path, number: int) -> Content | None:
    """What the segment says now; None when SQLite cannot read it. In a copy, so that nobody tidies up."""
    try:
        return content(segments.segment_path(folder, number))
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def flipped(target: Target, to: Path, chance: random.Random) -> str:
    """A copy of the archive with one bit turned over; which one."""
    copied(target.folder, to)
    file = target.file(to)
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    offset, bit = chance.randrange(len(data)), chance.randrange(8)
    data[offset] ^= 1 << bit
    file.write_bytes(data)
    return f"bit {bit} of byte {offset}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", ["sealed", "live", "journal"])
def test_a_bit_that_changes_a_row_is_found(target: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    what: Target = request.getfixturevalue(target)
    chance = random.Random(f"flips of {target}")
    before = rows_of(copied(what.folder, tmp_path / "before"), what.number)
    assert before is not None
    changed = silent = 0
    for _ in range(FLIPS // 3):
        damaged = tmp_path / "damaged"
        place = flipped(what, damaged, chance)
        findings: tuple[Finding, ...] = found(damaged)  # never an exception
        after = rows_of(copied(damaged, tmp_path / "read"), what.number)
        if after != before:
            changed += 1
            assert findings, f"{place}: {differences(before, after)}"
            assert all(finding.message and finding.text for finding in findings)
        elif not findings:
            silent += 1
    assert changed >= FLIPS // 60, "the flips must hit something"
    assert silent < FLIPS // 3


def differences(before: Content, after: Content | None) -> Sequence[object]:
    if after is None:
        return ["cannot be read"]
    return [
        (table, one, two)
        for table in before
        for one, two in zip(before[table], [*after[table], *[None] * len(before[table])], strict=False)
        if one != two
    ][:3]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", ["live", "journal"])
def test_the_gateway_starts_and_archives_whatever_turned_over(
    target: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A damaged newest segment is put aside or gone on with; the numbers rise, and acknowledged means stored."""
    what: Target = request.getfixturevalue(target)
    chance = random.Random(f"starts after flips of {target}")
    last = 60
    put_aside = 0
    for _ in range(FLIPS // 4):
        damaged = tmp_path / "damaged"
        place = flipped(what, damaged, chance)
        with opened(damaged, now_us=Clock()) as store:
            acknowledged = append(store, varied(50))
            assert [item.seq for item in acknowledged] == [last + 1, last + 2, last + 3], place
            assert store.fault == "", place
        newest = segments.segment_path(damaged, segments.segment_numbers(damaged)[-1])
        if newest.name != "segment-000001.sqlite":
            put_aside += 1
            assert {last + 1, last + 2, last + 3} <= {row[0] for row in content(newest)["reading"]}, place
            assert found(damaged), place
    assert put_aside
