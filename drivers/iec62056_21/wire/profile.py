"""Load profiles and event logs as blocks: a header and the rows under it (VDEW specification 2.1; IEC 62056-21 6.3.5).

    P.01(zYYMMDDhhmmss)(S)(r)(k)(K1)(E1)..(Kk)(Ek)  time, status word, period in minutes, k channels: code and unit
    (v1)..(vk)                                      one row for each period

Rules: never raises, whatever the bytes; every value text is in exactly one row or header; what is neither is in
`remains`. Where the layout is left, the reading that keeps the rows apart is taken and said in `doubts`. Several
headers may come in one answer, split over lines, with rows behind them on the same line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from drivers.iec62056_21.wire.dataset import is_sentinel

_LINE = re.compile(r"[^\r\n]+")
_RUN = re.compile(r"\([^()]*\)(?:[ \t]*\([^()]*\))*")
_BRACKET = re.compile(rb"\([^()\r\n]*\)")
_BEFORE_CODE = re.compile(r"[()\x00-\x1f]")
_CODE_LIMIT = 64
_TABLE_CODE = re.compile(
    r"(?:[0-9]{1,3}-)?(?:[0-9]{1,3}:)?(?:P\.[0-9]{1,3}|9[89]\.[0-9]{1,3}\.[0-9]{1,3})(?:[.*][0-9]+)?"
)
_TIME_LIKE = re.compile(r"[0-9]{10,15}[SW]?|[0-9]{2,4}-[0-9]{2}-[0-9]{2}[ ,&T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?")
_HEX = re.compile(r"[0-9A-Fa-f]{1,16}")
_COUNT = re.compile(r"[0-9]{1,2}")
_CODE_LIKE = re.compile(r"(?:[0-9]{1,3}-)?(?:[0-9]{1,3}:)?[0-9A-Z]{1,3}\.[0-9A-Z]{1,3}(?:[.*&][0-9.*&]*)?")
_CODE_ONLY = re.compile(rf"\s*(?=[^.]*\.[^.]*\.){_CODE_LIKE.pattern}\s*")
"""A code that cannot be a number: it has two dots."""
_NUMBER = re.compile(r"\s*[+-]?[0-9]{0,32}[.,]?[0-9]{1,32}(?:\*.*)?\s*")
_CODE_OR_NONE = re.compile(rf"\s*(?:{_CODE_LIKE.pattern})?\s*")
_UNIT = re.compile(r".{0,16}")
_UNIT_NAME = re.compile(r"[kMG]?(?:Wh?|varh?|VAh?|V|A|Hz|J|m3)", re.IGNORECASE)
_ERROR = re.compile(r"[^()\r\n]{0,64}\((ER(?:R|ROR)[^()\r\n]{0,64})\)[\s!]*")
_HEAD = 4
"""Brackets before the channels: time, status, period, count."""


class Channel(NamedTuple):
    """One column: its code and unit as the meter wrote them, each may be empty."""

    code: str
    unit: str


class Row(NamedTuple):
    """The value texts of one row, its bytes, and the bytes between it and what stands before it."""

    values: tuple[str, ...]
    raw: bytes
    lead: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A header with its rows. `time`, `status`, `period` and `count` are the texts of its brackets, empty where the
    bracket is empty or absent; `raw` are the header's bytes. A row need not have as many values as there are channels.
    """

    code: str
    time: str
    status: str
    period: str
    count: str
    channels: tuple[Channel, ...]
    rows: tuple[Row, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class TableData:
    """An answer: blocks in order, pieces that are neither header nor row, and what about the layout is not certain."""

    blocks: tuple[Block, ...]
    remains: tuple[bytes, ...]
    doubts: tuple[str, ...]


class _Brackets(NamedTuple):
    """The brackets of a line, or of the part of it behind a code."""

    values: list[str]
    start: int
    end: int


class _Section(NamedTuple):
    """A code with the brackets behind it, and the lines of brackets under it."""

    code: str
    start: int
    first: _Brackets
    lines: list[_Brackets]


def error_text(data: bytes) -> str | None:
    """`ERROR` of the answer `P.98(ERROR)` or `(ERROR)` (IEC 62056-21 6.3.5 and vendors: ERR1..); None for any other."""
    match = _ERROR.fullmatch(data.decode("latin-1").strip("\r\n\t \x00"))
    return None if match is None else match[1]


def parse_table(data: bytes) -> TableData:
    """The blocks in `data`, which stands between STX and `!` or ETX; partial blocks are joined before. Never raises."""
    text = data.decode("latin-1")  # one character for each byte: positions stay the same
    sections: list[_Section] = []
    remains: list[bytes] = []
    for line in _LINE.finditer(text):
        _line(text, line.start(), line.end(), sections, remains)
    doubts: list[str] = []
    blocks = tuple(_block(data, section, doubts) for section in sections)
    return TableData(blocks, tuple(remains), tuple(dict.fromkeys(doubts)))


def _line(text: str, start: int, end: int, sections: list[_Section], remains: list[bytes]) -> None:
    line = text[start:end]
    if sections and line[0] == "(" and line[-1] == ")":
        values = line[1:-1].split(")(")
        if line.count("(") == line.count(")") == len(values) and not _is_header("", values):  # the ordinary row
            sections[-1].lines.append(_Brackets(values, start, end))
            return
    row: list[str] = []  # the brackets of this line that belong to the block before
    row_start = row_end = done = start
    for run in _RUN.finditer(text, start, end):
        code = _BEFORE_CODE.split(text[max(done, run.start() - _CODE_LIMIT) : run.start()])[-1]
        begin = run.start() - len(code)
        values = [part.partition("(")[2] for part in run[0].split(")")[:-1]]
        if _is_header(code.strip(), values):
            _keep(remains, text[done:begin])
            _end_row(sections, row, row_start, row_end)
            row = []
            sections.append(_Section(code.strip(), begin, _Brackets(values, run.start(), run.end()), []))
        elif sections and (not code.strip() or text[begin - 1 : begin] == "("):
            # behind a harmed bracket, what looks like a code is the rest of a value: the row stays one row
            _keep(remains, text[done : run.start()])
            row_start = row_start if row else run.start()
            row.extend(values)
            row_end = run.end()
        else:
            _keep(remains, text[done : run.end()])
        done = run.end()
    _keep(remains, text[done:end])
    _end_row(sections, row, row_start, row_end)


def _end_row(sections: list[_Section], row: list[str], start: int, end: int) -> None:
    if row:
        sections[-1].lines.append(_Brackets(row, start, end))


def _keep(remains: list[bytes], piece: str) -> None:
    if piece.strip("\x00\x7f \t\x02\x03\x04!"):
        remains.append(piece.encode("latin-1"))


def _is_header(code: str, values: list[str]) -> bool:
    if not code:  # some heads swallow the code with the echo: a header is more than any row then
        return (
            len(values) > _HEAD and _is_head(values) and _are_units(values[_HEAD + 1 : _HEAD + 2 * int(values[3]) : 2])
        )
    if _TABLE_CODE.fullmatch(code):
        return len(values) > 1 or bool(_TIME_LIKE.fullmatch(values[0].strip()))
    return len(values) >= _HEAD and bool(_TIME_LIKE.fullmatch(values[0].strip()) and _HEX.fullmatch(values[1].strip()))


def _is_head(values: list[str]) -> bool:
    return bool(
        _TIME_LIKE.fullmatch(values[0])
        and _HEX.fullmatch(values[1])
        and _COUNT.fullmatch(values[2])
        and _COUNT.fullmatch(values[3])
        and 0 < 2 * int(values[3]) <= len(values) - _HEAD
    )


def _block(data: bytes, section: _Section, doubts: list[str]) -> Block:
    values, lines, header_end = list(section.first.values), section.lines, section.first.end
    used = _header_lines(section)
    for line in lines[:used]:
        values += line.values
        header_end = line.end
    head = [value.strip(" ") for value in values[:_HEAD]] + [""] * (_HEAD - len(values))
    counted = _COUNT.fullmatch(head[3]) is not None
    if counted:
        channels, rest = _counted(section.code, int(head[3]), values, lines, doubts)
    else:
        head[3] = ""
        channels, rest = _uncounted(section.code, values, doubts)
    behind = header_end
    if rest:  # rows on the header's line
        behind = _place(data, section.start, len(values) - len(rest))
    raw = data[section.start : behind]
    if not section.code:
        doubts.append("a header without a code")
    rows = tuple(_rows(data, len(channels), rest, behind, header_end, lines[used:]))
    return Block(section.code, head[0], head[1], head[2], head[3], tuple(channels), rows, raw)


def _place(data: bytes, start: int, brackets: int) -> int:
    """The position behind so many brackets."""
    for bracket in islice(_BRACKET.finditer(data, start), brackets):
        start = bracket.end()
    return start


def _header_lines(section: _Section) -> int:
    """How many of the lines under a code belong to its header, for it to be whole."""
    values = list(section.first.values)
    for used in range(len(section.lines) + 1):
        if len(values) >= _HEAD:
            if not _COUNT.fullmatch(values[3].strip()):
                return 0
            count = int(values[3])
            if len(values) >= _HEAD + 2 * count:
                named = values[_HEAD : _HEAD + 2 * count]
                return used if _are_units(named[1::2]) and all(map(_CODE_LIKE.fullmatch, named[::2])) else 0
        if used < len(section.lines):
            values += section.lines[used].values
    return 0


def _are_units(texts: list[str]) -> bool:
    return not any(_NUMBER.fullmatch(text) or is_sentinel(text) for text in texts)


def _counted(
    code: str, count: int, values: list[str], lines: list[_Brackets], doubts: list[str]
) -> tuple[list[Channel], list[str]]:
    """Channels and the brackets behind them, where the header says how many channels there are."""
    rest = values[_HEAD:]
    if len(rest) >= 2 * count and _are_units(rest[1 : 2 * count : 2]):
        channels = _pairs(rest, count)
        rest = rest[2 * count :]
    elif len(rest) == count and all(map(_CODE_LIKE.fullmatch, rest)) and _values_follow(lines):
        doubts.append(f"header {code} names no units")
        return [Channel(text.strip(), "") for text in rest], []
    else:
        channels = _pairs(rest, _paired(rest))
        rest = rest[2 * len(channels) :]
        if len(rest) == 1 and not lines and len(channels) < count and _CODE_ONLY.fullmatch(rest[0]):
            channels, rest = [*channels, Channel(rest[0].strip(), "")], []  # the answer was cut before its unit
    if count:  # more pairs than the header says would be rows that shift all others
        beyond = _pairs(rest, _paired(rest, _UNIT_NAME))
        channels += beyond
        rest = rest[2 * len(beyond) :]
    if len(channels) != count:
        doubts.append(f"header {code} says {count} channels and names {len(channels)}")
    if not channels:
        channels = [Channel("", "")] * count
    return channels, rest


def _uncounted(code: str, values: list[str], doubts: list[str]) -> tuple[list[Channel], list[str]]:
    """The same where it does not: pairs for as long as what stands at the place of a unit is no number."""
    rest = values[_HEAD - 1 :]
    if not rest:
        return [], []
    doubts.append(f"header {code} does not say how many channels there are")
    paired = _paired(rest)
    return _pairs(rest, paired), rest[2 * paired :]


def _paired(rest: list[str], unit: re.Pattern[str] = _UNIT) -> int:
    """How many pairs of code and unit there are at the beginning."""
    found = 0
    for code, text in zip(rest[::2], rest[1::2], strict=False):
        if not _CODE_OR_NONE.fullmatch(code) or not unit.fullmatch(text) or not _are_units([text]):
            break
        found += 1
    return found


def _pairs(rest: list[str], count: int) -> list[Channel]:
    return [Channel(rest[2 * n].strip(), rest[2 * n + 1].strip()) for n in range(count)]


def _values_follow(lines: list[_Brackets]) -> bool:
    return not lines or bool(_NUMBER.fullmatch(lines[0].values[0])) or not _UNIT_NAME.fullmatch(lines[0].values[0])


def _rows(
    data: bytes, width: int, rest: list[str], rest_start: int, rest_end: int, lines: list[_Brackets]
) -> Iterator[Row]:
    """Lines of brackets as rows: a line of several times `width` brackets is several rows."""
    done = rest_start
    for values, start, end in [_Brackets(rest, rest_start, rest_end), *lines] if rest else lines:
        count = len(values)
        if count == width or not width or count % width:
            yield Row(tuple(values), data[start:end], data[done:start])
        else:
            begin = start
            for n in range(0, count, width):
                stop = end if n + width == count else _place(data, begin, width)
                yield Row(tuple(values[n : n + width]), data[begin:stop], data[done:begin])
                begin = done = stop
        done = end
