"""The derived layer beside a gateway: it comes and goes with the points of the configuration, and harms nobody."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import load_config
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_site import MeteringSite
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.metering_world import brought, day_of

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
        await raw.append(brought(day_of("em-1")))
        store = site.store
        assert store is not None
        await until(lambda: store.head == 97)
        await site.take(config(tmp_path, METERED, "points: [{id: north, meter: em-1}]\n"))
        await until(lambda: store.head == 2 * 97)
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


def test_only_mqtt_sinks_get_derived_values(tmp_path: Path) -> None:
    sinks = (
        "sinks:\n  - {id: m, type: mqtt, host: 127.0.0.1, port: 9}\n"
        "  - {id: t, type: line_protocol, dialect: victoriametrics, url: 'http://127.0.0.1:9'}\n"
    )

    async def body(raw: Store) -> None:
        site = MeteringSite(raw, lambda: True)
        await site.take(config(tmp_path, WITH, sinks))
        assert [one.publisher.state.sink for one in site.serving] == ["m"]
        await site.take(config(tmp_path, WITH))
        assert site.serving == []
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        asyncio.run(asyncio.wait_for(body(raw), 30))
