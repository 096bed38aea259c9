"""What a code of a profile is: an increment, a state, or something of which nobody knows."""

from decimal import Decimal

import pytest

from gatewayd.metering.primary import primary
from gatewayd.metering.sources import Source, counts_energy, one_way, source_of, sources
from gatewayd.metering.values import Value
from gatewayd.model import NO_FLAGS, Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.archived_rows import ENDS, TOTAL, legal, point, row, rows

ENERGY, STATE, UNKNOWN = Source.ENERGY, Source.TOTAL, Source.UNKNOWN
STARTS = (legal("00:00"), *ENDS)


def made(code: str, texts: list[str], unit: str = "kWh") -> tuple[Value, ...]:
    """Of the readings that end at midnight and at the quarter-hours behind it."""
    obis = Obis.parse(code)
    archived = [row(n, at, text, obis=obis, unit=unit) for n, (at, text) in enumerate(zip(STARTS, texts, strict=False))]
    (series,) = primary(point(channels=(obis,)), archived).series
    return tuple(one for one in series.values if one.at > STARTS[0])


@pytest.mark.parametrize(
    ("code", "source", "counts", "way"),
    [
        ("1-0:1.29.0", ENERGY, True, True),
        ("1-0:1.5.0", ENERGY, True, True),
        ("1-0:1.8.0", STATE, True, True),
        ("1-0:1.8.2", STATE, True, True),
        ("1-0:1.8.0*05", UNKNOWN, True, True),
        ("1-0:1.9.0", UNKNOWN, True, True),
        ("1-0:1.6.0", UNKNOWN, True, True),
        ("1-0:1.4.0", UNKNOWN, True, True),
        ("1-0:62.29.0", ENERGY, True, True),
        ("1-0:8.29.0", ENERGY, True, True),
        ("1-0:20.29.0", ENERGY, True, True),
        ("1-0:15.29.0", ENERGY, True, True),
        ("1-0:16.29.0", ENERGY, True, False),
        ("1-0:36.29.0", ENERGY, True, False),
        ("1-0:32.5.0", ENERGY, False, False),
        ("1-0:13.5.0", ENERGY, False, False),
        ("1-0:33.7.0", UNKNOWN, False, False),
        ("7-0:3.0.0", STATE, True, True),
        ("7-0:3.1.0", STATE, True, True),
        ("7-0:13.2.0", STATE, True, True),
        ("7-0:11.3.0", STATE, True, True),
        ("7-0:3.9.0", ENERGY, True, True),
        ("7-0:13.11.0", ENERGY, True, True),
        ("7-0:3.6.0", UNKNOWN, True, True),
        ("7-0:3.29.0", UNKNOWN, True, True),
        ("7-0:43.0.0", UNKNOWN, False, False),
        ("8-0:1.0.0", STATE, True, True),
        ("9-0:1.0.0", STATE, True, True),
        ("8-0:2.0.0", UNKNOWN, False, False),
        ("6-0:1.0.0", STATE, True, True),
        ("6-0:6.8.0", STATE, True, True),
        ("6-0:6.26.0", STATE, True, True),
        ("5-0:2.0.0", STATE, True, True),
        ("6-0:1.2.0", UNKNOWN, True, True),
        ("0-1:24.2.1", UNKNOWN, False, False),
    ],
)
def test_codes(code: str, source: Source, counts: bool, way: bool) -> None:
    obis = Obis.parse(code)
    assert (source_of(obis), counts_energy(obis), one_way(obis)) == (source, counts, way)
    if source is not ENERGY or obis.d != 29:
        assert sources(obis) == ((obis, source),)


@pytest.mark.parametrize(("code", "unit"), [("7-0:3.0.0", "m3"), ("8-0:1.0.0", "m³"), ("6-0:1.0.0", "GJ")])
def test_states_of_other_media_are_subtracted(code: str, unit: str) -> None:
    values = made(code, ["1000.5", "1001.5", "1001.75", "1001.5"], unit)
    assert [one.amount for one in values] == [1, Decimal("0.25"), None]
    assert (values[2].status, Flag.BACKWARD in values[2].flags) == (RawStatus.MISSING, True)


@pytest.mark.parametrize(("code", "unit"), [("1-0:1.9.0", "Wh"), ("7-0:3.29.0", "m3"), ("6-0:1.2.0", "")])
def test_of_what_nobody_knows_there_is_no_value_and_it_says_so(code: str, unit: str) -> None:
    values = made(code, ["5", "7", "9"], unit)
    assert {(one.amount, one.status) for one in values} == {(None, RawStatus.MISSING)}
    assert f"nobody knows whether {Obis.parse(code).reduced()} is a state" in values[0].reason
    assert values[0].inputs == (1,)


def test_a_voltage_is_what_it_is() -> None:
    assert [one.amount for one in made("1-0:32.7.0", ["0", "230.5", "-1"], "V")] == [Decimal("230.5"), -1]


@pytest.mark.parametrize(
    ("code", "unit", "status"),
    [
        ("1-0:2.29.0", "Wh", RawStatus.DISTORTED),
        ("1-0:1.5.0", "W", RawStatus.DISTORTED),
        ("7-0:3.9.0", "m3", RawStatus.DISTORTED),
        ("1-0:16.29.0", "Wh", RawStatus.TRUE),
    ],
)
def test_what_counts_in_one_direction_is_not_negative(code: str, unit: str, status: RawStatus) -> None:
    """Requirements S7: implausible is distorted. The amount stays, for whoever looks after it."""
    bad, good = made(code, ["0", "-12500", "0"], unit)
    assert bad.amount is not None and bad.amount < 0
    assert (bad.status, good.status) == (status, RawStatus.TRUE)
    said = f"it is negative, and {Obis.parse(code).reduced()} counts in one direction"
    assert (said in bad.reason) is (status is RawStatus.DISTORTED)


# -- units -------------------------------------------------------------------------------------------------------------
def one(*texts: tuple[str, str], flags: Flag = NO_FLAGS, exchange: int = 0) -> Value:
    """Of several readings of one interval, each with its unit."""
    archived = [
        row(n, ENDS[0], text, unit=unit, flags=flags, exchange=exchange) for n, (text, unit) in enumerate(texts)
    ]
    (series,) = primary(point(), archived).series
    return series.values[0]


def test_the_same_energy_in_another_unit_is_no_conflict() -> None:
    for texts in ((("0.250", "kWh"), ("250", "Wh")), (("250", "Wh"), ("0.250", "kWh")), (("1.0", "kW"), ("1000", "W"))):
        found = one(*texts)
        assert (found.amount, found.status, found.flags) == (Decimal("0.25"), RawStatus.TRUE, Flag(0))


def test_another_amount_in_another_unit_is_one_and_names_the_unit() -> None:
    found = one(("0.250", "kWh"), ("251", "Wh"))
    assert (found.amount, found.status, found.flags) == (Decimal("0.251"), RawStatus.DISTORTED, Flag.CONFLICT)
    assert "the archive has 251, the newest, and 0.250 kWh of this interval" in found.reason
    assert one(("1.0", "kW"), ("1.0", "kWh")).status is RawStatus.DISTORTED


def test_parts_in_two_units_are_added_up_in_one() -> None:
    found = one(("0.1", "kWh"), ("150", "Wh"), flags=Flag.PARTIAL_INTERVAL, exchange=7)
    assert (found.amount, found.status) == (Decimal("0.25"), RawStatus.DISTORTED)
    assert one(("0.1", "kWh"), ("1", "m3"), flags=Flag.PARTIAL_INTERVAL, exchange=7).amount == 1  # no parts of one sum


def test_totals_go_on_where_the_meter_goes_from_wh_to_kwh() -> None:
    units = ["Wh", "Wh", "kWh", "kWh", "varh"]
    texts = ["1000250", "1000500", "1000.750", "1001.000", "9999"]
    archived = [row(n, at, texts[n], obis=TOTAL, unit=units[n]) for n, at in enumerate(STARTS[:5])]
    (series,) = primary(point(), archived).series
    assert [value.amount for value in series.values] == [Decimal("0.25")] * 3 + [None]
    assert [value.status for value in series.values[:3]] == [RawStatus.TRUE] * 3
    assert [bool(value.flags & Flag.CONFIG_CHANGED) for value in series.values] == [False, True, False, True]
    assert "from kWh to varh" in series.values[3].reason


def test_a_total_that_goes_back_in_another_unit_is_one() -> None:
    archived = [row(0, STARTS[0], "1000750", obis=TOTAL, unit="Wh"), row(1, ENDS[0], "1000.5", obis=TOTAL)]
    (series,) = primary(point(), archived).series
    assert Flag.BACKWARD in series.values[0].flags
    assert "from 1000.750 to 1000.5" in series.values[0].reason


def test_a_channel_without_any_number_has_the_unit_of_its_medium() -> None:
    for code, unit in (
        ("1-0:3.29.0", "kvarh"),
        ("1-0:61.29.0", "kWh"),
        ("1-0:24.29.0", "kvarh"),
        ("7-0:3.0.0", "m3"),
        ("8-0:1.0.0", "m3"),
        ("6-0:1.0.0", ""),
    ):
        (series,) = primary(point(channels=(Obis.parse(code),)), rows(())).series
        assert (series.channel.unit, series.values) == (unit, ())
