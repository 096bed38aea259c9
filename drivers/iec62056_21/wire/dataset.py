"""Data sets of a readout: `code(value*unit)(value)...` in the order in which the meter sent them (IEC 62056-21 6.5).

Rules: nothing is corrected, sorted, merged or dropped; duplicates stay; a line that is no data set is reported as it
stands. The text of a value is untouched, only the unit behind `*` or a blank is taken off.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from drivers.iec62056_21.wire.framing import CRLF

# A set is an optional code and one or more values in brackets. The standard forbids brackets, `/` and `!` in codes and
# values; meters put `/` and `!` into texts all the same, so only brackets and line ends bound them here. The limit on
# the code keeps the search linear on a block of garbage without brackets.
_SET = re.compile(r"([^()\x00-\x1f]{0,64})((?:\([^()]*\))+)")
_NUMBER_AND_UNIT = re.compile(r"(\s*[+-]?[0-9]*[.,]?[0-9]+|[0-9]+[.,])(?:\*| +)([^*&\d\s(][^*&\s(]{0,15})")
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
    sets: list[DataSet] = []
    remains: list[bytes] = []
    begin = end = 0
    for match in _SET.finditer(text):
        start = match.start()
        if start != end:
            _keep_remains(remains, data[end:start])
        code, brackets = match.groups()
        end = match.end()
        values = tuple(map(split_value, brackets[1:-1].split(")(")))
        code = code.strip()
        if code or not sets:
            begin = start
            sets.append(DataSet(code, values, data[start:end]))
        else:
            # P1 and older gas meters write the value of a set on the next line: it belongs to the set before.
            sets[-1] = DataSet(sets[-1].code, sets[-1].values + values, data[begin:end])
    _keep_remains(remains, data[end:])
    return DataBlock(tuple(sets), tuple(remains))


def _keep_remains(remains: list[bytes], piece: bytes) -> None:
    if piece == CRLF:
        return
    for line in piece.splitlines():
        if line.strip(b"\x00\x7f \t"):
            remains.append(line)
