"""Users and what they may do with files: of the one who looks, and of the one that the gateway runs as.

Rules: root may everything; for oneself the kernel is asked, which knows access lists and read-only mounts; for somebody
else owner, group and mode are counted up, and where there is an access list nobody knows: save for the owner, whose
rights are those of the mode with a list as well (acl(5), ACL_USER_OBJ).
"""

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gatewayd.doctor.findings import Unseen
from gatewayd.peer import user_name

READ, WRITE, ENTER = os.R_OK, os.W_OK, os.X_OK
_ACCESS_LIST = "system.posix_acl_access"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine with all groups."""

    name: str
    uid: int
    gids: frozenset[int]
    own: bool = False
    """Whether it is the one who looks."""


def own_account() -> Account:
    return Account(user_name(os.geteuid()), os.geteuid(), frozenset((os.getegid(), *os.getgroups())), own=True)


def account_of(uid: int) -> Account:
    """That of another user, out of the user data base."""
    if uid == os.geteuid():
        return own_account()
    try:
        user = pwd.getpwuid(uid)
        return Account(user.pw_name, uid, frozenset(os.getgrouplist(user.pw_name, user.pw_gid)))
    except (KeyError, OSError):
        return Account(user_name(uid), uid, frozenset())


def allows(mode: int, owner: int, group: int, account: Account, want: int) -> bool:
    """Whether owner, group and mode allow that (path_resolution(7)); of several rights all are needed."""
    if account.uid == 0:
        return True
    shift = 6 if account.uid == owner else 3 if group in account.gids else 0
    return (mode >> shift) & want == want


def obstacle(path: Path, account: Account, want: int) -> Path | None:
    """Where this user is stopped on the way to a file: a folder above it, or the file itself; None: it may.

    Unseen where that cannot be found out; FileNotFoundError where it is not there."""
    if account.own:
        if os.access(path, want, effective_ids=True):
            return None
        return next((each for each in _above(path) if not os.access(each, ENTER, effective_ids=True)), path)
    for each, needed in (*((folder, ENTER) for folder in _above(path)), (path, want)):
        try:
            found = each.stat()
        except PermissionError:
            raise Unseen(f"{each} cannot be seen by user {user_name(os.geteuid())}") from None
        if account.uid not in (found.st_uid, 0) and has_access_list(each):
            raise Unseen(f"{each} has an access list (getfacl {each}), which is not counted up here")
        if not allows(found.st_mode, found.st_uid, found.st_gid, account, needed):
            return each
    return None


def has_access_list(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, _ACCESS_LIST))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise Unseen(f"{path} cannot be seen by user {user_name(os.geteuid())}") from None
        return False  # none, or a file system without them


def mode_text(mode: int) -> str:
    """`0640`."""
    return f"{stat.S_IMODE(mode):04o}"


def _above(path: Path) -> Iterator[Path]:
    """The folders on the way, from the root."""
    yield from reversed(path.absolute().parents)
