"""Requests over one Modbus TCP connection: transaction numbers say what is answered, and nothing is ever owed.

Rules: numbers go up by one and come again after 65,536 requests. A connection on which a wrong header came can only be
closed.
"""

from drivers.modbus.wire import tcp
from drivers.modbus.wire.dialogue import Action, Answered, Send, Settings, Wait
from drivers.modbus.wire.pdu import Request
from drivers.modbus.wire.tcp import MbapReader, MbapStream
from gatewayd.errors import MeterSilent, ProtocolError


class TcpExchange:
    """An Exchange (dialogue.py). `transaction`: the number of the first request.

    Of `settings` count `timeout_s`, `gap_s` and `late_s`, the longest time for a whole answer."""

    def __init__(self, settings: Settings, transaction: int = 0) -> None:
        self._settings = settings
        self._next = transaction
        self._stream = MbapStream()
        self._reader: MbapReader | None = None
        self._until = self._latest = 0.0

    def start(self, unit: int, request: Request, now: float) -> tuple[Action, ...]:
        if self._reader is not None:
            raise ValueError("a request is under way")
        transaction = self._next % tcp.TRANSACTIONS
        data = tcp.frame(transaction, unit, request.encoded)
        self._stream.feed(b"")  # raises where the connection is spoilt
        self._next = transaction + 1
        self._reader = MbapReader(transaction, unit, request, self._stream)
        self._until = now + self._settings.timeout_s
        self._latest = now + self._settings.late_s
        return Send(data), Wait(self._until)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        if self._reader is None:
            self._stream.feed(data)  # a late answer
            return ()
        try:
            reply = self._reader.feed(data)
        except ProtocolError:
            self._reader = None
            raise
        if reply is not None:
            self._reader = None
            return (Answered(reply),)
        if self._stream.rest:
            self._until = max(self._until, min(now + self._settings.gap_s, self._latest))
        return (Wait(self._until),) if now < self._until else self.expired(now)

    def expired(self, now: float) -> tuple[Action, ...]:
        if self._reader is None:
            return ()
        if now < self._until:
            return (Wait(self._until),)
        error = self._reader.finish()
        self._reader = None
        raise error or MeterSilent("does not answer")

    def leave(self, now: float) -> tuple[Action, ...]:
        self._reader = None
        return ()

    def settled(self, now: float) -> bool:
        return True
