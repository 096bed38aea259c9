"""Simulated Modbus devices on their line: who is asked answers, all others are silent.

Rules: a device answers and never begins; requests are answered in the order in which they came, and those that come
while an answer is sent or waited for are kept, so that a late answer meets the next request; a broadcast (unit 0 of
RTU) is noted and never answered. A reader that goes away takes with it what was not sent yet.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from simulators.journal import Journal
from simulators.line import Line, character_seconds
from simulators.modbus_device import READS, Device, exception
from simulators.modbus_faults import Fault, Faults, Kind
from simulators.modbus_frames import Asked, Framing
from simulators.transport import Disconnected

GAP_S = 0.02
"""Silence that ends a request, where the line tells no better; a pipe has pauses that no line has."""
SILENT_CHARACTERS = 3.5  # MODBUS over Serial Line V1.02, 2.5.1.1
_NOISE_UP_TO = 9
_UNITS = 247

log = logging.getLogger("simulators.modbus")


@dataclass(frozen=True, slots=True)
class Out:
    """Octets to send, so many seconds after the ones before at the earliest."""

    data: bytes
    after: float = 0.0
    hang_up: bool = False


class Station:
    """All units of a line. `gateway`: the exception that is answered for a unit that is not there; None: silence."""

    def __init__(
        self,
        devices: Mapping[int, Device],
        framing: Framing,
        faults: Faults,
        randomness: random.Random,
        now: Callable[[], datetime],
        note: Callable[[str], None],
        gateway: int | None = None,
    ) -> None:
        self._devices = devices
        self._framing = framing
        self._faults = faults
        self._random = randomness
        self._now = now
        self._note = note
        self._gateway = gateway
        self._before = b""

    def answer(self, asked: Asked) -> list[Out]:
        """What goes out for a request."""
        self._note(f"asked {asked.unit} {asked.pdu.hex()}")
        device = self._devices.get(asked.unit)
        if device is None:
            if self._gateway is None or not asked.unit:
                return []
            return [Out(self._framing.frame(asked, asked.unit, exception(asked.pdu[0], self._gateway)))]
        pdu = device.answer(asked.pdu, self._now())
        shown = self._faults.next(asked.unit)
        if shown:
            self._note(f"shows {' '.join(sorted(shown))}")
        return self._outs(asked, pdu, shown)

    def _outs(self, asked: Asked, pdu: bytes, shown: Mapping[Kind, Fault]) -> list[Out]:
        unit = asked.unit % _UNITS + 1 if Kind.OTHER_UNIT in shown else asked.unit
        data = self._framing.frame(asked, unit, _distorted(asked, pdu, shown), frozenset(shown))
        before, self._before = self._before, data
        if Kind.STALE in shown:
            data = before
        if Kind.SILENT in shown or not data:
            return []
        late = shown[Kind.LATE].extent if Kind.LATE in shown else 0.0
        if Kind.HANG_UP in shown:
            return [Out(data[: len(data) // 2], late, hang_up=True)]
        data = self._among_others(asked, data, shown)
        if Kind.SLOW in shown:
            each = shown[Kind.SLOW].extent / len(data)
            return [Out(data[:1], late), *(Out(data[at : at + 1], each) for at in range(1, len(data)))]
        return [Out(data, late)]

    def _among_others(self, asked: Asked, data: bytes, shown: Mapping[Kind, Fault]) -> bytes:
        """The answer with what comes around it, or instead of it."""
        if Kind.TRUNCATED in shown:
            data = data[: -1 - len(data) // 3]
        if Kind.GARBAGE in shown:
            data = self._random.randbytes(len(data))
        if Kind.DUPLICATE in shown:
            data += data
        if Kind.NOISE in shown:
            data = self._noise() + data
        if Kind.NOISE_BEHIND in shown:
            data += self._noise()
        return asked.raw + data if Kind.ECHO in shown else data

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, _NOISE_UP_TO))


def _distorted(asked: Asked, pdu: bytes, shown: Mapping[Kind, Fault]) -> bytes:
    """The answer PDU with the faults that stand in it."""
    if Kind.EXCEPTION in shown:
        pdu = exception(asked.pdu[0], int(shown[Kind.EXCEPTION].extent))
    if pdu[0] in READS:
        if Kind.SHORT in shown:
            pdu = bytes([pdu[0], pdu[1] - 2]) + pdu[2:-2]
        if Kind.LONG in shown:
            pdu = bytes([pdu[0], (pdu[1] + 2) & 0xFF]) + pdu[2:] + b"\x00\x00"
        if Kind.WRONG_COUNT in shown:
            pdu = bytes([pdu[0], (pdu[1] + 2) & 0xFF]) + pdu[2:]
    if Kind.OTHER_FUNCTION in shown:
        pdu = bytes([pdu[0] ^ (READS[0] ^ READS[1])]) + pdu[1:]
    return pdu


class Modbus:
    """The station on its line. `reaction_s`, and up to `jitter_s` more, pass before every answer."""

    def __init__(
        self,
        line: Line,
        station: Station,
        framing: Framing,
        journal: Journal,
        randomness: random.Random,
        *,
        reaction_s: float,
        jitter_s: float,
        paced: bool,
    ) -> None:
        self._line = line
        self._station = station
        self._framing = framing
        self._journal = journal
        self._random = randomness
        self._reaction_s = reaction_s + (SILENT_CHARACTERS * character_seconds(line.baud) if paced else 0.0)
        self._jitter_s = jitter_s
        self._heard: deque[tuple[float, bytes]] = deque()
        self._heard_at = 0.0

    def run(self) -> NoReturn:
        """Serve one reader after the other for ever."""
        while True:
            self._line.transport.connect()
            self._heard.clear()
            self._framing.reset()
            try:
                self._converse()
            except Disconnected as gone:
                log.info("line down: %s", gone)
                self._journal.note("disconnected")

    def _converse(self) -> NoReturn:
        while True:
            if not self._heard:
                pending = self._framing.pending
                data = self._line.receive(self._heard_at + GAP_S if pending else None)
                if data:
                    self._hear(data)
                elif pending and time.monotonic() >= self._heard_at + GAP_S:
                    self._answer(self._framing.silence())
                continue
            at, data = self._heard.popleft()
            if at - self._heard_at > GAP_S:
                self._answer(self._framing.silence())
            self._heard_at = at
            self._answer(self._framing.feed(data))

    def _answer(self, requests: list[Asked]) -> None:
        for asked in requests:
            due = self._line.heard_until + self._reaction_s + self._random.uniform(0.0, self._jitter_s)
            for out in self._station.answer(asked):
                due = max(due, self._line.spoken_until) + out.after
                self._line.send(out.data, after=due, hear=self._hear)
                if out.hang_up:
                    self._line.transport.hang_up()
                    raise Disconnected("the device hung up")

    def _hear(self, data: bytes) -> None:
        if data:
            self._heard.append((time.monotonic(), data))
