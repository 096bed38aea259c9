"""The wrapper that carries APDUs over TCP and UDP (IEC 62056-47 5.2.3, Green Book 7.3.3).

    version 0001 | source wPort | destination wPort | length of the APDU | APDU

Each number has two bytes, the high one first.

Rules: version 1 only, and an APDU of at least one byte. In a stream there is nothing to find the next header by: after
a wrong one every answer is ProtocolError. The buffer never holds more than one APDU and the latest bytes.
"""

from dataclasses import dataclass, field

from gatewayd.errors import ProtocolError

VERSION = b"\x00\x01"
HEADER_SIZE = 8
APDU_LIMIT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An APDU between two wPorts. A client's wPort is its client address, a server's its logical device. It may hold a
    password."""

    source: int
    destination: int
    apdu: bytes = field(repr=False)

    @property
    def encoded(self) -> bytes:
        """Header and APDU. ValueError when a number has no room in two bytes or the APDU is empty."""
        if not (0 <= self.source <= 0xFFFF and 0 <= self.destination <= 0xFFFF):
            raise ValueError(f"wPorts {self.source} and {self.destination}: expected 0 to 65535")
        if not 0 < len(self.apdu) <= APDU_LIMIT:
            raise ValueError(f"APDU of {len(self.apdu)} bytes: expected 1 to {APDU_LIMIT}")
        numbers = (self.source, self.destination, len(self.apdu))
        return VERSION + b"".join(number.to_bytes(2, "big") for number in numbers) + self.apdu


class WrapperReader:
    """Bytes of a stream in, APDUs out. One for each connection and direction."""

    __slots__ = ("_failed", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._failed: str | None = None

    @property
    def pending(self) -> bool:
        """True while the beginning of an APDU waits for its rest."""
        return bool(self._rest)

    def feed(self, data: bytes) -> tuple[Wrapped, ...]:
        """What `data` completes, in order.

        ProtocolError at a wrong header, and from then on; where APDUs came before it in `data`, they are returned, and
        the next call raises, also one without bytes.
        """
        if self._failed is not None:
            raise ProtocolError(self._failed, self._rest)
        buffer = self._rest + data
        complete: list[Wrapped] = []
        position = 0
        while position < len(buffer):
            header = buffer[position : position + HEADER_SIZE]
            self._failed = _wrong(header)
            end = position + HEADER_SIZE + int.from_bytes(header[6:8], "big")
            if self._failed is not None or len(buffer) < end:
                break
            complete.append(_unwrap(buffer[position:end]))
            position = end
        self._rest = buffer[position:] if self._failed is None else buffer[position : position + HEADER_SIZE]
        if self._failed is not None and not complete:
            raise ProtocolError(self._failed, self._rest)
        return tuple(complete)


def decode(datagram: bytes) -> Wrapped:
    """The APDU of one UDP datagram. ProtocolError unless the datagram is exactly header and APDU."""
    fault = _wrong(datagram[:HEADER_SIZE])
    if fault is None and len(datagram) != HEADER_SIZE + int.from_bytes(datagram[6:8], "big"):
        fault = "sends a datagram that is not as long as its wrapper says"
    if fault is not None:
        raise ProtocolError(fault, datagram)
    return _unwrap(datagram)


def _wrong(header: bytes) -> str | None:
    """What is wrong with a header, as far as it is there."""
    if not VERSION.startswith(header[:2]):
        return f"sends {header.hex(' ')} where a wrapper of version 1 is due"
    if header[6:8] == b"\x00\x00":
        return "sends a wrapper without APDU"
    return None


def _unwrap(whole: bytes) -> Wrapped:
    return Wrapped(int.from_bytes(whole[2:4], "big"), int.from_bytes(whole[4:6], "big"), whole[HEADER_SIZE:])
