"""APDUs as hexadecimal text with their sources, and what every parser of APDUs has to stand.

Green Book: the examples of "Encoding: AARQ and AARE" and of ciphered APDUs (DLMS UA 1000-2). By hand: made from the
ASN.1 of IEC 62056-5-3 with the rules of IEC 61334-6, octet by octet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from drivers.dlms.wire.axdr import CutShort
from gatewayd.errors import ProtocolError

T = TypeVar("T")

CONTEXT = "A1 09 06 07 60857405080101"
CIPHERED_CONTEXT = "A1 09 06 07 60857405080103"
INITIATE_REQUEST = "01 00 00 00 06 5F1F0400 007E1F 04B0"
"""Green Book: without ciphering; the client takes 1200 octets."""
INITIATE_REQUEST_DEDICATED = "01 01 10 00112233445566778899AABBCCDDEEFF 00 00 06 5F1F0400 007E1F 04B0"
"""Green Book: with a dedicated key."""
INITIATE_RESPONSE = "08 00 06 5F1F0400 00501F 01F4 0007"
"""Green Book: the server takes 500 octets."""

AARQS = {
    "green book, no authentication": f"60 1D {CONTEXT} BE 10 04 0E {INITIATE_REQUEST}",
    "green book, low level security": (
        f"60 36 {CONTEXT} 8A 02 0780 8B 07 60857405080201 AC 0A 80 08 3132333435363738 BE 10 04 0E {INITIATE_REQUEST}"
    ),
    "green book, high level security": (
        f"60 36 {CONTEXT} 8A 02 0780 8B 07 60857405080205 AC 0A 80 08 4B35366956616759 BE 10 04 0E {INITIATE_REQUEST}"
    ),
    "green book, ciphered": (
        f"60 66 {CIPHERED_CONTEXT} A6 0A 04 08 4D4D4D0000BC614E 8A 02 0780 8B 07 60857405080205 "
        "AC 0A 80 08 4B35366956616759 BE 34 04 32 21 30 30 01234567 "
        "801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE68 41DB204D39EE6FDB8E356855"
    ),
}
AARES = {
    "green book, no or low level security": (
        f"61 29 {CONTEXT} A2 03 02 01 00 A3 05 A1 03 02 01 00 BE 10 04 0E {INITIATE_RESPONSE}"
    ),
    "green book, high level security": (
        f"61 42 {CONTEXT} A2 03 02 01 00 A3 05 A1 03 02 01 0E 88 02 0780 89 07 60857405080205 "
        f"AA 0A 80 08 503677524A323146 BE 10 04 0E {INITIATE_RESPONSE}"
    ),
    "green book, context not supported": (
        f"61 29 {CONTEXT} A2 03 02 01 01 A3 05 A1 03 02 01 02 BE 10 04 0E {INITIATE_RESPONSE}"
    ),
    "green book, DLMS version too low": (
        f"61 1F {CONTEXT} A2 03 02 01 01 A3 05 A1 03 02 01 01 BE 06 04 04 0E 01 06 01"
    ),
    "by hand, nothing but what must be there": f"61 17 {CONTEXT} A2 03 02 01 02 A3 05 A2 03 02 01 02",
}
CLOCK = "0008 0000010000FF 02"
REQUESTS = {
    "green book, GET of the clock": f"C0 01 C1 {CLOCK} 00",
    "by hand, GET of a buffer by entry": (
        "C0 01 C1 0007 0100630100FF 02 01 02 0204 0600000001 0600000060 120001 120000"
    ),
    "by hand, GET of a buffer by range": (
        "C0 01 42 0007 0100630100FF 02 01 01 0204 0204 120008 09060000010000FF 0F02 120000 "
        "090C 07EA0B1AFF000000FF800000 090C 07EA0B1BFF000000FF800000 0100"
    ),
    "by hand, next block": "C0 02 C1 00000003",
    "by hand, GET with list": f"C0 03 C2 02 {CLOCK} 00 0003 0100010800FF 02 00",
    "by hand, SET of the clock": f"C1 01 C3 {CLOCK} 00 090C 07EA0B1A04101E00FF800000",
    "by hand, ACTION with parameters": "C3 01 C1 000F 0000280000FF 01 01 0903616263",
    "by hand, ACTION without parameters": "C3 01 C1 0009 00000A0064FF 01 00",
    "by hand, next pblock": "C3 02 C1 00000001",
}
RESPONSES = {
    "by hand, GET with data": "C4 01 C1 00 060000 1092",
    "by hand, GET with an error": "C4 01 C1 01 04",
    "by hand, a block": "C4 02 C1 00 00000001 00 05 0204120001",
    "by hand, the last block, empty": "C4 02 C1 01 00000002 00 00",
    "by hand, a block with an error": "C4 02 C1 01 00000002 01 13",
    "by hand, GET with list": "C4 03 C2 02 00 120005 01 03",
    "by hand, SET": "C5 01 C3 00",
    "by hand, ACTION": "C7 01 C1 00 00",
    "by hand, ACTION that returns data": "C7 01 C1 00 01 00 0903616263",
    "by hand, ACTION that returns an error": "C7 01 C1 00 01 01 0B",
    "by hand, a pblock": "C7 02 C1 01 00000001 05 00 01 00 1105",
    "by hand, exception": "D8 01 02",
    "by hand, exception with a counter": "D8 01 06 00012345",
    "by hand, confirmed service error": "0E 01 06 01",
}


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def judged(parse: Callable[[bytes], T], apdu: bytes) -> T | None:
    """A value, or None for a ProtocolError with bytes of the APDU in it and a message; nothing else may come."""
    try:
        return parse(apdu)
    except ProtocolError as error:
        assert error.raw in (apdu, b"")
        assert str(error).split()[0] in ("sends", "names", "associates", "refuses")
        return None


def cut(apdu: bytes) -> Iterator[bytes]:
    """Every beginning of an APDU."""
    return (apdu[:size] for size in range(len(apdu)))


def flipped(apdu: bytes) -> Iterator[bytes]:
    """An APDU with one bit wrong, each in turn."""
    for bit in range(len(apdu) * 8):
        changed = bytearray(apdu)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def is_cut_short(parse: Callable[[bytes], object], apdu: bytes) -> bool:
    """Whether a beginning of an APDU is taken for what it is."""
    try:
        parse(apdu)
    except CutShort as error:
        return error.raw == apdu
    return False
