"""A channel that writes down every byte it hands on: the witness that the archive trusts, beside the driver.

Rules: the driver cannot forget a byte, because it never sees one that is not recorded first; what we send is not
recorded, it may hold passwords. Optical heads and two-wire lines return what we send: a secret becomes asterisks.
"""

from gatewayd.channel import Channel, Framing


class RecordingChannel:
    """Passes everything through to `inner` and keeps what was received since the last `take()`."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self._received = bytearray()
        self._secrets: set[bytes] = set()
        self.total = 0
        """Bytes received since the channel was opened; for progress displays."""

    def take(self) -> bytes:
        """The bytes of the exchange that has just ended."""
        data = bytes(self._received)
        self._received.clear()
        for secret in self._secrets:
            data = data.replace(secret, b"*" * len(secret))
        return data

    @property
    def waiting(self) -> bool:
        """True when bytes were received that belong to no finished exchange yet."""
        return bool(self._received)

    @property
    def parity_errors(self) -> int:
        return self._inner.parity_errors

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        if secret and data:
            self._secrets.add(data)
        await self._inner.send(data, deadline=deadline, secret=secret)

    async def receive(self, *, deadline: float) -> bytes:
        data = await self._inner.receive(deadline=deadline)
        self._received += data
        self.total += len(data)
        return data

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._inner.set_line(baud, framing, deadline=deadline)

    async def close(self) -> None:
        await self._inner.close()
