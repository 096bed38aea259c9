"""What drivers remember of their meters: kept in state.sqlite, so that it outlives the process.

Rules: no secret is here. A value is on the disk when `remember` returns: invocation counters are reserved this way, and
one that was used twice would let anybody read what it protects. The writer's thread of the store writes; what was read
or written once is answered from memory, as nobody else writes it. Losing the file costs questions to meters, no data.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from gatewayd.archive.set_aside import state_path
from gatewayd.errors import ArchiveDamaged, ArchiveError

_PUT = "INSERT OR REPLACE INTO memory VALUES (?, ?, ?)"
_GET = "SELECT value FROM memory WHERE meter = ? AND key = ?"
_GET_OF = "SELECT key, value FROM memory WHERE meter = ?"
_GET_ALL = "SELECT meter, key, value FROM memory WHERE substr(key, 1, ?) = ?"
_GET_METERS = "SELECT meter, key, value FROM memory WHERE meter <> ''"
_GATEWAY = ""
"""The counters of the gateway stand under no meter's id."""

Change = Callable[[apsw.Connection], None]


class Memories:
    """What was remembered of all meters when the first of them was asked for: thousands of look-ups as one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, dict[str, bytes]] | None = None
        self._taken: set[str] = set()
        self._first = asyncio.Lock()

    async def of(self, meter: str) -> dict[str, bytes]:
        """Everything that is written down of a meter. ArchiveError."""
        async with self._first:
            if self._waiting is None and meter not in self._taken:
                self._waiting = await asyncio.to_thread(recalled_of_meters, self._folder)
        if meter in self._taken:
            return await asyncio.to_thread(recalled_of, self._folder, meter)
        return self.taken(meter)

    def taken(self, meter: str) -> dict[str, bytes]:
        """It was asked for, or is about to be another one: from now on only the file knows."""
        self._taken.add(meter)
        return self._waiting.pop(meter, {}) if self._waiting is not None else {}


class MeterMemory:
    """The memory of one meter (gatewayd.driver.Memory). `write` runs a change of state.sqlite to its commit;
    `memories`: what is remembered of all meters, None for one that is alone."""

    def __init__(
        self, meter: str, folder: Path, write: Callable[[Change], Awaitable[None]], memories: Memories | None = None
    ) -> None:
        self._meter = meter
        self._memories = memories or Memories(folder)
        self._folder = folder
        self._write = write
        self._known: dict[str, bytes | None] = {}
        self._all = False
        self._unsure: set[str] = set()

    async def recall(self, key: str) -> bytes | None:
        """What was remembered under this key, None where nothing was. ArchiveError."""
        if key in self._unsure:
            self._known.setdefault(key, await asyncio.to_thread(recalled, self._folder, self._meter, key))
            self._unsure.discard(key)
        elif not self._all and key not in self._known:  # all keys of a meter cost as much as one
            for each, value in (await self._memories.of(self._meter)).items():
                if each not in self._unsure:
                    self._known.setdefault(each, value)
            self._all = True
            return await self.recall(key)
        return self._known.get(key)

    async def remember(self, key: str, value: bytes) -> None:
        """Write down; returns when it is on the disk. ArchiveError, and then it is not known whether it is."""
        if self._known.get(key) == value:
            return
        self._known.pop(key, None)
        self._unsure.add(key)
        self._memories.taken(self._meter)
        await self._write(lambda state: put(state, self._meter, key, value))
        self._known[key] = value
        self._unsure.discard(key)

    async def counted(self, name: str) -> int | None:
        """Where a counter of the gateway stands, None where it never counted. ArchiveError."""
        return _number(await asyncio.to_thread(recalled, self._folder, _GATEWAY, name), name)

    async def count(self, name: str, least: int, by: int) -> int:
        """Move a counter of the gateway on; where that began. ArchiveError, and then it may have moved."""
        begun: list[int] = []

        def move(state: apsw.Connection) -> None:
            begun.append(moved(state, name, least, by))

        await self._write(move)
        return begun[-1]


def moved(state: apsw.Connection, name: str, least: int, by: int) -> int:
    """Move a counter on and write that down in one transaction; where that began. ArchiveError."""
    try:
        with state:
            row = state.execute(_GET, (_GATEWAY, name)).fetchone()
            begin = max(_number(None if row is None else bytes(row[0]), name) or 0, least)
            state.execute(_PUT, (_GATEWAY, name, b"%d" % (begin + by)))
    except apsw.Error as error:
        raise ArchiveError(f"the counter {name} cannot be written down: {error}") from error
    return begin


def _number(stored: bytes | None, name: str) -> int | None:
    if stored is not None and not (stored.isdigit() and len(stored) <= 20):
        raise ArchiveDamaged(
            f"the memory of the counter {name} in state.sqlite is no number: restore the file, or remove that row "
            "so that the counter is taken from the meter"
        )
    return None if stored is None else int(stored)


def put(state: apsw.Connection, meter: str, key: str, value: bytes) -> None:
    """Write down; what was there is replaced. ArchiveError."""
    try:
        state.execute(_PUT, (meter, key, value))
    except apsw.Error as error:
        raise ArchiveError(f"what is remembered of meter {meter} cannot be written down: {error}") from error


def put_all(state: apsw.Connection, rows: Sequence[tuple[str, str, bytes]]) -> None:
    """Write down many in one transaction. ArchiveError."""
    try:
        with state:
            state.executemany(_PUT, rows)
    except apsw.Error as error:
        raise ArchiveError(f"what is remembered cannot be written into {state.filename}: {error}") from error


def recalled_all(folder: Path, prefix: str) -> dict[tuple[str, str], bytes]:
    """What is written down under keys that begin so, by meter and key. ArchiveError."""
    found = _looked_up(folder, _GET_ALL, (len(prefix), prefix))
    return {(str(meter), str(key)): bytes(value) for meter, key, value in found}


def recalled_of_meters(folder: Path) -> dict[str, dict[str, bytes]]:
    """Everything that is written down, by meter. ArchiveError."""
    found: dict[str, dict[str, bytes]] = {}
    for meter, key, value in _looked_up(folder, _GET_METERS, ()):
        found.setdefault(str(meter), {})[str(key)] = bytes(value)
    return found


def recalled_of(folder: Path, meter: str) -> dict[str, bytes]:
    """Everything that is written down of a meter. ArchiveError."""
    return {str(key): bytes(value) for key, value in _looked_up(folder, _GET_OF, (meter,))}


def recalled(folder: Path, meter: str, key: str) -> bytes | None:
    """What is written down, None where nothing is. ArchiveError."""
    found = _looked_up(folder, _GET, (meter, key))
    return bytes(found[0][0]) if found else None


def _looked_up(folder: Path, sql: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
    path = state_path(folder)
    if not path.exists():
        return []
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()
    except apsw.SQLError:  # a file of an earlier version, which the store has not opened yet
        return []
    except (apsw.Error, ValueError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error
