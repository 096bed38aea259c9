"""An IEC 62056-21 meter that plays a readout file: modes A, B, C, D and the entry of mode E.

Rules: the meter answers and never begins (mode D excepted); it is half-duplex, so what arrives while it sends is lost,
apart from a break; it returns to its start rate after every conversation; programming mode is refused with silence.
Faults are asked for by readout number. A reader that goes away resets the meter.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from simulators import faults
from simulators.faults import Fault, Misbehaviour
from simulators.line import Line
from simulators.requests import Break, Inbox, OptionSelect, SignOn
from simulators.telegram import STX, Advance, Telegram, advanced, block, pushed
from simulators.transport import Disconnected

# 6.3.14.13: the baud rate character of the identification, in mode C (and E) and in mode B.
MODE_C_BAUDS = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
MODE_B_BAUDS = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}

NAK = b"\x15"
BETWEEN_CHARACTERS_S = 1.5
DRIP_S = 1.0
UNREAD_S = 0.25

_EVEN = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in range(128)) + bytes(range(128, 256))

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
    """What the meter is. `identification` is the text after `/`; times are in seconds."""

    mode: Mode
    identification: bytes
    address: str | None
    start_baud: int
    reaction_s: float
    ack_wait_s: float
    push_every_s: float
    parity: Parity


class Interrupted(Exception):
    """The reader ended a transmission: by a break, or by a new sign-on where there is no end."""


class Meter:
    """The meter's state machine on its line."""

    def __init__(
        self,
        settings: Settings,
        telegram: Telegram,
        line: Line,
        *,
        misbehaviours: tuple[Fault, ...],
        advances: tuple[Advance, ...],
        randomness: random.Random,
    ) -> None:
        self._settings = settings
        self._telegram = telegram
        self._line = line
        self._faults = misbehaviours
        self._advances = advances
        self._random = randomness
        self._inbox = Inbox()
        self._readout = 0
        self._even_parity = settings.parity is Parity.EVEN
        self._endless = False
        self._again: SignOn | None = None

    def run(self) -> NoReturn:
        """Serve one reader after the other for ever."""
        while True:
            self._line.transport.connect()
            self._inbox.clear()
            self._again = None
            try:
                if self._settings.mode is Mode.D:
                    self._push()
                self._converse()
            except Disconnected as gone:
                log.info("line down: %s", gone)

    def _converse(self) -> NoReturn:
        while True:
            self._line.baud = self._settings.start_baud
            self._line.echo = self._is(Misbehaviour.ECHO, self._readout + 1)
            sign_on = self._await_sign_on()
            self._readout += 1
            try:
                self._answer(sign_on)
                # Half-duplex: a meter hears nothing while it sends.
                self._inbox.clear()
            except Interrupted:
                log.info("interrupted by the reader")
            finally:
                self._endless = False

    def _await_sign_on(self) -> SignOn:
        while True:
            request = self._again or self._inbox.take()
            self._again = None
            if request is None:
                self._inbox.add(self._line.receive(None))
            elif isinstance(request, SignOn) and self._is_meant(request):
                log.info("sign-on %r", request.address)
                return request
            else:
                log.info("not for an idle meter: %s", request)

    def _is_meant(self, sign_on: SignOn) -> bool:
        # 6.3.2: leading zeros of the device address carry no meaning.
        ours = self._settings.address
        return ours is None or sign_on.address.lstrip("0") == ours.lstrip("0")

    def _answer(self, sign_on: SignOn) -> None:
        settings, line = self._settings, self._line
        if self._is(Misbehaviour.SILENCE):
            log.info("silent")
            return
        if settings.parity is Parity.AUTO:
            self._even_parity = sign_on.even_parity
        reply_at = line.heard_until + settings.reaction_s
        if self._is(Misbehaviour.BABBLE):
            log.info("babbles")
            self._send_endlessly(faults.babble(self._random), reply_at)
        if self._is(Misbehaviour.NOISE):
            self._send(faults.noise(self._random), reply_at)
        self._send(self._coded(b"/" + settings.identification + b"\r\n"), reply_at)
        log.info("identification %r at %d Bd", settings.identification, line.baud)
        rate = settings.identification[3:4].decode("latin-1")
        match settings.mode:
            case Mode.C | Mode.E:
                self._await_option(rate)
            case Mode.B:
                self._send_block(MODE_B_BAUDS.get(rate, settings.start_baud), line.spoken_until + settings.reaction_s)
            case _:
                self._send_block(settings.start_baud, line.spoken_until + settings.reaction_s)

    def _await_option(self, offered: str) -> None:
        settings, line = self._settings, self._line
        deadline = line.spoken_until + settings.ack_wait_s
        while True:
            if data := line.receive(deadline):
                self._inbox.add(data)
            elif time.monotonic() >= deadline:
                log.info("no option select message: falls back to mode A")
                self._send_block(settings.start_baud, deadline)
                return
            match self._inbox.take():
                case None:
                    if self._inbox.has_begun_option():
                        deadline = max(deadline, line.heard_until + BETWEEN_CHARACTERS_S)
                case OptionSelect() as choice:
                    if not self._is(Misbehaviour.NO_ACK_SUPPORT):
                        self._obey(choice, offered)
                        return
                    log.info("ignores %s", choice)
                case SignOn() as again:
                    self._again = again
                    raise Interrupted
                case Break():
                    raise Interrupted

    def _obey(self, choice: OptionSelect, offered: str) -> None:
        settings, line = self._settings, self._line
        reply_at = line.heard_until + settings.reaction_s
        if choice.protocol not in "01" or choice.option != "0":
            log.warning("not played by this meter: %s", choice)
        elif choice.rate not in MODE_C_BAUDS or MODE_C_BAUDS[choice.rate] > MODE_C_BAUDS.get(offered, 0):
            log.info("rate %s refused: falls back to mode A", choice.rate)
            self._send_block(settings.start_baud, reply_at)
        else:
            self._send_block(MODE_C_BAUDS[choice.rate], reply_at)

    def _send_block(self, baud: int, after: float) -> None:
        self._line.baud = baud
        if self._is(Misbehaviour.NAK):
            log.info("answers NAK")
            self._send(self._coded(NAK), after)
            return
        telegram = advanced(self._telegram, self._advances, self._readout)
        if self._is(Misbehaviour.NOISE):
            self._send(faults.noise(self._random), after)
        self._send_faulty(block(telegram), bytes([STX]), telegram.body, after)
        log.info("readout %d sent at %d Bd", self._readout, baud)

    def _push(self) -> NoReturn:
        settings, line = self._settings, self._line
        line.baud = settings.start_baud
        due = time.monotonic()
        while True:
            line.echo = self._is(Misbehaviour.ECHO, self._readout + 1)
            line.wait_until(due, lambda _: None)
            self._readout += 1
            if not self._is(Misbehaviour.SILENCE):
                if due > line.spoken_until + UNREAD_S:
                    line.transport.discard_unread()
                telegram = advanced(self._telegram, self._advances, self._readout)
                if self._is(Misbehaviour.BABBLE):
                    self._send_endlessly(faults.babble(self._random), due)
                if self._is(Misbehaviour.NOISE):
                    self._send(faults.noise(self._random), due)
                opening = b"/" + settings.identification + b"\r\n\r\n"
                self._send_faulty(pushed(telegram, settings.identification), opening, telegram.body, due)
                log.info("telegram %d pushed at %d Bd", self._readout, line.baud)
            due = max(due + settings.push_every_s, line.spoken_until)

    def _send_faulty(self, message: bytes, opening: bytes, body: bytes, after: float) -> None:
        """Send one message with the faults of this readout; `opening` comes before data without end."""
        if self._is(Misbehaviour.BAD_BCC):
            message = faults.spoiled(message)
        if self._is(Misbehaviour.HUGE):
            self._send(self._coded(opening), after)
            self._send_endlessly(map(self._coded, faults.endless_lines(body)), after)
        if self._is(Misbehaviour.DRIP):
            self._send(self._coded(opening), after)
            drops = (bytes([byte]) for text in faults.endless_lines(body) for byte in self._coded(text))
            self._send_endlessly(drops, after, pause_s=DRIP_S)
        if self._is(Misbehaviour.TRUNCATE):
            message = message[: len(message) // 2]
        if self._is(Misbehaviour.HANG_UP):
            self._send(self._coded(message[: len(message) // 2]), after)
            self._line.transport.hang_up()
            raise Disconnected("hung up in the middle of the data")
        self._send(self._coded(message), after)

    def _send_endlessly(self, pieces: Iterable[bytes], after: float, *, pause_s: float = 0.0) -> NoReturn:
        self._endless = True
        for piece in pieces:
            self._send(piece, max(after, self._line.spoken_until + pause_s))
        raise Interrupted

    def _send(self, data: bytes, after: float) -> None:
        self._line.send(data, after=after, hear=self._hear)

    def _hear(self, data: bytes) -> None:
        if self._settings.mode is Mode.D:
            return
        self._inbox.add(data)
        if self._inbox.interrupts(sign_on_too=self._endless):
            raise Interrupted

    def _coded(self, data: bytes) -> bytes:
        return data.translate(_EVEN) if self._even_parity else data

    def _is(self, kind: Misbehaviour, readout: int | None = None) -> bool:
        return faults.is_active(self._faults, kind, self._readout if readout is None else readout)
