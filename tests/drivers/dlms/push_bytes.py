"""Pushed messages for tests: captures that lie beside the repository, vectors by hand, a channel that plays them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from drivers.dlms.push import PushContext, listen
from drivers.dlms.push_options import PushOptions
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_control import Command, Control
from drivers.dlms.wire.hdlc_frame import Frame
from drivers.dlms.wire.keys import Keys
from drivers.dlms.wire.mbus_transport import Segment
from drivers.dlms.wire.push_event import Framed, Waiting
from gatewayd.channel import Framing
from gatewayd.driver import Forgetful, Memory
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError
from gatewayd.model import Answer, Listen, Request
from tests.drivers.dlms.hdlc_bytes import CAPTURES

NOW = datetime(2026, 11, 26, 15, 30, 20, tzinfo=UTC)
NAMES = (
    "hdlc_kamstrup_omnipower",
    "hdlc_landis_gyr_e450",
    "hdlc_norway_han_3phase",
    "raw_energomera",
    "raw_salzburg_netz",
)
CIPHERED = NAMES[:2]

HEADER = "0F 40000001 0C 07EA0B1A04101E0FFF800000"
"""By hand: data-notification of 2026-11-26 16:30:15 without a deviation: 15:30:15 UTC in Prague."""
PLAIN = bytes.fromhex(f"{HEADER} 0204 0906 0100010800FF 0600001092 0906 0100020800FF 0600000007")
"""By hand: 1-0:1.8.0 = 4242 and 1-0:2.8.0 = 7, codes and values in turn."""
CZECH_PORT = bytes.fromhex(
    "0F 00000001 00 0202 1601 0104"
    "0202 0003 0100010800FF 02 0600001092"
    "0202 0003 0100010700FF 02 06000002EE"
    "0202 0001 0000600100FF 02 0908 3132333435363738"
    "0202 0046 0000600300FF 02 0301"
)
"""By hand, from the description of the Czech customer port in the reference notes: empty date-time, a list number, and
before each value an attribute descriptor without a tag. 1.8.0 = 4242, 1.7.0 = 750, serial 12345678, relay on."""


def capture(name: str) -> bytes:
    text = (CAPTURES / f"{name}.log").read_text(encoding="utf-8").removesuffix("',")
    return bytes.fromhex(text.replace(":", " "))


def keys_of(name: str) -> Keys | None:
    if not (CAPTURES / f"{name}.key").exists():
        return None
    block_cipher, authentication = (
        bytes.fromhex((CAPTURES / f"{name}.{suffix}").read_text(encoding="ascii").strip()) for suffix in ("key", "gak")
    )
    return Keys(block_cipher, authentication)


def hdlc(apdu: bytes, size: int = 2000, command: Command = Command.UI, llc: str = "E6E700") -> bytes:
    """The APDU in frames with at most `size` octets of information."""
    lsdu = bytes.fromhex(llc) + apdu
    parts = [lsdu[begin : begin + size] for begin in range(0, len(lsdu), size)]
    numbers = range(len(parts))
    return b"".join(
        Frame(
            address(32),
            address(1),
            Control(command, ns=number % 8 if command is Command.I else 0),
            part,
            segmented=number < len(parts) - 1,
        ).encoded
        for number, part in zip(numbers, parts, strict=True)
    )


def mbus(apdu: bytes, size: int = 250) -> bytes:
    parts = [apdu[begin : begin + size] for begin in range(0, len(apdu), size)]
    return b"".join(
        Segment(number % 16, number == len(parts) - 1, 0x01, 0x67, part).encoded() for number, part in enumerate(parts)
    )


def wrapped(apdu: bytes) -> bytes:
    return bytes.fromhex("0001 0001 0066") + len(apdu).to_bytes(2) + apdu


FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "hdlc": hdlc,
    "mbus": mbus,
    "wrapper": wrapped,
    "raw": lambda apdu: apdu,
}


def waits(reader: Framed) -> Waiting:
    """What a reader waits for now: mypy believes that a property stays as it was."""
    return reader.waiting


SILENCE = ChannelTimeout("line customer: nothing received in time")
HUNG_UP = ChannelError("line customer: the peer hung up")


class PushingChannel:
    """Plays pieces of bytes, silences and failures; behind them the peer hangs up, or there is silence for ever."""

    def __init__(self, said: Iterable[bytes | GatewayError], last: GatewayError = HUNG_UP) -> None:
        self._said = list(said)
        self._last = last
        self.parity_errors = 0
        self.waits: list[float] = []
        """Seconds that each receive was willing to wait."""

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        raise AssertionError("who listens does not speak")

    async def receive(self, *, deadline: float) -> bytes:
        self.waits.append(deadline - asyncio.get_running_loop().time())
        said = self._said.pop(0) if self._said else self._last
        if isinstance(said, GatewayError):
            raise said
        return said

    async def rest(self, seconds: float) -> None:
        return

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        raise AssertionError("the rate is the line's")

    async def close(self) -> None:
        raise AssertionError("the channel is not the driver's to close")


def context(
    options: PushOptions | None = None,
    keys: Keys | None = None,
    memory: Memory | None = None,
    title: bytes = b"",
    at: datetime = NOW,
) -> PushContext:
    rules = ClockRules(ZoneInfo("Europe/Prague"))
    return PushContext(
        "em-1", options or PushOptions(), rules, lambda: at, memory or Forgetful(), keys=keys, title=title
    )


async def heard_of(channel: PushingChannel, within: PushContext, request: Request) -> list[Answer]:
    answers: list[Answer] = []
    try:
        async with aclosing(listen(channel, within, request)) as listening:
            async for answer in listening:
                answers.append(answer)
    except ChannelError:
        pass
    return answers


def heard(said: Iterable[bytes | GatewayError], within: PushContext | None = None) -> list[Answer]:
    """The answers of listening until the peer hangs up."""
    return asyncio.run(heard_of(PushingChannel(said), within or context(), Listen()))
