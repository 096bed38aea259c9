"""Who may use the control socket: root, the gateway's own user, and the members of one group. Nobody else, whatever the
mode of the socket says.

Rules: a member is who connects with the group (its own or a supplementary one, as the kernel tells), or whom the user
data base has in it at that moment; a data base that does not answer lets nobody in and holds nobody up. Who is refused
is told why, and is in the audit log once a minute. In a group that is not there, there is nobody.
"""

import asyncio
import grp
import os
import pwd
from collections.abc import Callable
from datetime import datetime, timedelta

from gatewayd.archive.records import Audit
from gatewayd.control import Admit
from gatewayd.peer import Peer, user_name

CATEGORY, TYPE = "control", "access"
_AGAIN = timedelta(minutes=1)
_MOST_NOTED = 1024
"""Users of whom it is remembered when they were refused; whoever has so many has more than a log that fills."""
_PATIENCE_S = 2.0


def group_number(name: str) -> int | None:
    """The number of a group of this machine; None when there is none of that name."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def groups_of(uid: int) -> frozenset[int]:
    """The groups in which the user data base has this user now. It may ask a name service, and block."""
    try:
        user = pwd.getpwuid(uid)
        return frozenset(os.getgrouplist(user.pw_name, user.pw_gid))
    except (KeyError, OSError):
        return frozenset()


class Doorkeeper:
    """Lets in whoever may ask and trigger."""

    def __init__(self, group: str, audit: Callable[[Audit], object], clock: Callable[[], datetime]) -> None:
        """`audit` archives an entry."""
        self._group = group
        self._audit = audit
        self._clock = clock
        self._noted: dict[int, datetime] = {}

    async def admit(self, peer: Peer) -> str:
        """Why this one is refused; "" for one who is let in."""
        if peer.uid in (0, os.geteuid()):
            return ""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                user, gid, member = await asyncio.to_thread(_known, peer, self._group)
        except TimeoutError:
            return "the user data base of this machine does not answer, so nobody knows who may; root may"
        if member:
            return ""
        if self._worth_noting(peer.uid):
            detail = f"process {peer.pid} is not in group {self._group}"
            self._audit(Audit(self._clock(), user, CATEGORY, TYPE, "gateway", "refused", detail))
        if gid is None:
            return (
                f"user {user} may not use the control socket, and there is no group '{self._group}' whose members may; "
                f"groupadd --system {self._group}, usermod -aG {self._group} {user}, and restart gatewayd"
            )
        return (
            f"user {user} may not use the control socket: only root, the gateway's own user and members of group "
            f"'{self._group}' may; usermod -aG {self._group} {user}, and log in anew"
        )

    def _worth_noting(self, uid: int) -> bool:
        now = self._clock()
        last = self._noted.get(uid)
        if last is not None and _lately(last, now):
            return False
        if len(self._noted) >= _MOST_NOTED:
            self._noted = {one: at for one, at in self._noted.items() if _lately(at, now)}
            if len(self._noted) >= _MOST_NOTED:
                return False
        self._noted[uid] = now
        return True


def _lately(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at < _AGAIN


def doorkeeper(group: str, audit: Callable[[Audit], object], clock: Callable[[], datetime]) -> Admit:
    """Who is let in, for `control.listening`."""
    return Doorkeeper(group, audit, clock).admit


def _known(peer: Peer, group: str) -> tuple[str, int | None, bool]:
    """Name of the user, number of the group, and whether the one is in the other. It may block."""
    gid = group_number(group)
    member = gid is not None and (gid in peer.groups or gid in groups_of(peer.uid))
    return user_name(peer.uid), gid, member
