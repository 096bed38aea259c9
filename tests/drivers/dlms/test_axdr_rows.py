"""Arrays of like elements that are decoded at once: always what the slow way gives, errors included."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire import axdr, axdr_rows
from drivers.dlms.wire.axdr import Tag, Value, decode
from drivers.dlms.wire.axdr_value import MAX_BYTES, PLAIN
from gatewayd.errors import ProtocolError

Outcome = tuple[Value, int] | tuple[str, str, bytes]

_SIZES = {plain.tag.value: plain.size for plain in PLAIN}
_STRINGS = (0x04, 0x09, 0x0A, 0x0C)


def outcome(data: bytes, offset: int, most: int) -> Outcome:
    try:
        return decode(data, offset, most)
    except ProtocolError as error:
        return type(error).__name__, str(error), error.raw


def both(data: bytes, offset: int = 0, most: int = MAX_BYTES) -> tuple[Outcome, Outcome]:
    """As it is, and without reading rows at once."""
    quick = outcome(data, offset, most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(axdr, "read_alike", lambda *_: None)
        return quick, outcome(data, offset, most)


def kinds(found: Outcome) -> list[type]:
    """The types of all contents: True == 1, and yet it is another value."""
    value = found[0]
    return [] if isinstance(value, str) else _kinds(value)


def _kinds(value: Value) -> list[type]:
    return [type(value.content), *(kind for child in value.children for kind in _kinds(child))]


@st.composite
def columns(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Type and octets of content of each column."""
    tags = st.sampled_from([*_SIZES, *_STRINGS])
    found = []
    for tag in draw(st.lists(tags, min_size=1, max_size=6)):
        found.append((tag, _SIZES[tag] if tag in _SIZES else draw(st.sampled_from([0, 1, 4, 12, 127, 128]))))
    return found


def _cell(tag: int, content: bytes) -> bytes:
    if tag in _SIZES:
        return bytes((tag,)) + content
    size = len(content) * 8 if tag == Tag.BIT_STRING else len(content)
    return bytes((tag,)) + (bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2)) + content


def _array(rows: Sequence[Sequence[bytes]]) -> bytes:
    number = bytes((len(rows),)) if len(rows) < 0x80 else b"\x82" + len(rows).to_bytes(2)
    return b"\x01" + number + b"".join(b"\x02" + bytes((len(row),)) + b"".join(row) for row in rows)


@st.composite
def arrays(draw: st.DrawFn) -> bytes:
    wanted = draw(columns())
    count = draw(st.sampled_from([0, 1, 3, 4, 5, 8, 130]))
    seed = draw(st.binary(min_size=1, max_size=200))
    rows = []
    for number in range(count):
        row, place = [], number
        for tag, size in wanted:
            content = bytes(seed[(place + index) % len(seed)] for index in range(size))
            place += size
            row.append(_cell(tag, content))
        rows.append(row)
    return _array(rows)


@given(arrays())
def test_like_rows_are_what_the_slow_way_gives(data: bytes) -> None:
    quick, slow = both(data)
    assert quick == slow
    assert kinds(quick) == kinds(slow)


@given(arrays(), st.data())
def test_mutated_rows_are_what_the_slow_way_gives(data: bytes, draw: st.DataObject) -> None:
    spoilt = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.integers(0, len(spoilt)))
        match draw.draw(st.sampled_from(["set", "cut", "insert", "drop"])):
            case "set" if place < len(spoilt):
                spoilt[place] = draw.draw(st.sampled_from([0, 1, 2, 3, 6, 9, 18, 0x7F, 0x80, 0x81, 0xFF]))
            case "cut":
                del spoilt[place:]
            case "insert":
                spoilt[place:place] = draw.draw(st.binary(min_size=1, max_size=3))
            case _:
                del spoilt[place : place + 1]
    quick, slow = both(bytes(spoilt))
    assert quick == slow
    assert kinds(quick) == kinds(slow)


@given(arrays(), st.binary(max_size=4), st.binary(max_size=4), st.integers(0, 200))
def test_offset_and_limit_count_for_both_ways(data: bytes, before: bytes, behind: bytes, most: int) -> None:
    quick, slow = both(before + data + behind, len(before), most)
    assert quick == slow


@pytest.mark.parametrize("depth", [14, 15, 16, 17])
def test_the_limit_of_nesting_holds(depth: int) -> None:
    rows = _array([[b"\x11\x01", b"\x12\x00\x02"]] * 4)
    quick, slow = both(b"\x02\x01" * (depth - 1) + rows)
    assert quick == slow
    assert isinstance(quick[0], Value) is (depth < 16)


def test_like_rows_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison above would compare the slow way with itself."""
    found: list[object] = []
    original = axdr_rows.read_alike

    def watched(*arguments: object) -> object:
        found.append(original(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(axdr, "read_alike", watched)
    row = [b"\x09\x0c" + bytes(12), b"\x11\x08", b"\x06\x00\x00\x00\x01", b"\x03\x01", b"\x09\x00"]
    decode(_array([row] * 4))
    assert found[0] is not None
    decode(_array([row, row, row, [*row[:4], b"\x09\x01\x00"]]))
    assert found[1] is None
