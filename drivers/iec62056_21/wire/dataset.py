"""Data sets of a readout: `code(value*unit)(value)...` in the order in which the meter sent them (IEC 62056-21 6.5).

Rules: nothing is corrected, sorted, merged or dropped; duplicates stay; a line that is no data set is reported as it
stands. The text of a value is untouched, only the unit behind `*` or a blank is taken off.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from drivers.iec62056_21.wire.framing import CRLF

# A set is an optional code and one or more values in brackets. The standard forbids brackets, `/` and `!` in codes and
# values; meters put `/` and `!` into texts all the same, so only brackets and line ends bound them here.
_VALUES = re.compile(r"(?:\([^()\r\n]*\))+")
_BEFORE_CODE = re.compile(r"[()\x00-\x1f]")
_CODE_LIMIT = 64
# A number before `*` or a blank, or before `*` the mark of a value that is not there. The limit on the digits keeps the
# search linear.
_NUMBER_AND_UNIT = re.compile(
    r"(\s*(?:[+-]?(?:[0-9]{0,32}[.,]?[0-9]{1,32}|[0-9]{1,32}[.,])(?=[* ])|-+(?:[.,]-+)?(?=\*)))"
    r"(?:\*| +)([^*&\d\s(][^*&\s(]{0,15})"
)
# The mark of a value that is not there: ---.- (Landis+Gyr), ------, ***.
_SENTINEL = re.compile(r"(?=.*[-*])[-*]+(?:[.,][-*]+)?")


class Value(NamedTuple):
    """One bracket: the text without its unit, the unit, empty where there is none, and the whole text."""

    text: str
    unit: str
    whole: str


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set. `raw` are its bytes; `code` is empty only for a bracket without a code at the very beginning."""

    code: str
    values: tuple[Value, ...]
    raw: bytes

    @property
    def first(self) -> Value:
        return self.values[0]


@dataclass(frozen=True, slots=True)
class DataBlock:
    """All data sets of a block in order, and the pieces between them that are none."""

    sets: tuple[DataSet, ...]
    remains: tuple[bytes, ...]


def split_value(text: str) -> Value:
    """`02.468*kW`, `+000.8 A` -> number text and unit; everything else stays one text (`088*C&082*C`)."""
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        return Value(text, "", text)
    return Value(match[1], match[2], text)


def is_sentinel(text: str) -> bool:
    """True for the marks that meters send instead of a value: `---.-`, `------`."""
    return _SENTINEL.fullmatch(text.strip()) is not None


def parse_data_block(data: bytes) -> DataBlock:
    """The data sets in `data`, which stands between STX (or identification) and `!`. Never raises."""
    text = data.decode("latin-1")  # one character for each byte: positions stay the same
    found: list[tuple[str, list[Value], int]] = []  # code, values, where it begins
    ends: list[int] = []
    remains: list[bytes] = []
    end = 0
    for match in _VALUES.finditer(text):
        first = match.start()
        code = _BEFORE_CODE.split(text[max(end, first - _CODE_LIMIT) : first])[-1]
        start = first - len(code)
        if start != end:
            _keep_remains(remains, data[end:start])
        end = match.end()
        values = map(split_value, match[0][1:-1].split(")("))
        code = code.strip()
        if code or not found:
            found.append((code, list(values), start))
            ends.append(end)
        else:
            # P1 and older gas meters write the value of a set on the next line: it belongs to the set before.
            found[-1][1].extend(values)
            ends[-1] = end
    _keep_remains(remains, data[end:])
    sets = (DataSet(code, tuple(texts), data[begin:end]) for (code, texts, begin), end in zip(found, ends, strict=True))
    return DataBlock(tuple(sets), tuple(remains))


def _keep_remains(remains: list[bytes], piece: bytes) -> None:
    if piece == CRLF:
        return
    for line in piece.splitlines():
        if line.strip(b"\x00\x7f \t"):
            remains.append(line)
