"""MeterReadings of IEC 61968-9 as XML: a MeterReading for each point and meter, an IntervalBlock for each series.

Rules: a part of the message of 2011, which meter_readings.xsd describes. Each value has its timePeriod, start and end;
its timeStamp is the END; all are UTC, and a comment at the head says so. The qualities say the status, their comment
names the flags. A missing value has no `value`, and a partial sum is missing. A value that reaches over an exchange of
meters stands in a MeterReading without a meter. Amounts have at most 18 digits: more is no decimal to all programs that
check the schema. Values are written as they come.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import PointSeries
from gatewayd.export.points.reading_quality import qualities
from gatewayd.export.points.reading_type import reading_type
from gatewayd.export.rounding import significant
from gatewayd.metering.values import Value
from gatewayd.sink.payload import rfc3339

_DIGITS = 18
NAMESPACE = "http://iec.ch/TC57/2011/MeterReadings#"
_HEAD = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by gatewayd. timeStamp is the END of an interval, timePeriod has both; all instants are UTC. -->
<MeterReadings xmlns="{NAMESPACE}">
"""


def write(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """Write all series; those of a point stand one after the other. OSError; NotInLayout."""
    checked = list(found)
    for one in checked:
        for seconds in {value.seconds for value in one.series.values}:
            reading_type(one, seconds)
    _put(stream, _HEAD)
    for _, group in groupby(checked, key=lambda one: (one.point, one.codes)):
        for series in _by_meter(group):
            for part in _meter_reading(series):
                _put(stream, part)
    _put(stream, "</MeterReadings>\n")


def _by_meter(found: Iterable[PointSeries]) -> Iterable[list[PointSeries]]:
    """The series of a point by their meter."""
    meters: dict[str, list[PointSeries]] = {}
    for one in found:
        for part in one.by_meter():
            meters.setdefault(part.serial, []).append(part)
    return meters.values()


def _meter_reading(series: list[PointSeries]) -> Iterator[str]:
    yield " <MeterReading>\n"
    for one in series:
        for seconds, run in groupby(one.series.values, key=lambda value: value.seconds):
            yield "  <IntervalBlocks>\n"
            for value in run:
                yield _reading(value, validated=value.at in one.validated)
            yield f"   <ReadingType ref={quoteattr(reading_type(one, seconds))}/>\n  </IntervalBlocks>\n"
    first = series[0]
    if first.serial:
        yield f"  <Meter>{_name(first.serial)}</Meter>\n"
    codes = _code(first.codes.eic, "EIC", "ENTSO-E") + _code(first.codes.ean, "EAN", "GS1")
    yield f"  <UsagePoint><mRID>{_text(first.point)}</mRID>{codes}</UsagePoint>\n"
    values = [value for one in series for value in one.series.values]
    if values:
        start, end = min(value.start for value in values), max(value.at for value in values)
        yield f"  <valuesInterval>{_period(start, end)}</valuesInterval>\n"
    yield " </MeterReading>\n"


def _reading(value: Value, *, validated: bool) -> str:
    amount = (
        f"<value>{significant(value.amount, _DIGITS):f}</value>" if value.amount is not None and value.there else ""
    )
    comment = f"<comment>{' '.join(value.flags.texts)}</comment>" if value.flags else ""
    quality = "".join(
        f"<ReadingQualities>{comment if place == 0 else ''}<ReadingQualityType ref={quoteattr(code)}/>"
        "</ReadingQualities>"
        for place, code in enumerate(qualities(value, validated=validated))
    )
    return (
        f"   <IntervalReadings><timeStamp>{rfc3339(value.at)}</timeStamp>{amount}{quality}"
        f"<timePeriod>{_period(value.start, value.at)}</timePeriod></IntervalReadings>\n"
    )


def _period(start: datetime, end: datetime) -> str:
    """In the order of the schema: the end first."""
    return f"<end>{rfc3339(end)}</end><start>{rfc3339(start)}</start>"


def _name(text: str) -> str:
    return f"<Names><name>{_text(text)}</name></Names>"


def _code(text: str, kind: str, authority: str) -> str:
    if not text:
        return ""
    whose = f"<NameTypeAuthority><name>{authority}</name></NameTypeAuthority>"
    return f"<Names><name>{_text(text)}</name><NameType><name>{kind}</name>{whose}</NameType></Names>"


def _text(text: str) -> str:
    """What XML may hold; a meter may say anything of itself."""
    return escape("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))


def _put(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode("utf-8"))
