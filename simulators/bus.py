"""One line with its meters: whoever is meant by a sign-on has the conversation, the others keep silent.

Rules: a single meter is a bus with one; the first living meter whose address and table fit answers; conversations are
counted from 1 on the whole bus, and faults go by that number; after every conversation the line is back at its start
rate. A reader that goes away resets the meters.
"""

from __future__ import annotations

import logging
import time
from typing import NoReturn

from simulators.faults import Misbehaviour
from simulators.iec62056_21 import Meter, Mode
from simulators.journal import Journal
from simulators.port import Interrupted, Port
from simulators.requests import Break, SignOn
from simulators.transport import Disconnected
from simulators.wake_up import Sleeper

log = logging.getLogger("simulators.iec62056_21")


class Bus:
    """The meters of a line. `sleeper` is there when they have to be woken up first."""

    def __init__(
        self, port: Port, meters: tuple[Meter, ...], journal: Journal, *, start_baud: int, sleeper: Sleeper | None
    ) -> None:
        self._port = port
        self._meters = meters
        self._journal = journal
        self._start_baud = start_baud
        self._sleeper = sleeper
        self._conversation = 0

    def run(self) -> NoReturn:
        """Serve one reader after the other for ever."""
        while True:
            self._port.line.transport.connect()
            self._port.inbox.clear()
            try:
                for meter in self._meters:
                    if meter.settings.mode is Mode.D:
                        meter.push()
                self._converse()
            except Disconnected as gone:
                log.info("line down: %s", gone)
                self._journal.note("disconnected")

    def _converse(self) -> NoReturn:
        line = self._port.line
        again: SignOn | None = None
        while True:
            line.baud = self._start_baud
            line.echo = any(meter.shows(Misbehaviour.ECHO, self._conversation + 1) for meter in self._meters)
            if self._sleeper is not None:
                self._sleeper.sleep()
            meter, sign_on = self._await_sign_on(again)
            self._conversation += 1
            again = None
            try:
                again = meter.answer(sign_on, self._conversation)
            except Interrupted:
                log.info("interrupted by the reader")
            finally:
                self._port.endless = False

    def _await_sign_on(self, again: SignOn | None) -> tuple[Meter, SignOn]:
        inbox = self._port.inbox
        while True:
            request = again or inbox.take()
            again = None
            match request:
                case None:
                    data = self._port.line.receive(None)
                    inbox.add(data if self._sleeper is None else self._sleeper.feed(data, time.monotonic()))
                case SignOn():
                    self._journal.note(_spoken(request))
                    for meter in self._meters:
                        if meter.is_meant(request):
                            return meter, request
                case Break():
                    self._journal.note("break")
                case _:
                    log.info("not for an idle meter: %s", request)


def _spoken(sign_on: SignOn) -> str:
    words = ["sign-on", sign_on.address, f"table {sign_on.table}" if sign_on.table != "?" else ""]
    return " ".join(word for word in words if word)
