"""The layouts of portals: line by line, read back, and what the file beside them says of what they leave out."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from gatewayd.export.points import NotInLayout, PointSeries, beside, beside_name, writer
from gatewayd.legal_time import PRAGUE
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
        "25.10.2026 01:15;1,420;naměřená data OK;0;naměřená data, výpadek napětí;;neznámá hodnota;\r\n"
        "25.10.2026 01:30;50,00;platný odhad;;neznámá hodnota;4;předběžná hodnota;\r\n"
    )


def test_pnd_on_the_days_when_clocks_are_changed() -> None:
    rows = read(exported("cez-pnd", days()))[1:]
    stamps = [row[0] for row in rows]
    assert stamps[0] == "29.03.2026 00:15" and stamps[91] == "29.03.2026 24:00"
    assert stamps[7:9] == ["29.03.2026 03:00", "29.03.2026 03:15"]
    assert stamps.count("25.10.2026 02:15") == 2 and stamps[-1] == "25.10.2026 24:00"
    assert instants(stamps) == [one.at for one in days().series.values]


@settings(max_examples=40, deadline=None)
@given(found=value_lists())
def test_pnd_round_trip(found: list[Value]) -> None:
    rows = read(exported("cez-pnd", of_point(series_of(found))))[1:]
    assert instants([row[0] for row in rows]) == [one.at for one in found]
    for row, one in zip(rows, found, strict=True):
        power = number(row[1])
        energy = None if power is None else Fraction(power) * one.seconds / 3600
        assert energy == (Fraction(one.amount) if one.amount is not None and one.there else None)
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
    assert instants([row[0] for row in rows]) == [one.start for one in found]
    assert instants([row[1] for row in rows]) == [one.at for one in found]
    for row, one in zip(rows, found, strict=True):
        assert number(row[2]) == (one.amount if one.there else None)


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
        ("cez-pnd", [monthly()], r"point north 1.29.0 \(month\): cez-pnd has load profiles only; use csv"),
        ("cez-pnd", [GAS], "7-0:3.1.0.* no column for this code"),
        ("cez-pnd", [REGISTER], "no column for this code"),
        ("cez-pnd", [RATE], "no column for this code"),
        ("cez-pnd", [WATT_HOURS], "expects kWh or kvarh, and not Wh"),
        ("cez-pnd", [days(), days()], r"a column '\+A/35031234 \[kW\]' already"),
        ("cez-pnd", [days(), HOURLY], "intervals of 900 s, 3600 s"),
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
