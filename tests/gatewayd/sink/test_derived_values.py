"""Derived values as databases get them: lines, rows of COPY; what is no value, and what is not written as one."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.metering.values import Layer
from gatewayd.model import Archived, Flag, Kind, RawStatus
from gatewayd.sink.derived_values import facts_of, is_value, values_of
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.line_protocol.point_lines import PointLines
from gatewayd.sink.postgresql.derived_rows import derived_lines, event_lines
from tests.gatewayd.sink.derived_samples import AT, derived, event
from tests.gatewayd.sink.samples import register
from tests.gatewayd.sink.test_line_protocol import parsed

NS = "1795293900000000000"


def lines_of(*values: Archived, versions: bool = False) -> list[str]:
    text = PointLines("reading", "gw-1", versions=versions).text(values).decode()
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def columns(text: bytes) -> list[list[str]]:
    return [line.split("\t") for line in text.decode().removesuffix("\n").split("\n")]


def test_a_line_has_exact_digits_and_a_measurement_of_its_own() -> None:
    assert lines_of(derived(7, validated=True)) == [
        "reading_points,gateway=gw-1,layer=interval,obis=1-0:1.29.0*255,point=north,unit=kWh "
        f"value=1100.000,status=0i,version=1i,validated=1i,have=1i,want=1i,seq=7i,flags=0i {NS}"
    ]


def test_versions_are_one_point_or_one_series_each() -> None:
    both = derived(7), derived(9, "1099.5", 2, flags=Flag.LATE)
    one, other = (parsed(line) for line in lines_of(*both))
    assert (one.measurement, one.tags, one.time) == (other.measurement, other.tags, other.time)
    assert (one.fields["version"], other.fields["version"]) == ("1i", "2i")
    apart = [dict(parsed(line).tags) for line in lines_of(*both, versions=True)]
    assert [tags.pop("version") for tags in apart] == ["1", "2"]
    assert apart == [dict(one.tags)] * 2


def test_what_is_missing_has_no_value_but_perhaps_a_part() -> None:
    part = derived(7, "550.000", status=RawStatus.MISSING, have=1, want=2)
    gone = derived(8, None, status=RawStatus.MISSING)
    first, second = (parsed(line).fields for line in lines_of(part, gone))
    assert (first["partial"], first["have"], first["want"], first["status"]) == ("550.000", "1i", "2i", "4i")
    assert "value" not in first and not {"value", "partial"} & second.keys()


def test_a_row_has_all_columns() -> None:
    value = derived(
        9,
        "0.000000100",
        2,
        layer=Layer.MAXIMUM,
        flags=Flag.LATE,
        validated=True,
        have=91,
        want=92,
        instant=datetime(2026, 11, 3, 12, 15, tzinfo=UTC),
        rules=("zero", "maximum"),
        reason="a\tb\\c",
    )
    assert columns(derived_lines([value])) == [
        [
            *("9", "2026-11-21T20:45:00+00:00", "north", "27ZG600Z0424987D", r"\N", "maximum", "1-0:1.29.0*255", "kWh"),
            *("900", "2", "8", "0.000000100", r"\N", "0", str(int(Flag.LATE)), "t", "91", "92"),
            *("2026-11-03T12:15:00+00:00", "primary", "17-19,25", "zero,maximum", r"a\tb\\c"),
            "2026-11-21T20:50:00+00:00",
        ]
    ]
    part = columns(derived_lines([derived(7, "5.50", status=RawStatus.MISSING, have=1, want=2, reason="")]))[0]
    assert (part[10], part[11], part[12], part[22]) == (r"\N", r"\N", "5.50", r"\N")


def test_an_event_is_no_value_and_has_its_facts_by_name() -> None:
    values, others = values_of([derived(1), event(2), register(3), derived(4)])
    assert ([one.seq for one in values], [one.seq for one in others]) == ([1, 4], [2, 3])
    (row,) = columns(event_lines([event(2)]))
    assert row[:7] == ["2", AT.isoformat(), "north", "27ZG600Z0424987D", r"\N", "substitution.used", "1-0:1.29.0*255"]
    facts = msgspec.json.decode(row[9].replace("\\\\", "\\"))
    assert (facts["method"], facts["text"], facts["scope"], facts["number"]) == (
        "comparable",
        "2 of \t 96␀",
        "day",
        "1",
    )
    other = msgspec.structs.replace(event(2).reading, more=("a", "", "c"), obis=None)
    (row,) = columns(event_lines([msgspec.structs.replace(event(2), reading=other)]))
    assert (row[6], row[9]) == (r"\N", '{"0":"a","2":"c"}')


@pytest.mark.parametrize(
    "more",
    [(), ("a",), ("primary", "1", "x", "", "1/1", "", "", "", ""), ("primary", "1", "1", "", "1", "", "", "", "")],
    ids=["none", "one", "version", "coverage"],
)
def test_what_is_not_written_as_a_value_is_refused_alone(more: tuple[str, ...]) -> None:
    good = derived(1)
    bad = msgspec.structs.replace(good, reading=msgspec.structs.replace(good.reading, more=more))
    assert is_value(bad)
    for write in (lambda: lines_of(good, bad), lambda: derived_lines([good, bad])):
        with pytest.raises(BatchRefused, match="it is not written as a derived value"):
            write()


def test_an_unknown_layer_or_kind_is_no_value() -> None:
    good = derived(1)
    for change in ({"obis_raw": "century"}, {"kind": Kind.EVENT}, {"obis": None}):
        reading = msgspec.structs.replace(good.reading, **change)
        assert not is_value(msgspec.structs.replace(good, reading=reading))


@given(st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False, places=9))
def test_digits_are_those_of_the_decimal(amount: Decimal) -> None:
    facts = facts_of(derived(1, format(amount, "f")))
    assert facts.value == format(amount, "f") and "E" not in facts.value.upper()
    assert parsed(lines_of(derived(1, format(amount, "f")))[0]).fields["value"] == facts.value
