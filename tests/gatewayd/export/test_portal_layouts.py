"""The layouts of portals: line by line, read back, and what the file beside them says of what they leave out."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from gatewayd.export.points import NotInLayout, PointSeries, beside, beside_name, writer
from gatewayd.export.points.portal_csv import end_stamp
from gatewayd.legal_time import PRAGUE, day_bounds
from gatewayd.legal_time import days as legal_days
from gatewayd.metering.values import Layer, Value
from gatewayd.model import NO_FLAGS, Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.export.point_values import (
    BEFORE_WINTER,
    EXPORT,
    IMPORT,
    REACTIVE,
    days,
    exported,
    of_point,
    series_of,
    value_lists,
)
from tests.gatewayd.metering.series_made import day_of

D = Decimal
QUARTER = timedelta(minutes=15)
STATUS_OF = {
    "naměřená data OK": RawStatus.TRUE,
    "naměřená data, výpadek napětí": RawStatus.TRUE,
    "platný odhad": RawStatus.SUBSTITUTE,
    "předběžná hodnota": RawStatus.PROVISIONAL,
    "neplatná data": RawStatus.DISTORTED,
    "neznámá hodnota": RawStatus.MISSING,
}


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("cp1250"), newline=""), delimiter=";", strict=True))


def instants(stamps: Sequence[str]) -> list[datetime]:
    """The instants that stamps of legal time mean when they stand in order: the second of two equal hours is winter."""
    found: list[datetime] = []
    for stamp in stamps:
        day, clock = stamp.split(" ")
        midnight = clock == "24:00"
        local = datetime.strptime(f"{day} {'00:00' if midnight else clock}", "%d.%m.%Y %H:%M").replace(tzinfo=PRAGUE)
        at = (local + timedelta(days=midnight)).astimezone(UTC)
        if found and at <= found[-1]:
            at = (local + timedelta(days=midnight)).replace(fold=1).astimezone(UTC)
        found.append(at)
    return found


def number(text: str) -> Decimal | None:
    return D(text.replace(",", ".")) if text else None


def quarter(n: int, amount: str, status: RawStatus = RawStatus.TRUE, flags: Flag = NO_FLAGS) -> Value:
    return Value(BEFORE_WINTER + QUARTER * n, 900, D(amount), status, flags)


def test_pnd_to_the_letter() -> None:
    taken = series_of([quarter(1, "0.355"), quarter(2, "12.50", RawStatus.SUBSTITUTE)])
    back = series_of([quarter(1, "0", RawStatus.TRUE, Flag.POWER_DOWN)], EXPORT)
    reactive = series_of([quarter(2, "1", RawStatus.PROVISIONAL)], REACTIVE, "kvarh")
    assert exported("cez-pnd", of_point(taken), of_point(back), of_point(reactive, "")).decode("cp1250") == (
        '"Datum";"+A/35031234 [kW]";"Status";"-A/35031234 [kW]";"Status";"Rv/north [kW]";"Status";\r\n'
        "25.10.2026 01:15;1,420;naměřená data OK;0;naměřená data, výpadek napětí;;nedefinovaný status;\r\n"
        "25.10.2026 01:30;50,00;platný odhad;;nedefinovaný status;4;předběžná hodnota;\r\n"
    )


def test_pnd_on_the_days_when_clocks_are_changed() -> None:
    spring = of_point(series_of(days().series.values[:92]))
    autumn = of_point(series_of(days().series.values[92:]))
    for found, count in ((spring, 92), (autumn, 100)):
        stamps = [row[0] for row in read(exported("cez-pnd", found))[1:]]
        assert len(stamps) == count and instants(stamps) == [one.at for one in found.series.values]
    assert stamps[0] == "25.10.2026 00:15" and stamps[-1] == "25.10.2026 24:00"
    assert stamps.count("25.10.2026 02:15") == 2
    stamps = [row[0] for row in read(exported("cez-pnd", spring))[1:]]
    assert stamps[-1] == "29.03.2026 24:00" and stamps[7:9] == ["29.03.2026 03:00", "29.03.2026 03:15"]


@pytest.mark.parametrize("name, ending", [("cez-pnd", 0), ("pre", 1)])
def test_months_of_743_and_745_hours_have_a_row_for_each_quarter_hour(name: str, ending: int) -> None:
    for month, hours in (((date(2026, 3, 1), date(2026, 3, 31)), 743), ((date(2026, 10, 1), date(2026, 10, 31)), 745)):
        values = [one for day in legal_days(*month) for one in day_of(day, "0.250").values]
        rows = read(exported(name, of_point(series_of(values))))[1:]
        assert len(rows) == hours * 4
        assert instants([row[ending] for row in rows]) == [one.at for one in values]


def test_an_interval_that_nobody_has_is_a_row_too() -> None:
    """Without the first 02:15 the second one could be taken for summer time."""
    values = days().series.values[92:]
    second = [one for one in values if end_stamp(one.at, PRAGUE) == "25.10.2026 02:15"][1]
    found = of_point(series_of([one for one in values if one.at < second.at - 4 * QUARTER or one.at >= second.at]))
    pnd = read(exported("cez-pnd", found))[1:]
    assert instants([row[0] for row in pnd]) == [one.at for one in values]
    assert [row[0][11:] for row in pnd if row[2] == "nedefinovaný status"] == ["02:15", "02:30", "02:45", "02:00"]
    assert {row[1] for row in pnd if row[2] == "nedefinovaný status"} == {""}
    pre = read(exported("pre", found))[1:]
    assert instants([row[0] for row in pre]) == [one.start for one in values]
    assert [row[1][11:] for row in pre if row[2:] == ["", ""]] == ["02:15", "02:30", "02:45", "02:00"]
    said = json.loads(beside("cez-pnd", [found], PRAGUE) or b"")
    assert said["series"][0]["absent"] == [{"start": "2026-10-25T00:00:00Z", "end": "2026-10-25T01:00:00Z"}]


def test_an_hour_is_four_times_less_power_than_a_quarter_hour_of_the_same_energy() -> None:
    values = [msgspec.structs.replace(quarter(4, "1.5"), seconds=3600)]
    assert read(exported("cez-pnd", of_point(series_of(values, layer=Layer.EVALUATION))))[1][1] == "1,5"
    assert read(exported("pre", of_point(series_of(values, layer=Layer.EVALUATION))))[1][2:] == ["1,5", "1,5"]


def test_days_are_energy_of_whatever_length_they_have() -> None:
    """As the portal names them: +A d/METER [kWh], stamped 24:00."""
    found = [
        Value(day_bounds(day, PRAGUE)[1], hours * 3600, D("24.5"), RawStatus.TRUE)
        for day, hours in ((date(2026, 10, 24), 24), (date(2026, 10, 25), 25), (date(2026, 10, 27), 24))
    ]
    days_of = of_point(series_of(found, layer=Layer.DAY))
    assert exported("cez-pnd", days_of, of_point(series_of(found[:1], EXPORT, layer=Layer.DAY))).decode("cp1250") == (
        '"Datum";"+A d/35031234 [kWh]";"Status";"-A d/35031234 [kWh]";"Status";\r\n'
        "24.10.2026 24:00;24,5;naměřená data OK;24,5;naměřená data OK;\r\n"
        "25.10.2026 24:00;24,5;naměřená data OK;;nedefinovaný status;\r\n"
        "26.10.2026 24:00;;nedefinovaný status;;nedefinovaný status;\r\n"
        "27.10.2026 24:00;24,5;naměřená data OK;;nedefinovaný status;\r\n"
    )


def register(code: str, amount: str, tariff: str = "") -> PointSeries:
    values = [Value(day_bounds(date(2026, 4, 15), PRAGUE)[1], 0, D(amount), RawStatus.TRUE)]
    return PointSeries(series_of(values, Obis.parse(code), layer=Layer.DAY), serial="5100128114", tariff=tariff)


def test_registers_as_the_portal_has_them() -> None:
    found = register("1.8.0", "5641.212"), register("2.8.0", "0.059")
    tariffs = register("1.8.3", "5466.108", "NT"), register("1.8.2", "175.103", "VT")
    assert exported("cez-pnd", *found, *tariffs).decode("cp1250") == (
        '"Datum";"+E/5100128114 [kWh]";"Status";"-E/5100128114 [kWh]";"Status";'
        '"+E_NT/5100128114 [kWh]";"Status";"+E_VT/5100128114 [kWh]";"Status";\r\n'
        "15.04.2026 24:00;5641,212;naměřená data OK;0,059;naměřená data OK;"
        "5466,108;naměřená data OK;175,103;naměřená data OK;\r\n"
    )


@pytest.mark.parametrize("name", ["cez-pnd", "pre"])
def test_the_other_encoding_of_portals(name: str) -> None:
    stream = io.BytesIO()
    writer(name, "utf-8")([days()], PRAGUE, stream)
    assert stream.getvalue().decode("utf-8") == exported(name, days()).decode("cp1250")
    assert stream.getvalue() != exported(name, days())


@settings(max_examples=40, deadline=None)
@given(found=value_lists())
def test_pnd_round_trip(found: list[Value]) -> None:
    rows = [row for row in read(exported("cez-pnd", of_point(series_of(found))))[1:] if row[2] != "nedefinovaný status"]
    assert instants([row[0] for row in rows]) == [one.at for one in found]
    for row, one in zip(rows, found, strict=True):
        power = number(row[1])
        assert (power is None) == (one.amount is None or not one.there)
        if power is not None and one.amount is not None:
            exact = Fraction(one.amount) * 3600 / one.seconds
            assert abs(Fraction(power) - exact) <= Fraction(1, 2_000_000)
        assert STATUS_OF[row[2]] is one.status


def test_pre_to_the_letter() -> None:
    taken = series_of([quarter(1, "0.355"), quarter(2, "12.50", RawStatus.SUBSTITUTE)])
    assert exported("pre", of_point(taken)).decode("cp1250") == (
        "Začátek;Konec;kWh;kW\r\n"
        "25.10.2026 01:00;25.10.2026 01:15;0,355;1,420\r\n"
        "25.10.2026 01:15;25.10.2026 01:30;12,50;50,00\r\n"
    )


@settings(max_examples=40, deadline=None)
@given(found=value_lists())
def test_pre_round_trip(found: list[Value]) -> None:
    rows = read(exported("pre", of_point(series_of(found))))[1:]
    starts, ends = (instants([row[n] for row in rows]) for n in (0, 1))
    assert [end - start for start, end in zip(starts, ends, strict=True)] == [QUARTER] * len(rows)
    assert set(ends) >= {one.at for one in found}
    told = [row for row, end in zip(rows, ends, strict=True) if end in {one.at for one in found}]
    for row, one in zip(told, found, strict=True):
        energy = number(row[2])
        assert (energy is None) == (one.amount is None or not one.there)
        if energy is not None and one.amount is not None:
            assert abs(Fraction(energy) - Fraction(one.amount)) <= Fraction(1, 2_000_000)


def test_pre_writes_midnight_as_the_day_that_begins() -> None:
    rows = read(exported("pre", days()))[1:]
    assert rows[91][:2] == ["29.03.2026 23:45", "30.03.2026 00:00"]


def monthly() -> PointSeries:
    return of_point(series_of(days().series.values[:1], layer=Layer.MONTH))


GAS = of_point(series_of([], Obis.parse("7-0:3.1.0"), "m3"))
REGISTER = of_point(series_of([], Obis.parse("1-0:1.8.0")))
RATE = of_point(series_of([], Obis.parse("1-0:1.29.1")))
WATT_HOURS = of_point(series_of([], IMPORT, "Wh"))
HOURLY = of_point(series_of([msgspec.structs.replace(one, seconds=3600) for one in days().series.values[:1]], EXPORT))


@pytest.mark.parametrize(
    "name, found, said",
    [
        ("cez-pnd", [monthly()], r"point north 1.29.0 \(month\): cez-pnd has load profiles, days and reg"),
        ("cez-pnd", [GAS], "7-0:3.1.0.* no column for this code"),
        ("cez-pnd", [REGISTER], "no column for this code"),
        ("cez-pnd", [RATE], "no column for this code"),
        ("cez-pnd", [WATT_HOURS], "expects kWh or kvarh, and not Wh"),
        ("cez-pnd", [days(), days()], r"a column '\+A/35031234 \[kW\]' already"),
        ("cez-pnd", [days(), HOURLY], "intervals of 900 s, 3600 s"),
        ("cez-pnd", [days(), register("2.8.0", "1")], "load profile and register do not stand in one file"),
        ("cez-pnd", [register("1.8.2", "1")], "no column for this register"),
        ("cez-pnd", [register("3.8.0", "1")], "no column for this register"),
        ("pre", [register("1.8.0", "1")], "load profiles only"),
        ("pre", [monthly()], "load profiles only"),
        ("pre", [days(REACTIVE, "kvarh")], "no column for this code"),
        ("pre", [days(), days(EXPORT)], "one channel in a file.*write a file for each"),
    ],
)
def test_what_a_layout_cannot_say_is_refused_before_anything_is_written(
    name: str, found: list[PointSeries], said: str
) -> None:
    stream = io.BytesIO()
    with pytest.raises(NotInLayout, match=said):
        writer(name)(found, PRAGUE, stream)
    assert stream.getvalue() == b""


@pytest.mark.parametrize("name, label", [("cez-pnd", "end"), ("pre", "start and end")])
def test_the_file_beside_says_what_is_left_out(name: str, label: str) -> None:
    values = [
        quarter(1, "1"),
        quarter(2, "1", RawStatus.SUBSTITUTE),
        quarter(3, "1", RawStatus.SUBSTITUTE),
        quarter(5, "1", RawStatus.SUBSTITUTE),
        quarter(6, "1", RawStatus.TRUE, Flag.LATE),
    ]
    data = beside(name, [of_point(series_of(values))], PRAGUE)
    assert data is not None
    said = json.loads(data)
    assert (said["layout"], said["interval_label"], said["legal_time"]) == (name, label, "Europe/Prague")
    assert said["offset"].startswith("none: legal time")
    (series,) = said["series"]
    assert (series["eic"], series["obis"], series["values"]) == ("27ZG600Z0424987D", "1-0:1.29.0*255", 5)
    assert (series["first_start"], series["last_end"]) == ("2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z")
    runs = [tuple(run[key] for key in ("start", "end", "values", "status", "flags")) for run in series["not_true"]]
    assert [(start[11:16], end[11:16], *rest) for start, end, *rest in runs] == [
        ("23:15", "23:45", 2, "substitute", []),
        ("00:00", "00:15", 1, "substitute", []),
        ("00:15", "00:30", 1, "true", ["late"]),
    ]


def test_the_file_beside_is_named_after_the_export() -> None:
    assert beside_name(Path("out/march.csv")) == Path("out/march.csv.json")


@pytest.mark.parametrize(
    "amount, energy, power",
    [
        ("0.3333333333333333333333333333333333333333", "0,333333", "1,333333"),
        ("0.1000000000000000000000000000000000000001", "0,1", "0,4"),
        ("0.0000005", "0", "0,000002"),
        ("12.500000", "12,500000", "50,000000"),
        ("-7", "-7", "-28"),
    ],
)
def test_portals_get_at_most_six_digits_behind_the_comma(amount: str, energy: str, power: str) -> None:
    """What is no quotient stays as it is written."""
    found = of_point(series_of([quarter(1, amount)]))
    assert read(exported("pre", found))[1][2:] == [energy, power]
    assert read(exported("cez-pnd", found))[1][1] == power
    day = of_point(series_of([quarter(1, amount)], layer=Layer.DAY))
    assert read(exported("cez-pnd", day))[1][1] == energy
