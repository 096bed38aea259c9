"""Whether a gateway lives, and whether it does what it is there for: /healthz and /readyz.

Rules: every reason is a sentence with what somebody can do about it. Dead meters, brokers that are gone and lines that
have failed are no reason: they are faults of others, and told elsewhere. What keeps values from being derived is one,
although meters are read all the same; only an engine that a defect has ended is a reason to start anew. A disk that
does not answer costs nobody more than a moment, and one thread however often somebody asks. Being asked often costs the
archives nothing.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import msgspec

from gatewayd.archive.store import Store
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.gateway import Gateway, Stage
from gatewayd.daemon.http import Reply
from gatewayd.daemon.status_metering import RESTART, trouble
from gatewayd.errors import ArchiveError
from gatewayd.kernel_clock import Sync

PATIENCE_S = 3.0
"""What the archive's writer and its disk get to answer."""
FRESH_S = 1.0
"""An answer of theirs is good for so long."""
LEAST_FREE = 16 << 20
"""Octets on the archive's disk: with less the next commits may fail."""
_JSON = "application/json"
_NAMED = 3


class Look:
    """One question that may hang, asked once however many want to know. The answer is a reason, "" for all well."""

    def __init__(self, question: Callable[[], Awaitable[str]], late: str) -> None:
        self._question = question
        self._late = late
        self._asking: asyncio.Task[str] | None = None
        self._asked_at = 0.0

    async def answer(self) -> str:
        """The reason; `late` where there is no answer in time."""
        now = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now - self._asked_at > FRESH_S):
            self._asking, self._asked_at = asyncio.create_task(self._asked(), name="health"), now
        asking = self._asking
        await asyncio.wait({asking}, timeout=max(self._asked_at + PATIENCE_S - now, 0))
        return asking.result() if asking.done() else self._late

    async def _asked(self) -> str:
        return await self._question()

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()


class Health:
    """Of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        where = f"archive {gateway.store.folder}"
        late = f"{where}: its writer has not answered for {PATIENCE_S:g} s: is the disk slow, or has it failed?"
        self._writer = Look(self._written, late)
        hangs = f"{where}: its disk has not answered for {PATIENCE_S:g} s: has it failed, or a server behind it?"
        self._disk = Look(self._room, hangs)
        derived = derived_folder(gateway.store.folder)
        late = (
            f"archive {derived}: its writer has not answered for {PATIENCE_S:g} s: is the disk slow, or has it failed?"
        )
        self._derived_writer = Look(self._derived_written, late)
        hangs = (
            f"archive {derived}: its disk has not answered for {PATIENCE_S:g} s: has it failed, or a server behind it?"
        )
        self._derived_disk = Look(self._derived_room, hangs)

    def close(self) -> None:
        """Nobody will ask any more."""
        for look in (self._writer, self._disk, self._derived_writer, self._derived_disk):
            look.close()

    async def alive(self) -> list[str]:
        """Why the process should be started anew; [] when it lives. That somebody answers says that the loop turns."""
        reasons = (await self._writer.answer(), self._stuck(), self._ended())
        return [reason for reason in reasons if reason]

    async def ready(self) -> list[str]:
        """Why meters are not read, what they send is not kept, or no values are derived of it; [] when all is well."""
        gateway, archive = self._gateway, self._gateway.store
        reasons = [text for text in (_STAGES.get(gateway.stage, ""),) if text]
        reasons += [
            f"line {line} was ended by a defect in gatewayd ({defect}) and begins anew in a minute; please report it"
            for line, defect in gateway.lines.broken.items()
        ]
        if archive.fault:
            reasons.append(f"archive {archive.folder} takes nothing: {archive.fault}")
        looks = (self._writer, self._disk, *self._derived())
        found = await asyncio.gather(*(look.answer() for look in looks))
        reasons += [reason for reason in (*found, self._stuck(), self._clock(), self._underived()) if reason]
        return reasons

    async def healthz(self) -> Reply:
        """The page."""
        return _page(await self.alive(), "alive", "not alive")

    async def readyz(self) -> Reply:
        """The page."""
        return _page(await self.ready(), "ready", "not ready")

    def _stuck(self) -> str:
        now, workers = asyncio.get_running_loop().time(), self._gateway.lines.workers
        late = [pulse.name for worker in workers for pulse in worker.pulses if pulse.late(now)]
        more = f" and {len(late) - _NAMED} others" if len(late) > _NAMED else ""
        stuck = f"{', '.join(late[:_NAMED])}{more}: no progress for much too long, a defect in gatewayd"
        return f"{stuck}: restart it, and report it" if late else ""

    async def _written(self) -> str:
        return await _flushed(self._gateway.store)

    async def _room(self) -> str:
        return await asyncio.to_thread(disk_fault, self._gateway.store.folder)

    # -- the derived layer --------------------------------------------------------------------------------------------

    def _derived(self) -> tuple[Look, ...]:
        """What may hang of it, where it is open."""
        site = self._gateway.metering
        return () if site is None or site.store is None else (self._derived_writer, self._derived_disk)

    async def _derived_written(self) -> str:
        site = self._gateway.metering
        return "" if site is None or site.store is None else await _flushed(site.store)

    async def _derived_room(self) -> str:
        raw = self._gateway.store.folder
        return await asyncio.to_thread(second_disk_fault, raw, derived_folder(raw))

    def _ended(self) -> str:
        site = self._gateway.metering
        state = None if site is None else site.state
        return f"nothing is derived: {state.fault}; {RESTART}" if state is not None and state.ended else ""

    def _underived(self) -> str:
        fault, remedy = trouble(self._gateway.metering)
        return f"nothing is derived: {fault}; {remedy}; meters are read all the same" if fault else ""

    def _clock(self) -> str:
        found = self._gateway.clock.state
        if found.sure:
            return ""
        said = "is not synchronised" if found.state is Sync.NO else "is not known to be synchronised"
        return (
            f"the gateway's clock {said} ({found.source}): what it stamps is flagged; start a time service such as "
            "chrony, or where the clock is right by other means set gateway: {clock: trusted}"
        )


_STAGES = {Stage.STARTING: "the gateway is starting", Stage.STOPPING: "the gateway stops"}


def disk_fault(folder: Path) -> str:
    """Why the archive's folder cannot take anything; "" when it can. Blocks."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return f"archive {folder} cannot be reached: {error.strerror}; is its disk mounted?"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"archive {folder} cannot be written: is its disk mounted read-only, the folder another user's?"
    free = found.f_bavail * found.f_frsize
    if free < LEAST_FREE:
        return f"archive {folder}: only {free >> 20} MiB are free on its disk; make room, or move the archive"
    if found.f_files and not found.f_favail:
        return f"archive {folder}: no more files can be made on its disk; make room"
    return ""


def second_disk_fault(raw: Path, derived: Path) -> str:
    """The same of the derived archive; "" where it is on the same disk, of which the other one tells. Blocks."""
    fault = disk_fault(derived)
    try:
        shared = raw.stat().st_dev == derived.stat().st_dev
    except OSError:
        shared = False
    return "" if shared and disk_fault(raw) else fault


async def _flushed(store: Store) -> str:
    """Why its writer does nothing any more; "" when it has answered."""
    try:
        await store.flush()
    except ArchiveError as error:
        return str(error)
    return ""


def _page(reasons: list[str], well: str, unwell: str) -> Reply:
    document = {"status": unwell if reasons else well, "reasons": reasons}
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return Reply(msgspec.json.encode(document) + b"\n", _JSON, status)
