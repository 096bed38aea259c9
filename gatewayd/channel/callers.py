"""Who may call on a line on which meters call us: addresses that are expected, and strangers.

Rules: whoever is not expected is named in the log once an hour and address, never answered; what is remembered of
strangers is bounded, because anybody may send from any address. Names are looked up again when a stranger calls, or
somebody who is known by name, at most once a minute: a meter may have got another address, or that of another meter.
"""

import asyncio
import logging
import math
import socket
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

ANYBODY = ""
"""The name of a caller where one meter has the line for itself."""
_STRANGER = "is the peer of no meter on this line, and nothing is taken from it; `peer` names a meter's address"
_SILENCE_S = 3600.0
_STRANGERS = 1000
_LOOK_UP_AGAIN_S = 60.0
_LOOK_UP_S = 5.0

log = logging.getLogger("gatewayd.channel")


def plain(address: str) -> str:
    """One spelling for each address; an IPv4 address that came through an IPv6 socket is what it was before."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)


class Callers:
    """The peers that are expected on one line, by the names under which meters are configured."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._names: dict[str, str] = {}  # address -> the peer as it is configured
        self._expected: set[str] = set()
        self._hosts: set[str] = set()
        self._looked_up = -math.inf
        self._strangers: OrderedDict[str, float] = OrderedDict()  # when each was told of, the oldest first
        self._crowd = -math.inf

    async def expect(self, peer: str) -> None:
        """A meter is reached as `peer`, an address or a host name; ANYBODY: whoever calls."""
        if peer in self._expected:
            return
        self._expected.add(peer)
        if _is_address(peer):
            self._names[plain(peer)] = peer
        elif peer != ANYBODY:
            self._hosts.add(peer)
            await self._look_up((peer,))

    def known(self, address: str) -> str | None:
        """The peer whose address this is; None for a stranger."""
        return self._names.get(address, ANYBODY if ANYBODY in self._expected else None)

    def may_have_moved(self, address: str) -> bool:
        """Whether who calls from there may be another peer that is known by name than it seems, or one at all: looking
        the names up again is worth the time."""
        moves = bool(self._hosts) and self._names.get(address) in (None, *self._hosts)
        return moves and self._now() >= self._looked_up + _LOOK_UP_AGAIN_S

    async def identify(self, address: str) -> str | None:
        """As `known`; names are looked up once more before somebody is taken for their host, or for a stranger."""
        if self.may_have_moved(address):
            self._looked_up = self._now()  # before it is done: whoever comes meanwhile does not wait for it
            await self._look_up(sorted(self._hosts))
        return self.known(address)

    def refuse(self, address: str, why: str = _STRANGER) -> None:
        """Somebody was sent away, or something of theirs thrown away: told once an hour."""
        now = self._now()
        while self._strangers and next(iter(self._strangers.values())) <= now - _SILENCE_S:
            self._strangers.popitem(last=False)
        if address in self._strangers:
            return
        if len(self._strangers) < _STRANGERS:
            self._strangers[address] = now
            log.warning("%s: %s %s", self._where, address, why)
        elif self._crowd <= now - _SILENCE_S:
            self._crowd = now
            log.warning(
                "%s: more than %d strangers call in an hour; no more of them are named", self._where, _STRANGERS
            )

    async def _look_up(self, hosts: Sequence[str]) -> None:
        """The addresses of hosts; those that one had stay where nobody knows any. Two may have changed places."""
        found = dict(zip(hosts, await asyncio.gather(*map(self._addresses, hosts)), strict=True))
        self._names = {address: name for address, name in self._names.items() if not found.get(name)}
        for host, addresses in found.items():
            for address in addresses:
                self._names.setdefault(address, host)

    async def _addresses(self, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                found: list[Any] = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except TimeoutError:
            self.refuse(host, "cannot be looked up: the name server does not answer")
            return ()
        except (OSError, UnicodeError) as error:
            self.refuse(host, f"cannot be looked up: {error}")
            return ()
        return [plain(entry[4][0]) for entry in found]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _is_address(peer: str) -> bool:
    try:
        ip_address(peer)
    except ValueError:
        return False
    return True
