"""Data sets of a readout: IEC 62056-21:2002 6.5, and what meters make of it."""

from __future__ import annotations

import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.dataset import DataBlock, is_sentinel, parse_data_block, split_value
from tests.drivers.iec62056_21.conversation import BODY, VECTORS, examples

VALUES = yaml.safe_load((VECTORS / "values.yaml").read_text(encoding="utf-8"))


def wholes(block: DataBlock) -> list[tuple[str, list[str]]]:
    """Codes with the whole texts of their brackets."""
    return [(dataset.code, [value.whole for value in dataset.values]) for dataset in block.sets]


# -- one value -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VALUES, ids=lambda vector: vector["whole"])
def test_number_and_unit(vector: dict[str, Any]) -> None:
    value = split_value(vector["whole"])
    assert (value.text, value.unit, value.whole) == (vector["text"], vector["unit"], vector["whole"])


@pytest.mark.parametrize("text", ["---.-", "------", "***", "--", "-", " ---.- ", "--,--", "**.**"])
def test_marks_of_no_value(text: str) -> None:
    assert is_sentinel(text)


@pytest.mark.parametrize("text", ["", " ", ".", "-1", "0", "-.5", "1-2", "L1-L2-L3", "---a", "kWh", "- 1", "..--"])
def test_what_is_no_mark_of_no_value(text: str) -> None:
    assert not is_sentinel(text)


# -- the block -------------------------------------------------------------------------------------------------------


def test_sets_in_order_with_their_bytes() -> None:
    block = parse_data_block(BODY)
    assert wholes(block) == [
        ("F.F", ["00"]),
        ("1.8.0", ["0008048.375*kWh"]),
        ("1.6.0", ["02.468*kW", "1703100930"]),
        ("2.8.0", [""]),
    ]
    assert [dataset.raw for dataset in block.sets] == BODY.splitlines()
    assert block.remains == ()
    assert block.sets[1].first == ("0008048.375", "kWh", "0008048.375*kWh")


def test_duplicates_stay() -> None:
    block = parse_data_block(b"1.8.0(1)\r\n1.8.0(2)\r\n1.8.0(1)\r\n")
    assert wholes(block) == [("1.8.0", ["1"]), ("1.8.0", ["2"]), ("1.8.0", ["1"])]


def test_many_sets_on_a_line() -> None:
    block = parse_data_block(b"6.8(0029.055*MWh)6.26(01589.28*m3)9.4(088*C&082*C)6.8.1()F(0)\r\n0.0(1)")
    assert wholes(block) == [
        ("6.8", ["0029.055*MWh"]),
        ("6.26", ["01589.28*m3"]),
        ("9.4", ["088*C&082*C"]),
        ("6.8.1", [""]),
        ("F", ["0"]),
        ("0.0", ["1"]),
    ]
    assert block.sets[2].first == ("088*C&082*C", "", "088*C&082*C")


def test_several_and_empty_values() -> None:
    block = parse_data_block(b"1-0:99.97.0(2)(0-0:96.7.19)(000104180320W)(0000237126*s)()(x)\r\n9.2()()\r\n")
    assert wholes(block) == [
        ("1-0:99.97.0", ["2", "0-0:96.7.19", "000104180320W", "0000237126*s", "", "x"]),
        ("9.2", ["", ""]),
    ]


def test_a_value_on_the_next_line_belongs_to_the_set_before() -> None:
    data = b"0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00024.123)\r\n0-1:24.4.0(1)\r\n"
    block = parse_data_block(data)
    assert wholes(block) == [
        ("0-1:24.3.0", ["121030140000", "00", "60", "1", "0-1:24.2.1", "m3", "00024.123"]),
        ("0-1:24.4.0", ["1"]),
    ]
    assert block.sets[0].raw == data[: data.index(b"\r\n0-1:24.4.0")]
    assert block.remains == ()


def test_values_on_several_next_lines() -> None:
    block = parse_data_block(b"P.01(1)\r\n(2)(3)\r\n(4)\r\n")
    assert wholes(block) == [("P.01", ["1", "2", "3", "4"])]
    assert block.sets[0].raw == b"P.01(1)\r\n(2)(3)\r\n(4)"


def test_a_bracket_without_a_code_at_the_very_beginning() -> None:
    assert wholes(parse_data_block(b"(1)(2)\r\n1.8.0(3)")) == [("", ["1", "2"]), ("1.8.0", ["3"])]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b""])
def test_any_line_end_will_do(end: bytes) -> None:
    block = parse_data_block(b"1.8.0(1)" + end + b"2.8.0(2)" + end)
    assert wholes(block) == [("1.8.0", ["1"]), ("2.8.0", ["2"])]
    assert block.remains == ()


def test_what_is_no_data_set_is_kept_as_it_stands() -> None:
    block = parse_data_block(b"HELLO\r\n1.8.0(1)\r\n  \r\n\x00\x7f\r\n2.8.0 3\r\n3.8.0(4\r\n4.8.0(5)tail\r\n")
    assert wholes(block) == [("1.8.0", ["1"]), ("4.8.0", ["5"])]
    assert block.remains == (b"HELLO", b"2.8.0 3", b"3.8.0(4", b"tail")


def test_a_value_ends_with_its_line() -> None:
    """A closing and an opening bracket were lost on the line: two sets must not become one value."""
    block = parse_data_block(b"1.8.0(1*kWh]\r\n2.8.0[2*kWh)\r\n3.8.0(3)\r\n")
    assert wholes(block) == [("3.8.0", ["3"])]
    assert block.remains == (b"1.8.0(1*kWh]", b"2.8.0[2*kWh)")


def test_texts_may_hold_what_the_standard_forbids() -> None:
    block = parse_data_block(b"0.2.0(V1/2!)\r\nC.1.0(a*b c)\r\n")
    assert wholes(block) == [("0.2.0", ["V1/2!"]), ("C.1.0", ["a*b c"])]


def test_bytes_above_seven_bits_stay_what_they_are() -> None:
    data = b"0.2.0(\xe9\xff\x80)\r\n\xb5.8.0(1*\xb0C)\r\n"
    block = parse_data_block(data)
    assert wholes(block) == [("0.2.0", ["é\xff\x80"]), ("\xb5.8.0", ["1*°C"])]
    assert [dataset.raw for dataset in block.sets] == [b"0.2.0(\xe9\xff\x80)", b"\xb5.8.0(1*\xb0C)"]
    assert block.sets[1].first.unit == "°C"


def test_an_endless_code_is_no_code() -> None:
    block = parse_data_block(b"x" * 100 + b"(1)")
    assert len(block.sets) == 1
    assert len(block.sets[0].code) <= 64
    assert b"".join(block.remains) + block.sets[0].raw == b"x" * 100 + b"(1)"


def test_nothing() -> None:
    assert parse_data_block(b"") == DataBlock((), ())
    assert parse_data_block(b"\r\n\r\n") == DataBlock((), ())


# -- properties ------------------------------------------------------------------------------------------------------

CODES = st.text(string.ascii_letters + string.digits + ".:-*&", min_size=1, max_size=20)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="()\x7f\x85"), max_size=24)
SETS = st.lists(st.tuples(CODES, st.lists(TEXTS, min_size=1, max_size=4)), max_size=12)


@given(SETS, st.sampled_from([b"\r\n", b"\n", b"", b"\r\n\r\n"]))
@examples(150)
def test_parsing_what_was_rendered_gives_it_back(sets: list[tuple[str, list[str]]], end: bytes) -> None:
    rendered = [(code + "".join(f"({value})" for value in values)).encode("latin-1") for code, values in sets]
    block = parse_data_block(b"".join(raw + end for raw in rendered))
    assert wholes(block) == sets
    assert [dataset.raw for dataset in block.sets] == rendered
    assert block.remains == ()


@given(st.integers(0, 10**9), st.integers(0, 9), st.sampled_from(["kWh", "kvarh", "A", "m3", "Deg"]))
@examples(100)
def test_number_and_unit_of_any_number(digits: int, places: int, unit: str) -> None:
    text = f"{digits:0{places + 1}d}"
    text = text[: len(text) - places] + "." + text[len(text) - places :] if places else text
    assert split_value(f"{text}*{unit}") == (text, unit, f"{text}*{unit}")


@given(st.text(st.characters(max_codepoint=255), max_size=60))
@examples(150)
def test_a_value_is_never_lost_whatever_it_holds(text: str) -> None:
    value = split_value(text)
    assert value.whole == text
    assert text.startswith(value.text)
    assert text.endswith(value.unit)
    assert value.unit or value.text == text


@given(
    st.lists(st.sampled_from([b"1.8.0", b"(", b")", b"\r\n", b"()", b"(1*kWh)", b"!", b"\x00", b"\xff"]), max_size=40)
)
@examples(150)
def test_every_byte_that_is_not_blank_ends_up_somewhere_in_order(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    block = parse_data_block(data)
    place = 0
    for dataset in block.sets:
        place = data.index(dataset.raw, place) + len(dataset.raw)
    kept = sum(len(dataset.raw) for dataset in block.sets) + sum(map(len, block.remains))
    assert kept >= len(data) - sum(data.count(bytes([blank])) for blank in b"\r\n\x00 \t\x7f")
