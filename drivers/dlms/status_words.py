"""Status words of profiles: from the set bits to faults, by the vendor profile's map.

Rules: a set bit without a meaning is BIT_UNKNOWN, so is every set bit of a word of another width than the map is for:
its bits are others. A word that is no whole number of bits is BIT_UNKNOWN as a whole; one without a set bit says
nothing. Each word is judged once.
"""

from typing import NamedTuple

from drivers.dlms.vendors import StatusWord
from drivers.dlms.wire.axdr_value import Content, Tag, Value
from gatewayd.status import Fault

_WIDTHS = {Tag.UNSIGNED: 8, Tag.LONG_UNSIGNED: 16, Tag.DOUBLE_LONG_UNSIGNED: 32, Tag.LONG64_UNSIGNED: 64, Tag.ENUM: 8}
_OCTETS_LIMIT = 8
_SHOWN = 20
_ASIDE = 64
"""Different words of one profile that are kept in mind; a meter that sends more is judged anew each time."""


class StatusReading(NamedTuple):
    """What a status word says, and the word as text: hexadecimal, in its width."""

    faults: tuple[Fault, ...]
    text: str


class StatusWords:
    """The status words of one answer."""

    __slots__ = ("_known", "_word")

    def __init__(self, word: StatusWord) -> None:
        self._word = word
        self._known: dict[tuple[Tag, Content], StatusReading] = {}

    def read(self, value: Value) -> StatusReading:
        key = (value.tag, value.content)
        found = self._known.get(key)
        if found is None:
            found = judged(value, self._word)
            if len(self._known) < _ASIDE:
                self._known[key] = found
        return found


def judged(value: Value, word: StatusWord) -> StatusReading:
    """The faults that the set bits name, from the lowest bit on.

    Unsigned numbers are words, octet-strings of up to eight octets are words with the highest octet first.
    """
    content = value.content
    width = _WIDTHS.get(value.tag)
    if width is not None and isinstance(content, int):
        number = content
    elif value.tag is Tag.OCTET_STRING and isinstance(content, bytes) and 0 < len(content) <= _OCTETS_LIMIT:
        number, width = int.from_bytes(content), 8 * len(content)
    else:
        # Of a bit-string nobody says which end is bit 0; without a set bit that does not matter.
        silent = value.tag is Tag.BIT_STRING and isinstance(content, str) and "1" not in content
        text = "" if value.tag is Tag.NULL else value.raw[:_SHOWN].hex().upper()
        return StatusReading(() if silent else (Fault.BIT_UNKNOWN,), text)
    meaning = word.meaning if width == word.bits else {}
    faults = (meaning.get(1 << bit, Fault.BIT_UNKNOWN) for bit in range(width) if number >> bit & 1)
    return StatusReading(
        tuple(dict.fromkeys(fault for fault in faults if fault is not None)), f"{number:0{width // 4}X}"
    )
