"""Any bytes at all may arrive: only typed errors, in time that grows with the bytes and not faster.

The long form (GATEWAYD_TEST_FULL=1) tries twenty times as many.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.readings import readings, serial_numbers, telegram_faults
from drivers.iec62056_21.vendors import choose
from drivers.iec62056_21.wire.dataset import is_sentinel, parse_data_block, split_value
from drivers.iec62056_21.wire.dates import parse_time
from drivers.iec62056_21.wire.framing import block_check, crc16, find_identification, sign_on
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.readout import readout_session
from drivers.iec62056_21.wire.session import SessionSettings
from drivers.iec62056_21.wire.telegram import end_of_block, end_of_push, read_block, read_push
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.iec62056_21.conversation import (
    BLOCK,
    IDENTIFICATION,
    OPTION,
    PUSHED,
    SIGN_ON,
    Said,
    examples,
    in_pieces,
    read,
)

PRAGUE = ZoneInfo("Europe/Prague")

# Bytes that mean something are more dangerous than those that mean nothing.
MESSAGES = [SIGN_ON, IDENTIFICATION, OPTION, BLOCK, PUSHED, BLOCK[:-1], PUSHED[:-3], PUSHED[30:], b"/ABCEx\r\n"]
PIECES = [
    b"/ABC5",
    b"\\2",
    b"!\r\n",
    b"!AB\r\n",
    b"()",
    b")(",
    b"\r\n",
    b"---.-",
    b"1.8.0",
    b"2610250230",
    b"C.1.0(7\xb2)",
]
TIMES = [b"1.6.0(1*kW)(9999-12-31 24:00)", b"0-1:24.2.1(999999999999W)(1*m3)"]
MARKS = st.sampled_from(b"\x00\x01\x02\x03\x04\x06\x15\t\r\n !&()*-/\x7f\x85\xff").map(lambda mark: bytes([mark]))
WORDS = st.sampled_from([*MESSAGES, *PIECES, *TIMES]) | MARKS
JUNK = st.lists(WORDS | st.binary(max_size=12), max_size=14).map(b"".join)


@given(JUNK)
@examples(150)
def test_the_parsers_never_raise(data: bytes) -> None:
    block_check(data)
    crc16(data)
    end_of_block(data, 0)
    end_of_push(data, 0)
    found = find_identification(data)
    telegrams = [read_block(b"\x02" + data, None)]
    if found is not None:
        identification, end = found
        assert data[end - len(identification.raw) : end] == identification.raw
        telegrams.append(read_push(identification.raw + data[end:], identification))
        assert identification.rate in (300, 600, 1200, 2400, 4800, 9600, 19200)
        assert identification.reaction_ms in (20, 200)
        assert str(identification)
    parse_data_block(data)
    for telegram in telegrams:
        for vendor in ("generic", "landis-gyr-uh50"):
            values = readings(
                telegram,
                telegram_faults(telegram, 0),
                meter="em-1",
                at=datetime(2026, 11, 21, tzinfo=UTC),
                zone=PRAGUE,
                vendor=choose(vendor, ""),
            )
            serial_numbers(values)
            for reading in values:
                assert reading.raw in telegram.data
                assert reading.value is None or reading.value.is_finite()


@given(st.text(max_size=40) | JUNK.map(lambda data: data.decode("latin-1")))
@examples(150)
def test_texts_never_raise_anything_untyped(text: str) -> None:
    split_value(text)
    is_sentinel(text)
    parse_time(text, PRAGUE)
    with suppress(ValueError):
        sign_on(text)


@given(JUNK, st.sampled_from("ABCDE"), st.lists(st.integers(1, 300), max_size=10), st.booleans())
@examples(150)
def test_a_session_ends_with_a_telegram_or_a_typed_error(
    data: bytes, mode: str, cuts: list[int], identified: bool
) -> None:
    def hear(heard: bytes, at: float, baud: int) -> list[Said]:
        head = IDENTIFICATION if identified and heard == SIGN_ON else b""
        return in_pieces(head + data, cuts, at + 0.2)

    with suppress(MeterSilent, ProtocolError):
        read(hear, pushed=in_pieces(data, cuts, 1000.1) if mode == "D" else (), mode=mode, attempts=2)


# -- time that grows with the bytes ----------------------------------------------------------------------------------

MIB = 1 << 20
GARBAGE: dict[str, Callable[[int], bytes]] = {
    "letters": lambda size: b"a" * size,
    "digits": lambda size: b"1" * size,
    "blanks": lambda size: b" " * size,
    "NUL": bytes,
    "opening brackets": lambda size: b"(" * size,
    "closing brackets": lambda size: b")" * size,
    "pairs of brackets": lambda size: b"()" * (size // 2),
    "one open bracket": lambda size: b"(" + b"a" * size,
    "one value of digits": lambda size: b"1(" + b"1" * size + b")",
    "one value of digits with a unit": lambda size: b"1(" + b"1" * size + b"*kWh)",
    "one value of blanks": lambda size: b"1(1" + b" " * size + b")",
    "one value of dashes": lambda size: b"1(" + b"-" * size + b"x)",
    "one unit": lambda size: b"1(1*" + b"k" * size + b")",
    "open brackets behind long codes": lambda size: (b"a" * 64 + b"(" + b"b" * 191) * (size // 256),
    "values on next lines": lambda size: b"1.8.0(1)\r\n" + b"(1)\r\n" * (size // 5),
    "line ends": lambda size: b"\r\n" * (size // 2),
    "lines without brackets": lambda size: b"12345678\r\n" * (size // 10),
    "data sets": lambda size: b"1.8.0(0008048.375*kWh)\r\n" * (size // 24),
    "bytes above seven bits": lambda size: b"\xff" * size,
}


def seconds(work: Callable[[bytes], object], data: bytes) -> float:
    """Processor time of one run, without that of the garbage collector, which looks at what other tests left."""
    gc.collect()
    gc.disable()
    try:
        begin = time.process_time()
        work(data)
        return time.process_time() - begin
    finally:
        gc.enable()


def linear(work: Callable[[bytes], object], make: Callable[[int], bytes]) -> None:
    """Four times the bytes take about four times as long; a quadratic parser would take sixteen times.

    Five tries, because the machine has others to serve as well.
    """
    quarter, whole = make(MIB // 4), make(MIB)
    assert any(seconds(work, whole) < 9 * seconds(work, quarter) + 0.02 for _ in range(5))


@pytest.mark.parametrize("name", GARBAGE)
def test_data_sets_of_garbage_in_linear_time(name: str) -> None:
    linear(parse_data_block, GARBAGE[name])


@pytest.mark.parametrize("head", [b"", b"/ABC5", b"/ABC5\\2"])
@pytest.mark.parametrize("piece", [b"/", b"/ABC", b"\\2", b"x", b"/ABC5\\2\\2\\2x", b"/ABC5\r"])
def test_an_identification_in_garbage_in_linear_time(head: bytes, piece: bytes) -> None:
    linear(find_identification, lambda size: head + piece * (size // len(piece)))


def feed(settings: SessionSettings, head: bytes, tail: bytes, chunk: int) -> None:
    session = readout_session(settings)
    session.start(0.0)
    with suppress(ProtocolError):
        session.feed(IDENTIFICATION, 1.0)
        session.feed(head, 1.1)
        for place in range(0, len(tail), chunk):
            session.feed(tail[place : place + chunk], 1.2)


@pytest.mark.parametrize(
    "piece", [b"x", b"!", b"!A", b"! ", b"!\r", b"\r", b"\n", b"\r\n", b"/", b"/ABC5", b"1.8.0(1)\r\n"]
)
@pytest.mark.parametrize("mode", ["C", "D"])
def test_a_long_telegram_in_small_chunks_in_linear_time(mode: str, piece: bytes) -> None:
    def work(tail: bytes) -> None:
        feed(SessionSettings(mode=mode), b"\x02", tail, 512)

    linear(work, lambda size: piece * (size // len(piece) - 64))


@pytest.mark.parametrize("piece", [b"x", b"/", b"x\r\n", b"/ABC5", b"\\2", b"/ABC5\\2\\2\\2"])
def test_listening_to_garbage_in_small_chunks_in_linear_time(piece: bytes) -> None:
    def work(tail: bytes) -> None:
        session = readout_session(SessionSettings(mode="D", push_timeout=3600.0))
        session.start(0.0)
        for place in range(0, len(tail), 512):
            session.feed(tail[place : place + 512], 1.2)

    linear(work, lambda size: piece * (size // len(piece) - 64))


@pytest.mark.parametrize("head", [b"\x02", b"", b"\x01R5\x02"])
@pytest.mark.parametrize("piece", [b"(1)", b"\x02", b"\x01", b"\x01R5\x02", b"\x06", b"\x15", b"x", b"\x01x", b"\x7f"])
def test_an_answer_of_garbage_in_small_chunks_in_linear_time(head: bytes, piece: bytes) -> None:
    def work(tail: bytes) -> None:
        session = ProgrammingSession(SessionSettings())
        session.start(0.0)
        for said in (IDENTIFICATION, b"\x01P0\x02()\x03`"):
            session.feed(said, 1.0)
        session.command("R5", "1.8.0()", 1.0)
        with suppress(ProtocolError):
            for place in range(0, len(tail), 512):
                session.feed(tail[place : place + 512], 1.1)

    linear(work, lambda size: head + piece * (size // len(piece) - 64))
