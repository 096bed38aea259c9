"""The wrapper of TCP as a simulated meter speaks it (IEC 62056-47): version 1, two wPorts, a length, an APDU.

Rules: what is for another wPort is not answered; a header of another version ends the connection, since nothing behind
it can be found.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from simulators.dlms_faults import Faults, Kind
from simulators.dlms_hdlc import Out, noise

OTHER_PORT = 0x7D


def wrap(source: int, destination: int, apdu: bytes) -> bytes:
    """An APDU in its wrapper."""
    return b"\x00\x01" + source.to_bytes(2) + destination.to_bytes(2) + len(apdu).to_bytes(2) + apdu


class Wrapper:
    """The meter's end of one connection. `answer` is as in dlms_hdlc.Link."""

    def __init__(
        self,
        server: int,
        answer: Callable[[int, bytes], bytes | None],
        reset: Callable[[], None],
        faults: Faults,
        randomness: random.Random,
    ) -> None:
        self._server = server
        self._answer = answer
        self._reset = reset
        self._faults = faults
        self._random = randomness
        self._buffer = b""
        self._dead = False

    def disconnected(self) -> None:
        """The client is gone."""
        self._buffer = b""
        self._dead = False
        self._reset()
        self._faults.begin_session()

    @property
    def linked(self) -> bool:
        """There is nothing to set up."""
        return True

    def feed(self, data: bytes) -> list[Out]:
        """What to send for these bytes."""
        self._buffer += data
        out: list[Out] = []
        while len(self._buffer) >= 8:
            if self._buffer[:2] != b"\x00\x01":
                return [*out, Out(b"", hang_up=True)]
            client, server, length = (int.from_bytes(self._buffer[at : at + 2]) for at in (2, 4, 6))
            if len(self._buffer) < 8 + length:
                break
            apdu, self._buffer = self._buffer[8 : 8 + length], self._buffer[8 + length :]
            if server == self._server and apdu:
                out += self._respond(client, apdu)
        return out

    def push(self, client: int, apdu: bytes) -> list[Out]:
        """An APDU that nobody asked for."""
        return [Out(wrap(self._server, client, apdu))]

    def _respond(self, client: int, request: bytes) -> list[Out]:
        shows = self._faults.shows
        self._faults.next_answer()
        self._dead = self._dead or shows(Kind.SILENT) is not None
        if self._dead:
            return []
        apdu = self._answer(client, request)
        if apdu is None or shows(Kind.LOST_FRAME):
            return []
        data = wrap(self._server, client, apdu)
        if shows(Kind.OTHER_STATION):
            data = wrap(OTHER_PORT, client, apdu) + data
        if shows(Kind.NOISE):
            data = noise(self._random) + data
        if shows(Kind.HANG_UP):
            return [Out(data[: len(data) // 2], hang_up=True)]
        return [Out(data)]
