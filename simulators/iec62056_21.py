"""An IEC 62056-21 meter that plays a readout file: modes A, B, C, D, programming mode, and the entry of mode E.

Rules: the meter answers and never begins (mode D excepted); what else it can do is in dialogue.py (programming mode)
and hdlc.py (what a reader says after the entry of mode E); an option that it does not play is met with silence. Faults
are asked for by readout number, which the bus counts.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from simulators import faults
from simulators.dialogue import Dialogue
from simulators.faults import Fault, Misbehaviour
from simulators.hdlc import Frames
from simulators.journal import Journal
from simulators.port import Interrupted, Port
from simulators.requests import Break, OptionSelect, SignOn
from simulators.telegram import STX, Advance, Telegram, advanced, block, pushed
from simulators.transport import Disconnected

# 6.3.14.13: the baud rate character of the identification, in mode C (and E) and in mode B.
MODE_C_BAUDS = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
MODE_B_BAUDS = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}

NAK = b"\x15"
BETWEEN_CHARACTERS_S = 1.5
DRIP_S = 1.0
UNREAD_S = 0.25

log = logging.getLogger("simulators.iec62056_21")


class Mode(StrEnum):
    """Protocol modes of IEC 62056-21 6.4."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


class Parity(StrEnum):
    """Whether the meter computes even parity into bit 7; AUTO does what the reader did in its sign-on."""

    AUTO = "auto"
    EVEN = "even"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the meter is. `identification` is the text after `/`; times are in seconds; a dead one never answers."""

    mode: Mode
    identification: bytes
    address: str | None
    start_baud: int
    reaction_s: float
    ack_wait_s: float
    push_every_s: float
    parity: Parity
    hdlc_s: float
    programming: bool
    dead: bool = False


class Meter:
    """One meter on a line. `tables` holds what it sends, by the character after `/` of the sign-on: `?` and digits."""

    def __init__(
        self,
        settings: Settings,
        tables: Mapping[str, Telegram],
        port: Port,
        dialogue: Dialogue,
        journal: Journal,
        *,
        misbehaviours: tuple[Fault, ...],
        advances: tuple[Advance, ...],
        randomness: random.Random,
    ) -> None:
        self.settings = settings
        self._tables = tables
        self._table = "?"
        self._port = port
        self._line = port.line
        self._dialogue = dialogue
        self._journal = journal
        self._faults = misbehaviours
        self._advances = advances
        self._random = randomness
        self._readout = 0

    def is_meant(self, sign_on: SignOn) -> bool:
        """Whether this meter answers; a dead one never does."""
        # 6.3.2: leading zeros of the device address carry no meaning.
        ours = self.settings.address
        addressed = ours is None or sign_on.address.lstrip("0") == ours.lstrip("0")
        return addressed and sign_on.table in self._tables and not self.settings.dead

    def shows(self, kind: Misbehaviour, readout: int) -> bool:
        """Whether the readout with this number, counted from 1, shows the fault."""
        return faults.is_active(self._faults, kind, readout)

    def answer(self, sign_on: SignOn, number: int) -> SignOn | None:
        """One conversation, the `number`-th on this line; returns the sign-on that came instead of an option."""
        settings, line = self.settings, self._line
        self._readout = number
        self._table = sign_on.table
        self._port.even_parity = settings.parity is Parity.EVEN
        if self._is(Misbehaviour.SILENCE):
            log.info("silent")
            return None
        if settings.parity is Parity.AUTO:
            self._port.even_parity = sign_on.even_parity
        reply_at = line.heard_until + settings.reaction_s
        if self._is(Misbehaviour.BABBLE):
            log.info("babbles")
            self._babble(reply_at)
        if self._is(Misbehaviour.NOISE):
            self._port.send_raw(faults.noise(self._random), reply_at)
        self._port.send(b"/" + settings.identification + b"\r\n", reply_at)
        log.info("identification %r at %d Bd", settings.identification, line.baud)
        rate = settings.identification[3:4].decode("latin-1")
        match settings.mode:
            case Mode.C | Mode.E:
                return self._await_option(rate)
            case Mode.B:
                self._send_block(MODE_B_BAUDS.get(rate, settings.start_baud), line.spoken_until + settings.reaction_s)
            case _:
                self._send_block(settings.start_baud, line.spoken_until + settings.reaction_s)
        return None

    def _await_option(self, offered: str) -> SignOn | None:
        settings, line, inbox = self.settings, self._line, self._port.inbox
        deadline = line.spoken_until + settings.ack_wait_s
        while True:
            if data := line.receive(deadline):
                inbox.add(data)
            elif time.monotonic() >= deadline:
                log.info("no option select message: falls back to mode A")
                self._send_block(settings.start_baud, deadline)
                return None
            match inbox.take():
                case None:
                    if inbox.has_begun_option():
                        deadline = max(deadline, line.heard_until + BETWEEN_CHARACTERS_S)
                case OptionSelect() as choice:
                    self._journal.note(f"option {choice.protocol}{choice.rate}{choice.option}")
                    if not self._is(Misbehaviour.NO_ACK_SUPPORT):
                        self._obey(choice, offered)
                        return None
                    log.info("ignores %s", choice)
                case SignOn() as again:
                    return again
                case Break():
                    self._journal.note("break")
                    raise Interrupted

    def _obey(self, choice: OptionSelect, offered: str) -> None:
        settings, line = self.settings, self._line
        reply_at = line.heard_until + settings.reaction_s
        baud = MODE_C_BAUDS.get(choice.rate, 0)
        if not 0 < baud <= MODE_C_BAUDS.get(offered, 0):
            log.info("rate %s refused: falls back to mode A", choice.rate)
            if choice.protocol in "01" and choice.option == "0":
                self._send_block(settings.start_baud, reply_at)
            return
        match choice.protocol, choice.option:
            case (("0" | "1"), "0"):
                self._send_block(baud, reply_at)
            case (("0" | "1"), "1") if settings.programming:
                line.baud = baud
                self._dialogue.converse(self._telegram().body)
            case "2", "2" if settings.mode is Mode.E:
                line.baud = baud
                self._stand_in_hdlc(choice, reply_at)
            case _:
                log.warning("not played by this meter: %s", choice)

    def _stand_in_hdlc(self, choice: OptionSelect, after: float) -> None:
        """Mode E, annex E: the confirmation still has 7 bits and parity; then 8N1 until nothing comes for a while."""
        line = self._line
        self._port.send(b"\x06" + f"{choice.protocol}{choice.rate}{choice.option}".encode() + b"\r\n", after)
        # The break of mode C means nothing any more.
        self._port.inbox.clear()
        frames = Frames()
        while True:
            deadline = max(line.heard_until, line.spoken_until) + self.settings.hdlc_s
            if data := line.receive(deadline):
                for frame in frames.feed(data):
                    self._journal.note(f"hdlc {frame.hex()}")
            elif time.monotonic() >= deadline:
                self._journal.note("hdlc timeout")
                return

    def _telegram(self) -> Telegram:
        # Only the values of the main table advance: `--advance` is checked against that one.
        telegram = self._tables[self._table]
        return advanced(telegram, self._advances, self._readout) if self._table == "?" else telegram

    def _send_block(self, baud: int, after: float) -> None:
        self._line.baud = baud
        if self._is(Misbehaviour.NAK):
            log.info("answers NAK")
            self._port.send(NAK, after)
            return
        telegram = self._telegram()
        if self._is(Misbehaviour.NOISE):
            self._port.send_raw(faults.noise(self._random), after)
        self._send_faulty(block(telegram), bytes([STX]), telegram.body, after)
        # Half-duplex: a meter hears nothing while it sends.
        self._port.inbox.clear()
        log.info("readout %d sent at %d Bd", self._readout, baud)

    def push(self) -> NoReturn:
        """Mode D (6.4.5): one telegram after the other for ever."""
        settings, line = self.settings, self._line
        self._port.deaf = True
        self._port.even_parity = settings.parity is Parity.EVEN
        line.baud = settings.start_baud
        due = time.monotonic()
        while True:
            line.echo = self.shows(Misbehaviour.ECHO, self._readout + 1)
            line.wait_until(due, lambda _: None)
            self._readout += 1
            if not self._is(Misbehaviour.SILENCE):
                if due > line.spoken_until + UNREAD_S:
                    line.transport.discard_unread()
                telegram = self._telegram()
                if self._is(Misbehaviour.BABBLE):
                    self._babble(due)
                if self._is(Misbehaviour.NOISE):
                    self._port.send_raw(faults.noise(self._random), due)
                opening = b"/" + settings.identification + b"\r\n\r\n"
                self._send_faulty(pushed(telegram, settings.identification), opening, telegram.body, due)
                log.info("telegram %d pushed at %d Bd", self._readout, line.baud)
            due = max(due + settings.push_every_s, line.spoken_until)

    def _send_faulty(self, message: bytes, opening: bytes, body: bytes, after: float) -> None:
        """Send one message with the faults of this readout; `opening` comes before data without end."""
        if self._is(Misbehaviour.BAD_BCC):
            message = faults.spoiled(message)
        if self._is(Misbehaviour.HUGE):
            self._port.send(opening, after)
            self._send_endlessly(faults.endless_lines(body), after)
        if self._is(Misbehaviour.DRIP):
            self._port.send(opening, after)
            drops = (bytes([byte]) for text in faults.endless_lines(body) for byte in text)
            self._send_endlessly(drops, after, pause_s=DRIP_S)
        if self._is(Misbehaviour.TRUNCATE):
            message = message[: len(message) // 2]
        if self._is(Misbehaviour.HANG_UP):
            self._port.send(message[: len(message) // 2], after)
            self._line.transport.hang_up()
            raise Disconnected("hung up in the middle of the data")
        self._port.send(message, after)

    def _babble(self, after: float) -> NoReturn:
        self._port.even_parity = False
        self._send_endlessly(faults.babble(self._random), after)

    def _send_endlessly(self, pieces: Iterable[bytes], after: float, *, pause_s: float = 0.0) -> NoReturn:
        self._port.endless = True
        for piece in pieces:
            self._port.send(piece, max(after, self._line.spoken_until + pause_s))
        raise Interrupted

    def _is(self, kind: Misbehaviour) -> bool:
        return self.shows(kind, self._readout)
