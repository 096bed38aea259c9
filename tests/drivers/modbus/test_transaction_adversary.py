"""The trap, ten thousand times: late, lost, doubled and damaged answers, and whoever asks is cancelled at any moment.

Every control shows that the same line gives wrong values to whoever does not keep count of what it owes.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.modbus.wire.connection import TcpExchange
from drivers.modbus.wire.dialogue import Answered, Settings, Wait
from drivers.modbus.wire.pdu import Function, Read, Words
from drivers.modbus.wire.transaction import RtuExchange
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.modbus.rtu_bytes import FULL, mbap
from tests.drivers.modbus.simulated_line import Habits, Unguarded, converse

SETTINGS = Settings(timeout_s=1.0, late_s=3.0, gap_s=0.25, pause_s=0.004)
HABITS = Habits()
SEEDS = range(1, 41) if FULL else range(1, 4)


def test_ten_thousand_requests_and_no_value_of_another() -> None:
    unguarded = converse(Unguarded(SETTINGS), HABITS, 10_000)
    assert unguarded.wrong > 300, "the control: this line must be able to deceive"
    guarded = converse(RtuExchange(SETTINGS), HABITS, 10_000)
    assert guarded.wrong == 0
    # And it is no use to refuse everything: as many right values as the line lets through.
    assert guarded.right > 5_000
    assert guarded.abandoned > 300
    assert guarded.silent > 1_000


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "habits",
    [
        replace(HABITS, echo=True),
        replace(HABITS, lost_request=0.3, lost_reply=0.2),
        replace(HABITS, noise=0.5, damaged=0.2),
        replace(HABITS, exception=0.6),
        replace(HABITS, twice_at_once=0.5),
    ],
    ids=["echo", "losing", "noisy", "refusing", "doubling at once"],
)
def test_lines_of_all_kinds(habits: Habits, seed: int) -> None:
    guarded = converse(RtuExchange(SETTINGS), habits, 1_500, seed, cancelled=0.2)
    assert guarded.wrong == 0
    assert guarded.right > 300


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_later_than_late_s_cost_time_and_not_truth(seed: int) -> None:
    habits = replace(HABITS, latest=8.0, twice_at_once=0.0)
    assert converse(Unguarded(SETTINGS), habits, 1_500, seed).wrong > 30
    guarded = converse(RtuExchange(SETTINGS), habits, 1_500, seed)
    assert guarded.wrong == 0
    assert guarded.right > 500


@pytest.mark.parametrize("seed", SEEDS)
def test_a_gateway_that_asks_again_by_itself(seed: int) -> None:
    habits = replace(HABITS, twice_later=0.3)
    assert converse(Unguarded(SETTINGS), habits, 1_500, seed).wrong > 100
    guarded = converse(RtuExchange(replace(SETTINGS, repeats=True)), habits, 1_500, seed)
    assert guarded.wrong == 0
    assert guarded.right > 500


def test_a_sound_line_costs_nothing() -> None:
    sound = Habits(
        lost_request=0.0, lost_reply=0.0, twice_at_once=0.0, exception=0.0, noise=0.0, damaged=0.0, latest=0.5
    )
    outcome = converse(RtuExchange(SETTINGS), sound, 1_000, cancelled=0.0)
    assert (outcome.right, outcome.sendings) == (1_000, 1_000)


# -- Modbus TCP ------------------------------------------------------------------------------------------------------

ONE = Read(Function.READ_HOLDING_REGISTERS, 100, 1)
TCP = Settings(timeout_s=1.0, late_s=3.0, gap_s=0.25)


def adu(transaction: int, value: int) -> bytes:
    return mbap(transaction, f"01 03 02 {value:04x}")


def test_tcp_owes_nothing() -> None:
    line = TcpExchange(TCP)
    line.start(1, ONE, 1.0)
    with pytest.raises(MeterSilent):
        line.expired(2.0)
    assert line.settled(2.0)
    assert line.leave(2.0) == ()
    assert line.start(1, ONE, 2.0)[-1] == Wait(3.0)
    assert line.feed(adu(0, 66), 2.1) == (Wait(3.0),)
    assert line.feed(adu(1, 5), 2.2) == (Answered(Words(b"\x00\x05")),)


def test_tcp_cancelled_and_answered_in_pieces() -> None:
    line = TcpExchange(TCP, transaction=65535)
    line.start(1, ONE, 1.0)
    assert line.feed(adu(65535, 66)[:4], 1.1) == (Wait(2.0),)
    assert line.leave(1.2) == ()
    assert line.feed(adu(65535, 66)[4:6], 1.3) == ()
    line.start(1, ONE, 1.4)
    assert line.feed(adu(65535, 66)[6:] + adu(0, 5)[:3], 1.5) == (Wait(2.4),)
    assert line.feed(adu(0, 5)[3:] + adu(0, 5), 1.6) == (Answered(Words(b"\x00\x05")),)
    line.start(1, ONE, 2.0)
    assert line.feed(adu(1, 6), 2.1) == (Answered(Words(b"\x00\x06")),)


def test_tcp_numbers_do_not_come_again_in_65536() -> None:
    line = TcpExchange(TCP)
    seen = set()
    for _ in range(65536):
        seen.add(line.start(1, ONE, 0.0)[0])
        line.leave(0.0)
    assert len(seen) == 65536
    assert line.start(1, ONE, 0.0)[0] in seen


def test_tcp_patience() -> None:
    line = TcpExchange(TCP)
    line.start(1, ONE, 1.0)
    with pytest.raises(ValueError, match="under way"):
        line.start(1, ONE, 1.1)
    assert line.feed(adu(0, 5)[:3], 1.9) == (Wait(2.15),)
    assert line.expired(2.0) == (Wait(2.15),)
    with pytest.raises(ProtocolError, match="breaks off"):
        line.expired(2.15)
    assert line.expired(2.2) == ()
    line.start(1, ONE, 3.0)
    with pytest.raises(MeterSilent):
        line.feed(adu(0, 5)[3:], 4.0)


def test_tcp_an_answer_that_drips_is_not_waited_for_beyond_late_s() -> None:
    line = TcpExchange(TCP)
    line.start(1, ONE, 1.0)
    now = 1.9
    with pytest.raises(ProtocolError, match="breaks off"):
        for octet in mbap(0, "01 03 FA" + "00" * 250):
            line.feed(bytes((octet,)), now)
            now += 0.2
    assert now < 4.2


def test_tcp_after_a_wrong_header() -> None:
    line = TcpExchange(TCP)
    line.start(1, ONE, 1.0)
    with pytest.raises(ProtocolError, match="sends protocol ffff"):
        line.feed(b"\x00\x00\xff\xff", 1.1)
    with pytest.raises(ProtocolError, match="sends protocol ffff"):
        line.start(1, ONE, 1.2)
