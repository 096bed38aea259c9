"""The derived layer beside a gateway: it comes and goes with the points of the configuration, and harms nobody."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import load_config
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.legal_time import PRAGUE, interval_ends
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.metering_world import brought, day_of

DAY = datetime.now(UTC).astimezone(PRAGUE).date() - timedelta(days=3)
COUNT = len(interval_ends(DAY)) + 1
"""What is derived of it at once, the day itself among it."""
METER = "meters:\n  - {id: em-1, driver: iec62056_21, line: a, jobs: [JOB]}\n"
WITHOUT = METER.replace("JOB", "{registers: all, every: 1h}")
METERED = METER.replace("JOB", '{profile: P.01, at: "03:00"}')
WITH = METERED + "points: [{id: em-1-point, meter: em-1}]\n"


def config(folder: Path, meters: str, more: str = "") -> Config:
    path = folder / "gatewayd.yaml"
    head = f"gateway: {{id: gw-1, clock: trusted}}\narchive: {{path: {folder / 'archive'}}}\n"
    path.write_text(f"{head}lines: {{a: {{type: tcp, host: 127.0.0.1, port: 9}}}}\n{meters}{more}", encoding="utf-8")
    return load_config(path)


async def until(true: Callable[[], bool]) -> None:
    """Looks often; the test has a time limit."""
    while not true():
        await asyncio.sleep(0.005)


def points(site: MeteringSite) -> int | None:
    """Of how many points it derives; None where it does not."""
    return None if site.state is None else site.state.points


def idle(site: MeteringSite, raw: Store) -> bool:
    """Whether everything is derived that there is."""
    return site.state is not None and site.state.seq == raw.head and not site.state.waiting


async def ended(site: MeteringSite) -> None:
    await site.stop(asyncio.get_running_loop().time() + 1)
    await site.close()


def test_it_begins_with_the_first_point_and_not_before(tmp_path: Path) -> None:
    async def body(raw: Store) -> None:
        site = MeteringSite(raw, lambda: True)
        for meters in (WITHOUT, METERED):
            await site.take(config(tmp_path, meters))
            assert points(site) is None
        assert not derived_folder(raw.folder).exists()
        await site.take(config(tmp_path, WITH))
        assert points(site) == 1
        await raw.append(brought(day_of("em-1", DAY)))
        store = site.store
        assert store is not None
        await until(lambda: store.head >= COUNT)
        await site.take(config(tmp_path, METERED, "points: [{id: north, meter: em-1}]\n"))
        await until(lambda: store.head >= 2 * COUNT)
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        asyncio.run(asyncio.wait_for(body(raw), 30))


def test_an_archive_that_cannot_be_opened_stops_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(raw: Store) -> None:
        derived_folder(raw.folder).write_text("a file in its place", encoding="utf-8")
        site = MeteringSite(raw, lambda: True)
        await site.take(config(tmp_path, WITH))
        assert points(site) is None
        assert len(await raw.append(brought(day_of("em-1")))) == 96
        derived_folder(raw.folder).unlink()
        await site.take(config(tmp_path, WITH))
        assert points(site) == 1, "at the next reload it is tried again"
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        asyncio.run(asyncio.wait_for(body(raw), 30))
    assert "no values are derived" in caplog.text


def test_an_archive_that_could_not_be_opened_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has to reload; it is told once, and what was read meanwhile is derived."""

    async def body(raw: Store) -> None:
        derived_folder(raw.folder).write_text("a file in its place", encoding="utf-8")
        site = MeteringSite(raw, lambda: True, retry_s=0.001)
        await site.take(config(tmp_path, WITH))
        await raw.append(brought(day_of("em-1", DAY)))
        fault = site.fault
        for _ in range(3):  # it was tried again by then
            await asyncio.sleep(0.01)
        assert site.fault == fault != "" and points(site) is None
        derived_folder(raw.folder).unlink()
        await until(lambda: idle(site, raw))
        assert not site.fault and site.store is not None and site.store.head == COUNT
        await ended(site)

    with opened(tmp_path / "archive") as raw, caplog.at_level("INFO", "gatewayd.metering"):
        asyncio.run(asyncio.wait_for(body(raw), 30))
    assert caplog.text.count("no values are derived") == 1 and "metering: it goes on" in caplog.text


def test_nobody_tries_it_again_when_there_are_no_points_any_more(tmp_path: Path) -> None:
    async def body(raw: Store) -> None:
        derived_folder(raw.folder).write_text("a file in its place", encoding="utf-8")
        site = MeteringSite(raw, lambda: True, retry_s=0.001)
        await site.take(config(tmp_path, WITH))
        await site.take(config(tmp_path, METERED))
        assert not site.fault
        derived_folder(raw.folder).unlink()
        await until(lambda: not any(task.get_name().startswith("derived archive") for task in asyncio.all_tasks()))
        assert not derived_folder(raw.folder).exists()
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        asyncio.run(asyncio.wait_for(body(raw), 30))


def test_every_sink_gets_derived_values_unless_it_says_no(tmp_path: Path) -> None:
    mqtt = "  - {id: m, type: mqtt, host: 127.0.0.1, port: 9MORE}\n"
    sinks = (
        "sinks:\n" + mqtt.replace("MORE", ", derived: false") + "  - {id: t, type: line_protocol, dialect: "
        "victoriametrics, url: 'http://127.0.0.1:9'}\n"
        "  - {id: p, type: postgresql, host: 127.0.0.1, port: 9, database: d, username: u, derived: true}\n"
    )

    async def body(raw: Store) -> None:
        site = MeteringSite(raw, lambda: True)
        await site.take(config(tmp_path, WITH, sinks))
        assert [one.publisher.state.sink for one in site.serving] == ["t", "p"]
        going_on = site.serving[0]
        await site.take(config(tmp_path, WITH, sinks.replace(", derived: false", "")))
        assert [one.publisher.state.sink for one in site.serving] == ["m", "t", "p"]
        assert site.serving[1] is going_on
        await site.take(config(tmp_path, WITH))
        assert site.serving == []
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        asyncio.run(asyncio.wait_for(body(raw), 30))


@pytest.mark.parametrize("start", ["beginning", "now", "2020-01-01"])
def test_where_the_derived_values_of_a_sink_begin(tmp_path: Path, start: str) -> None:
    """What comes from now on is everything that is derived from then on, the first value included, however quick the
    engine is; a sink that was there before the points gets all that is derived of them."""

    def sinks(*names: str) -> str:
        return "sinks:\n" + "".join(
            f"  - {{id: {name}, type: mqtt, host: 127.0.0.1, port: 9, start: {start}}}\n" for name in names
        )

    async def body(raw: Store) -> None:
        await raw.append(brought(day_of("em-1", DAY)))
        site = MeteringSite(raw, lambda: True)
        await site.take(config(tmp_path, METERED, sinks("before")))
        await site.take(config(tmp_path, WITH, sinks("before")))
        store = site.store
        assert store is not None
        await until(lambda: store.head >= COUNT and idle(site, raw))
        head = store.head
        await site.take(config(tmp_path, METERED, "points: [{id: north, meter: em-1}]\n" + sinks("before", "later")))
        assert read_cursors(store.folder)["later"].cursor == (head if start == "now" else 0), "before anything comes"
        await until(lambda: store.head >= head + COUNT and idle(site, raw))
        first, second = (one.outbox for one in site.serving)
        await until(lambda: first.depth() == store.head)
        assert second.depth() == store.head - (head if start == "now" else 0)
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        asyncio.run(asyncio.wait_for(body(raw), 30))
