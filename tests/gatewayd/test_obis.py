"""OBIS codes: every way in which meters, people and the standards write them (IEC 62056-6-1, EDIS reduced codes)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.obis import CURRENT, Obis

byte = st.integers(0, 255)
codes = st.builds(Obis, byte, byte, byte, byte, byte, byte, st.booleans())


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        # full
        ("1-0:1.8.0*255", (1, 0, 1, 8, 0, 255)),
        ("0-0:96.1.0*255", (0, 0, 96, 1, 0, 255)),
        ("7-0:3.0.0*255", (7, 0, 3, 0, 0, 255)),
        ("1-65:1.29.0*255", (1, 65, 1, 29, 0, 255)),
        ("255-255:255.255.255*255", (255, 255, 255, 255, 255, 255)),
        ("0-0:0.0.0*0", (0, 0, 0, 0, 0, 0)),
        # without F, without A or B, without E
        ("1-1:1.8.0", (1, 1, 1, 8, 0, 255)),
        ("2:1.8.0", (1, 2, 1, 8, 0, 255)),
        ("1-0:99.1", (1, 0, 99, 1, 0, 255)),
        # reduced
        ("1.8.0", (1, 0, 1, 8, 0, 255)),
        ("1.8", (1, 0, 1, 8, 0, 255)),
        ("15.8.4", (1, 0, 15, 8, 4, 255)),
        ("0.0.0", (1, 0, 0, 0, 0, 255)),
        ("0.9.1", (1, 0, 0, 9, 1, 255)),
        ("01.08.00", (1, 0, 1, 8, 0, 255)),
        # letters
        ("C.1.0", (0, 0, 96, 1, 0, 255)),
        ("C.1", (0, 0, 96, 1, 0, 255)),
        ("C.7.10", (0, 0, 96, 7, 10, 255)),
        ("C.C", (0, 0, 96, 96, 0, 255)),
        ("C.C.1", (0, 0, 96, 96, 1, 255)),
        ("C.F.0", (0, 0, 96, 97, 0, 255)),
        ("F.F", (0, 0, 97, 97, 0, 255)),
        ("F.F.0", (0, 0, 97, 97, 0, 255)),
        ("F.F.1", (0, 0, 97, 97, 1, 255)),
        ("L.1.0", (0, 0, 98, 1, 0, 255)),
        ("P.01", (1, 0, 99, 1, 0, 255)),
        ("P.1", (1, 0, 99, 1, 0, 255)),
        ("P.98", (1, 0, 99, 98, 0, 255)),
        ("P.01.2", (1, 0, 99, 1, 2, 255)),
        ("0-0:C.1.0", (0, 0, 96, 1, 0, 255)),
        ("1-0:P.01*255", (1, 0, 99, 1, 0, 255)),
        # six dotted groups, as DLMS tools write them
        ("1.0.1.8.0.255", (1, 0, 1, 8, 0, 255)),
        ("0.0.96.1.0.255", (0, 0, 96, 1, 0, 255)),
        # history: billing period 5, by * & or a fourth group
        ("1.8.0*05", (1, 0, 1, 8, 0, 5)),
        ("1.8.0*5", (1, 0, 1, 8, 0, 5)),
        ("1.8.0.05", (1, 0, 1, 8, 0, 5)),
        ("1.8.0*00", (1, 0, 1, 8, 0, 0)),
        ("1.8.1*101", (1, 0, 1, 8, 1, 101)),  # Apator counts from *101
        ("1.8*05", (1, 0, 1, 8, 0, 5)),
        ("C.1.0*05", (0, 0, 96, 1, 0, 5)),
        ("1.8.0*FF", (1, 0, 1, 8, 0, 255)),
        ("1.8.0.255", (1, 0, 1, 8, 0, 255)),
        # blanks around the code
        (" 1.8.0 ", (1, 0, 1, 8, 0, 255)),
        (" 1.0.1.8.0.255 ", (1, 0, 1, 8, 0, 255)),
    ],
)
def test_a_code_is_understood(text: str, groups: tuple[int, ...]) -> None:
    code = Obis.parse(text)
    assert code.groups == groups
    assert not code.manual


def test_an_ampersand_is_a_period_ended_by_hand() -> None:
    code = Obis.parse("1.8.0&05")
    assert code.groups == (1, 0, 1, 8, 0, 5)
    assert code.manual
    assert code.historical
    assert code != Obis.parse("1.8.0*05")
    assert str(code) == "1-0:1.8.0&5"


@pytest.mark.parametrize(
    ("text", "medium", "canonical"),
    [
        ("1.8.0", 7, "7-0:1.8.0*255"),
        ("3.0.0", 7, "7-0:3.0.0*255"),
        ("6.8.0", 6, "6-0:6.8.0*255"),
        ("C.1.0", 7, "0-0:96.1.0*255"),
        ("F.F", 7, "0-0:97.97.0*255"),
        ("L.1.0", 7, "0-0:98.1.0*255"),
        ("94.1.0", 7, "0-0:94.1.0*255"),
        ("P.01", 7, "7-0:99.1.0*255"),
        ("1-0:1.8.0", 7, "1-0:1.8.0*255"),
        ("1.0.1.8.0.255", 7, "1-0:1.8.0*255"),
    ],
)
def test_the_medium_fills_in_only_what_a_reduced_code_leaves_out(text: str, medium: int, canonical: str) -> None:
    assert str(Obis.parse(text, medium)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "1.",
        ".8.0",
        "1..0",
        "1.8.",
        "1.8.0*",
        "1.8.0&",
        "1.8.0*5*5",
        "1.8.0#5",
        "1.8.0*F",
        "1.8.0*0FF",
        "256.8.0",
        "1.256.0",
        "1.8.256",
        "1.8.0*256",
        "1.8.0*999",
        "256-0:1.8.0",
        "1-256:1.8.0",
        "1.0.1.8.0.256",
        "1.8.0.0.0",
        "1.2.3.4.5.6.7",
        "1000.8.0",
        "-1.8.0",
        "1-0:",
        "1-0:1",
        "X.1.0",
        "1.8.C",
        "1 .8.0",
        "1.8.0 kWh",
        "1.8.0(0008048.375)",
        "1.8.0\n1.8.1",
        "١.٨.٠",  # digits, but not those of any standard
        "１.８.０",
    ],
)
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an OBIS code") as refused:
        Obis.parse(text)
    assert f"'{text}'" in str(refused.value)


@pytest.mark.parametrize("group", range(6))
@pytest.mark.parametrize("value", [-1, 256])
def test_a_group_out_of_range_is_named(group: int, value: int) -> None:
    groups = [1, 0, 1, 8, 0, 255]
    groups[group] = value
    a, b, c, d, e, f = groups
    with pytest.raises(ValueError, match=f"group {'ABCDEF'[group]} is {value}"):
        Obis(a, b, c, d, e, f)


@pytest.mark.parametrize(
    ("canonical", "reduced"),
    [
        ("1-0:1.8.0*255", "1.8.0"),
        ("1-0:1.8.0*5", "1.8.0*5"),
        ("1-0:1.8.0&5", "1.8.0&5"),
        ("0-0:96.1.0*255", "C.1.0"),
        ("0-0:97.97.0*255", "F.F"),
        ("1-0:99.1.0*255", "P.01"),
        ("1-0:99.98.0*255", "P.98"),
        ("7-0:3.0.0*255", "7-0:3.0.0*255"),
        ("1-1:1.8.0*255", "1-1:1.8.0*255"),
    ],
)
def test_the_short_form_that_people_use(canonical: str, reduced: str) -> None:
    assert Obis.parse(canonical).reduced() == reduced


def test_history_is_any_period_but_the_current_one() -> None:
    assert not Obis(1, 0, 1, 8).historical
    assert Obis(1, 0, 1, 8).f == CURRENT == 255
    assert Obis(1, 0, 1, 8, 0, 0).historical


@given(codes)
def test_the_canonical_text_means_the_same_code(code: Obis) -> None:
    assert Obis.parse(str(code)) == code


@given(codes, st.sampled_from([0, 1, 6, 7]))
def test_the_canonical_text_means_the_same_whatever_the_medium(code: Obis, medium: int) -> None:
    assert Obis.parse(str(code), medium) == code


@given(codes)
def test_the_reduced_text_means_the_same_code(code: Obis) -> None:
    assert Obis.parse(code.reduced()) == code
    assert hash(Obis.parse(code.reduced())) == hash(code)


@given(codes)
def test_six_dotted_groups_mean_the_same_groups(code: Obis) -> None:
    assert Obis.parse(".".join(map(str, code.groups))).groups == code.groups


@given(codes, codes)
def test_codes_are_ordered_by_group_a_first(one: Obis, other: Obis) -> None:
    if one.groups != other.groups:
        assert (one < other) == (one.groups < other.groups)
    assert sorted([one, other]) == sorted([other, one])


@given(st.text(max_size=30) | st.from_regex(r"[0-9CFLP.:*&-]{0,20}"))
def test_any_text_is_a_code_or_a_value_error(text: str) -> None:
    try:
        code = Obis.parse(text)
    except ValueError:
        return
    assert Obis.parse(str(code)) == code
