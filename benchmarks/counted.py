"""A channel that counts what goes through it."""

from gatewayd.channel import Channel, Framing


class Counted:
    """Passes everything through; `sent` are messages, the rest octets."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self.sent = self.octets_sent = self.octets_received = 0

    @property
    def parity_errors(self) -> int:
        return self._inner.parity_errors

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self.sent += 1
        self.octets_sent += len(data)
        await self._inner.send(data, deadline=deadline, secret=secret)

    async def receive(self, *, deadline: float) -> bytes:
        data = await self._inner.receive(deadline=deadline)
        self.octets_received += len(data)
        return data

    async def rest(self, seconds: float) -> None:
        await self._inner.rest(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._inner.set_line(baud, framing, deadline=deadline)

    async def close(self) -> None:
        await self._inner.close()
