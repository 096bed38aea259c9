"""A channel that writes down every byte it hands on: the witness that the archive trusts, beside the driver.

Rules: the driver cannot forget a byte, because it never sees one that is not recorded first; what we send is not
recorded, it may hold passwords. Optical heads and two-wire lines return what we send: a secret becomes asterisks, also
where its echo is garbled, cut short or has parity in bit 7 (masking.py).
"""

from datetime import UTC, datetime
from typing import Protocol

from gatewayd.channel import Channel, Framing
from gatewayd.channel.masking import EchoMask, Piece

_WHENEVER = datetime.min.replace(tzinfo=UTC)
"""The archive has the times of whole exchanges, not of pieces."""
_HIDDEN = ord("*")


class Watch(Protocol):
    """Who wants to know that a secret leaves, and that it was accepted."""

    async def sending(self) -> None:
        """A secret is about to leave: a process that is killed behind it must have left word."""

    async def accepted(self) -> None:
        """The conversation has gone on behind it, and was answered."""


class RecordingChannel:
    """Passes everything through to `inner` and keeps what was received since the last `take()`."""

    def __init__(self, inner: Channel, watch: Watch | None = None) -> None:
        self._inner = inner
        self._watch = watch
        self._secret_out = False
        self._gone_on = False  # something else was sent behind it
        self._received = bytearray()
        self._mask = EchoMask()
        self.total = 0
        """Bytes received since the channel was opened; for progress displays."""

    def take(self, behind: int = 0) -> bytes:
        """The bytes of the exchange that has just ended; the last `behind` stay for the next one."""
        self._keep(self._mask.flush())
        end = max(len(self._received) - behind, 0)
        data = bytes(self._received[:end])
        del self._received[:end]
        return data

    @property
    def waiting(self) -> bool:
        """True when bytes were received that belong to no finished exchange yet."""
        return bool(self._received) or self._mask.holds

    @property
    def parity_errors(self) -> int:
        return self._inner.parity_errors

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self._keep(self._mask.turn())
        if secret and data:
            self._mask.sent(data)
            if self._watch is not None:
                await self._watch.sending()
            self._secret_out, self._gone_on = True, False
        else:
            self._gone_on = self._secret_out
        await self._inner.send(data, deadline=deadline, secret=secret)

    async def receive(self, *, deadline: float) -> bytes:
        data = await self._inner.receive(deadline=deadline)
        self._keep(self._mask.feed(_WHENEVER, data))
        self.total += len(data)
        if self._gone_on:
            self._secret_out = self._gone_on = False
            if self._watch is not None:
                await self._watch.accepted()
        return data

    async def rest(self, seconds: float) -> None:
        await self._inner.rest(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._inner.set_line(baud, framing, deadline=deadline)

    async def close(self) -> None:
        await self._inner.close()

    def _keep(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            self._received += bytes([_HIDDEN if byte is None else byte for byte in piece.data])
