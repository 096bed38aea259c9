"""From a pushed message to readings: names, units and times for its values.

Rules: pure; one reading for each value, in the order of the message. What a message says itself goes before the options
of the meter, and these before the layout. A number whose scaler nobody gives stays as it was sent, without a unit. The
time is that of the message, else of a clock in it, else of reception; a clock that the meter does not trust, or that is
on no time at all, or an hour beside it, is told and does not place the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from msgspec.structs import replace

from drivers.dlms.clock import CLOCK, RoundTrip, clock_faults, shown
from drivers.dlms.layouts import AUTO, Layout, choose
from drivers.dlms.push_options import Unit
from drivers.dlms.units import unit_text
from drivers.dlms.value_text import bits_of, date_time_of, date_time_text, number_of, octets_text, text_of
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.cosem_time import NO_DEVIATION, ClockRules, DateTime, Deviation, Instant
from drivers.dlms.wire.push_items import VALUE, Item, Items, items_of
from drivers.dlms.wire.push_message import Message
from gatewayd.model import Kind, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

_TEXTS = (Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.OCTET_STRING)
_ERROR_REGISTERS = (97, 98)
_HOUR, _NEAR = timedelta(hours=1), timedelta(minutes=5)
_DISTRUSTED = frozenset({Fault.CLOCK_DOUBTFUL, Fault.SEASON_DOUBTFUL})


@dataclass(frozen=True, slots=True)
class Source:
    """Whose message it is, when it was received, how its clock writes times, and what the options say of its values.
    `title`: the sender's system title, empty where the message was plain. `faults`: of the message as a whole."""

    meter: str
    at: datetime
    rules: ClockRules
    title: bytes = b""
    layout: str = AUTO
    codes: tuple[str, ...] = ()
    units: Mapping[str, Unit] | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message says. `version`: the identifier of its list; `complaints`: what an operator should know."""

    readings: tuple[Reading, ...]
    serials: tuple[str, ...] = ()
    version: str = ""
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Moment:
    """When the values are, and what the meter's clock showed ("" where it showed nothing)."""

    at: datetime
    text: str = ""
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class _Named:
    """A value with its code; None and the name in `code` where it has none."""

    item: Item
    obis: Obis | None
    code: str


def readings_of(message: Message, source: Source) -> Heard:
    """All readings of a message. ProtocolError where its values do not fit what it says of them."""
    found = items_of(message.body)
    version = _version(found)
    layout = choose(source.layout, version, source.title)
    complaints: list[str] = []
    named = _named(found, source, layout, complaints)
    moment = _moment(message.date_time, named, source)
    if moment.doubted:
        complaints.append(f"its clock shows {moment.text} and is not to be trusted: the time of reception is taken")
    units = _units(source, layout)
    readings = tuple(_reading(one, source, moment, units) for one in named)
    return Heard(readings, _serials(readings), version, tuple(complaints))


def _version(found: Items) -> str:
    """The text that begins a message and has no code: the identifier of its list."""
    first = found.items[0] if found.items else None
    if first is None or first.logical_name or first.value.tag not in _TEXTS:
        return ""
    content = first.value.content
    if isinstance(content, bytes):
        text = octets_text(content)
        return "" if text.startswith("0x") else text
    return str(content)


def _named(found: Items, source: Source, layout: Layout | None, complaints: list[str]) -> list[_Named]:
    codes: tuple[str, ...] = ()
    if found.flat:
        codes = source.codes or (layout.codes(len(found.items)) if layout is not None else ())
        if len(codes) != len(found.items):
            where = "push: codes names" if source.codes else "the layout knows"
            of = f"{where} {len(codes)} of them" if codes else "no layout names them: give their codes as push: codes"
            complaints.append(f"sends {len(found.items)} values without codes, and {of}")
            codes = ()
    elif layout is not None:
        codes = layout.lead
    named: list[_Named] = []
    leading = True
    for number, item in enumerate(found.items):
        leading = leading and not item.logical_name
        if item.logical_name:
            named.append(_by_name(item))
        elif leading and number < len(codes):
            if codes[number]:  # else it is passed over
                named.append(_Named(item, Obis.parse(codes[number]), f"#{item.position}"))
        else:
            named.append(_Named(item, None, f"#{item.position}"))
    return named


def _by_name(item: Item) -> _Named:
    """Only attribute 2 is the value of the object; another one is named in full, and never taken for it."""
    obis = _obis(item.logical_name)
    if item.attribute == VALUE:
        return _Named(item, obis, str(obis))
    part = f"{item.attribute}" if item.attribute >= 0 else f"{-item.attribute} in part"
    return _Named(item, None, f"{item.class_id}/{obis}/{part}")


@lru_cache(maxsize=4096)
def _obis(name: bytes) -> Obis:
    a, b, c, d, e, f = name
    return Obis(a, b, c, d, e, f)


def _units(source: Source, layout: Layout | None) -> dict[Obis, Unit]:
    known: dict[Obis, Unit] = {}
    if layout is not None:
        known |= _parsed(tuple(layout.units.items()))
    if source.units:
        known |= _parsed(tuple(source.units.items()))
    return known


@lru_cache(maxsize=256)
def _parsed(units: tuple[tuple[str, Unit], ...]) -> dict[Obis, Unit]:
    return {Obis.parse(code): unit for code, unit in units}


def _moment(stated: DateTime | None, named: list[_Named], source: Source) -> _Moment:
    times = [stated] if stated is not None else []
    times += [time for one in named if _is_clock(one.obis) and (time := date_time_of(one.item.value)) is not None]
    first = _Moment(source.at)
    for time in times:
        instant = time.instant(source.rules)
        text = date_time_text(time, source.rules.deviation)
        at = _nearest(instant, source.at)
        doubted = at is None or bool(_DISTRUSTED & set(clock_faults(time, instant))) or _season_off(time, at, source)
        if at is not None and not doubted:
            return _Moment(at, text)
        if not first.text and not _unspecified(time):
            first = _Moment(source.at, text, doubted=True)
    return first


def _nearest(instant: Instant, reception: datetime) -> datetime | None:
    """Of the two instants of a repeated hour, the one that is nearer to the reception: messages come at once."""
    if instant.at is None or instant.second is None:
        return instant.at
    return min(instant.at, instant.second, key=lambda at: abs(at - reception))


def _season_off(time: DateTime, at: datetime, source: Source) -> bool:
    """A clock that shows standard time all year, and whose octets do not say so: an hour off, in summer. As a message
    comes at once, this is no delay."""
    stated = time.deviation != NO_DEVIATION and source.rules.deviation is not Deviation.IGNORED
    return not stated and abs(abs(at - source.at) - _HOUR) <= _NEAR


def _unspecified(time: DateTime) -> bool:
    """A date-time of nothing but wildcards is no clock that is wrong."""
    return time.raw[:4] == b"\xff" * 4


def _is_clock(obis: Obis | None) -> bool:
    return obis is not None and (obis.a, obis.c, obis.d) == (CLOCK.a, CLOCK.c, CLOCK.d)


def _reading(named: _Named, source: Source, moment: _Moment, units: dict[Obis, Unit]) -> Reading:
    value, obis = named.item.value, named.obis
    if _is_clock(obis) and date_time_of(value) is not None and not source.faults:
        clock = shown(source.meter, value, RoundTrip(source.at, source.at), source.rules).reading
        return replace(clock, obis=obis, obis_raw=named.code)
    number = number_of(value)
    unit, scaler = _scale(named, units) if number is not None else ("", 0)
    status, flags = judge(source.faults or _faults(value))
    return Reading(
        meter=source.meter,
        obis=obis,
        obis_raw=named.code,
        kind=Kind.REGISTER,
        at=moment.at,
        raw=value.raw,
        raw_text=_text(value, obis) if number is None or _counts_bits(obis) else number,
        unit=unit,
        scaler=scaler,
        status=status,
        flags=flags,
        meter_time=moment.text,
    )


def _scale(named: _Named, units: dict[Obis, Unit]) -> Unit:
    if named.item.unit is not None:
        return unit_text(named.item.unit), named.item.scaler
    return units.get(named.obis, ("", 0)) if named.obis is not None else ("", 0)


def _text(value: Value, obis: Obis | None) -> str:
    return bits_of(value) if _counts_bits(obis) else text_of(value)


def _counts_bits(obis: Obis | None) -> bool:
    """Error and alarm registers: 0-b:97.97.e and 0-b:97.98.e."""
    return obis is not None and obis.c == 97 and obis.d in _ERROR_REGISTERS


def _faults(value: Value) -> tuple[Fault, ...]:
    if value.tag in (Tag.NULL, Tag.DONT_CARE) or value.content in (b"", ""):
        return (Fault.EMPTY,)
    if value.tag in (Tag.FLOAT32, Tag.FLOAT64) and value.content is None:
        return (Fault.NOT_DECODABLE,)
    return ()


def _serials(readings: tuple[Reading, ...]) -> tuple[str, ...]:
    """Texts by which the meter names itself: device IDs 96.1.e and 0.0.e, logical device name 42.0.0."""
    names = ((96, 1), (0, 0), (42, 0))
    texts = [
        reading.raw_text.strip().removeprefix("0x")
        for reading in readings
        if reading.obis is not None and (reading.obis.c, reading.obis.d) in names and not reading.scaler
    ]
    return tuple(dict.fromkeys(text for text in texts if text))
