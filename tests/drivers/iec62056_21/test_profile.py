"""Blocks of load profiles and logs: bytes in, headers and rows out (VDEW 2.1, and how meters leave it)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.profile import Block, TableData, error_text, parse_table
from tests.drivers.iec62056_21.conversation import examples

HEADER = b"P.01(0261126001500)(0000)(15)(2)(1.5.0)(kW)(3.5.0)(kvar)"


def only(data: bytes) -> Block:
    found = parse_table(data)
    assert (len(found.blocks), found.remains, found.doubts) == (1, (), ())
    return found.blocks[0]


def values(block: Block) -> list[tuple[str, ...]]:
    return [row.values for row in block.rows]


# -- the layout ------------------------------------------------------------------------------------------------------


def test_a_block() -> None:
    block = only(HEADER + b"\r\n(0.116)(0.060)\r\n(0.078)(0.000)\r\n")
    assert (block.code, block.time, block.status, block.period, block.count) == (
        "P.01",
        "0261126001500",
        "0000",
        "15",
        "2",
    )
    assert block.channels == (("1.5.0", "kW"), ("3.5.0", "kvar"))
    assert block.raw == HEADER
    assert values(block) == [("0.116", "0.060"), ("0.078", "0.000")]
    assert [row.raw for row in block.rows] == [b"(0.116)(0.060)", b"(0.078)(0.000)"]
    assert [row.lead for row in block.rows] == [b"\r\n", b"\r\n"]


ROWS = [("1", "2"), ("3", "4"), ("5", "6")]


@pytest.mark.parametrize(
    "data",
    [
        HEADER + b"\r\n(1)(2)\r\n(3)(4)\r\n(5)(6)",
        HEADER + b"(1)(2)(3)(4)(5)(6)",
        HEADER + b"(1)(2)\r\n(3)(4)(5)(6)\r\n",
        HEADER + b"\r\n(1)(2)(3)(4)(5)(6)\r\n",
        HEADER + b"\n(1)(2)\n(3)(4)\n(5)(6)\n",
        HEADER + b"\r\n\r\n(1)(2) \r\n (3) (4)\r\n(5)(6)\x00",
        HEADER[:19] + b"\r\n" + HEADER[19:] + b"\r\n(1)(2)\r\n(3)(4)\r\n(5)(6)\r\n",
        HEADER[:32] + b"\r\n" + HEADER[32:] + b"\r\n(1)(2)\r\n(3)(4)\r\n(5)(6)\r\n",
        HEADER[:43] + b"\r\n" + HEADER[43:] + b"(1)(2)\r\n(3)(4)\r\n(5)(6)\r\n",
        HEADER[:39] + b"\r\n" + HEADER[39:50] + b"\r\n" + HEADER[50:] + b"\r\n(1)(2)\r\n(3)(4)\r\n(5)(6)\r\n!",
    ],
)
def test_the_same_rows_however_the_lines_fall(data: bytes) -> None:
    block = only(data)
    assert values(block) == ROWS
    assert block.channels == (("1.5.0", "kW"), ("3.5.0", "kvar"))
    assert block.raw.replace(b"\r\n", b"") == HEADER
    assert [row.raw.replace(b" ", b"") for row in block.rows] == [b"(1)(2)", b"(3)(4)", b"(5)(6)"]


def test_rows_behind_the_header_keep_their_own_bytes() -> None:
    block = only(HEADER + b"(1)(2)(3)(4)\r\n(5)(6)")
    assert block.raw == HEADER
    assert [(row.lead, row.raw) for row in block.rows] == [(b"", b"(1)(2)"), (b"", b"(3)(4)"), (b"\r\n", b"(5)(6)")]


def test_several_headers_and_one_behind_a_row() -> None:
    found = parse_table(HEADER + b"\r\n(1)(2)\r\n" + HEADER + b"\r\n(3)(4)" + HEADER + b"(5)(6)")
    assert [values(block) for block in found.blocks] == [[("1", "2")], [("3", "4")], [("5", "6")]]
    assert (found.remains, found.doubts) == ((), ())
    assert {block.raw for block in found.blocks} == {HEADER}


@pytest.mark.parametrize("code", ["P.01", "P.200", "1-0:99.1.0", "1-0:P.01", "1-0:99.1.0*255", "0-1:98.1.0", "7.P.1"])
def test_codes_of_tables(code: str) -> None:
    block = only(code.encode() + HEADER[4:] + b"\r\n(1)(2)")
    assert block.code == code


def test_a_header_without_a_code_is_one_when_everything_else_fits() -> None:
    """An echo that swallows the beginning of an answer; also between rows, where the meter wrote it so."""
    for data in (HEADER[4:] + b"\r\n(1)(2)", HEADER + b"\r\n(1)(2)\r\n" + HEADER[4:] + b"\r\n(1)(2)"):
        found = parse_table(data)
        assert found.doubts == ("a header without a code",)
        assert found.blocks[-1].code == ""
        assert found.blocks[-1].time == "0261126001500"
        assert all(values(block) == [("1", "2")] for block in found.blocks)


def test_a_row_that_only_resembles_a_header_is_a_row() -> None:
    rows = b"(0261126001500)(0000)\r\n(0261126001500)(12)(15)(1)(1.5)(0.3)\r\n(0261126001500)(12)(15)(2)(1.5)(kW)"
    block = only(HEADER + b"\r\n" + rows)
    assert [value for row in block.rows for value in row.values] == rows.decode().replace("\r\n", "")[1:-1].split(")(")


def test_logs_without_channels() -> None:
    found = parse_table(b"P.98(1260806115553)(00000080)()(0)\r\nP.98(1260806120814)(00000040)\r\n")
    assert [(block.period, block.count, block.channels, block.rows) for block in found.blocks] == [
        ("", "0", (), ()),
        ("", "", (), ()),
    ]
    assert (found.remains, found.doubts) == ((), ())


# -- where the layout is left ----------------------------------------------------------------------------------------


def doubtful(data: bytes) -> tuple[Block, str]:
    found = parse_table(data)
    assert len(found.blocks) == 1
    assert found.remains == ()
    (doubt,) = found.doubts
    return found.blocks[0], doubt


def test_no_units() -> None:
    block, doubt = doubtful(b"P.01(0261126001500)(00)(15)(3)(1.5.0)(2.5.0)(3.5.0)\r\n(1)(2)(3)\r\n")
    assert block.channels == (("1.5.0", ""), ("2.5.0", ""), ("3.5.0", ""))
    assert values(block) == [("1", "2", "3")]
    assert "no units" in doubt


def test_one_channel_whose_unit_is_on_the_next_line() -> None:
    block = only(b"P.01(0261126001500)(00)(15)(1)(1.5.0)\r\n(kW)\r\n(1)\r\n")
    assert block.channels == (("1.5.0", "kW"),)
    assert values(block) == [("1",)]


def test_no_codes_at_all() -> None:
    block, doubt = doubtful(b"P.01(0261126001500)(00)(15)(2)\r\n(1)(2)\r\n(3)(4)\r\n")
    assert block.channels == (("", ""), ("", ""))
    assert values(block) == [("1", "2"), ("3", "4")]
    assert "says 2 channels and names 0" in doubt


def test_empty_codes() -> None:
    block = only(b"P.01(0261126001500)(00)(15)(2)()(kW)()()(1)(2)\r\n(3)(4)")
    assert block.channels == (("", "kW"), ("", ""))
    assert values(block) == [("1", "2"), ("3", "4")]


def test_fewer_codes_than_it_says() -> None:
    block, doubt = doubtful(b"P.01(0261126001500)(00)(15)(4)(1.5.0)(kW)(2.5.0)(kW)\r\n(1)(2)\r\n(3)(4)\r\n(5)(---.-)")
    assert block.channels == (("1.5.0", "kW"), ("2.5.0", "kW"))
    assert values(block) == [("1", "2"), ("3", "4"), ("5", "---.-")]
    assert "says 4 channels and names 2" in doubt


def test_a_header_that_was_cut_behind_a_code() -> None:
    """What names a channel is no value, also where the answer ends before its unit."""
    block = only(b"P.01(0261126001500)(0000)(15)(2)(1.29.0)(kWh)(2.29.0)")
    assert block.channels == (("1.29.0", "kWh"), ("2.29.0", ""))
    assert block.rows == ()
    block, doubt = doubtful(b"P.01(0261126001500)(0000)(15)(2)(1.29.0)(kWh)(2.29.0)\r\n(1)(2)")  # not cut
    assert block.channels == (("1.29.0", "kWh"),)
    assert "says 2 channels and names 1" in doubt
    block, doubt = doubtful(b"P.01(0261126001500)(0000)(15)(2)(1.29.0)(kWh)(2.29)")  # a number it may be
    assert values(block) == [("2.29",)]
    assert "says 2 channels and names 1" in doubt


def test_a_mark_of_no_value_is_no_unit() -> None:
    block, _ = doubtful(b"P.01(0261126001500)(00)(15)(3)(1.5.0)(kW)(2.5.0)(kW)\r\n(1.5)(---.-)\r\n(3.5)(4)")
    assert values(block) == [("1.5", "---.-"), ("3.5", "4")]


def test_more_codes_than_it_says() -> None:
    block, doubt = doubtful(b"P.01(0261126001500)(00)(15)(1)(1.5.0)(kW)(2.5.0)(kW)\r\n(1)(2)\r\n")
    assert block.channels == (("1.5.0", "kW"), ("2.5.0", "kW"))
    assert values(block) == [("1", "2")]
    assert "says 1 channels and names 2" in doubt


def test_no_count() -> None:
    block, doubt = doubtful(b"P.01(0261126001500)(00)(15)(1.5.0)(kW)(2.5.0)(kW)\r\n(1)(2)\r\n(3)(4)")
    assert (block.count, block.channels) == ("", (("1.5.0", "kW"), ("2.5.0", "kW")))
    assert values(block) == [("1", "2"), ("3", "4")]
    assert "does not say how many" in doubt


def test_rows_of_other_widths() -> None:
    block = only(HEADER + b"\r\n(1)\r\n(2)(3)(4)\r\n(5)(6)(7)(8)\r\n()()\r\n")
    assert values(block) == [("1",), ("2", "3", "4"), ("5", "6"), ("7", "8"), ("", "")]


def test_empty_values_are_no_units() -> None:
    """A row of empty values is a row, also under a header that names too few channels."""
    block, _ = doubtful(b"P.01(0261126001500)(00)(15)(3)(1.5.0)(kW)(2.5.0)(kW)\r\n()()\r\n(1)(2)")
    assert values(block) == [("", ""), ("1", "2")]


def test_a_harmed_bracket_costs_its_own_value_only() -> None:
    found = parse_table(HEADER + b"\r\n(1)(2(3)\r\n(4(5)(6)\r\n(7)(8)\r\n(9)(1")
    assert values(found.blocks[0]) == [("1", "3"), ("5", "6"), ("7", "8"), ("9",)]
    assert found.remains == (b"(2", b"(4", b"(1")


def test_what_is_neither_header_nor_row() -> None:
    found = parse_table(
        b"noise\r\n(1)(2)\r\n1.8.0(5*kWh)\r\n" + HEADER + b"\r\n(3)(4)\r\n0.0.0(123)\r\nP.02()\r\n\x00\x7f"
    )
    assert found.remains == (b"noise", b"(1)(2)", b"1.8.0(5*kWh)", b"0.0.0(123)", b"P.02()")
    assert [values(block) for block in found.blocks] == [[("3", "4")]]


def test_an_error_behind_good_blocks_is_said() -> None:
    found = parse_table(HEADER + b"\r\n(3)(4)\r\nP.01(ERROR)\r\n")
    assert found.remains == (b"P.01(ERROR)",)
    assert values(found.blocks[0]) == [("3", "4")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"P.98(ERROR)", "ERROR"),
        (b"(ERROR)", "ERROR"),
        (b"P.01(ERROR)\r\n", "ERROR"),
        (b"(ERR1)", "ERR1"),
        (b"(ERR2;command unknown)", "ERR2;command unknown"),
        (b"1-0:99.1.0(ERROR12)!\r\n", "ERROR12"),
        (b"", None),
        (b"P.98(1260806115553)(00000080)()(0)", None),
        (b"P.01(ERROR)\r\n(1)", None),
        (b"(NO ERROR)", None),
        (b"(E)", None),
        (b"(ERROR", None),
    ],
)
def test_errors(data: bytes, text: str | None) -> None:
    assert error_text(data) == text


# -- what always holds -----------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    b"P.01|(|)|)(|()|\r\n| |0261126001500|0000|15|2|1.5.0|kW|0.1|(1)(2)|P.98(ERROR)|\xff\x00|!|99".split(b"|")
) | st.sampled_from([HEADER, HEADER[4:]])
BRACKET = re.compile(rb"\([^()\r\n]*\)")
ANY = st.binary(max_size=200) | st.lists(FRAGMENTS, max_size=60).map(b"".join)


@given(ANY)
@examples(500)
def test_any_bytes(data: bytes) -> None:
    """Nothing raises; every complete bracket is in a header, in a row, or in what remains, and in one of them only."""
    found = parse_table(data)
    rows = [row for block in found.blocks for row in block.rows]
    pieces = [block.raw for block in found.blocks] + list(found.remains)
    assert all(piece in data for piece in [*pieces, *(row.raw for row in rows)])
    assert all(row.values for row in rows)
    brackets = sum(len(BRACKET.findall(piece)) for piece in pieces) + sum(len(row.values) for row in rows)
    assert brackets == len(BRACKET.findall(data))
    error_text(data)


@given(st.lists(st.lists(st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True), min_size=1, max_size=9), max_size=9))
@examples(200)
def test_rows_come_back_as_they_were_written(rows: list[list[str]]) -> None:
    for width in {len(row) for row in rows}:
        fitting = [row for row in rows if len(row) == width]
        text = f"P.01(0261126001500)(0000)(15)({width})" + "".join(f"({n}.8.0)(kWh)" for n in range(width)) + "\r\n"
        text += "".join("(" + ")(".join(row) + ")\r\n" for row in fitting)
        block = only(text.encode())
        assert [list(row.values) for row in block.rows] == fitting
        assert len(block.channels) == width


def test_headers_and_rows_make_up_the_whole_answer() -> None:
    data = HEADER + b"\r\n(1)(2)\r\n(3)(4)(5)(6)\r\n(7)"
    block = only(data)
    assert block.raw + b"".join(row.lead + row.raw for row in block.rows) == data


def long_inputs() -> list[bytes]:
    many = 40_000
    return [
        b"(" * many,
        b"P.01(" * many,
        HEADER + b"(1)" * many,
        b"P.01(0261126001500)(0000)(15)(1)" + b"(1.5)(kW)" * many,
        HEADER + b"\r\n" + b"(" + b"1" * many + b"x)",
        b"(1) " * many,
        b"P.01(0261126001500)(0000)(15)(99)" + b"(1.5)(kW)\r\n" * many,
    ]


@pytest.mark.parametrize("data", long_inputs(), ids=lambda data: repr(bytes(data[:12])))
def test_long_answers_end(data: bytes) -> None:
    """Quadratic work on any of these would run into the time limit of the suite."""
    found: TableData = parse_table(data * 8)
    assert found.blocks or found.remains
