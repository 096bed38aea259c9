"""Reads a plain xDLMS APDU from its beginning: octets, numbers, strings, optional parts, data (IEC 61334-6).

Rules: nothing is read twice and nothing behind the end; every error carries the whole APDU. Who is done says so, and
octets behind that are a fault.
"""

from drivers.dlms.wire.axdr import decode, decode_count
from drivers.dlms.wire.axdr_value import MAX_BYTES, CutShort, Value
from gatewayd.errors import ProtocolError


class ApduReader:
    """`at` is the offset of what comes next. `what` names the APDU in messages. More than `most` octets are a fault."""

    __slots__ = ("apdu", "at", "most", "what")

    def __init__(self, apdu: bytes, what: str, most: int = MAX_BYTES) -> None:
        self.apdu = apdu
        self.at = 0
        self.most = most
        self.what = what
        if len(apdu) > most:
            raise self.fault(f"of more than {most} octets")

    def fault(self, how: str) -> ProtocolError:
        """`how` continues "sends {what} ..."."""
        return ProtocolError(f"sends {self.what} {how}", self.apdu)

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.apdu):
            missing = end - len(self.apdu)
            raise CutShort(f"sends {self.what} that is cut short, {missing} octets or more are missing", self.apdu)
        taken = self.apdu[self.at : end]
        self.at = end
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def number(self, size: int) -> int:
        """An unsigned number of `size` octets."""
        return int.from_bytes(self.take(size))

    def integer8(self) -> int:
        return int.from_bytes(self.take(1), signed=True)

    def boolean(self) -> bool:
        """FALSE is 0, TRUE anything else (IEC 61334-6, boolean)."""
        return self.octet() != 0

    def present(self) -> bool:
        """The octet before an OPTIONAL or DEFAULT part."""
        octet = self.octet()
        if octet > 1:
            raise self.fault(f"in which {octet:#04x} says neither that a part is there nor that it is not")
        return octet == 1

    def count(self) -> int:
        """A length or a number of elements."""
        try:
            count, self.at = decode_count(self.apdu, self.at)
        except ProtocolError as error:
            raise self._unreadable(error) from error
        return count

    def string(self) -> bytes:
        """An octet-string with its length and without a tag."""
        return self.take(self.count())

    def data(self) -> Value:
        """One value with its tag."""
        try:
            value, self.at = decode(self.apdu, self.at, self.most)
        except ProtocolError as error:
            raise self._unreadable(error) from error
        return value

    def rest(self) -> bytes:
        """Everything up to the end."""
        return self.take(len(self.apdu) - self.at)

    @property
    def finished(self) -> bool:
        return self.at == len(self.apdu)

    def finish(self) -> None:
        """ProtocolError where octets are left."""
        if not self.finished:
            raise self.fault(f"with {len(self.apdu) - self.at} octets behind its end")

    def _unreadable(self, error: ProtocolError) -> ProtocolError:
        """The same kind of error; those of A-XDR carry what begins at a value, this one the whole APDU."""
        return type(error)(f"sends {self.what} with data that cannot be read: {error}", self.apdu)
