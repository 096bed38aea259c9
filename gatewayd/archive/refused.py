"""Meters that refused their password or keys: kept in state.sqlite, so that a restart does not try them again.

Rules: no secret is here, only a text that changes with it. The writer's thread of the store writes; everybody may read.
Losing the file loses this memory and nothing else: a meter that refuses is then asked once more.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from gatewayd.archive.rows import from_us, to_us
from gatewayd.archive.set_aside import state_path
from gatewayd.errors import ArchiveError

_PUT = "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?)"
_LIST = "SELECT meter, credentials, at, text, final FROM refused ORDER BY meter"
_CLEAR = "DELETE FROM refused WHERE meter = ?"


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal. `credentials` is what gatewayd.driver.Driver.credentials said then; `text` are the driver's words. It
    is not `final` where it was not clear what came of them and they may be tried once more."""

    meter: str
    credentials: str
    at: datetime
    text: str
    final: bool = True


def put(state: apsw.Connection, refused: Refused) -> None:
    """Write down; the last refusal of a meter counts. ArchiveError."""
    _write(state, _PUT, (refused.meter, refused.credentials, to_us(refused.at), refused.text, refused.final))


def clear(state: apsw.Connection, meter: str) -> None:
    """Forget the refusal of a meter. ArchiveError."""
    _write(state, _CLEAR, (meter,))


def listed(folder: Path) -> list[Refused]:
    """All that is written down. ArchiveError."""
    path = state_path(folder)
    if not path.exists():
        return []
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            rows = list(connection.execute(_LIST))
        finally:
            connection.close()
    except apsw.SQLError:  # a file of an earlier version, which the store has not opened yet
        return []
    except (apsw.Error, ValueError) as error:  # ValueError: a text that is none
        raise ArchiveError(f"{path} cannot be read: {error}") from error
    return [Refused(str(row[0]), str(row[1]), from_us(int(str(row[2]))), str(row[3]), row[4] != 0) for row in rows]


def _write(state: apsw.Connection, sql: str, values: tuple[str | int, ...]) -> None:
    try:
        state.execute(sql, values)
    except apsw.Error as error:
        raise ArchiveError(f"the refusal of meter {values[0]} cannot be written down: {error}") from error
