"""Bytes made by mutation, for as long as there is time: 8 s for each parser, 60 s in the long form.

Rules: every run has its own seed, which a failure shows; FUZZ_SEED=N repeats it. Only typed errors may come out, and
every session has to come to its end.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from drivers.iec62056_21.intervals import table_readings
from drivers.iec62056_21.readings import readings, telegram_faults
from drivers.iec62056_21.vendors import Table, choose
from drivers.iec62056_21.wire.dataset import parse_data_block
from drivers.iec62056_21.wire.fork import Fork
from drivers.iec62056_21.wire.framing import find_identification
from drivers.iec62056_21.wire.hand_over import HandOverSession
from drivers.iec62056_21.wire.message import Echo, Inbox
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.readout import ReadoutSession, readout_session
from drivers.iec62056_21.wire.session import Answered, CommandError, Ready, Session, SessionSettings, Wait
from drivers.iec62056_21.wire.telegram import read_block
from gatewayd.errors import GatewayError
from gatewayd.model import Profile
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.conversation import BLOCK, FULL, IDENTIFICATION, OPTION, PUSHED, SIGN_ON
from tests.drivers.iec62056_21.interview import ACK, BREAK, ERROR, NAK, OPTION_P, P0, P1, command, knows, reply

SECONDS = 60.0 if FULL else 8.0
PRAGUE = ZoneInfo("Europe/Prague")
AT = datetime(2026, 11, 21, tzinfo=UTC)
TABLE = (
    b"P.01(0261121001500)(0000)(15)(2)(1.5)(kW)(2.5)(kW)\r\n(0.125)(0.250)\r\n(---.-)()\r\n"
    b"P.98(1260701000000)(00000008)()(2)(0.9.1)()(0.9.2)()\r\n(153012)(260701)\r\n"
)
CORPUS = [
    SIGN_ON,
    IDENTIFICATION,
    b"/LGZ5\\2ZMD4104407.B32\r\n",
    OPTION,
    OPTION_P,
    b"\x06252\r\n",
    BLOCK,
    PUSHED,
    P0,
    P1,
    ACK,
    NAK,
    BREAK,
    ERROR,
    command("R5", "1.8.0()"),
    reply(b"1.8.0(0008048.375*kWh)"),
    reply(TABLE),
    reply(TABLE[:40], last=False),
    TABLE,
    b"\x00\x7f\xff",
]
MARKS = b"\x00\x01\x02\x03\x04\x06\x15\r\n()*;/!.&\x7f\xff09AZz "


def mutated(chance: random.Random) -> bytes:
    """Pieces of what means something, cut, doubled, with single bytes changed."""
    data = bytearray()
    for _ in range(chance.randint(0, 5)):
        piece = bytearray(chance.choice(CORPUS))
        for _ in range(chance.choice((0, 0, 1, 2, 5))):
            place = chance.randrange(len(piece))
            match chance.randrange(4):
                case 0:
                    piece[place] = chance.choice(MARKS)
                case 1:
                    piece.insert(place, chance.choice(MARKS))
                case 2:
                    piece[place] ^= 1 << chance.randrange(8)
                case _:
                    del piece[place:]
                    piece += b"\x03"
        data += piece
    return bytes(data)


def _session(session: Session, chance: random.Random) -> None:
    """Feed until the session is over; a meter that says the right thing now and then gets further."""
    now = 0.0
    until = now
    with suppress(GatewayError):
        actions = session.start(now)
        for _ in range(400):
            match actions[-1] if actions else None:
                case Wait(until):
                    assert until >= now - 1e-6
                case Ready() | Answered() | CommandError():
                    programming = session.chosen if isinstance(session, Fork) else session
                    assert isinstance(programming, ProgrammingSession)
                    actions = programming.command(f"R{chance.randint(1, 6)}", "1.8.0()", now)
                    continue
                case _:
                    break
            if chance.random() < 0.1:
                now = max(until, now)
                actions = session.expired(now)
            else:
                now += chance.random() * 0.5
                said = chance.choice(CORPUS) if chance.random() < 0.5 else mutated(chance)
                actions = session.feed(said[: chance.randint(0, len(said))] if chance.random() < 0.2 else said, now)
    session.close(now)
    assert session.close(now) == session.feed(BLOCK, now) == session.expired(now) == ()


def _identification(chance: random.Random) -> None:
    data = mutated(chance)
    found = find_identification(data)
    assert found is None or data[: found[1]].endswith(found[0].raw)
    read_block(b"\x02" + data, None)


def _data_sets(chance: random.Random) -> None:
    data = mutated(chance)
    parse_data_block(data)
    telegram = read_block(b"\x02" + data, None)
    faults = telegram_faults(telegram, 0)
    for reading in readings(telegram, faults, meter="em-1", at=AT, zone=PRAGUE, vendor=choose("generic", "")):
        assert reading.value is None or reading.value.is_finite()


def _tables(chance: random.Random) -> None:
    for code, kind in (("P.01", "profile"), ("P.98", "log")):
        request = Profile(Obis.parse(code), AT - timedelta(days=chance.randint(1, 400)), AT)
        table_readings(
            mutated(chance),
            (),
            meter="em-1",
            request=request,
            table=Table.model_validate({"code": code, "kind": kind}),
            vendor=choose("generic", ""),
            clock=chance.choice(("legal", "standard", "utc")),
            zone=PRAGUE,
            at=AT,
        )


def _messages(chance: random.Random) -> None:
    data = mutated(chance)
    whole, pieces = Inbox(), Inbox()
    whole.buffer += data
    found = list(iter(whole.next, None))
    again = []
    for byte in data:
        pieces.buffer.append(byte)
        again += list(iter(pieces.next, None))
    assert found == again
    echo = Echo()
    echo.sent(chance.choice(CORPUS))
    buffer = bytearray(data)
    echo.strip(buffer)
    assert data.endswith(buffer)


def _readout(chance: random.Random) -> None:
    _session(readout_session(SessionSettings(mode=chance.choice("ABCDE"), attempts=2)), chance)


def _programming(chance: random.Random) -> None:
    _session(ProgrammingSession(SessionSettings(attempts=2), knows), chance)


def _hand_over(chance: random.Random) -> None:
    _session(HandOverSession(SessionSettings(attempts=2)), chance)


def _fork(chance: random.Random) -> None:
    settings = SessionSettings(attempts=2)
    chosen = ProgrammingSession(settings, knows) if chance.random() < 0.7 else ReadoutSession(settings)
    _session(Fork(settings, lambda _: chosen), chance)


PARSERS: dict[str, Callable[[random.Random], None]] = {
    "identification and block": _identification,
    "data sets": _data_sets,
    "tables": _tables,
    "messages": _messages,
    "readout session": _readout,
    "programming session": _programming,
    "hand-over session": _hand_over,
    "fork": _fork,
}


def test_all_of_them_together_take_a_minute() -> None:
    assert SECONDS * len(PARSERS) >= 60


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_bytes(name: str) -> None:
    fixed = os.environ.get("FUZZ_SEED")
    seed = int(fixed) if fixed else random.SystemRandom().getrandbits(48)
    end = time.monotonic() + SECONDS
    while True:
        try:
            PARSERS[name](random.Random(seed))
        except Exception as error:
            error.add_note(f"repeat with FUZZ_SEED={seed}")
            raise
        if fixed or time.monotonic() > end:
            return
        seed += 1
