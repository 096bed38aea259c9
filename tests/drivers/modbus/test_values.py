"""Every type against vectors computed by hand, in all word and byte orders; sentinels; what is no value."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.wire.values import Form, Number, Order, Text, Type, Undecodable, decode
from tests.drivers.modbus.rtu_bytes import examples

ORDERS = [(word, byte) for word in Order for byte in Order]

# Type, length where the map gives it, octets with the most significant first, the value.
VECTORS: list[tuple[Type, int | None, str, str]] = [
    (Type.U16, None, "0000", "0"),
    (Type.U16, None, "0102", "258"),
    (Type.U16, None, "FFFE", "65534"),
    (Type.I16, None, "8000", "-32768"),
    (Type.I16, None, "FFFE", "-2"),
    (Type.I16, None, "7FFF", "32767"),
    (Type.U32, None, "01020304", "16909060"),
    (Type.U32, None, "FFFFFFFF", "4294967295"),
    (Type.I32, None, "FFFFFF85", "-123"),
    (Type.I32, None, "80000000", "-2147483648"),
    (Type.U64, None, "0102030405060708", "72623859790382856"),
    (Type.U64, None, "FFFFFFFFFFFFFFFE", "18446744073709551614"),
    (Type.I64, None, "FFFFFFFFFFFFFF9C", "-100"),
    (Type.I64, None, "8000000000000000", "-9223372036854775808"),
    # IEEE 754: sign, exponent with bias 127 or 1023, and 1.fraction.
    (Type.F32, None, "42F6E979", "123.45600128173828125"),  # 1.9290000200271606 x 2^6
    (Type.F32, None, "C1480000", "-12.5"),  # -1.5625 x 2^3
    (Type.F32, None, "3F800000", "1"),
    (Type.F32, None, "4B800001", "16777218"),  # (1 + 2^-23) x 2^24
    (
        Type.F32,
        None,
        "00000001",
        "1.40129846432481707092372958328991613128026194187651577175706828388979108268586"
        "060148663818836212158203125E-45",
    ),  # 2^-149
    (Type.F64, None, "40934A4584F4C6E7", "1234.5678900000000339787220582365989685058593750"),
    (Type.F64, None, "C0C3880000000000", "-10000"),  # -1.220703125 x 2^13
    (Type.F64, None, "433FFFFFFFFFFFFF", "9007199254740991"),  # 2^53 - 1
    (Type.BCD16, None, "1234", "1234"),
    (Type.BCD16, None, "0009", "9"),
    (Type.BCD32, None, "00123456", "123456"),
    (Type.BCD64, None, "0123456789012345", "123456789012345"),
    # Data types decoding of Iskra's transducers (also Finder 7M.38, User's Manual, p. 54): the examples of T4, T5, T6.
    (Type.UD16, None, "A710", "1000000"),
    (Type.UD32, None, "FD01E240", "123.456"),
    (Type.ID32, None, "FDFE1DC0", "-123.456"),
    (Type.UD16, None, "8028", "4000"),  # Iskra MT440, User's Manual, p. 49: 10^2 x 40
    (Type.UD16, None, "FFFF", "16383000"),
    (Type.UD32, None, "02FFFFFF", "1677721500"),
    (Type.ID32, None, "00FFFFFF", "-1"),
    (Type.MOD10K, 2, "000C 0D80", "123456"),  # 12 and 3456
    (Type.MOD10K, 3, "0001 0000 270F", "100009999"),
    # Schneider Electric FA146443: 1700 to 1703 hold 4567, 0123, 0, 0, which is 1,234,567 Wh.
    (Type.MOD10K, 4, "0000 0000 007B 11D7", "1234567"),
    (Type.MOD10K, 4, "270F 270F 270F 270F", "9999999999999999"),
    (Type.MOD10K, 3, "FFFF 0000 FFFE", "-100000002"),  # -1, 0, -2
]
IDS = [f"{type_.value}-{octets.replace(' ', '')}" for type_, _, octets, _ in VECTORS]


def as_sent(octets: bytes, word_order: Order, byte_order: Order) -> bytes:
    """Most significant octet first to the order of the line, octet by octet."""
    words = len(octets) // 2
    sent = bytearray()
    for place in range(words):
        word = place if word_order is Order.BIG else words - 1 - place
        pair = octets[2 * word], octets[2 * word + 1]
        sent += bytes(pair if byte_order is Order.BIG else reversed(pair))
    return bytes(sent)


@pytest.mark.parametrize(("word_order", "byte_order"), ORDERS)
@pytest.mark.parametrize(("type_", "length", "octets", "value"), VECTORS, ids=IDS)
def test_vectors(
    type_: Type, length: int | None, octets: str, value: str, word_order: Order, byte_order: Order
) -> None:
    data = as_sent(bytes.fromhex(octets), word_order, byte_order)
    form = Form(type_, word_order, byte_order, length)
    assert len(data) == 2 * form.words
    assert decode(data, form) == Number(Decimal(value))


@pytest.mark.parametrize(
    ("word_order", "byte_order", "data"),
    [
        (Order.BIG, Order.BIG, "01 02 03 04 05 06 07 08"),
        (Order.LITTLE, Order.BIG, "07 08 05 06 03 04 01 02"),
        (Order.BIG, Order.LITTLE, "02 01 04 03 06 05 08 07"),
        (Order.LITTLE, Order.LITTLE, "08 07 06 05 04 03 02 01"),
    ],
)
def test_orders_written_out(word_order: Order, byte_order: Order, data: str) -> None:
    sent = bytes.fromhex(data)
    assert decode(sent, Form(Type.U64, word_order, byte_order)) == Number(Decimal(0x0102030405060708))
    two = sent[:4] if word_order is Order.BIG else sent[4:]
    assert decode(two, Form(Type.U32, word_order, byte_order)) == Number(Decimal(0x01020304))
    one = sent[:2] if word_order is Order.BIG else sent[6:]
    assert decode(one, Form(Type.U16, word_order, byte_order)) == Number(Decimal(0x0102))


def test_a_number_is_a_decimal_with_an_exact_value() -> None:
    number = decode(bytes.fromhex("3DCCCCCD"), Form(Type.F32))
    assert isinstance(number, Number)
    assert type(number.value) is Decimal
    assert number.value == Decimal("0.100000001490116119384765625")
    # Minus zero is zero with a sign, and stays what was sent.
    assert decode(bytes.fromhex("80000000"), Form(Type.F32)) == Number(Decimal("-0"))


@pytest.mark.parametrize(
    ("type_", "octets"),
    [
        (Type.F32, "7FC00000"),
        (Type.F32, "FFC00000"),
        (Type.F32, "7F800001"),
        (Type.F32, "7F800000"),
        (Type.F32, "FF800000"),
        (Type.F64, "7FF8000000000000"),
        (Type.F64, "7FF0000000000000"),
        (Type.F64, "FFF0000000000000"),
    ],
)
def test_what_is_no_number_is_no_value(type_: Type, octets: str) -> None:
    for word_order, byte_order in ORDERS:
        data = as_sent(bytes.fromhex(octets), word_order, byte_order)
        assert decode(data, Form(type_, word_order, byte_order)) is None


@pytest.mark.parametrize(("word_order", "byte_order"), ORDERS)
def test_sentinels_are_written_with_the_most_significant_octet_first(word_order: Order, byte_order: Order) -> None:
    patterns = (bytes.fromhex("7FFFFFFE"), bytes.fromhex("80000000"))
    form = Form(Type.I32, word_order, byte_order, None, patterns)
    for pattern in patterns:
        assert decode(as_sent(pattern, word_order, byte_order), form) is None
    near = as_sent(bytes.fromhex("7FFFFFFF"), word_order, byte_order)
    assert decode(near, form) == Number(Decimal(2147483647))


def test_sentinels_come_before_what_cannot_be_decoded() -> None:
    form = Form(Type.BCD16, not_available=(b"\xff\xff",))
    assert decode(b"\xff\xff", form) is None
    with pytest.raises(Undecodable):
        decode(b"\xff\xfe", form)


@pytest.mark.parametrize(
    ("type_", "length", "octets"),
    [
        (Type.BCD16, None, "123A"),
        (Type.BCD16, None, "A000"),
        (Type.BCD32, None, "0000000F"),
        (Type.BCD64, None, "00000000F0000000"),
        (Type.MOD10K, 2, "2710 0000"),  # 10,000
        (Type.MOD10K, 2, "0000 2710"),
        (Type.MOD10K, 2, "D8F0 0000"),  # -10,000
        (Type.MOD10K, 3, "0001 0000 FFFF"),  # two signs
    ],
)
def test_digits_that_cannot_be(type_: Type, length: int | None, octets: str) -> None:
    with pytest.raises(Undecodable):
        decode(bytes.fromhex(octets), Form(type_, length=length))


# -- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word_order", "byte_order", "data"),
    [
        (Order.BIG, Order.BIG, b"SDM630\x00\x00"),
        (Order.BIG, Order.LITTLE, b"DS6M03\x00\x00"),
        (Order.LITTLE, Order.BIG, b"\x00\x0030M6SD"[:0] + b"\x00\x00" + b"30" + b"M6" + b"SD"),
        (Order.LITTLE, Order.LITTLE, b"\x00\x00036MDS"),
    ],
)
def test_strings_in_all_orders(word_order: Order, byte_order: Order, data: bytes) -> None:
    assert decode(data, Form(Type.STRING, word_order, byte_order, 4)) == Text("SDM630")


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"AB\x00D", "AB"), (b" A  ", "A"), (b"\x00\x00\x00\x00", ""), (b"A\xffB ", "A\\xffB"), (b"ABCD", "ABCD")],
)
def test_strings(data: bytes, text: str) -> None:
    assert decode(data, Form(Type.STRING, length=2)) == Text(text)


def test_a_string_that_is_not_available() -> None:
    assert decode(bytes(4), Form(Type.STRING, length=2, not_available=(bytes(4),))) is None


def test_bits() -> None:
    assert decode(b"\x80\x01", Form(Type.BITS, length=1)) == Text("1000000000000001")
    assert decode(b"\x00\x03\x80\x00", Form(Type.BITS, Order.LITTLE, length=2)) == Text("1" + "0" * 29 + "11")


# -- forms and lengths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (Type.U16, 1),
        (Type.I16, 1),
        (Type.BCD16, 1),
        (Type.U32, 2),
        (Type.I32, 2),
        (Type.F32, 2),
        (Type.BCD32, 2),
        (Type.UD16, 1),
        (Type.UD32, 2),
        (Type.ID32, 2),
        (Type.U64, 4),
        (Type.I64, 4),
        (Type.F64, 4),
        (Type.BCD64, 4),
        (Type.MOD10K, None),
        (Type.STRING, None),
        (Type.BITS, None),
    ],
)
def test_registers_of_a_type(type_: Type, words: int | None) -> None:
    assert type_.words == words
    if words is not None:
        assert Form(type_).words == words
        with pytest.raises(ValueError, match="leave length out"):
            Form(type_, length=words)


def test_all_types_are_here() -> None:
    assert {vector[0] for vector in VECTORS} | {Type.STRING, Type.BITS} == set(Type)


@pytest.mark.parametrize(
    ("type_", "length"),
    [(Type.MOD10K, None), (Type.MOD10K, 1), (Type.MOD10K, 5), (Type.STRING, 0), (Type.STRING, 126), (Type.BITS, None)],
)
def test_lengths_that_cannot_be(type_: Type, length: int | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        Form(type_, length=length)


@pytest.mark.parametrize("pattern", [b"", b"\xff", b"\xff\xff\xff"])
def test_a_sentinel_of_another_length(pattern: bytes) -> None:
    with pytest.raises(ValueError, match="expected 2 octets"):
        Form(Type.U16, not_available=(pattern,))


@pytest.mark.parametrize("size", [0, 2, 3, 5, 8])
def test_another_number_of_octets(size: int) -> None:
    with pytest.raises(ValueError, match="u32 has 4"):
        decode(bytes(size), Form(Type.U32))


# -- round trips and whatever comes ----------------------------------------------------------------------------------

INTEGERS = [(Type.U16, 2, False), (Type.I16, 2, True), (Type.U32, 4, False), (Type.I32, 4, True), (Type.U64, 8, False),
            (Type.I64, 8, True)]  # fmt: skip


@examples(300)
@given(st.sampled_from(INTEGERS), st.sampled_from(ORDERS), st.data())
def test_integers_round_trip(kind: tuple[Type, int, bool], orders: tuple[Order, Order], data: st.DataObject) -> None:
    type_, size, signed = kind
    half = 1 << 8 * size - 1
    value = data.draw(st.integers(-half, half - 1) if signed else st.integers(0, 2 * half - 1))
    sent = as_sent(value.to_bytes(size, "big", signed=signed), *orders)
    assert decode(sent, Form(type_, *orders)) == Number(Decimal(value))


@examples(300)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(ORDERS))
def test_floats_round_trip_exactly(value: float, orders: tuple[Order, Order]) -> None:
    number = decode(as_sent(struct.pack(">d", value), *orders), Form(Type.F64, *orders))
    assert isinstance(number, Number)
    assert float(number.value) == value


@examples(300)
@given(st.sampled_from(list(Type)), st.sampled_from(ORDERS), st.binary(min_size=8, max_size=8))
def test_any_octets(type_: Type, orders: tuple[Order, Order], octets: bytes) -> None:
    form = Form(type_, *orders, length=4 if type_.words is None else None)
    try:
        value = decode(octets[: 2 * form.words], form)
    except Undecodable:
        assert type_.value.startswith("bcd") or type_ is Type.MOD10K
    else:
        textual = type_ in (Type.STRING, Type.BITS)
        assert isinstance(value, Text if textual else Number) or (value is None and type_ in (Type.F32, Type.F64))
