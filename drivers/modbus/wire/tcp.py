"""The header of Modbus TCP (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3: MBAP).

    transaction | protocol 0000 | length of what follows | unit | PDU

Rules: the transaction number says which request is answered, so that a late answer is passed over and never taken. In
a stream there is nothing to find the next header by: after a wrong one every answer is ProtocolError.
"""

from dataclasses import dataclass

from drivers.modbus.wire.pdu import PDU_LIMIT, Reply, Request, parse_reply
from gatewayd.errors import ProtocolError

HEADER_SIZE = 7
TRANSACTIONS = 0x10000
_OLD = TRANSACTIONS // 2


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Header and PDU. ValueError where a number has no room, or the PDU is too long."""
    if not (0 <= transaction < TRANSACTIONS and 0 <= unit <= 0xFF):
        raise ValueError(f"transaction {transaction}, unit {unit}: expected 0 to 65535, 0 to 255")
    if not 0 < len(pdu) <= PDU_LIMIT:
        raise ValueError(f"PDU of {len(pdu)} octets: expected 1 to {PDU_LIMIT}")
    return transaction.to_bytes(2) + b"\x00\x00" + (len(pdu) + 1).to_bytes(2) + bytes((unit,)) + pdu


@dataclass(frozen=True, slots=True)
class Adu:
    """What came in one header: of which transaction and unit, and everything as it came."""

    transaction: int
    unit: int
    pdu: bytes
    raw: bytes


class MbapStream:
    """Bytes of one connection in, whole ADUs out, however they were cut or joined on the way."""

    __slots__ = ("_failed", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._failed: str | None = None

    @property
    def rest(self) -> bytes:
        """What has come of an ADU that is not complete."""
        return self._rest

    def feed(self, data: bytes) -> tuple[Adu, ...]:
        """What `data` completes. ProtocolError at a wrong header and from then on; ADUs before it are given first."""
        self._rest += data
        complete: list[Adu] = []
        while self._failed is None and self._rest:
            self._failed = _wrong(self._rest[:HEADER_SIZE])
            end = 6 + int.from_bytes(self._rest[4:6])
            if self._failed is not None or len(self._rest) < HEADER_SIZE or len(self._rest) < end:
                break
            whole, self._rest = self._rest[:end], self._rest[end:]
            complete.append(Adu(int.from_bytes(whole[:2]), whole[6], whole[HEADER_SIZE:], whole))
        if self._failed is not None and not complete:
            self._rest = self._rest[:HEADER_SIZE]
            raise ProtocolError(self._failed, self._rest)
        return tuple(complete)


class MbapReader:
    """The answer to one transaction. `stream` is what the connection's earlier requests left behind."""

    __slots__ = ("_request", "_stream", "_transaction", "_unit")

    def __init__(self, transaction: int, unit: int, request: Request, stream: MbapStream | None = None) -> None:
        self._transaction = transaction
        self._unit = unit
        self._request = request
        self._stream = stream if stream is not None else MbapStream()

    def feed(self, data: bytes) -> Reply | None:
        """The reply, or None until it has come. ProtocolError for a wrong header, unit or reply, and for a transaction
        that was never asked for; answers of older ones are passed over, and what comes behind ours is dropped."""
        for adu in self._stream.feed(data):
            behind = (self._transaction - adu.transaction) % TRANSACTIONS
            if behind == 0:
                if adu.unit != self._unit:
                    raise ProtocolError(f"is answered by unit {adu.unit}, where {self._unit} was asked", adu.raw)
                return parse_reply(self._request, adu.pdu)
            if behind >= _OLD:
                raise ProtocolError(f"answers transaction {adu.transaction}, which nobody asked for", adu.raw)
        self._stream.feed(b"")  # raises where a wrong header came behind older answers
        return None

    def finish(self) -> ProtocolError | None:
        """The time is over: the error of an answer that broke off, None where nothing came."""
        rest = self._stream.rest
        return ProtocolError("breaks off in the middle of an answer", rest) if rest else None


def _wrong(header: bytes) -> str | None:
    """What is wrong with a header, as far as it is there."""
    if len(header) >= 4 and any(header[2:4]):
        return f"sends protocol {header[2:4].hex()}, where 0000 is Modbus: check host and port"
    if len(header) < 6:
        return None
    length = int.from_bytes(header[4:6])
    if not 3 <= length <= PDU_LIMIT + 1:  # unit, function and an octet at least
        return f"sends a header that says {length} octets, where 3 to {PDU_LIMIT + 1} are possible"
    return None
