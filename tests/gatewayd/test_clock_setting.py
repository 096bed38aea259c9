"""A meter's clock that is put right behind a session, where the policy of the meter says so."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from gatewayd.acquire import Acquisition
from gatewayd.archive.query import Reader
from gatewayd.channel import Channel
from gatewayd.errors import MeterSilent
from gatewayd.examine import Examiner
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Answer, Clock, Registers, Request
from gatewayd.obis import Obis
from gatewayd.policy import Policy
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import ScriptedChannel, TestClock, line_to, reading, station

SETTING = Policy(set_clock=True)
HOUR = 3600.0


def sessions(
    folder: Path, ahead: str, policy: Policy, pauses: Sequence[float] = (0,), *, sure: bool = True, dies: bool = False
) -> list[Request]:
    """What the meter is asked for in sessions with such pauses in between; its clock stays as wrong as it is."""
    asked: list[Request] = []
    code = Obis.parse("0-0:1.0.0")

    async def talk(_channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        asked.append(request)
        shown = changed(reading("12:00"), obis=code, obis_raw=str(code), more=(ahead,), meter_time="12:00")
        yield Answer((shown,))
        if dies:
            raise MeterSilent("no answer")

    async def run() -> None:
        clock = TestClock()
        with opened(folder) as store:
            examiner = Examiner(store, clock, lambda: sure)
            acquisition = Acquisition(store, clock, PRAGUE, examiner=examiner)
            for pause in pauses:
                clock.advance(pause)
                one = replace(station(talk), policy=policy)
                found = await acquisition.session(line_to(ScriptedChannel()), one, [Registers()])
                assert len(found.results) == 1, "nobody has asked for the clock"

    asyncio.run(asyncio.wait_for(run(), 60))
    return asked


def test_a_clock_that_is_too_far_off_is_put_right_once_a_day(tmp_path: Path) -> None:
    asked = sessions(tmp_path, "24.0", SETTING, (0, HOUR, 22 * HOUR, 2 * HOUR))
    assert asked == [Registers(), Clock(set=True), Registers(), Registers(), Registers(), Clock(set=True)]


@pytest.mark.parametrize(
    ("ahead", "policy", "sure", "dies"),
    [
        ("9.0", SETTING, True, False),
        ("-9.0", SETTING, True, False),
        ("24.0", Policy(), True, False),
        ("24.0", replace(SETTING, clock_limit=timedelta(seconds=30)), True, False),
        ("24.0", SETTING, False, False),
        ("24.0", SETTING, True, True),
    ],
    ids=["within", "behind-within", "not-allowed", "other-limit", "gateway-unsure", "silent-since"],
)
def test_a_clock_that_is_left_alone(tmp_path: Path, ahead: str, policy: Policy, sure: bool, dies: bool) -> None:
    assert sessions(tmp_path, ahead, policy, sure=sure, dies=dies) == [Registers()]


def test_the_alarm_of_a_clock_that_was_put_right_is_over_in_the_same_session(tmp_path: Path) -> None:
    """The answers of one request show it wrong, and then right."""
    code = Obis.parse("0-0:1.0.0")

    def shown(ahead: str) -> Answer:
        return Answer((changed(reading("12:00"), obis=code, obis_raw=str(code), more=(ahead,), meter_time="12:00"),))

    async def talk(_channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        yield shown("24.0")
        if isinstance(request, Clock):
            yield shown("0.2")

    async def run() -> None:
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            for policy, standing in ((Policy(), 1), (SETTING, 0)):
                one = replace(station(talk), policy=policy)
                await acquisition.session(line_to(ScriptedChannel()), one, [Registers()])
                assert len(acquisition.alarms.standing) == standing
            await store.flush()

    asyncio.run(asyncio.wait_for(run(), 60))
    alarms = [(one.result, one.detail) for one in Reader(tmp_path).audits(category="meter") if one.type == "alarm"]
    assert alarms == [(result, "the clock is more than 9 s off") for result in ("raised", "over")]
