"""Metering points behind a registrar, voltage and ratios: what must fit together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.config import json_schema
from gatewayd.config.values import own_codes
from gatewayd.model import MeteringType, Ratio
from gatewayd.obis import Obis
from tests.gatewayd.config.doubles import DRIVERS, HEAD, SINKS, faults, parse
from tests.gatewayd.config.test_schema import errors

SCHEMA = json_schema(DRIVERS, SINKS)
ID = "an id of 1 to 64 characters A-Z, a-z, 0-9, '.', '_' and '-'"
SHARE = "is neither A-B of OBIS codes such as 1-1 nor a code such as 1-1:1.8.0"
SHARES = "a list such as [1-1] or [1-1:1.8.0, 1-1:2.8.0]"
NO_TIME = "has neither every nor at; expected one of them, such as every: 15m or at: 00:05"
OWN = "A-B of the point's codes such as 1-1, or whole codes such as 1-1:1.8.0"
TWICE = "channels[1]: is among the codes of points[0].channels[0] already; a code belongs to one point"
RATIO = "is not a ratio; expected primary/secondary such as 200/5"
KNOWN = "known keys: channels, id, jobs, metering_type, point, policy, ratio, voltage"


def with_points(*points: str, beside: str = "") -> str:
    listed = "".join(f"  - {{{point}}}\n" for point in points)
    return f"{HEAD}meters:\n- id: m\n  driver: telegram\n  line: l\n{beside}  points:\n{listed}"


WRONG: list[tuple[str, list[str]]] = [
    (
        "id: p",
        ["channels: is required: which codes are its own: A-B of them such as 1-1, or whole codes such as 1-1:1.8.0"],
    ),
    ("channels: [1-1]", ["id: is required: the id of the metering point's data, as that of a meter, such as reg-1-a"]),
    ("id: p q, channels: [1-1]", [f"id: 'p q' is not {ID}"]),
    ("id: m, channels: [1-1]", ["id: 'm' is already the id of meters[0] in line 6"]),
    ("id: p, channels: 1-1", [f"channels: '1-1' is not {SHARES}"]),
    ("id: p, channels: []", [f"channels: is an empty list; expected {OWN}"]),
    ("id: p, channels: [1-1, x]", [f"channels[1]: 'x' {SHARE}"]),
    ("id: p, channels: [1-256]", [f"channels[0]: '1-256' {SHARE}"]),
    ("id: p, channels: [1]", [f"channels[0]: '1' {SHARE}"]),
    ("id: p, channels: [[1-1]]", [f"channels[0]: a list is not {OWN}"]),
    ("id: p, channels: [1-1], chanels: 1", [f"chanels: unknown key; did you mean 'channels'? {KNOWN}"]),
    ("id: p, channels: [1-1], driver: telegram", [f"driver: unknown key; {KNOWN}"]),
    ("id: p, channels: [1-1], voltage: lv", ["voltage: 'lv' is not one of low, medium, high"]),
    ("id: p, channels: [1-1], metering_type: E", ["metering_type: 'E' is not one of A, B, C, AMM"]),
    ("id: p, channels: [1-1], point: {}", ["point: names no metering point; expected eic, ean or both"]),
    ("id: p, channels: [1-1], ratio: [{ct: 5}]", [f"ratio[0].ct: '5' {RATIO}"]),
    (
        "id: p, channels: [1-1], ratio: [{ct: 200/5}, {ct: 300/5}]",
        ["ratio[1].since: is required: the day from which this version holds, later than that of the version above"],
    ),
    ("id: p, channels: [1-1], jobs: [{registers: all}]", [f"jobs[0]: {NO_TIME}"]),
    ("id: p, channels: [1-1], jobs: [{every: 1h}]", ["jobs[0].registers: is required: OBIS codes to read, or all"]),
    (
        "id: p, channels: [1-1], jobs: [{listen: true}]",
        ["jobs[0].listen: a metering point sends nothing by itself; put the job among those of its registrar"],
    ),
    ("id: p, channels: [1-1, 1-1]", [TWICE]),
    ("id: p, channels: [1-1, 1-1:1.8.0]", [TWICE]),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text for text, _ in WRONG])
def test_what_a_point_must_not_say(text: str, expected: list[str]) -> None:
    assert faults(with_points(text)) == [f"f.yaml:10: meters[0].points[0].{line}" for line in expected]


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ("1-1", "1-2", False),
        ("1-1", "1-1", True),
        ("1-1", "1-1:2.8.0", True),
        ("1-1:2.8.0", "1-1", True),
        ("1-1:2.8.0", "1-1:2.8", True),
        ("1-1:2.8.0", "1-1:1.8.0", False),
        ("1-2:1.8.0", "1-1:1.8.0", False),
        ("7-1", "1-1:1.8.0", False),
    ],
)
def test_a_code_belongs_to_one_point(first: str, second: str, overlap: bool) -> None:
    said = "is among the codes of points[0].channels[0] already; a code belongs to one point"
    found = faults(with_points(f"id: p, channels: [{first}]", f"id: q, channels: ['{second}']"))
    assert found == ([f"f.yaml:11: meters[0].points[1].channels[0]: {said}"] if overlap else [])


def test_ids_of_points_are_unique_among_all() -> None:
    other = "- {id: q, driver: telegram, line: l}\n"
    assert faults(
        with_points("id: p, channels: [1-1]", "id: q, channels: [1-2]", "id: p, channels: [1-3]") + other
    ) == [
        "f.yaml:12: meters[0].points[2].id: 'p' is already the id of meters[0].points[0] in line 10",
        "f.yaml:13: meters[1].id: 'q' is already the id of meters[0].points[1] in line 11",
    ]


@pytest.mark.parametrize("beside", ["", "  point: {ean: 859182400123456789}\n  ratio: [{ct: 50/5}]\n"])
def test_a_registrar_may_be_a_metering_point_itself(beside: str) -> None:
    (meter,) = parse(with_points("id: p, channels: [1-1], ratio: [{ct: 100/5}]", beside=beside)).meters
    assert meter.ratio == ((Ratio("50/5"),) if beside else ())
    assert meter.meter.owner(Obis.parse("1-0:1.8.0")).id == "m"
    assert meter.meter.owner(Obis.parse("1-1:1.8.0")).ratios == (Ratio("100/5"),)


def test_a_point_has_the_type_and_the_policy_of_its_registrar_as_long_as_it_says_nothing() -> None:
    beside = "  serial: 00123\n  metering_type: A\n  policy: {backfill_months: 5}\n"
    same, told, other = "id: p, channels: [1-1]", "id: q, channels: [1-2], metering_type: A", "id: r, channels: [1-3]"
    (meter,) = parse(with_points(same, told, f"{other}, metering_type: B, policy: {{on: fri}}", beside=beside)).meters
    assert [part.part.meter.metering_type for part in meter.parts] == [MeteringType.A, MeteringType.A, MeteringType.B]
    assert [part.part.meter.serial for part in meter.parts] == ["00123"] * 3
    assert [part.policy.backfill_months for part in meter.parts] == [5, 5, 36]
    assert [part.policy.on for part in meter.parts] == [None, None, "fri"]


def test_a_registrar_that_is_called_makes_no_intervals_for_its_points() -> None:
    text = with_points("id: p, channels: [1-1], jobs: [{intervals: [1-1:1.8.0], every: 15m}]", beside="  phone: '1'\n")
    (found,) = faults(text.replace("type: tcp, host: h, port: 1", "type: modem, device: d"))
    place = "f.yaml:11: meters[0].points[0].jobs[0].intervals"
    assert found.startswith(f"{place}: a meter that is called cannot be read at each boundary")


LOW = "there are no voltage transformers at low voltage; leave vt out, or take voltage: medium or high"


def test_a_voltage_transformer_at_low_voltage_is_an_error() -> None:
    ratio = "ratio: [{ct: 200/5}, {ct: 200/5, vt: 400/100, since: 2026-01-01}]"
    meter = f"{HEAD}meters:\n- {{id: m, driver: telegram, line: l, voltage: low, {ratio}}}\n"
    assert faults(meter) == [f"f.yaml:6: meters[0].ratio[1].vt: {LOW}"]
    assert faults(meter.replace("voltage: low", "voltage: medium")) == []
    assert faults(meter.replace("voltage: low, ", "")) == []
    assert faults(with_points(f"id: p, channels: [1-1], voltage: low, {ratio}")) == [
        f"f.yaml:10: meters[0].points[0].ratio[1].vt: {LOW}"
    ]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("id: p, channels: [1-1]", True),
        ("id: 1, channels: [1-1, '1-0:1.8.0', 2.8]", True),
        ("id: p, channels: [1-1], jobs: [{registers: all, on: 3}]", True),
        ("id: p", False),
        ("id: p, channels: []", False),
        ("id: p, channels: [1-1], serial: 1", False),
        ("id: p, channels: [1-1], jobs: [{every: 1h}]", False),
    ],
)
def test_points_in_the_schema(text: str, right: bool) -> None:
    assert (errors(SCHEMA, with_points(text)) == []) is right
    assert (faults(with_points(text, beside="  metering_type: C\n")) == []) is right


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_and_b_of_codes(a: int, b: int) -> None:
    if a < 256 and b < 256:
        assert own_codes(f"{a}-{b}") == (a, b)
    else:
        with pytest.raises(ValueError, match="neither A-B"):
            own_codes(f"{a}-{b}")


@given(st.builds(Obis, *[st.integers(0, 255)] * 6))
def test_single_codes(code: Obis) -> None:
    assert own_codes(str(code)) == code
