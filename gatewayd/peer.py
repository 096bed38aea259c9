"""Who is at the other end of a local socket, as the kernel says it and in no words of their own (unix(7)).

Rules: what is told is what held when they connected; nothing is asked of a name service here but a user's own name.
"""

import pwd
import socket
import struct
from dataclasses import dataclass

_UCRED = struct.Struct("iII")
"""What SO_PEERCRED gives: process, user and group."""
_PEER_GROUPS = 59
"""SO_PEERGROUPS, since Linux 4.13; Python has no name for it."""
_MOST_GROUPS = 256
"""As many as Python's getsockopt has room for."""
_GID = struct.Struct("I")


@dataclass(frozen=True, slots=True)
class Peer:
    """A process on this machine: its user, and all groups that it had when it connected."""

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """Who has connected. OSError when the connection has gone."""
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        rest = connection.getsockopt(socket.SOL_SOCKET, _PEER_GROUPS, _MOST_GROUPS * _GID.size)
    except OSError:  # an older kernel, or more of them: the group that it runs with is known, and the others are not
        rest = b""
    return Peer(pid, uid, frozenset((gid, *(found for (found,) in _GID.iter_unpack(rest)))))


def user_name(uid: int) -> str:
    """The name of a user of this machine; the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
