"""What is said of a gateway's health, of a real archive in a temporary folder; each reason in words."""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatewayd.archive.store import Store
from gatewayd.daemon import health
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.gateway import Stage
from gatewayd.daemon.health import Health, disk_fault, second_disk_fault
from gatewayd.daemon.metering_state import MeteringState
from gatewayd.daemon.status_metering import AGAIN, RESTART
from gatewayd.kernel_clock import TRUSTED, Sync, Synchronised
from gatewayd.pulse import Pulse

UNSURE = Synchronised(Sync.NO, "adjtimex")


@dataclass
class Plant:
    """As much of a gateway as its health looks at."""

    store: Store
    stage: Stage = Stage.SERVING
    clock: Any = field(default_factory=lambda: SimpleNamespace(state=TRUSTED))
    lines: Any = field(default_factory=lambda: SimpleNamespace(broken={}, workers=[]))
    metering: Any = None


@asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Plant, Health]]:
    store = Store(folder, "gw-1", lambda: 0)
    await asyncio.to_thread(store.open)
    made = Plant(store)
    asked = Health(cast("Any", made))
    try:
        yield made, asked
    finally:
        asked.close()
        await asyncio.to_thread(store.close)


def played(folder: Path, main: Callable[[Plant, Health], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        async with plant(folder) as (made, asked):
            await main(made, asked)

    asyncio.run(whole())


def test_all_is_well(tmp_path: Path) -> None:
    async def main(_made: Plant, asked: Health) -> None:
        for page, word in ((await asked.healthz(), "alive"), (await asked.readyz(), "ready")):
            assert page.status is HTTPStatus.OK
            assert json.loads(page.body) == {"status": word, "reasons": []}

    played(tmp_path, main)


def test_each_reason_is_a_sentence_with_a_remedy(tmp_path: Path) -> None:
    async def main(made: Plant, asked: Health) -> None:
        made.stage = Stage.STARTING
        assert await asked.ready() == ["the gateway is starting"]
        made.stage = Stage.STOPPING
        assert await asked.ready() == ["the gateway stops"]
        made.stage = Stage.SERVING
        made.clock.state = UNSURE
        (reason,) = await asked.ready()
        assert "is not synchronised (adjtimex)" in reason and "clock: trusted" in reason
        made.clock.state = TRUSTED
        made.store.fault = "disk I/O error"
        assert await asked.ready() == [f"archive {tmp_path} takes nothing: disk I/O error"]
        assert await asked.alive() == [], "a new start would not mend it"
        made.store.fault = ""
        made.lines.broken = {"bus": "KeyError('x')"}
        (reason,) = await asked.ready()
        assert reason.startswith("line bus was ended by a defect in gatewayd (KeyError('x'))")
        page = await asked.readyz()
        assert page.status is HTTPStatus.SERVICE_UNAVAILABLE
        assert json.loads(page.body) == {"status": "not ready", "reasons": [reason]}

    played(tmp_path, main)


def test_a_line_that_is_stuck_is_no_life(tmp_path: Path) -> None:
    async def main(made: Plant, asked: Health) -> None:
        stuck = Pulse("line bus", margin=0)
        made.lines.workers = [SimpleNamespace(pulses=(stuck,))]
        assert await asked.alive() == []
        stuck.turn(asyncio.get_running_loop().time() - 1, 0.5)
        (reason,) = await asked.alive()
        assert reason.startswith("line bus: no progress for much too long")
        assert await asked.ready() == [reason]

    played(tmp_path, main)


def test_a_writer_that_hangs_is_waited_for_once_and_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.2)
    monkeypatch.setattr(health, "FRESH_S", 0.0)

    async def main(made: Plant, asked: Health) -> None:
        let_go, calls = threading.Event(), list[str]()
        original = made.store.flush

        async def flush() -> None:
            calls.append("asked")
            await original()

        made.store.flush = flush  # type: ignore[method-assign]
        hanging = asyncio.ensure_future(made.store._call(lambda: cast("None", let_go.wait(20))))
        found = await asyncio.gather(*(asked.alive() for _ in range(50)))
        assert all("its writer has not answered" in reason for (reason,) in found)
        assert calls == ["asked"], "however many want to know"
        let_go.set()
        await hanging
        assert await until_well(asked) == []

    played(tmp_path, main)


async def until_well(asked: Health) -> list[str]:
    async with asyncio.timeout(10):
        while found := await asked.alive():
            await asyncio.sleep(0.01)
    return found


def test_a_folder_that_is_gone_or_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk_fault(tmp_path) == ""
    assert "cannot be reached: No such file or directory" in disk_fault(tmp_path / "gone")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in disk_fault(tmp_path)


def test_a_disk_that_is_full_or_read_only(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"this test has to mount a file system: run it as root ({done.stderr.strip()})"
    try:
        assert disk_fault(tmp_path) == ""
        (tmp_path / "somebody-elses").write_bytes(bytes(20 << 20))
        assert "only 4 MiB are free on its disk; make room" in disk_fault(tmp_path)
        (tmp_path / "somebody-elses").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        assert "is its disk mounted read-only" in disk_fault(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# -- the derived layer -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def derived(made: Plant) -> AsyncIterator[tuple[Any, Store]]:
    """A derived layer in order, whose archive is open."""
    store = Store(derived_folder(made.store.folder), "gw-1", lambda: 0)
    await asyncio.to_thread(store.open)
    made.metering = SimpleNamespace(fault="", state=MeteringState(points=1, known=True), store=store)
    try:
        yield made.metering, store
    finally:
        await asyncio.to_thread(store.close)


def test_what_keeps_values_from_being_derived_is_not_ready(tmp_path: Path) -> None:
    """Meters are read all the same, and a new start would mend none of it."""

    async def main(made: Plant, asked: Health) -> None:
        async with derived(made) as (site, store):
            assert await asked.ready() == []
            site.state.fault = "disk full"
            assert await asked.ready() == [f"nothing is derived: disk full; {AGAIN}; meters are read all the same"]
            site.state.fault = ""
            store.fault = "no room"
            assert await asked.ready() == [f"nothing is derived: no room; {AGAIN}; meters are read all the same"]
            store.fault = ""
            assert await asked.alive() == []
        made.metering = SimpleNamespace(fault="no such disk", state=None, store=None)
        (reason,) = await asked.ready()
        assert reason.startswith("nothing is derived: no such disk; ") and "tried again every 10 s" in reason
        assert await asked.alive() == []

    played(tmp_path, main)


def test_an_engine_that_a_defect_has_ended_is_a_reason_to_start_anew(tmp_path: Path) -> None:
    async def main(made: Plant, asked: Health) -> None:
        async with derived(made) as (site, _):
            site.state.fault, site.state.ended = "a defect in gatewayd: KeyError('x')", True
            (reason,) = await asked.alive()
            assert "KeyError('x')" in reason and reason.endswith(RESTART)
            assert (await asked.healthz()).status is HTTPStatus.SERVICE_UNAVAILABLE
            (reason,) = await asked.ready()
            assert "KeyError('x')" in reason

    played(tmp_path, main)


def test_a_derived_writer_that_hangs_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.2)

    async def main(made: Plant, asked: Health) -> None:
        async with derived(made) as (_, store):
            let_go = threading.Event()
            hanging = asyncio.ensure_future(store._call(lambda: cast("None", let_go.wait(20))))
            (reason,) = await asked.ready()
            assert reason.startswith(f"archive {store.folder}: its writer has not answered")
            assert await asked.alive() == []
            let_go.set()
            await hanging

    played(tmp_path, main)


def test_a_disk_of_its_own_is_looked_at_and_a_shared_one_told_of_once(tmp_path: Path) -> None:
    folder = derived_folder(tmp_path)
    folder.mkdir()
    assert second_disk_fault(tmp_path, folder) == ""
    assert "cannot be reached" in second_disk_fault(tmp_path, tmp_path / "gone")
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"this test has to mount a file system: run it as root ({done.stderr.strip()})"
    try:
        (folder / "somebody-elses").write_bytes(bytes(20 << 20))
        assert f"archive {folder}: only 4 MiB are free" in second_disk_fault(tmp_path, folder)
        (folder / "below").mkdir()
        assert "only 4 MiB" in disk_fault(folder)
        assert second_disk_fault(folder, folder / "below") == "", "the one above tells"
    finally:
        subprocess.run(["umount", str(folder)], check=True)
