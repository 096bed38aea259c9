"""Who does a command's work, and for whom it waits."""

import asyncio

import pytest

from gatewayd.control import NotRunning
from gatewayd.daemon.archive_turn import behind_commands, either
from gatewayd.errors import ArchiveLocked, ArchiveNotPermitted, GatewayError


class World:
    """A gateway that answers, or does not, and an archive that somebody has, or has not."""

    def __init__(self, *, runs: bool = False, locked: bool = False) -> None:
        self.runs, self.locked = runs, locked
        self.told: list[str] = []
        self.tries = 0

    async def asked(self) -> str:
        self.tries += 1
        if not self.runs:
            raise NotRunning("no gateway answers")
        return "by the gateway"

    async def here(self) -> str:
        if self.locked:
            raise ArchiveLocked("archive /a is being written by process 7 (a running gatewayd?)", "look at it")
        return "here"

    def run(self) -> str:
        return asyncio.run(asyncio.wait_for(either(self.asked, self.here, self.told.append), 30))


def test_the_running_gateway_comes_first() -> None:
    assert World(runs=True).run() == "by the gateway"
    assert World().run() == "here"


def test_a_gateway_that_starts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the archive before it answers."""
    monkeypatch.setattr("gatewayd.daemon.archive_turn.TOLD_S", 0.0)
    world = World(locked=True)

    async def body() -> str:
        work = asyncio.ensure_future(either(world.asked, world.here, world.told.append))
        while world.tries < 3:
            await asyncio.sleep(0)
        world.runs = True
        return await work

    assert asyncio.run(asyncio.wait_for(body(), 30)) == "by the gateway"
    assert world.told == ["waiting: archive /a is being written by process 7 (a running gatewayd?)"]


def test_another_command_that_ends_is_waited_for() -> None:
    world = World(locked=True)

    async def body() -> str:
        work = asyncio.ensure_future(either(world.asked, world.here, world.told.append))
        while world.tries < 2:
            await asyncio.sleep(0)
        world.locked = False
        return await work

    assert asyncio.run(asyncio.wait_for(body(), 30)) == "here"
    assert world.told == [], "it was there sooner than anybody has to be told"


def test_who_stays_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.daemon.archive_turn.PATIENCE_S", 0.0)
    with pytest.raises(ArchiveLocked, match=r"process 7 \(a running gatewayd\?\); look at it"):
        World(locked=True).run()


def test_who_may_not_write_is_told_to_start_the_gateway() -> None:
    """A technician in its group, who may ask it: it is down."""

    async def barred() -> str:
        raise ArchiveNotPermitted("archive /a cannot be written: Permission denied")

    world = World()
    with pytest.raises(ArchiveNotPermitted, match=r"no gateway runs .*start gatewayd.*; .* cannot be written: Perm"):
        asyncio.run(either(world.asked, barred, world.told.append))


@pytest.mark.parametrize(("gateway", "stopped"), [(True, False), (False, True)])
def test_a_gateway_waits_for_commands_only(gateway: bool, stopped: bool) -> None:
    tries = 0

    async def here() -> str:
        nonlocal tries
        tries += 1
        raise ArchiveLocked("archive /a is being written by process 7", gateway=gateway)

    async def body() -> None:
        with pytest.raises(ArchiveLocked):
            await behind_commands(here, lambda _text: None, lambda: stopped)

    asyncio.run(asyncio.wait_for(body(), 5))
    assert tries == 1


def test_a_gateway_waits_for_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.daemon.archive_turn.TOLD_S", 0.0)
    world = World(locked=True)

    def tell(text: str) -> None:
        world.told.append(text)
        world.locked = False

    assert asyncio.run(asyncio.wait_for(behind_commands(world.here, tell, lambda: False), 30)) == "here"
    assert len(world.told) == 1 and world.told[0].startswith("waiting: archive /a is being written by process 7")


def test_what_the_gateway_refuses_is_refused() -> None:
    async def refuse() -> str:
        raise GatewayError("the running gateway says: no")

    world = World()
    with pytest.raises(GatewayError, match="says: no"):
        asyncio.run(either(refuse, world.here))
