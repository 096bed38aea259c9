"""MeterReadings of IEC 61968-9: valid by the schema that is shipped, and read back as what was exported."""

import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime
from decimal import Context, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings

from gatewayd.export.points import NotInLayout, PointSeries, writer
from gatewayd.export.points.reading_quality import qualities, status_of
from gatewayd.export.points.reading_type import reading_type
from gatewayd.legal_time import PRAGUE
from gatewayd.metering.values import Layer, Method, Value
from gatewayd.model import NO_FLAGS, NOWHERE, Flag, RawStatus
from gatewayd.obis import Obis
from gatewayd.quality import FLAG_CODES, STATUS_CODES, System
from tests.gatewayd.export.point_values import (
    BEFORE_WINTER,
    EXPORT,
    REACTIVE,
    days,
    exported,
    of_point,
    series_of,
    value_lists,
)

SCHEMA = Path(__file__).parents[3] / "gatewayd/export/points/meter_readings.xsd"
SPACE = {"m": "http://iec.ch/TC57/2011/MeterReadings#"}


def judged(data: bytes) -> str:
    """What xmllint says of a message; "" where it is valid."""
    path = shutil.which("xmllint")
    if path is None:
        pytest.fail("xmllint is not installed; run: apt-get install libxml2-utils")
    command = [path, "--noout", "--nonet", "--schema", str(SCHEMA), "-"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=20, check=False)
    said = done.stderr.decode()
    return "" if done.returncode == 0 and said.strip() == "- validates" else said


def text_of(element: ET.Element, path: str) -> str:
    found = element.find(path, SPACE)
    assert found is not None and found.text is not None, path
    return found.text


def attribute(element: ET.Element, path: str) -> str:
    found = element.find(path, SPACE)
    assert found is not None
    return found.attrib["ref"]


def read(data: bytes) -> list[tuple[str, str, list[Value]]]:
    """Point, reading type and values of each block."""
    found = []
    for message in ET.fromstring(data).findall("m:MeterReading", SPACE):
        for block in message.findall("m:IntervalBlocks", SPACE):
            values = [value_of(one) for one in block.findall("m:IntervalReadings", SPACE)]
            found.append((text_of(message, "m:UsagePoint/m:mRID"), attribute(block, "m:ReadingType"), values))
    return found


def value_of(one: ET.Element) -> Value:
    start, end = (datetime.fromisoformat(text_of(one, f"m:timePeriod/m:{edge}")) for edge in ("start", "end"))
    assert datetime.fromisoformat(text_of(one, "m:timeStamp")) == end
    amount = one.find("m:value", SPACE)
    codes = tuple(attribute(code, "m:ReadingQualityType") for code in one.findall("m:ReadingQualities", SPACE))
    comment = one.findtext("m:ReadingQualities/m:comment", "", SPACE)
    return Value(
        end,
        round((end - start).total_seconds()),
        None if amount is None else Decimal(amount.text or ""),
        status_of(codes),
        Flag.from_texts(comment.split()),
    )


def bare(value: Value) -> Value:
    """What the message can say of a value: of a partial sum only that it is missing, of an amount 18 digits."""
    amount = value.amount if value.there else None
    if amount is not None and len(amount.as_tuple().digits) > 18:
        amount = amount.normalize(Context(prec=18))
    return Value(value.at, value.seconds, amount, value.status, value.flags)


@settings(max_examples=40, deadline=None)
@given(found=value_lists(periods=(900, 3600)))
def test_round_trip(found: list[Value]) -> None:
    blocks = read(exported("iec61968-9", of_point(series_of(found))))
    assert [one for _, _, values in blocks for one in values] == [bare(one) for one in found]
    amounts = [one.amount for one in map(bare, found) if one.there]
    digits = [one.amount for _, _, values in blocks for one in values if one.there]
    assert list(map(str, digits)) == [format(one, "f") for one in amounts if one is not None]


def mixed() -> list[PointSeries]:
    """Two points and everything that may stand in a message."""
    every = [
        Value(BEFORE_WINTER.replace(minute=n), 60, Decimal(n), status, Flag.LATE | Flag.MANUAL)
        for n, status in enumerate(RawStatus, 1)
    ]
    south = PointSeries(series_of([Value(BEFORE_WINTER, 90_000, Decimal("96.5"), RawStatus.TRUE)], layer=Layer.DAY))
    return [days(), days(REACTIVE, "kvarh"), of_point(series_of(every, EXPORT), 'A<&>"\x00'), south]


def test_a_message_is_valid() -> None:
    assert judged(exported("iec61968-9", *mixed())) == ""
    assert judged(exported("iec61968-9")) == ""
    assert judged(exported("iec61968-9", PointSeries(series_of([]), NOWHERE))) == ""


@pytest.mark.parametrize(
    "before, after",
    [
        (b"<value>0.355</value>", b"<value>0,355</value>"),
        (b"T23:15:00Z</timeStamp>", b"T23:15:00</timeStamp>"),
        (b'ref="2.0.0"', b'ref="valid"'),
        (b".3.72.0", b".3.72"),
        (b"<timeStamp>", b"<reportedDateTime>2026-10-25T00:00:00Z</reportedDateTime><timeStamp>"),
        (b"MeterReadings#", b"MeterReadings"),
    ],
)
def test_the_schema_refuses_what_is_wrong(before: bytes, after: bytes) -> None:
    message = exported("iec61968-9", days())
    assert before in message
    assert judged(message.replace(before, after, 1)) != ""


def test_series_of_a_point_stand_together() -> None:
    blocks = read(exported("iec61968-9", *mixed()))
    assert [(point, kind.split(".")[4]) for point, kind, _ in blocks] == [
        ("north", "1"),
        ("north", "5"),
        ("north", "19"),
        ("north", "1"),
    ]
    message = ET.fromstring(exported("iec61968-9", *mixed()))
    first, second, third = message.findall("m:MeterReading", SPACE)
    assert text_of(first, "m:Meter/m:Names/m:name") == "35031234"
    assert text_of(second, "m:Meter/m:Names/m:name") == 'A<&>"\N{REPLACEMENT CHARACTER}'
    assert [name.text for name in first.findall("m:UsagePoint/m:Names/m:name", SPACE)] == [
        "27ZG600Z0424987D",
        "859182400123456789",
    ]
    assert third.find("m:UsagePoint/m:Names", SPACE) is None
    assert text_of(first, "m:valuesInterval/m:start") == "2026-03-28T23:00:00Z"
    assert text_of(first, "m:valuesInterval/m:end") == "2026-10-25T23:00:00Z"


@pytest.mark.parametrize(
    "code, unit, layer, seconds, expected",
    [
        ("1-0:1.29.0", "kWh", Layer.INTERVAL, 900, "0.0.2.4.1.2.12.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:2.29.0", "kWh", Layer.INTERVAL, 900, "0.0.2.4.19.2.12.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:1.29.2", "kWh", Layer.INTERVAL, 900, "0.0.2.4.1.2.12.0.0.0.0.2.0.0.0.3.72.0"),
        ("1-0:3.29.0", "kvarh", Layer.EVALUATION, 3600, "0.0.7.4.5.2.12.0.0.0.0.0.0.0.0.3.73.0"),
        ("1-0:8.29.0", "kvarh", Layer.INTERVAL, 900, "0.0.2.4.18.2.12.0.0.0.0.0.0.0.0.3.73.0"),
        ("1-0:1.29.0", "kWh", Layer.DAY, 90_000, "11.0.0.4.1.2.12.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:1.29.0", "kWh", Layer.MONTH, 2_674_800, "13.0.0.4.1.2.12.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:1.29.0", "kWh", Layer.LOSS, 900, "0.0.2.4.1.2.48.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:1.29.0", "kWh", Layer.LOSS_DAY, 90_000, "11.0.0.4.1.2.48.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:1.8.0", "kWh", Layer.LOSS_MONTH, 2_674_800, "13.0.0.4.1.2.48.0.0.0.0.0.0.0.0.3.72.0"),
        ("1-0:41.29.0", "Wh", Layer.INTERVAL, 900, "0.0.2.4.1.2.12.0.0.0.0.0.0.0.64.0.72.0"),
        ("7-0:3.1.0", "m3", Layer.GAS_DAY, 86_400, "11.0.0.4.1.7.58.0.0.0.0.0.0.0.0.0.42.0"),
    ],
)
def test_reading_types(code: str, unit: str, layer: Layer, seconds: int, expected: str) -> None:
    assert reading_type(of_point(series_of([], Obis.parse(code), unit, layer)), seconds) == expected


@pytest.mark.parametrize(
    "code, unit, layer, seconds, said",
    [
        ("1-0:1.6.0", "kW", Layer.MAXIMUM, 2_674_800, "use csv for maxima"),
        ("1-0:9.29.0", "kVAh", Layer.INTERVAL, 900, "no reading type"),
        ("1-0:1.29.0*3", "kWh", Layer.INTERVAL, 900, "no reading type"),
        ("6-0:1.29.0", "kWh", Layer.INTERVAL, 900, "no reading type"),
        ("1-0:1.29.0", "", Layer.INTERVAL, 900, "no unit has no symbol"),
        ("1-0:1.29.0", "kWh", Layer.INTERVAL, 420, "no measuring period of 420 s"),
        ("7-0:3.1.0", "kWh", Layer.DAY, 86_400, "gas is expected in m3"),
    ],
)
def test_what_has_no_reading_type_is_refused(code: str, unit: str, layer: Layer, seconds: int, said: str) -> None:
    value = Value(BEFORE_WINTER, seconds, Decimal(1), RawStatus.TRUE)
    stream = io.BytesIO()
    with pytest.raises(NotInLayout, match=said):
        found = of_point(series_of([value], Obis.parse(code), unit, layer))
        writer("iec61968-9")([days(), found], PRAGUE, stream)
    assert stream.getvalue() == b""


def quality(status: RawStatus, method: Method = Method.PRIMARY, flags: Flag = NO_FLAGS) -> str:
    return " ".join(qualities(Value(BEFORE_WINTER, 900, Decimal(1), status, flags, method=method)))


def test_qualities_of_each_status() -> None:
    assert quality(RawStatus.TRUE) == "2.0.0"
    assert quality(RawStatus.SUBSTITUTE, Method.INTERPOLATED) == "2.8.0"
    assert quality(RawStatus.SUBSTITUTE, Method.CONTROL) == "2.11.0"
    assert quality(RawStatus.SUBSTITUTE, Method.MANUAL, Flag.MANUAL) == "2.8.0 3.7.0"
    assert quality(RawStatus.PROVISIONAL, Method.COMPARABLE) == "2.8.0 2.10.0"
    assert quality(RawStatus.DISTORTED, flags=Flag.CLOCK_INVALID | Flag.PARTIAL_INTERVAL) == "2.5.258 1.1.9 1.4.2"
    assert quality(RawStatus.MISSING) == "2.5.259"


def test_a_validated_value_says_so() -> None:
    """Requirements, section 4: true is 2.0.0, after validation, editing and estimation 3.0.1."""
    values = [Value(BEFORE_WINTER.replace(minute=n), 60, Decimal(n), status) for n, status in enumerate(RawStatus, 1)]
    sound = frozenset(one.at for one in values)
    message = exported("iec61968-9", replace(of_point(series_of(values)), validated=sound))
    codes = [
        [attribute(code, "m:ReadingQualityType") for code in one.findall("m:ReadingQualities", SPACE)]
        for one in ET.fromstring(message).iter("{http://iec.ch/TC57/2011/MeterReadings#}IntervalReadings")
    ]
    assert codes == [["2.0.0", "3.0.1"], ["2.8.0"], ["2.8.0", "2.10.0"], ["2.5.258"], ["2.5.259"]]
    assert judged(message) == ""


def test_statuses_are_told_apart_by_their_codes() -> None:
    for status in RawStatus:
        for method in Method:
            assert status_of(tuple(quality(status, method, ~Flag(0)).split())) is status


def test_only_codes_of_the_table_are_written() -> None:
    tables = (*STATUS_CODES.values(), *FLAG_CODES.values())
    known = {code.code for codes in tables for code in codes if code.system is System.IEC_61968_9}
    for status in RawStatus:
        for method in Method:
            assert set(quality(status, method, ~Flag(0)).split()) <= known


def test_a_status_that_is_not_known_is_not_guessed() -> None:
    with pytest.raises(ValueError, match=r"1\.1\.9"):
        status_of(("1.1.9",))


def test_the_document_names_reading_types_as_they_are() -> None:
    document = (SCHEMA.parents[3] / "docs/metering/exports.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([0-9.]+)` \|", document, re.MULTILINE))
    series = [
        ("1-0:1.29.0", "kWh", Layer.INTERVAL, 900),
        ("1-0:2.29.0", "kWh", Layer.INTERVAL, 900),
        ("1-0:3.29.0", "kvarh", Layer.INTERVAL, 900),
        ("1-0:1.29.1", "kWh", Layer.INTERVAL, 900),
        ("1-0:1.29.0", "kWh", Layer.EVALUATION, 3600),
        ("1-0:1.29.0", "kWh", Layer.DAY, 86_400),
        ("1-0:1.29.0", "kWh", Layer.LOSS, 900),
        ("7-0:3.1.0", "m3", Layer.GAS_DAY, 86_400),
    ]
    kinds = [reading_type(of_point(series_of([], Obis.parse(code), unit, layer)), s) for code, unit, layer, s in series]
    assert told == set(kinds)


@pytest.mark.parametrize(
    "amount, written",
    [
        ("2.8370797682035777273872511967750062988158", "2.83707976820357773"),
        ("0.0000000000000000000000123456789", "0"),
        ("99999999999999999.95", "100000000000000000"),
        ("99999999999999999.85", "99999999999999999.8"),
        ("0.1000000000000000000000000000000000000001", "0.1"),
        ("12.500", "12.500"),
    ],
)
def test_amounts_have_as_many_digits_as_programs_that_check_the_schema_take(amount: str, written: str) -> None:
    message = exported("iec61968-9", of_point(series_of([Value(BEFORE_WINTER, 900, Decimal(amount), RawStatus.TRUE)])))
    assert judged(message) == ""
    assert text_of(ET.fromstring(message), ".//m:value") == written
