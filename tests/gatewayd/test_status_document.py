"""The status document of the derived layer, and of sinks with two outboxes; and what the files say of a gateway that
does not run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gatewayd.archive.set_aside import SetAside
from gatewayd.config import Config
from gatewayd.daemon import status_on_disk
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.gateway import Gateway, Stage
from gatewayd.daemon.health import Health
from gatewayd.daemon.metering import Metering
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.daemon.metrics import Metrics
from gatewayd.daemon.sinks import Sinks
from gatewayd.daemon.status import running_status
from gatewayd.daemon.status_beside import Beside, beside, size_of
from gatewayd.daemon.status_metering import AGAIN, OPENED_AGAIN, RESTART, metering, trouble
from gatewayd.sink.payload import rfc3339
from tests.gatewayd.metering_world import NOW, brought, day_of
from tests.gatewayd.test_metering_site import METERED, WITH, until
from tests.gatewayd.test_metering_site import config as config_of
from tests.gatewayd.test_metrics_page import gateway_of

SINK = "sinks: [{id: m, type: mqtt, host: 127.0.0.1, port: 9}]\n"


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[tuple[Gateway, MeteringSite]]:
    """A gateway whose lines do not run, with its derived layer."""
    async with gateway_of(config) as gateway:
        gateway.sinks = Sinks(cast("Any", None))
        gateway.metering = site = MeteringSite(gateway.store, lambda: True)
        await site.take(config)
        gateway.stage = Stage.SERVING
        try:
            yield gateway, site
        finally:
            await site.stop(asyncio.get_running_loop().time())
            await site.close()


async def section(gateway: Gateway) -> dict[str, Any]:
    found = metering(gateway, await beside(gateway))
    assert found is not None
    return found


async def scraped(gateway: Gateway) -> set[str]:
    """What the metrics say of faults of the derivation."""
    health = Health(gateway)
    metrics = Metrics(gateway, health)
    lines = (await metrics.page()).body.decode().splitlines()
    metrics.close()
    health.close()
    return {line for line in lines if line.startswith(("gatewayd_metering_fault ", "gatewayd_metering_damage "))}


def played(main: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(main(), 40))


def test_without_points_there_is_nothing_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(config_of(tmp_path, METERED)) as (gateway, _):
            document = running_status(gateway, await beside(gateway), NOW)
            assert document["metering"] is None and document["held_by"] is None
            gateway.metering = None
            assert running_status(gateway, Beside(), NOW)["metering"] is None

    played(main)
    assert status_on_disk(config_of(tmp_path, METERED))["metering"] is None


def test_how_far_the_engine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With readings that it has not derived, and with all of them derived."""
    config = config_of(tmp_path, WITH, SINK)
    go_on = asyncio.Event()
    real = Metering.catch_up

    async def held(self: Metering) -> None:
        if self.state.known:
            await go_on.wait()
        await real(self)

    monkeypatch.setattr(Metering, "catch_up", held)

    async def main() -> None:
        async with serving(config) as (gateway, site):
            await until(lambda: site.state is not None and site.state.known)
            assert (await section(gateway))["behind"] == 0
            await gateway.store.append(brought(day_of("em-1")))
            found = await section(gateway)
            assert (found["points"], found["seq"], found["behind"]) == (1, 0, 96)
            assert found["oldest_at"] == rfc3339(NOW), "when the first of them was archived"
            assert (found["fault"], found["remedy"], found["last_fault"]) == (None, None, None)
            go_on.set()
            await until(lambda: site.state is not None and site.state.seq == 96)
            found = await section(gateway)
            assert (found["seq"], found["behind"], found["oldest_at"]) == (96, 0, None)
            store = site.store
            assert store is not None
            seq, digest = store.published_head()
            assert found["archive"]["head"] == {"seq": seq, "hash": digest} and seq == 97
            assert found["values"] == 97
            assert found["archive"]["bytes"] == size_of(derived_folder(gateway.store.folder)) > 0

    played(main)
    found = status_on_disk(config)["metering"]
    assert isinstance(found, dict)
    assert (found["points"], found["seq"], found["behind"]) == (1, 96, 0)
    assert found["archive"]["head"]["seq"] == 97 and found["archive"]["bytes"] > 0


def test_before_it_is_looked_up_nobody_says_where_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with serving(config_of(tmp_path, WITH)) as (gateway, site):
            await until(lambda: site.state is not None and site.state.known)
            assert site.state is not None
            site.state.known = False
            found = await section(gateway)
            assert (found["seq"], found["behind"], found["oldest_at"]) == (None, None, None)

    played(main)


def test_each_trouble_has_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(tmp_path, WITH)

    async def main() -> None:
        async with serving(config) as (gateway, site):
            state, store = site.state, site.store
            assert state is not None and store is not None
            await until(lambda: state.known)
            for task in site._tasks:  # else it says itself that all is well
                task.cancel()
            await asyncio.wait(site._tasks)
            assert trouble(site) == trouble(None) == ("", "")
            state.fault = state.last_fault = "disk full"
            assert trouble(site) == ("disk full", AGAIN)
            found = await section(gateway)
            assert (found["fault"], found["remedy"], found["archive"]["fault"]) == ("disk full", AGAIN, None)
            state.fault = ""
            assert (await section(gateway))["last_fault"] == "disk full", "also after it has gone"
            assert found["unreadable"] is None
            state.unread(["segment-000001.sqlite is damaged"])
            assert (await section(gateway))["unreadable"] == "segment-000001.sqlite is damaged"
            assert await scraped(gateway) == {"gatewayd_metering_fault 0", "gatewayd_metering_damage 1"}
            state.unread([])
            state.lost("of days whose values are in x", "restore it")
            assert await scraped(gateway) == {"gatewayd_metering_fault 0", "gatewayd_metering_damage 1"}
            state.lost("", "")
            assert await scraped(gateway) == {"gatewayd_metering_fault 0", "gatewayd_metering_damage 0"}
            found = await section(gateway)
            assert (found["unreadable"], found["last_fault"]) == (None, "segment-000001.sqlite is damaged")
            store.fault = "no room"
            found = await section(gateway)
            assert (found["fault"], found["archive"]["fault"]) == ("no room", "no room")
            assert await scraped(gateway) == {"gatewayd_metering_fault 1", "gatewayd_metering_damage 0"}
            store.fault = ""

    played(main)

    async def defect(_self: Metering) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(Metering, "catch_up", defect)

    async def ends() -> None:
        async with serving(config) as (_, site):
            await until(lambda: site.state is not None and site.state.ended)
            fault, remedy = trouble(site)
            assert "ZeroDivisionError" in fault and remedy == RESTART

    played(ends)


def test_an_archive_that_cannot_be_opened(tmp_path: Path) -> None:
    config = config_of(tmp_path, WITH)

    async def main() -> None:
        async with gateway_of(config) as gateway:
            derived_folder(gateway.store.folder).write_text("a file in its place")
            gateway.metering = site = MeteringSite(gateway.store, lambda: True)
            await site.take(config)
            found = await section(gateway)
            assert (found["points"], found["seq"], found["remedy"]) == (1, None, OPENED_AGAIN)
            assert found["fault"] == found["archive"]["fault"] == site.fault != ""
            await site.take(config_of(tmp_path, METERED))
            assert metering(gateway, Beside()) is None, "there are no points any more"

    played(main)


def test_a_sink_has_two_outboxes(tmp_path: Path) -> None:
    config = config_of(tmp_path, WITH, SINK)

    async def main() -> None:
        async with serving(config) as (gateway, site):
            store = site.store
            assert store is not None
            gateway.sinks = cast("Any", type("All", (), {"serving": site.serving}))  # of the same id
            await gateway.store.append(brought(day_of("em-1")))
            await until(lambda: site.serving[0].publisher.state.waiting == 97)
            await store.set_aside(SetAside("m", 5, 7, "refused"))
            document = running_status(gateway, await beside(gateway), NOW + timedelta(hours=1))
            (sink,) = cast("list[dict[str, Any]]", document["sinks"])
            assert (sink["id"], sink["type"], sink["set_aside"]) == ("m", "mqtt", 0)
            assert (sink["derived"]["waiting"], sink["derived"]["set_aside"]) == (97, 3)
            assert sink["derived"]["oldest_at"] > rfc3339(NOW), "when it was derived"
            assert sink["oldest_at"] == rfc3339(NOW)
            assert sink.keys() - {"id", "type", "derived"} == sink["derived"].keys()

    played(main)
    (sink,) = cast("list[dict[str, Any]]", status_on_disk(config)["sinks"])
    assert (sink["state"], sink["waiting"]) == ("new", 96)
    assert (sink["derived"]["waiting"], sink["derived"]["state"], sink["derived"]["set_aside"]) == (
        97,
        "not running",
        3,
    )


def test_what_was_put_aside_is_told_by_a_gateway_and_by_the_files(tmp_path: Path) -> None:
    config = config_of(tmp_path, METERED)
    (config.archive.path / "quarantine" / "segment-000001-20261120T222000Z").mkdir(parents=True)

    async def main() -> None:
        async with serving(config) as (gateway, _):
            document = cast("dict[str, Any]", running_status(gateway, await beside(gateway), NOW))
            assert document["archive"]["put_aside"] == 1

    played(main)
    assert cast("dict[str, Any]", status_on_disk(config)["archive"])["put_aside"] == 1


def test_what_the_files_say_when_they_are_broken(tmp_path: Path) -> None:
    config = config_of(tmp_path, WITH)

    async def main() -> None:
        async with serving(config) as (_, site):
            await until(lambda: site.state is not None and site.state.known)

    played(main)
    folder = derived_folder(config.archive.path)
    (folder / "head").write_bytes(b"x" * 200)
    found = cast("dict[str, Any]", status_on_disk(config)["metering"])
    assert "damaged" in found["archive"]["fault"] and found["seq"] is None
