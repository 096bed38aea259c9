"""Rows of a buffer: null-data filled in before anything is chosen, and what is no row kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.rows import rows_of
from drivers.dlms.wire.axdr import Tag, Value, decode
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.asked_meter import array, structure, u8, u16, u32, value

NULL = b"\x00"


def numbers(buffer: bytes, *, width: int = 3, clock: int | None = 0, fill: bool = True) -> list[list[object]]:
    return [[one.content for one in row.values] for row in rows_of(value(buffer), width, clock, fill=fill)]


def test_rows_keep_their_order_and_their_bytes() -> None:
    first, second = structure(u32(1), u8(0), u16(7)), structure(u32(2), u8(1), u16(8))
    rows = rows_of(value(array(first, second)), 3, 0)
    assert [row.raw for row in rows] == [first, second]
    assert [[one.content for one in row.values] for row in rows] == [[1, 0, 7], [2, 1, 8]]
    assert [(row.counted, row.sent) for row in rows] == [(0, None), (0, None)]


def test_a_null_is_the_value_of_the_row_before_also_over_several_rows() -> None:
    buffer = array(structure(u32(1), u8(5), u16(7)), structure(u32(2), NULL, u16(8)), structure(u32(3), NULL, NULL))
    assert numbers(buffer) == [[1, 5, 7], [2, 5, 8], [3, 5, 8]]


def test_what_was_sent_stays_beside_what_was_filled_in() -> None:
    row = rows_of(value(array(structure(u32(1), u8(5)), structure(u32(2), NULL))), 2, 0)[1]
    assert row.sent is not None
    assert [one.raw for one in row.sent] == [u32(2), NULL]
    assert row.values[1].raw == u8(5)


def test_null_times_are_counted_from_the_last_row_that_has_one() -> None:
    buffer = array(*(structure(time, u8(1)) for time in (u32(1), NULL, NULL, u32(9), NULL)))
    assert [row.counted for row in rows_of(value(buffer), 2, 0)] == [0, 1, 2, 0, 1]


def test_a_null_with_nothing_before_it_stays_one_and_cannot_be_counted() -> None:
    rows = rows_of(value(array(structure(NULL, NULL), structure(NULL, u8(3)))), 2, 0)
    assert [row.counted for row in rows] == [None, None]
    assert rows[0].values[1].tag is Tag.NULL
    assert rows[1].values[1].content == 3


def test_a_row_of_another_width_is_kept_and_nothing_is_filled_in_from_before_it() -> None:
    odd = structure(u32(2))
    rows = rows_of(value(array(structure(u32(1), u8(5)), odd, structure(NULL, NULL))), 2, 0)
    assert (rows[1].raw, rows[1].values) == (odd, ())
    assert rows[2].counted is None
    assert rows[2].values[1].tag is Tag.NULL


def test_an_element_that_is_no_structure_is_no_row() -> None:
    rows = rows_of(value(array(u32(1), array(u32(1)))), 1, None)
    assert [(row.raw, row.values) for row in rows] == [(u32(1), ()), (array(u32(1)), ())]


def test_without_filling_in_only_times_are_counted() -> None:
    buffer = array(structure(u32(1), u8(5)), structure(NULL, NULL))
    rows = rows_of(value(buffer), 2, 0, fill=False)
    assert rows[1].counted == 1
    assert rows[1].values[1].tag is Tag.NULL


def test_a_compact_array_gives_the_same_rows() -> None:
    # 13 | structure of two: double-long-unsigned, unsigned | 10 octets
    compact = bytes.fromhex("13 02 02 06 11 0A 00000001 05 00000002 06")
    assert numbers(compact, width=2) == [[1, 5], [2, 6]]


def test_a_buffer_without_rows() -> None:
    assert rows_of(value(b"\x01\x00"), 3, 0) == []
    assert rows_of(value(NULL), 3, 0) == []


def test_a_buffer_that_is_no_array_is_a_fault() -> None:
    with pytest.raises(ProtocolError, match="no array") as error:
        rows_of(value(structure(u8(1))), 1, None)
    assert error.value.raw == structure(u8(1))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 255), st.integers(0, 0xFFFF)), max_size=20))
def test_compressed_and_written_out_buffers_say_the_same(wanted: list[tuple[int, int, int]]) -> None:
    written = [(n, second, third) for n, (_, second, third) in enumerate(wanted)]
    sent, before = [], None
    for n, second, third in written:
        parts = [
            u32(n),
            NULL if before and before[1] == second else u8(second),
            NULL if before and before[2] == third else u16(third),
        ]
        sent.append(structure(*parts))
        before = (n, second, third)
    assert numbers(array(*sent)) == [list(row) for row in written]


@given(st.binary(max_size=200), st.integers(1, 4), st.none() | st.integers(0, 0))
def test_any_value_gives_rows_of_the_right_width_or_none(octets: bytes, width: int, clock: int | None) -> None:
    try:
        decoded, _ = decode(b"\x01" + octets)
    except ProtocolError:
        return
    rows = rows_of(decoded, width, clock)
    assert len(rows) == len(decoded.children)
    assert all(len(row.values) in (0, width) for row in rows)
    assert [row.raw for row in rows] == [child.raw for child in decoded.children]
    assert all(isinstance(one, Value) for row in rows for one in row.values)
