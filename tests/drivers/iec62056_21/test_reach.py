"""(ERROR) for a window of a load profile: nothing in that time, or no."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.iec62056_21 import driver as driver_module
from drivers.iec62056_21.vendors import Vendor
from gatewayd.driver import Driver, Forgetful
from gatewayd.errors import MeterDiffers, MeterRefused
from gatewayd.model import Answer, Outcome, Profile
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.channels import NOW, PlayingChannel, answers_of, build, password_file
from tests.drivers.iec62056_21.conversation import IDENTIFICATION, SIGN_ON
from tests.drivers.iec62056_21.interview import ENTER, ERROR, NAK, OPTION_P, P0, P1, command, reply

OPEN = {"name": "open", "sources": ["a test"], "password": {"needed": False}, "window_days": 1}
NOTHING = "(ERROR): nothing in this time"
P01 = Obis.parse("P.01")


def day(number: int, days: int = 1, profile: Obis = P01) -> Profile:
    """Days of November, legal time; NOW is at 13:00 of the 21st."""
    start = datetime(2026, 11, number - 1, 23, 0, tzinfo=UTC)
    return Profile(profile, start, start + timedelta(days=days))


def asks(number: int, name: str = "R5", code: str = "P.01") -> bytes:
    return command(name, f"{code}(02611{number:02d}0000;02611{number + 1:02d}0001)")


def rows(number: int, *values: str, status: str = "0000", time: str = "0015", code: str = "P.01") -> bytes:
    head = f"{code}(02611{number:02d}{time}00)({status})(15)(1)(1.5)(kW)\r\n"
    return reply(head.encode() + b"".join(f"({value})\r\n".encode() for value in values or ("1",)))


@pytest.fixture(autouse=True)
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Vendor.model_validate(OPEN)
    monkeypatch.setattr(driver_module, "choose", lambda name, identification: known)


def ask(driver: Driver, request: Profile, **said: Sequence[bytes]) -> list[Answer]:
    """One session. `said`: the day and the command, `R5_19`, and what the meter answers; (ERROR) to everything else."""
    table: dict[bytes, Sequence[bytes]] = {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0]}
    for number in range(1, 30):
        for name in ("R5", "R6"):
            for code in ("P.01", "P.02"):
                table[asks(number, name, code)] = [ERROR]
            table[asks(number, name)] = said.get(f"{name}_{number}", [ERROR])
    channel = PlayingChannel(dict(table))
    return asyncio.run(answers_of(driver, channel, request))


def filled(memory: Forgetful | None = None, number: int = 19) -> Driver:
    """A driver whose meter has brought the first row of this day by R5."""
    driver = build(memory=memory)
    (answer,) = ask(driver, day(number), **{f"R5_{number}": [rows(number)]})
    assert len(answer.readings) == 1
    return driver


def is_empty(driver: Driver, request: Profile, **said: Sequence[bytes]) -> bool:
    """Whether that is a sound answer without rows; else it is a fault."""
    try:
        (answer,) = ask(driver, request, **said)
    except MeterDiffers as error:
        assert "ERROR to " in str(error) or "NAK to " in str(error)
        return False
    assert (answer.readings, answer.outcome, answer.detail) == ((), Outcome.DONE, NOTHING)
    return True


def test_a_window_before_the_rows_is_empty() -> None:
    driver = filled()
    assert is_empty(driver, day(18))
    assert is_empty(driver, day(3))


def test_both_commands_are_tried_all_the_same() -> None:
    driver = filled()
    (answer,) = ask(driver, day(18), R6_18=[rows(18, "7")])
    assert [reading.raw_text for reading in answer.readings] == ["7"]


def test_a_profile_that_never_brought_anything_is_a_fault() -> None:
    driver = filled()
    assert not is_empty(build(), day(18))
    assert not is_empty(driver, day(18, profile=Obis.parse("P.02")))
    assert is_empty(driver, day(18)), "the other profile is as it was"


def test_rows_outside_the_window_are_none() -> None:
    """Meters send the row at the beginning of the range as well."""
    driver = build()
    (answer,) = ask(driver, day(19), R5_19=[rows(19, time="0000")])
    assert answer.readings == ()
    assert not is_empty(driver, day(18))


def test_older_rows_take_nothing_back() -> None:
    """A new meter is filled from the newest row backwards, and there may be nothing of a day between."""
    driver = filled()
    ask(driver, day(16), R5_16=[rows(16)])
    assert is_empty(driver, day(17))


def test_a_restart_knows_it() -> None:
    memory = Forgetful()
    filled(memory)
    assert is_empty(build(memory=memory), day(18))


def test_only_what_the_same_command_has_brought_counts() -> None:
    memory = Forgetful()
    filled(memory)
    assert not is_empty(build(memory=memory, profile_command="R6"), day(18))
    assert is_empty(build(memory=memory, profile_command="R5"), day(18))


@pytest.mark.parametrize("text", [NAK, reply(b"(ERR1)"), reply(b"P.01(ERROR07)")])
def test_other_refusals_are_faults(text: bytes) -> None:
    driver = filled()
    with pytest.raises(MeterDiffers):
        ask(driver, day(18), R5_18=[text], R6_18=[text])


def test_the_newest_window_is_never_empty() -> None:
    """The profile may have been locked: then nothing is believed until it brings rows again."""
    driver = filled()
    for newest in (19, 20, 21):
        assert is_empty(driver, day(18))
        assert not is_empty(driver, day(newest)), newest
        assert not is_empty(driver, day(18)), "back-fill behind it would make the newest one look empty"
        assert not is_empty(driver, day(newest))
        ask(driver, day(19), R5_19=[rows(19)])


def test_the_newest_row_itself_is_not_in_the_past() -> None:
    end = datetime(2026, 11, 18, 23, 15, tzinfo=UTC)
    for later, empty in ((timedelta(0), False), (timedelta(minutes=-1), True)):
        driver = filled()
        request = Profile(P01, end - timedelta(hours=1), end + later)
        try:
            (answer,) = asyncio.run(answers_of(driver, _refusing(), request))
        except MeterDiffers:
            assert not empty
        else:
            assert empty and answer.detail == NOTHING


def _refusing() -> PlayingChannel:
    """A meter that says (ERROR) to whatever it is asked."""

    class Refusing(PlayingChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            self._table = {data: [ERROR], SIGN_ON: [IDENTIFICATION], OPTION_P: [P0]}
            await super().send(data, deadline=deadline, secret=secret)

    return Refusing({})


def test_a_request_that_ends_with_the_newest_window_is_a_fault_whatever_lies_before() -> None:
    driver = filled()
    answers: list[Answer] = []

    async def run() -> None:
        async for answer in driver.execute(_refusing(), day(17, 4)):
            answers.append(answer)

    with pytest.raises(MeterDiffers):
        asyncio.run(run())
    assert [answer.detail for answer in answers] == [NOTHING] * 2 + ["the meter answers ERROR"] * 2


def test_a_window_without_rows_behind_one_with_rows_leaves_no_doubt() -> None:
    """As before: the meter has just shown that the profile can be read."""
    driver = build()
    first, second = ask(driver, day(19, 2), R5_19=[rows(19)])
    assert len(first.readings) == 1
    assert second.detail == "the meter answers ERROR"
    assert is_empty(driver, day(18))


def test_a_row_without_a_certain_time_says_nothing() -> None:
    """Such rows carry the time of reading."""
    driver = build()
    ask(driver, day(21), R5_21=[rows(21, time="9999")])
    assert not is_empty(driver, day(18))


def test_an_unsound_answer_says_nothing() -> None:
    driver = build()
    spoilt = rows(19)[:-1] + b"\x00"
    table = {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0], asks(19): [spoilt], NAK: [spoilt]}
    (answer,) = asyncio.run(answers_of(driver, PlayingChannel(dict(table)), day(19)))
    assert answer.outcome is Outcome.CHECK_FAILED
    assert not is_empty(driver, day(18))


@pytest.mark.parametrize("stored", [b"", b"soon", b"\xff", b"2026-11-19T00:00:00", b"2031-01-01T00:00:00+00:00"])
def test_a_memory_that_cannot_be_right_is_none(stored: bytes) -> None:
    memory = Forgetful()
    key = "iec62056_21/rows 1-0:99.1.0*255 R5"
    asyncio.run(memory.remember(key, stored))
    assert not is_empty(build(memory=memory), day(18))
    filled(memory)
    assert asyncio.run(memory.recall(key)) == b"2026-11-18T23:15:00+00:00"


def test_rows_from_the_future_say_nothing() -> None:
    """A gateway whose clock was ahead has asked for them."""
    driver = build()
    assert day(22).start > NOW
    ask(driver, day(22), R5_22=[rows(22)])
    assert not is_empty(driver, day(18))


def test_it_is_written_down_once_a_day() -> None:
    class Counting(Forgetful):
        written = 0

        async def remember(self, key: str, value: bytes) -> None:
            self.written += 1
            await super().remember(key, value)

    memory = Counting()
    driver = build(memory=memory)
    for count in range(1, 97):
        ask(driver, day(19), R5_19=[rows(19, *["1"] * count)])
    ask(driver, day(18), R5_18=[rows(18)])
    assert memory.written == 1
    ask(driver, day(20), R5_20=[rows(20)])
    assert memory.written == 2


def test_a_log_needs_no_rows_before() -> None:
    (answer,) = asyncio.run(answers_of(build(), _refusing(), day(19, profile=Obis.parse("P.98"))))
    assert answer.detail == "no entries"


def test_an_error_that_refuses_the_password_stays_a_refusal(tmp_path: Path) -> None:
    path = password_file(tmp_path)
    driver = build(password_file=path)
    table: dict[bytes, Sequence[bytes]] = {**ENTER, asks(19): [rows(19)]}
    assert asyncio.run(answers_of(driver, PlayingChannel(dict(table)), day(19)))[0].readings
    channel = PlayingChannel({**table, P1: [ERROR]})
    with pytest.raises(MeterRefused):
        asyncio.run(answers_of(driver, channel, day(18)))
    assert channel.sent.count(P1) == 1
