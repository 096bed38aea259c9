"""The line between meter and reader: characters take their time, may be echoed, and arrive garbled at a wrong rate.

Rules: time is a running schedule on the monotonic clock, so lateness of one write never delays the next one; a
character is delivered when its stop bit ends, never before; a character received also takes its line time, although a
pipe hands it over at once. Every function that waits can be interrupted by what the reader sends meanwhile.
"""

from __future__ import annotations

import logging
import random
import select
import time
from collections.abc import Callable, Iterable, Sequence

from simulators.transport import Transport

CHARACTER_BITS = 10  # IEC 62056-21 5.2: start, 7 data, even parity, stop
SINGLE_CHARACTERS_UP_TO_BAUD = 1200
COALESCE_S = 0.003
UNPACED_WRITE = 1024
STALLED_S = 1.0

log = logging.getLogger("simulators.line")

Hear = Callable[[bytes], None]


def character_seconds(baud: int) -> float:
    """Line time of one character in seconds."""
    return CHARACTER_BITS / baud


def floor_seconds(
    request: bytes,
    identification: bytes,
    ack: bytes,
    block: bytes,
    *,
    start_baud: int,
    data_baud: int,
    reaction_s: float,
) -> float:
    """Shortest possible time, in seconds, from the request's first bit to the block's last one.

    All arguments are the bytes on the wire, control characters included (`/?!` CR LF is five of them). In modes A and B
    `ack` is empty; the meter's reaction time still passes twice, before the identification and before the block.
    """
    return programming_floor_seconds(
        request,
        identification,
        ack,
        [(b"", block)],
        start_baud=start_baud,
        data_baud=data_baud,
        reaction_s=reaction_s,
    )


def programming_floor_seconds(
    request: bytes,
    identification: bytes,
    ack: bytes,
    turns: Iterable[tuple[bytes, bytes]],
    *,
    start_baud: int,
    data_baud: int,
    reaction_s: float,
) -> float:
    """Shortest possible time, in seconds, of a session in programming mode (IEC 62056-21 6.4.3.2).

    From the request's first bit to the last bit of the last turn. All arguments are the bytes on the wire. A turn is
    what the reader sends and the one message that the meter answers with; the first turn is (b"", P0 message), because
    `ack`, sent at the start rate, is what asks for it; a break is (b"\\x01B0\\x03q", b""), which nobody answers. A
    partial block is a turn of its own, asked for by ACK: `block_turns` makes those. The meter's reaction time passes
    before every message of the meter and never before one of the reader. Nothing here is measured.
    """
    at_start_rate = len(request) + len(identification) + len(ack)
    at_data_rate = 0
    reactions = 1
    for asked, answered in turns:
        at_data_rate += len(asked) + len(answered)
        reactions += bool(answered)
    return (
        at_start_rate * character_seconds(start_baud)
        + at_data_rate * character_seconds(data_baud)
        + reactions * reaction_s
    )


def block_turns(command: bytes, blocks: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The turns of one command that is answered in partial blocks: each block after the first is asked for by ACK."""
    return list(zip([command, *[b"\x06"] * (len(blocks) - 1)], blocks, strict=True))


class Line:
    """One half-duplex line, seen from the meter.

    `baud` is the meter's current rate and `echo` says whether the head returns what it is given. `heard_until` and
    `spoken_until` are the instants (monotonic seconds) at which the last received and the last sent character ended.
    """

    def __init__(
        self, transport: Transport, *, baud: int, pace: bool, check_baud: bool, randomness: random.Random
    ) -> None:
        self.transport = transport
        self.baud = baud
        self.echo = False
        self.heard_until = 0.0
        self.spoken_until = 0.0
        self._pace = pace
        self._check_baud = check_baud
        self._random = randomness
        self._garbled = 0.0
        self._stalled = False

    @property
    def _character_s(self) -> float:
        return character_seconds(self.baud) if self._pace else 0.0

    def receive(self, deadline: float | None) -> bytes:
        """What the reader sends until `deadline`; empty when that is nothing."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([self.transport], [], [], timeout)[0]:
            return b""
        began = max(time.monotonic(), self.heard_until)
        data = bytearray(self._take())
        echoed = 0
        while self.echo and echoed < len(data):
            # The head repeats each character while the reader sends it, so no rate can be wrong here; and the reader
            # of a pseudo-terminal, whose drain returns at once, may have changed its rate already.
            piece = bytes(data[echoed:])
            self._send(piece, max(began, self.spoken_until), hear=data.extend, garble=False)
            echoed += len(piece)
        return bytes(data)

    def send(self, data: bytes, *, after: float, hear: Hear) -> None:
        """Send `data`, its first start bit at `after` or when the line is free; `hear` gets what arrives meanwhile."""
        self._send(data, max(after, self.spoken_until), self._echoing(hear), garble=True)

    def wait_until(self, due: float, hear: Hear) -> None:
        """Let time pass until `due`; `hear` gets what arrives and may raise to interrupt."""
        self._wait_until(due, self._echoing(hear))

    def _wait_until(self, due: float, hear: Hear) -> None:
        while True:
            remaining = max(0.0, due - time.monotonic())
            if select.select([self.transport], [], [], remaining)[0]:
                hear(self._take())
            if time.monotonic() >= due:
                return

    def _echoing(self, hear: Hear) -> Hear:
        def echo_and_hear(data: bytes) -> None:
            self._write(data)
            hear(data)

        return echo_and_hear if self.echo else hear

    def _take(self) -> bytes:
        began = max(time.monotonic(), self.heard_until)
        data = self.transport.read()
        self.heard_until = began + len(data) * self._character_s
        return data

    def _send(self, data: bytes, start: float, hear: Hear, *, garble: bool) -> None:
        each = self._character_s
        if not self._pace:
            size = UNPACED_WRITE
        elif self.baud <= SINGLE_CHARACTERS_UP_TO_BAUD:
            size = 1
        else:
            size = max(1, int(COALESCE_S / each))
        sent = 0
        try:
            while sent < len(data):
                piece = data[sent : sent + size]
                self._wait_until(start + (sent + len(piece)) * each, hear)
                self._write(self._as_seen(piece) if garble else piece)
                sent += len(piece)
        finally:
            self.spoken_until = max(self.spoken_until, start + sent * each)

    def _write(self, data: bytes) -> None:
        while data:
            written = self.transport.write(data)
            data = data[written:]
            if written:
                self._stalled = False
            elif self._stalled or not select.select([], [self.transport], [], STALLED_S)[1]:
                # A line never waits for its reader for long; what nobody takes is lost.
                if not self._stalled:
                    log.warning("the reader takes nothing any more: bytes are lost")
                self._stalled = True
                return

    def _as_seen(self, data: bytes) -> bytes:
        """What a receiver at the reader's rate makes of characters sent at ours."""
        theirs = self.transport.reader_baud() if self._check_baud else self.baud
        if theirs is None or theirs == self.baud:
            return data
        # A slower receiver sees fewer characters than were sent, a faster one about as many start bits.
        self._garbled += len(data) * min(1.0, theirs / self.baud)
        count = int(self._garbled)
        self._garbled -= count
        wrong = (self._random.randrange(1, 0x80) for _ in range(count))
        return bytes(character ^ difference for character, difference in zip(data, wrong, strict=False))
