"""Meters that are left alone because they refused their password or keys: three wrong ones lock many a meter.

Rules: a meter that has refused is not sent anything until its driver's `credentials` change. With credentials that is
remembered on the disk, so that neither a restart nor a command that is repeated tries them again; without, until the
process ends. What cannot be written down is remembered in the process all the same. Where it was not clear what came of
them (PasswordUnclear), they are tried once more, at the regular time of a job; the second time is a refusal. But for
credentials that the meter has taken before: a process that ends before the answer, as by a power cut of the gateway,
says nothing against them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from gatewayd.archive import refused
from gatewayd.archive.refused import Refused
from gatewayd.archive.store import Store
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, MeterRefused, PasswordUnclear
from gatewayd.options import CREDENTIAL

_TAKEN = "login taken"
"""Key of the memory: the credentials that a meter has taken."""

log = logging.getLogger("gatewayd.refusals")


class LeftAlone(MeterRefused):
    """The meter has refused before, and nothing was sent to it this time."""


def remedy(credentials: str) -> str:
    """What a person has to do before the meter is asked again."""
    if CREDENTIAL in credentials:
        return "it is asked again when it is given a credential of another name (password_file: credential:NAME)"
    if credentials:
        return "it is asked again when the file of its password or keys has changed (password_file, *_key_file)"
    return "it is asked again when gatewayd is restarted"


def sim_of(line: str) -> str:
    """Under which name the refusal of a PIN is remembered; no meter has a name with blanks."""
    return f"SIM of line {line}"


BeforePin = Callable[[], Awaitable[None]]
"""Writes down that the PIN is going to be sent."""


class Sim(Protocol):
    """The PIN of a line's SIM. What was refused once is never sent again, not by another process either."""

    @property
    def credentials(self) -> str:
        """A text that changes when the PIN is changed, "" where there is none; never the PIN."""

    @property
    def accepted(self) -> bool:
        """Whether it was sent in this process and accepted."""

    @property
    def refused(self) -> bool:
        """Whether it was sent in this process and not accepted."""

    def withhold(self) -> None:
        """Do not send it."""

    def announce(self, before_pin: BeforePin) -> None:
        """Await this just before it is sent: a process that is killed before the answer must have left word of it."""


class Login:
    """One session's use of a password or key: written down before it is sent, taken back when it was accepted.

    A session that ends in between, by a kill as well, leaves it unclear, and that counts.
    """

    def __init__(self, refusals: "Refusals", meter: str, credentials: str) -> None:
        self._refusals = refusals
        self._meter = meter
        self._credentials = credentials
        self._pending = False
        self._before: Refused | None = None

    async def sending(self) -> None:
        """It is about to leave, or a repetition or the next part of it: that counts once a session."""
        if self._pending:
            return
        self._before = await self._refusals.entry(self._meter)
        self._pending = True
        await self._refusals.sending(self._meter, self._credentials)

    async def accepted(self) -> None:
        """The meter has taken it."""
        self._pending = False
        await self._refusals.lift(self._meter)
        await self._refusals.taken(self._meter, self._credentials)

    async def refused(self, fault: MeterRefused) -> None:
        """The meter has refused it, or nobody knows what it made of it: that counts once a session."""
        if self._pending and isinstance(fault, PasswordUnclear):
            await self._refusals.explain(self._meter, fault)
        else:
            await self._refusals.note(self._meter, self._credentials, fault)
        self._pending = False

    async def harmless(self) -> None:
        """The session has ended otherwise, and the driver does not say that the meter may have counted anything: it was
        silent, or the line failed behind a sign-on that carries a password."""
        if self._pending:
            self._pending = False
            await self._refusals.put_back(self._meter, self._before)


class Refusals:
    """Which meters have refused, and with which credentials."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, Refused] | None = None
        self._taken: dict[str, str] = {}
        self._first = asyncio.Lock()

    async def standing(self, meter: str, line: str, credentials: str) -> LeftAlone | None:
        """The refusal that still holds: the credentials are those that were refused."""
        found = (await self._all()).get(meter)
        if found is None or found.credentials != credentials or not found.final:
            return None
        at = found.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return LeftAlone(
            f"meter {meter} on line {line} has refused at {at} and is left alone; {remedy(credentials)}; "
            f"it was: {found.text}"
        )

    async def note(self, meter: str, credentials: str, fault: MeterRefused) -> None:
        """The meter has refused these credentials."""
        known = await self._all()
        before = known.get(meter)
        again = before is not None and before.credentials == credentials
        final = again or not isinstance(fault, PasswordUnclear)
        known[meter] = entry = Refused(meter, credentials, self._clock(), str(fault), final)
        await self._write_down(entry)

    async def sending(self, meter: str, credentials: str) -> None:
        """A password is about to be sent: what would have to be known if the process ended now."""
        known = await self._all()
        before = known.get(meter)
        fault = PasswordUnclear(
            f"meter {meter}: its password was sent, and the session ended before the meter had answered"
        )
        if before is None or before.text != str(fault) or self._taken.get(meter) != credentials:
            await self.note(meter, credentials, fault)

    async def taken(self, meter: str, credentials: str) -> None:
        """The meter has taken these credentials."""
        if not credentials or self._taken.get(meter) == credentials:
            return
        self._taken[meter] = credentials
        try:
            await self._store.remember_all([(meter, _TAKEN, credentials.encode())])
        except ArchiveError as error:
            log.error("%s; two power cuts in the moment of a password would count against meter %s", error, meter)

    async def _write_down(self, entry: Refused) -> None:
        if entry.credentials:
            try:
                await self._store.refused(entry)
            except ArchiveError as error:
                log.error("%s; after a restart the meter would be asked again", error)

    def watch(self, meter: str, credentials: str) -> "Login":
        """What a session makes of the credentials of a meter."""
        return Login(self, meter, credentials)

    async def explain(self, meter: str, fault: MeterRefused) -> None:
        """The words for what was written down before; what it counts stays."""
        known = await self._all()
        known[meter] = entry = replace(known[meter], text=str(fault))
        await self._write_down(entry)

    async def entry(self, meter: str) -> Refused | None:
        """What is remembered of a meter."""
        return (await self._all()).get(meter)

    async def put_back(self, meter: str, entry: Refused | None) -> None:
        """As it was before; None: nothing is remembered."""
        if entry is None:
            await self.lift(meter)
            return
        (await self._all())[meter] = entry
        await self._write_down(entry)

    async def lift(self, meter: str) -> None:
        """The meter has taken its credentials: what it refused before is over."""
        known = await self._all()
        if meter not in known:
            return
        try:
            await self._store.admitted(meter)
        except ArchiveError as error:
            log.error("%s", error)
        else:
            del known[meter]

    async def heed(self, line: str, sim: Sim) -> None:
        """Before a call: a PIN that was refused is not sent, and that one is sent is written down first."""
        if await self.standing(sim_of(line), line, sim.credentials):
            sim.withhold()
        sim.announce(lambda: self._refuse_pin(line, sim))

    async def judge(self, line: str, sim: Sim) -> None:
        """After a call, however it ended."""
        if sim.accepted:
            await self.lift(sim_of(line))
        elif sim.refused:
            await self._refuse_pin(line, sim)

    async def _refuse_pin(self, line: str, sim: Sim) -> None:
        await self.note(sim_of(line), sim.credentials, MeterRefused(f"line {line}: the PIN"))

    async def _all(self) -> dict[str, Refused]:
        if self._known is not None:
            return self._known
        async with self._first:  # hundreds of sessions begin at once
            if self._known is None:
                try:
                    found = await asyncio.to_thread(refused.listed, self._store.folder)
                except ArchiveError as error:
                    log.error("%s; meters that refused before are asked again", error)
                    found = []
                with contextlib.suppress(ArchiveError):  # then nobody is known to have taken any
                    taken = await self._store.recall_all(_TAKEN)
                    self._taken |= {meter: value.decode(errors="replace") for (meter, _), value in taken.items()}
                self._known = {entry.meter: entry for entry in found}
        return self._known
