"""A simulated DLMS/COSEM meter on its line: bytes to the link, what the link says to the line, reader after reader.

Rules: the meter answers and never begins, a push on the line excepted; a reader that goes away ends link and
association; what arrives while the meter sends is heard when it has finished. At an optical port every link is entered
anew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

from simulators.dlms_hdlc import Out
from simulators.dlms_optical import Entry
from simulators.journal import Journal
from simulators.line import Line
from simulators.transport import Disconnected

log = logging.getLogger("simulators.dlms")


class Framing(Protocol):
    """HDLC or the wrapper."""

    def feed(self, data: bytes) -> list[Out]:
        """What to send for these bytes."""

    def push(self, client: int, apdu: bytes) -> list[Out]:
        """What to send for an APDU that nobody asked for."""

    def disconnected(self) -> None:
        """The reader is gone."""

    @property
    def linked(self) -> bool:
        """Whether a link is set up."""


class LinePush:
    """Notifications on the meter's own line, to `client`, every so often."""

    def __init__(self, every_s: float, client: int, make: Callable[[], bytes]) -> None:
        self.every_s = every_s
        self.client = client
        self.make = make
        self.due = time.monotonic()


class Meter:
    """One meter on one line. `reaction_s` passes before every answer."""

    def __init__(
        self,
        line: Line,
        framing: Framing,
        journal: Journal,
        *,
        reaction_s: float,
        push: LinePush | None,
        entry: Entry | None,
    ) -> None:
        self._line = line
        self._framing = framing
        self._journal = journal
        self._reaction_s = reaction_s
        self._push = push
        self._entry = entry
        self._heard = b""

    def run(self) -> NoReturn:
        """Serve one reader after the other for ever."""
        while True:
            self._line.transport.connect()
            self._heard = b""
            self._framing.disconnected()
            try:
                while True:
                    if self._entry is not None:
                        self._entry.enter()
                    self._converse()
            except Disconnected as gone:
                log.info("line down: %s", gone)
                self._journal.note("disconnected")

    def _converse(self) -> None:
        """Returns at an optical port alone, when HDLC is over there."""
        entry = self._entry
        while True:
            data, self._heard = self._heard, b""
            linked, over = self._framing.linked, entry.deadline() if entry else None
            data = data or self._line.receive(over if self._push is None else self._push.due)
            if data:
                self._send(self._framing.feed(data))
            if over is not None and ((linked and not self._framing.linked) or (not data and time.monotonic() >= over)):
                self._journal.note("hdlc over")
                self._framing.disconnected()
                return
            push = self._push
            if push is not None and time.monotonic() >= push.due:
                push.due = max(push.due + push.every_s, time.monotonic())
                self._send(self._framing.push(push.client, push.make()))

    def _send(self, outs: list[Out]) -> None:
        for out in outs:
            after = max(self._line.heard_until, self._line.spoken_until) + self._reaction_s + out.after
            self._line.send(out.data, after=after, hear=self._hear)
            if out.hang_up:
                self._line.transport.hang_up()
                raise Disconnected("the meter hung up")

    def _hear(self, data: bytes) -> None:
        self._heard += data
