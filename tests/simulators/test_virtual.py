"""A meter whose time, supply and clock are in the hand of a test: what its load profile has in it then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import virtual
from simulators.dlms_profile import CLOCK_ADJUSTED, POWER_DOWN, SUMMER
from tests.simulators.dlms_meter import AARQ, wrapped
from tests.simulators.test_dlms_profiles import GET_PROFILE

START = datetime(2026, 3, 28, 22, 7, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


class Time:
    """What the true time is."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **how: float) -> None:
        self.now += timedelta(**how)


def meter(time: Time, *arguments: str, drift_ppm: float = 0.0) -> virtual.Meter:
    return virtual.Meter(["--framing", "wrapper", *arguments], time, drift_ppm=drift_ppm)


def quarter(number: int) -> datetime:
    """The ends of intervals behind START, from 0."""
    return datetime(2026, 3, 28, 22, 15, tzinfo=UTC) + number * QUARTER


def test_rows_come_as_time_goes_by() -> None:
    time = Time()
    one = meter(time)
    assert one.rows() == ()
    time.pass_by(minutes=8)
    assert [stamp.at for stamp in one.rows()] == [quarter(0)]
    time.pass_by(hours=6)
    rows = one.rows()
    assert [stamp.at for stamp in rows] == [quarter(number) for number in range(25)]
    begins = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert all((stamp.status == SUMMER) == (stamp.at >= begins) for stamp in rows)


def test_without_supply_there_are_no_rows_and_the_next_one_tells() -> None:
    time = Time()
    one = meter(time)
    time.pass_by(minutes=40)
    one.supply(on=False)
    time.pass_by(minutes=60)
    assert len(one.rows()) == 3
    one.supply(on=True)
    time.pass_by(minutes=30)
    assert [(stamp.at, stamp.status) for stamp in one.rows()] == [
        *((quarter(number), 0) for number in range(3)),
        (quarter(7), POWER_DOWN),
        (quarter(8), 0),
    ]


def test_a_short_cut_costs_no_row_and_is_told() -> None:
    time = Time()
    one = meter(time)
    time.pass_by(minutes=1)
    one.supply(on=False)
    time.pass_by(minutes=1)
    one.supply(on=True)
    time.pass_by(minutes=30)
    assert [(stamp.at, stamp.status) for stamp in one.rows()] == [(quarter(0), POWER_DOWN), (quarter(1), 0)]


def test_a_row_tells_everything_that_happened_before_it() -> None:
    time = Time()
    one = meter(time)
    one.clock.shift(5)
    one.supply(on=False)
    one.supply(on=True)
    time.pass_by(minutes=10)
    assert [stamp.status for stamp in one.rows()] == [CLOCK_ADJUSTED | POWER_DOWN]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (timedelta(seconds=-5), [(0, 0), (1, CLOCK_ADJUSTED), (2, 0), (3, 0)]),
        (timedelta(minutes=20), [(0, 0), (2, CLOCK_ADJUSTED), (3, 0), (4, 0)]),
        (timedelta(minutes=-20), [(0, 0), (0, CLOCK_ADJUSTED), (1, 0)]),
    ],
)
def test_a_clock_that_is_set(by: timedelta, expected: list[tuple[int, int]]) -> None:
    """What it leaps over is not there, what it passes twice is there twice."""
    time = Time()
    one = meter(time)
    time.pass_by(minutes=15)
    one.clock.set(one.clock.now() + by)
    time.pass_by(minutes=40)
    assert [(stamp.at, stamp.status) for stamp in one.rows()] == [(quarter(n), status) for n, status in expected]


def test_a_clock_that_drifts_puts_rows_down_by_its_own_time() -> None:
    time = Time()
    one = meter(time, drift_ppm=100_000)
    time.pass_by(hours=10)
    assert len(one.rows()) == 44
    one.clock.shift(-3600)
    assert one.clock.now() == START + timedelta(hours=10)


def test_only_so_many_rows_are_kept() -> None:
    time = Time()
    one = meter(time, "--profile-days", "2")
    time.pass_by(days=5)
    rows = one.rows()
    assert len(rows) == 192
    assert rows[-1].at == datetime(2026, 4, 2, 22, 0, tzinfo=UTC)


@given(st.lists(st.tuples(st.sampled_from("pcs"), st.integers(0, 90), st.integers(-7, 7)), max_size=25))
def test_looking_changes_nothing(deeds: list[tuple[str, int, int]]) -> None:
    time = Time()
    looked, left = meter(time), meter(time)
    for deed, minutes, seconds in deeds:
        for _ in range(minutes // 10):
            time.pass_by(minutes=10)
            looked.rows()
        time.pass_by(minutes=minutes % 10)
        for one in (looked, left):
            if deed == "p":
                one.supply(on=not one.clock.supplied)
            elif deed == "c":
                one.clock.shift(seconds)
            else:
                one.clock.set(one.clock.now() + timedelta(seconds=seconds))
    assert looked.rows() == left.rows()


def test_it_answers_on_a_stream_while_it_has_supply() -> None:
    async def ask(port: int, *apdus: bytes) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        try:
            for apdu in apdus:
                writer.write(wrapped(apdu))
                head = await reader.readexactly(8)
                answers.append(await reader.readexactly(int.from_bytes(head[6:8])))
        except (asyncio.IncompleteReadError, ConnectionError):
            answers.append(b"gone")
        writer.close()
        return answers

    async def run() -> None:
        time = Time()
        one = meter(time)
        server = await asyncio.get_running_loop().create_server(one.post, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        time.pass_by(minutes=40)
        whole = GET_PROFILE + b"\x00"
        _, rows = await ask(port, AARQ, whole)
        assert rows[:6] == bytes.fromhex("c401c100 0103"), "three rows"
        one.supply(on=False)
        assert await ask(port, AARQ) == [b"gone"]
        time.pass_by(minutes=40)
        one.supply(on=True)
        time.pass_by(minutes=10)
        _, rows = await ask(port, AARQ, whole)
        assert rows[:6] == bytes.fromhex("c401c100 0104")
        server.close()

    asyncio.run(asyncio.wait_for(run(), 20))
