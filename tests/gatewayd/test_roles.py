"""Who may use the control socket: clients that run as other users and with other groups, against a real socket."""

import asyncio
import multiprocessing
import os
import stat
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gatewayd import control
from gatewayd.archive.records import Audit
from gatewayd.control import Request, listening
from gatewayd.daemon import roles
from gatewayd.peer import Peer

_FORK = multiprocessing.get_context("fork")
"""Another user may not be able to start an interpreter that lies in the home of this one."""
NOBODY = 65534
GROUP, GID = "dialout", 20
"""A group that every Debian has, and of which nobody is a member."""
START = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


async def status(_request: Request) -> dict[str, object]:
    return {"gateway": "gw-1"}


class World:
    """A gateway's socket in a folder that everybody may enter, and a clock that stands."""

    def __init__(self, folder: Path, group: str = GROUP) -> None:
        open_the_way(folder)
        self.folder, self.group = folder, group
        self.now = START
        self.audits: list[Audit] = []
        self.keeper = roles.doorkeeper(group, self.audits.append, lambda: self.now)

    def asked(self, *clients: Callable[[Path], str], open_to_all: bool = False) -> list[str]:
        """What each is answered, one after the other."""

        async def main() -> list[str]:
            gid = roles.group_number(self.group)
            async with listening(self.folder, {"status": status}, admit=self.keeper, group=gid):
                if open_to_all:
                    (self.folder / control.NAME).chmod(0o666)
                return [await asyncio.to_thread(client, self.folder) for client in clients]

        return asyncio.run(main())


def open_the_way(folder: Path) -> None:
    """Let everybody come as far as a folder of this test."""
    for each in (folder, *folder.parents[:-1]):
        if each.stat().st_uid == os.getuid():
            each.chmod(each.stat().st_mode | 0o055)


class Client:
    """`control.ask` in a process of another user."""

    def __init__(self, user: int, groups: Sequence[int] = (), group: int = NOBODY) -> None:
        self.user, self.groups, self.group = user, groups, group

    def __call__(self, folder: Path) -> str:
        assert os.geteuid() == 0, "this test needs root: sudo ./dev test (it becomes another user)"
        mine, theirs = _FORK.Pipe()
        process = _FORK.Process(target=_ask, args=(theirs, str(folder), self.user, self.group, list(self.groups)))
        process.start()
        try:
            assert mine.poll(30), "the client says nothing"
            return str(mine.recv())
        finally:
            process.kill()
            process.join()


def _ask(answers: Connection, folder: str, user: int, group: int, groups: list[int]) -> None:
    """In a process of its own."""
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(user)
    try:
        answer = asyncio.run(control.ask(Path(folder), "status"))["gateway"]
    except PermissionError as error:
        answer = str(error)
    answers.send(answer)


def test_the_socket_belongs_to_the_group(tmp_path: Path) -> None:
    """And the kernel keeps others out already, who are told what they would have to be."""
    world = World(tmp_path)
    mask = os.umask(0)

    def seen(folder: Path) -> str:
        found = (folder / control.NAME).stat()
        return f"{stat.S_IMODE(found.st_mode):o} {found.st_gid}"

    try:
        mode, others = world.asked(seen, Client(NOBODY))
    finally:
        os.umask(mask)
    assert mode == f"660 {GID}"
    assert "only for root, the user of the gateway and the group dialout (control.group" in others
    assert world.audits == [], "of these the gateway hears nothing"


def test_a_wrong_peer_is_refused_even_where_the_mode_lets_everybody_in(tmp_path: Path) -> None:
    world = World(tmp_path)
    for told in world.asked(Client(NOBODY), Client(NOBODY), open_to_all=True):
        assert told.startswith("user nobody may not use the control socket: only root"), told
        assert "usermod -aG dialout nobody" in told
    (once,) = world.audits
    assert (once.at, once.source, once.category, once.type, once.subject, once.result) == (
        START, "nobody", "control", "access", "gateway", "refused",
    )  # fmt: skip
    world.now += timedelta(minutes=1)
    world.asked(Client(NOBODY), open_to_all=True)
    assert len(world.audits) == 2


def test_members_are_let_in(tmp_path: Path) -> None:
    """By a supplementary group, by their own, and root."""
    world = World(tmp_path)
    clients = Client(NOBODY, [7, GID, 9]), Client(NOBODY, (), GID), Client(0, (), 0)
    assert world.asked(*clients) == ["gw-1"] * 3
    assert world.audits == []


def test_who_is_in_the_user_data_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Membership at that moment, also of a process that began before it."""
    world = World(tmp_path)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, GID] if name == "nobody" else [gid])
    assert world.asked(Client(NOBODY), open_to_all=True) == ["gw-1"]


def test_without_the_group_there_are_root_and_the_gateways_own_user(tmp_path: Path) -> None:
    world = World(tmp_path, "no-such-group")
    root, nobody = world.asked(Client(0, (), 0), Client(NOBODY), open_to_all=True)
    assert root == "gw-1"
    assert "there is no group 'no-such-group'" in nobody and "groupadd --system no-such-group" in nobody


def test_a_data_base_that_does_not_answer_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = roles.Doorkeeper(GROUP, lambda _audit: None, lambda: START)
    monkeypatch.setattr(roles, "_PATIENCE_S", 0.05)

    async def main() -> str:
        answers = threading.Event()
        monkeypatch.setattr(roles, "group_number", lambda _name: GID if answers.wait(20) else None)
        told = await keeper.admit(Peer(1, NOBODY, frozenset({GID})))
        answers.set()
        return told

    assert "the user data base of this machine does not answer" in asyncio.run(main())


def test_who_is_noted_stays_within_bounds() -> None:
    """Many users in one minute fill neither memory nor archive."""
    audits: list[Audit] = []
    keeper = roles.Doorkeeper("no-such-group", audits.append, lambda: START)

    async def main() -> None:
        for uid in range(100_000, 101_100):
            await keeper.admit(Peer(1, uid, frozenset()))

    asyncio.run(main())
    assert len(audits) == 1024
