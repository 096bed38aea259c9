"""How simulated Modbus devices misbehave: each kind of fault in the octets, and in which answers it shows."""

from __future__ import annotations

import random

import pytest

from simulators.modbus_faults import Fault, Faults, Kind, parse
from tests.drivers.modbus.rtu_bytes import check
from tests.simulators.modbus_devices import adu, devices, frame, read

ASKED = read(0x48, 2, 4)
SDM = ("--map", "eastron-sdm630")
SOUND = devices(*SDM).hear(frame(ASKED))
PDU = SOUND[1:-2]


def said(*faults: str, arguments: tuple[str, ...] = ()) -> bytes:
    return devices(*SDM, *arguments, *(part for fault in faults for part in ("--fault", fault))).hear(frame(ASKED))


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 10, 11])
def test_exceptions(code: int) -> None:
    assert said(f"exception={code}") == frame(bytes([0x84, code]))


def test_faults_within_a_sound_frame() -> None:
    assert said("other-unit") == frame(PDU, unit=2)
    assert said("other-function") == frame(b"\x03" + PDU[1:])
    assert said("short") == frame(b"\x04\x02" + PDU[2:4])
    assert said("long") == frame(b"\x04\x06" + PDU[2:] + b"\0\0")
    assert said("wrong-count") == frame(b"\x04\x06" + PDU[2:])
    assert said("other-unit", "exception=6") == frame(b"\x84\x06", unit=2)


def test_faults_of_the_frame() -> None:
    assert said("silent") == b""
    assert said("duplicate") == SOUND + SOUND
    assert said("echo") == frame(ASKED) + SOUND
    assert said("truncated") == SOUND[:5]
    damaged = said("bad-crc")
    assert (damaged[:-2], damaged[-2:] == check(damaged[:-2])) == (SOUND[:-2], False)
    garbage = said("garbage")
    assert len(garbage) == len(SOUND) and garbage != SOUND
    assert said("noise").endswith(SOUND) and 1 <= len(said("noise")) - len(SOUND) <= 9
    assert said("noise-behind").startswith(SOUND) and len(said("noise-behind")) > len(SOUND)


def test_late_slow_and_hang_up_are_for_the_line() -> None:
    line = devices(*SDM, "--fault", "late=1.5")
    assert line.hear(frame(ASKED)) == SOUND
    assert [(out.after, out.hang_up) for out in line.outs] == [(1.5, False)]
    line = devices(*SDM, "--fault", "slow=0.9", "--fault", "late=2")
    assert line.hear(frame(ASKED)) == SOUND
    assert [len(out.data) for out in line.outs] == [1] * 9
    assert (line.outs[0].after, round(sum(out.after for out in line.outs[1:]), 6)) == (2.0, 0.8)
    line = devices(*SDM, "--fault", "hang-up")
    assert line.hear(frame(ASKED)) == SOUND[:4]
    assert line.outs[-1].hang_up


def test_a_stale_answer_is_the_one_before() -> None:
    line = devices(*SDM, "--fault", "stale:2", "--fault", "stale:3")
    answers = [line.hear(frame(read(address, 2, 4))) for address in (0, 2, 4, 6)]
    sound = [devices(*SDM).hear(frame(read(address, 2, 4))) for address in (0, 2, 4, 6)]
    assert answers == [sound[0], sound[0], sound[1], sound[3]]
    assert said("stale") == b""


def test_headers_of_modbus_tcp() -> None:
    def header(fault: str) -> bytes:
        return devices(*SDM, "--transport", "tcp", "--fault", fault).hear(adu(ASKED, transaction=0xFFFF))

    assert header("other-transaction") == adu(PDU, transaction=0)
    assert header("wrong-protocol") == b"\xff\xff\x00\x01\x00\x07\x01" + PDU
    assert header("wrong-length") == b"\xff\xff\x00\x00\x00\x08\x01" + PDU
    old = header("old-transaction")
    assert old.endswith(adu(PDU, transaction=0xFFFF))
    assert old[:9] == b"\xff\xfe\x00\x00\x00\x07\x01\x04\x04"
    assert old[9:13] != PDU[2:]


def test_after_a_wrong_header_nothing_is_heard_any_more() -> None:
    line = devices(*SDM, "--transport", "tcp")
    assert line.hear(adu(ASKED) + b"\x00\x01\x00\x02" + adu(ASKED)) == adu(PDU)
    assert line.hear(adu(ASKED)) == b""
    line.framing.reset()
    assert line.hear(adu(ASKED)) == adu(PDU)


def test_a_damaged_request_is_dropped_up_to_the_next_silence() -> None:
    line = devices(*SDM)
    damaged = frame(ASKED)[:-1] + b"\x55"
    assert line.hear(frame(ASKED) + damaged + frame(ASKED)) == SOUND
    assert line.hear(frame(ASKED)) == b""
    assert line.silence() == b""
    assert line.hear(frame(ASKED)) == SOUND


def test_an_unknown_function_ends_with_the_silence() -> None:
    line = devices(*SDM)
    assert line.hear(frame(b"\x41\x01\x02\x03")) == b""
    assert line.silence() == frame(b"\xc1\x01")


def shown(fault: str, units: list[int]) -> list[bool]:
    faults = Faults([parse(fault)], random.Random(1))
    return [Kind.SILENT in faults.next(unit) for unit in units]


def test_in_which_answers_a_fault_shows() -> None:
    assert shown("silent", [1, 1, 1]) == [True] * 3
    assert shown("silent:2", [1, 1, 1, 1]) == [False, True, False, False]
    assert shown("silent:2*", [1, 2, 1, 1]) == [False, True, False, True]
    assert shown("silent@2", [1, 2, 3, 2]) == [False, True, False, True]
    assert shown("silent@2:2", [2, 1, 2, 2]) == [False, False, True, False]
    assert 5 <= sum(shown("silent:10%", [1] * 100)) <= 20
    assert shown("silent:100%", [1]) == [True]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("silent", Fault(Kind.SILENT)),
        ("late=1.5@7:3*", Fault(Kind.LATE, 1.5, 7, 3, "*")),
        ("exception=2:50%", Fault(Kind.EXCEPTION, 2.0, None, 50, "%")),
    ],
)
def test_a_fault_in_words(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("good-crc", "is none of"),
        ("silent:", "is not KIND"),
        ("late", "late=SECONDS"),
        ("exception", "exception=CODE"),
        ("exception=1.5", "exception=CODE"),
        ("silent=3", "takes no =X"),
        ("silent:0", "counted from 1"),
        ("silent:101%", "percent go to 100"),
    ],
)
def test_a_mistake_in_a_fault(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text)
