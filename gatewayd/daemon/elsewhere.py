"""A gateway that runs with this configuration file and has another archive than the file names by now.

Somebody has changed `archive.path` and not restarted it. A command that looks at the new path finds nobody there; it
would begin a second archive, and talk to meters that the gateway talks to.

Rules: who it is comes from the command lines in /proc; one that may not be seen is not found, and then all is as if no
gateway ran. The one that holds the lock of this archive is not elsewhere.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gatewayd.archive.holder import gateways
from gatewayd.archive.segments import LOCK
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import build_store, opened
from gatewayd.errors import ArchiveElsewhere


def gateway_elsewhere(config: Config) -> int | None:
    """The process of that gateway. Blocks for a moment."""
    if config.source is None:
        return None
    try:
        holder = (config.archive.path / LOCK).read_text(errors="replace").strip()
    except FileNotFoundError:
        holder = ""
    except OSError:  # who may not look at this archive does not know whose it is
        return None
    for pid, path in gateways():
        try:
            same = path.samefile(config.source)
        except OSError:
            continue
        if same and str(pid) != holder:
            return pid
    return None


def check_elsewhere(config: Config) -> None:
    """ArchiveElsewhere where there is one. Blocks for a moment."""
    pid = gateway_elsewhere(config)
    if pid is not None:
        raise ArchiveElsewhere(
            f"process {pid} is a gateway with {config.source}, and does not write the archive {config.archive.path}",
            "was archive.path changed since it started? systemctl restart gatewayd",
        )


@contextlib.asynccontextmanager
async def opened_here(config: Config) -> AsyncIterator[Store]:
    """The archive of a configuration, open for a command that does its work itself. ArchiveElsewhere where a gateway
    runs with this configuration and writes another one; ArchiveLocked, ArchiveError."""
    await asyncio.to_thread(check_elsewhere, config)
    async with opened(build_store(config, group_seconds=0.0)) as store:
        yield store
