"""What doctor makes of the derived layer: of what the gateway says of it, of its archive, of points without values."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gatewayd.doctor import disk, gateway, metering, processes, ratios
from gatewayd.doctor.account import own_account
from gatewayd.doctor.findings import AREAS, Finding, Unseen
from gatewayd.doctor.processes import Holder
from gatewayd.doctor.scene import Scene
from gatewayd.metering.points import Installed, MeteringPoint, Verified
from gatewayd.metering.virtual import Virtual
from gatewayd.model import MeteringType
from tests.gatewayd.doctor.samples import ERROR, NOTE, NOW, OK, WARNING, only, scene, status, told
from tests.gatewayd.metering_world import DAY, SOUTH, day_of, quarter, world
from tests.gatewayd.metering_world import NORTH as BARE

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
VERIFIED = Verified(meter=(NOW + timedelta(days=900)).date())
NORTH = MeteringPoint("north", metering_type=MeteringType.A, installed=(Installed("em-1"),), verified=VERIFIED)
WELL: dict[str, Any] = {"points": 2, "seq": 7, "behind": 0, "oldest_at": None, "fault": None, "remedy": None}


def said(**changed: Any) -> dict[str, Any]:
    at, since = "2026-11-27T12:00:00Z", "2026-11-20T12:00:00Z"
    return status(at=at, since=since, metering=WELL | changed)


@pytest.mark.parametrize(
    ("changed", "level", "words", "remedy"),
    [
        ({}, OK, "derived up to reading 7", ""),
        ({"fault": "disk full", "remedy": "make room"}, ERROR, "nothing is derived: disk full", "make room"),
        ({"behind": 5, "oldest_at": "2026-11-27T11:30:00Z"}, OK, "up to reading 7", ""),
        ({"behind": 5, "oldest_at": "2026-11-27T10:30:00Z"}, WARNING, "5 readings are not derived yet", "journalctl"),
        ({"seq": None}, NOTE, "not known yet", "gatewayd status"),
    ],
)
def test_the_engine(changed: dict[str, Any], level: Any, words: str, remedy: str) -> None:
    only(metering.judged_engine(said(**changed)), level, words, remedy)


def test_without_points_nothing_is_said() -> None:
    assert metering.judged_engine(status()) == []
    assert metering.points(scene(running=True, status=status())) == []
    assert metering.derived_archive(scene(running=False)) == []


# -- points of which nothing comes -------------------------------------------------------------------------------------


def judged(points: Sequence[MeteringPoint], newest: dict[str, datetime], **more: Any) -> list[Finding]:
    return metering.judged_points(points, newest, NOW, whole=True, **more)


@pytest.mark.parametrize(("days", "silent"), [(0, False), (3, False), (4, True)])
def test_a_point_without_values_for_days(days: int, silent: bool) -> None:
    (found,) = judged([NORTH], {"north": NOW - timedelta(days=days)})
    assert (found.level is WARNING) is silent
    if silent:
        assert (found.subject, "since 2026-11-23 12:00 UTC" in found.text) == ("point north", True)
        assert "gatewayd archive gaps em-1" in found.remedy


def test_a_point_of_type_c_may_wait_for_its_month() -> None:
    point = replace(NORTH, metering_type=MeteringType.C)
    only(judged([point], {"north": NOW - timedelta(days=64)}), OK, "there are values")
    only(judged([point], {"north": NOW - timedelta(days=66)}), WARNING, "no value of it since")


def test_a_point_that_never_had_a_value() -> None:
    """Of the meter that is there now; one that has had no turn is not told of, nor one that comes later."""
    moved = replace(NORTH, installed=(Installed("em-0"), Installed("em-1", since=LONG_AGO)))
    only(judged([moved], {}), WARNING, "no value was ever derived of it; its meter is em-1", "--meter em-1")
    only(metering.judged_points([NORTH], {}, NOW, whole=False), WARNING, "in what was derived lately")
    assert judged([NORTH], {}, unasked={"em-1"}) == []
    assert judged([replace(NORTH, installed=(Installed("em-1", since=NOW + timedelta(days=1)),))], {}) == []


def test_sums_are_as_good_as_their_parts_and_many_are_counted() -> None:
    total = MeteringPoint("total", sum=Virtual("total", {}))
    assert judged([total], {}) == []
    found = judged([replace(NORTH, id=f"p{number}") for number in range(12)], {})
    assert [one.level for one in found] == [WARNING] * 11
    assert found[-1].text == "of 2 more points nothing comes"


def test_a_point_without_verification_is_a_note() -> None:
    found = judged([replace(NORTH, verified=Verified())], {"north": NOW})
    assert [level for level, _ in told(found)] == [OK, NOTE]
    assert found[1].text.endswith("nobody is told when it ends: north")


def test_who_had_no_turn_yet() -> None:
    meters = [{"id": "em-1", "last_success_at": None}, {"id": "em-2", "last_success_at": "2026-11-27T11:00:00Z"}]
    young = status(at="2026-11-27T12:00:00Z", since="2026-11-27T11:00:00Z", meters=meters)
    assert metering.unasked(young) == {"em-1"}
    assert metering.unasked(young | {"since": "2026-11-26T11:00:00Z"}) == frozenset()


# -- the archive -------------------------------------------------------------------------------------------------------


def filled(folder: Path) -> None:
    """A day of `north`, whose last quarter-hour is missing, and nothing of `south`."""
    day = day_of("em-1")
    day[-1] = quarter("em-1", day[-1].at, "")

    async def fill() -> None:
        async with world(folder, (BARE, SOUTH)) as here:
            await here.bring(day)

    asyncio.run(fill())


def site(folder: Path, **changes: Any) -> Scene:
    known = scene(running=False)
    config = replace(known.config, archive=known.config.archive.model_copy(update={"path": folder}))
    me = own_account()
    return replace(known, config=config, derived=folder / "derived", me=me, service=me, **changes)


def test_the_newest_value_that_is_one(tmp_path: Path) -> None:
    filled(tmp_path)
    before = sorted((path.name, path.stat().st_size) for path in (tmp_path / "derived").iterdir())
    newest, whole = metering.seen_newest(tmp_path / "derived", frozenset({"north", "south"}))
    last = day_of("em-1", DAY)[-2].at
    assert (newest, whole) == ({"north": last}, True)
    after = sorted((path.name, path.stat().st_size) for path in (tmp_path / "derived").iterdir())
    assert before == after, "a look leaves nothing behind"


def test_a_journal_that_nobody_uses_is_left_alone(tmp_path: Path) -> None:
    """Of a copy, for instance: who opens it makes a file beside it, and as root one that the gateway may not write."""
    filled(tmp_path)
    folder = tmp_path / "derived"
    (folder / "segment-000001.sqlite-wal").write_bytes(b"")
    with pytest.raises(Unseen):
        metering.seen_newest(folder, frozenset({"north"}))
    assert not (folder / "segment-000001.sqlite-shm").exists()


def test_a_look_at_ratios_leaves_nothing_behind(tmp_path: Path) -> None:
    filled(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert ratios.judged([NORTH], tmp_path, ZoneInfo("Europe/Prague")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_the_look_at_points(tmp_path: Path) -> None:
    filled(tmp_path)
    seen = site(tmp_path, running=True, status=said() | {"pid": os.getpid()})
    seen = replace(seen, config=replace(seen.config, points=(NORTH, replace(SOUTH, verified=VERIFIED))))
    levels = {one.subject: one.level for one in metering.points(seen)}
    assert levels["engine"] is OK and levels["point south"] is WARNING
    late = replace(seen, status=said(behind=5, oldest_at="2026-11-27T10:00:00Z"))
    assert [one.subject for one in metering.points(late)] == ["engine"], "it may be that it comes"


def test_the_look_at_the_derived_archive(tmp_path: Path) -> None:
    only(metering.derived_archive(site(tmp_path)), NOTE, "there is none yet", "gatewayd reload")
    (tmp_path / "derived").write_text("a file")
    only(metering.derived_archive(site(tmp_path)), ERROR, "is no folder", f"move {tmp_path / 'derived'} away")
    (tmp_path / "derived").unlink()
    filled(tmp_path)
    (head,) = metering.derived_archive(site(tmp_path))
    assert (head.level, head.area, head.subject) == (OK, "metering", "derived archive: head")
    assert "the head fits" in head.text
    (tmp_path / "derived" / "signing.key").chmod(0o644)
    (tmp_path / "derived").chmod(0o755)
    (tmp_path / "derived" / "head").write_bytes(b"x" * 100)
    found = metering.derived_archive(site(tmp_path))
    assert [(one.level, one.subject) for one in found] == [
        (WARNING, str(tmp_path / "derived")),
        (ERROR, "derived archive: head"),
        (ERROR, "derived archive: signing key"),
    ]
    assert found[1].remedy == "gatewayd archive verify --derived"
    assert str(tmp_path / "derived") in found[2].remedy
    assert {one.area for one in found} <= {*AREAS}


def test_the_derived_archive_counts_for_the_growth(tmp_path: Path) -> None:
    filled(tmp_path)
    alone, both = disk.seen_disk(tmp_path), disk.seen_disk(tmp_path, beside=tmp_path / "derived")
    assert both.archive == alone.archive + disk.seen_disk(tmp_path / "derived").archive > alone.archive


# -- a gateway that cannot be asked ------------------------------------------------------------------------------------


def test_a_gateway_that_runs_without_its_socket() -> None:
    holder = Holder(7, "gatewayd", True)
    only(
        gateway.judged_running(scene(running=False), "", (holder, True)),
        ERROR,
        "process 7",
        "systemctl restart gatewayd",
    )
    only(gateway.judged_running(scene(running=False), "", (holder, False)), WARNING, "does not run", "systemctl start")


def test_a_gateway_with_another_archive() -> None:
    elsewhere = replace(scene(running=False), elsewhere=7)
    only(gateway.judged_running(elsewhere, ""), ERROR, "process 7 is a gateway with", "systemctl restart gatewayd")
    only(gateway.judged_running(replace(elsewhere, running=True, status=status()), ""), OK, "version")


def test_who_holds_the_lock(tmp_path: Path) -> None:
    assert processes.writer_of(tmp_path / "writer.lock") is None
    (tmp_path / "writer.lock").touch()
    assert processes.writer_of(tmp_path / "writer.lock") is None
    assert not processes.is_gateway(os.getpid()), "a test is no gateway"
