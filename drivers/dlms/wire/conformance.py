"""The conformance block: the services that a client proposes, and those that a server agrees to (IEC 62056-5-3).

Rules: 24 bits; bit 0 of the standard is the first one sent, thus the highest here. Reserved bits are kept as they came.
"""

from enum import IntFlag

from gatewayd.errors import ProtocolError

OCTETS = 3


class Conformance(IntFlag):
    """The names of IEC 62056-5-3 where it has short ones; bits 0 and 7 are reserved."""

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE0_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE0_GET = 1 << 13
    BLOCK_TRANSFER_GET = 1 << 12
    BLOCK_TRANSFER_SET = 1 << 11
    BLOCK_TRANSFER_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1

    @property
    def encoded(self) -> bytes:
        """The three octets of the bit string. ValueError for more than 24 bits."""
        try:
            return self.value.to_bytes(OCTETS)
        except OverflowError as error:
            raise ValueError(f"a conformance block has 24 bits, not {self.value:#x}") from error


def parse(octets: bytes) -> Conformance:
    """The three octets of the bit string. ProtocolError for any other number of octets."""
    if len(octets) != OCTETS:
        raise ProtocolError(f"sends a conformance block of {len(octets)} octets where {OCTETS} are due", octets)
    return Conformance(int.from_bytes(octets))
