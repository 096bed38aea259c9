"""Meters that are left alone because they refused their password or keys: three wrong ones lock many a meter.

Rules: a meter that has refused is not sent anything until its driver's `credentials` change. With credentials that is
remembered on the disk, so that neither a restart nor a command that is repeated tries them again; without, until the
process ends. What cannot be written down is remembered in the process all the same.
"""

import asyncio
import logging

from gatewayd.archive import refused
from gatewayd.archive.refused import Refused
from gatewayd.archive.store import Store
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, MeterRefused

log = logging.getLogger("gatewayd.refusals")


class LeftAlone(MeterRefused):
    """The meter has refused before, and nothing was sent to it this time."""


def remedy(credentials: str) -> str:
    """What a person has to do before the meter is asked again."""
    if credentials:
        return "it is asked again when the file of its password or keys has changed (password_file)"
    return "it is asked again when gatewayd is restarted"


def sim_of(line: str) -> str:
    """Under which name the refusal of a PIN is remembered; no meter has a name with blanks."""
    return f"SIM of line {line}"


class Refusals:
    """Which meters have refused, and with which credentials."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, Refused] | None = None

    async def standing(self, meter: str, line: str, credentials: str) -> LeftAlone | None:
        """The refusal that still holds: the credentials are those that were refused."""
        found = (await self._all()).get(meter)
        if found is None or found.credentials != credentials:
            return None
        at = found.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return LeftAlone(
            f"meter {meter} on line {line} has refused at {at} and is left alone; {remedy(credentials)}; "
            f"it was: {found.text}"
        )

    async def note(self, meter: str, credentials: str, fault: MeterRefused) -> None:
        """The meter has refused these credentials."""
        known = await self._all()
        known[meter] = entry = Refused(meter, credentials, self._clock(), str(fault))
        if credentials:
            try:
                await self._store.refused(entry)
            except ArchiveError as error:
                log.error("%s; after a restart the meter would be asked again", error)

    async def lift(self, meter: str) -> None:
        """The meter has been read: what it refused before is over."""
        known = await self._all()
        if meter not in known:
            return
        try:
            await self._store.admitted(meter)
        except ArchiveError as error:
            log.error("%s", error)
        else:
            del known[meter]

    async def _all(self) -> dict[str, Refused]:
        if self._known is None:
            try:
                found = await asyncio.to_thread(refused.listed, self._store.folder)
            except ArchiveError as error:
                log.error("%s; meters that refused before are asked again", error)
                found = []
            if self._known is None:  # nobody was quicker
                self._known = {entry.meter: entry for entry in found}
        return self._known
