"""A meter that babbles: what of it is kept, and that nobody else pays for it."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import date
from pathlib import Path

from gatewayd.acquire import Acquisition
from gatewayd.archive.query import Reader
from gatewayd.channel import Channel
from gatewayd.chatter import A_DAY, BEGINNING, Chatter
from gatewayd.errors import ProtocolError
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Answer, Meter, Registers, Request
from gatewayd.station import Station
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import ScriptedChannel, TestClock, line_to

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def test_a_day_of_chatter_is_kept_whole_and_of_the_rest_the_beginning() -> None:
    chatter = Chatter()
    assert [chatter.kept("em-1", 1 << 20, MONDAY) for _ in range(5)] == [1 << 20] * 4 + [BEGINNING]
    assert chatter.kept("em-1", 100, MONDAY) == 100
    assert chatter.kept("em-2", A_DAY, MONDAY) == A_DAY, "another meter"
    assert chatter.kept("em-1", 1 << 20, TUESDAY) == 1 << 20, "another day"


class Babbling:
    """A driver that never gets a telegram."""

    credentials = ""

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        if await channel.receive(deadline=0):
            raise ProtocolError("no end of the telegram")
        yield Answer(())


def test_the_archive_says_of_how_much_it_has_the_beginning(tmp_path: Path) -> None:
    async def run() -> None:
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            for _ in range(6):
                channel = ScriptedChannel([b"x" * (1 << 20)])
                await acquisition.run(line_to(channel), Station(Meter("em-1", "d", "l"), Babbling()), Registers())

    asyncio.run(asyncio.wait_for(run(), 60))
    exchanges = Reader(tmp_path).exchanges("em-1")
    assert [len(one.received) for one in exchanges] == [1 << 20] * 4 + [BEGINNING] * 2
    assert exchanges[3].detail == "no end of the telegram"
    assert exchanges[4].detail.endswith("the first 4096 of 1048576 bytes are kept: the meter has sent too much today")
