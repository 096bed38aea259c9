"""Parts that GET, SET and ACTION share: invoke-id-and-priority, selections, results (IEC 62056-5-3, COSEM APDUs).

Rules: data are decoded once, and their bytes go along as they were sent (`Data.raw`). A result is data or the reason
why there are none.
"""

from dataclasses import dataclass
from typing import Self

from drivers.dlms.wire.apdu_reader import ApduReader
from drivers.dlms.wire.attribute import AccessSelection, Attribute, Selection
from drivers.dlms.wire.axdr_value import Value
from drivers.dlms.wire.service_errors import DataAccess

_PRESENT, _ABSENT = b"\x01", b"\x00"
_DATA, _DATA_ACCESS = 0, 1
"""Choices of Get-Data-Result."""


@dataclass(frozen=True, slots=True)
class InvokeId:
    """invoke-id-and-priority: `id` 0 to 15; `reserved`: bits 4 and 5, kept as they came."""

    id: int
    confirmed: bool = True
    high_priority: bool = True
    reserved: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.id <= 0x0F or not 0 <= self.reserved <= 3:
            raise ValueError(f"invoke-id {self.id}: expected 0 to 15")

    @property
    def octet(self) -> int:
        return self.high_priority << 7 | self.confirmed << 6 | self.reserved << 4 | self.id

    @classmethod
    def of(cls, octet: int) -> Self:
        return cls(octet & 0x0F, bool(octet & 0x40), bool(octet & 0x80), octet >> 4 & 3)


@dataclass(frozen=True, slots=True)
class Data:
    """One value, decoded. `raw`: its A-XDR bytes with the tag, as sent."""

    value: Value

    @property
    def raw(self) -> bytes:
        return self.value.raw


Result = Data | DataAccess


def begin(tag: int, choice: int, invoke: InvokeId) -> bytes:
    """The three octets with which every one of these APDUs begins."""
    return bytes((tag, choice, invoke.octet))


def read_invoke(reader: ApduReader) -> InvokeId:
    return InvokeId.of(reader.octet())


def read_attribute(reader: ApduReader) -> Attribute:
    """An attribute descriptor; that of a method is the same."""
    return Attribute(reader.number(2), reader.take(6), reader.integer8())


def read_selection(reader: ApduReader) -> AccessSelection | None:
    return AccessSelection(reader.octet(), reader.data()) if reader.present() else None


def write_selection(selection: Selection | AccessSelection | None) -> bytes:
    match selection:
        case None:
            return _ABSENT
        case AccessSelection(selector, parameters):
            return _PRESENT + bytes((selector,)) + parameters.raw
        case _:
            return _PRESENT + selection.encoded


def read_result(reader: ApduReader) -> Result:
    """Get-Data-Result: data, or a data-access-result."""
    match reader.octet():
        case 0:
            return Data(reader.data())
        case 1:
            return DataAccess(reader.octet())
        case choice:
            raise reader.fault(f"whose result begins with {choice:#04x}, which is neither data nor an error")


def write_result(result: Result) -> bytes:
    if isinstance(result, Data):
        return bytes((_DATA,)) + result.raw
    return bytes((_DATA_ACCESS, result))


def read_optional_data(reader: ApduReader) -> Value | None:
    return reader.data() if reader.present() else None


def write_optional(octets: bytes | None) -> bytes:
    return _ABSENT if octets is None else _PRESENT + octets
