"""From the attributes of an object to a reading: what each class of COSEM means by its attributes (IEC 62056-6-2).

Rules: pure. `raw` is the value as sent, in A-XDR; a number keeps its digits, the scaler stands beside it. What is
beside the value - a status, a time, the running average - is in `more`, or is the time of the reading. A class that is
not in the table is kept raw, its attribute 2 with a text for people.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from drivers.dlms.asking import Result
from drivers.dlms.clock import time_faults
from drivers.dlms.scales import DEMAND_REGISTER, EXTENDED_REGISTER, PLAIN, REGISTER, Scale
from drivers.dlms.value_text import bits_of, date_time_of, date_time_text, number_of, text_of
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.model import Kind, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

DATA, CLOCK, PROFILE, REGISTER_ACTIVATION = 1, 8, 7, 6
ACTIVITY_CALENDAR, DISCONNECT_CONTROL, MBUS_CLIENT = 20, 70, 72

ATTRIBUTES: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        EXTENDED_REGISTER: (2, 4, 5),
        DEMAND_REGISTER: (3, 2, 5, 6),
        REGISTER_ACTIVATION: (4,),
        ACTIVITY_CALENDAR: (2, 3, 4, 5),
        DISCONNECT_CONTROL: (2, 3, 4),
        MBUS_CLIENT: (6, 7, 8, 9, 11),
    }
)
"""Class -> the attributes that make its reading, the value itself first; of every other class it is attribute 2."""
_NUMBERS = frozenset((REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER))
_MAXIMA = frozenset((6, 16, 26))
"""Group D of maxima (IEC 62056-6-1, measurement types maximum 1 to 3)."""
_ERROR_REGISTERS = frozenset((97, 98))
"""Group D of 0-b:97.97.e and 0-b:97.98.e: errors and alarms, whose bits count."""
_CONTROL_STATES = MappingProxyType({0: "disconnected", 1: "connected", 2: "ready for reconnection"})
_CALENDAR_PARTS = MappingProxyType({3: "seasons", 4: "weeks", 5: "days"})


@dataclass(frozen=True, slots=True)
class Source:
    """Whose values they are, when they were read, and how the meter writes times. `marks`: type tag and number of
    values that mean "none", by the vendor profile."""

    meter: str
    at: datetime
    rules: ClockRules
    marks: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a reading is made of: the number or text, the rest, the time that belongs to it, the faults."""

    text: str
    more: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    time: Value | None = None


def attributes_of(class_id: int) -> tuple[int, ...]:
    """The attributes to read of an object, the value itself first."""
    return ATTRIBUTES.get(class_id, (2,))


def reading_of(
    source: Source, class_id: int, obis: Obis, results: Mapping[int, Result], scale: Scale = PLAIN
) -> Reading | DataAccess:
    """The reading of an object, or why the meter does not give its value; `results` by attribute."""
    main = results[attributes_of(class_id)[0]]
    if isinstance(main, DataAccess):
        return main
    beside = {index: result.value for index, result in results.items() if not isinstance(result, DataAccess)}
    parts = _DESCRIBED.get(class_id, _plain)(obis, main.value, beside)
    faults = (*_own_faults(source, class_id, main.value, scale), *parts.faults)
    at, time_text = source.at, ""
    maximum = _is_maximum(class_id, obis)
    time = None if parts.time is None else date_time_of(parts.time)
    if time is not None:
        instant = time.instant(source.rules)
        time_text = date_time_text(time, source.rules.deviation)
        faults = (*faults, *time_faults(time, instant))
        if maximum and instant.at is not None:
            at = instant.at
    elif maximum and (isinstance(results.get(5), DataAccess) or (parts.time and parts.time.tag is not Tag.NULL)):
        # Refused, or no time: when the maximum was is not known. Null-data says that there has been none.
        faults = (*faults, Fault.TIME_INVALID)
    status, flags = judge(tuple(dict.fromkeys(faults)))
    return Reading(
        meter=source.meter,
        obis=obis,
        obis_raw=str(obis),
        kind=Kind.MAXIMUM if maximum else Kind.REGISTER,
        at=at,
        raw=main.value.raw,
        raw_text=parts.text,
        unit=scale.unit,
        scaler=scale.scaler,
        status=status,
        flags=flags,
        more=parts.more,
        meter_time=time_text,
    )


def missing(source: Source, obis: Obis) -> Reading:
    """A register that was asked for and that the meter does not have or does not give."""
    status, flags = judge((Fault.NOT_IN_READOUT,))
    return Reading(
        meter=source.meter,
        obis=obis,
        obis_raw="",
        kind=Kind.REGISTER,
        at=source.at,
        raw=b"",
        raw_text="",
        status=status,
        flags=flags,
    )


def _is_maximum(class_id: int, obis: Obis) -> bool:
    """A register without a capture time does not say when its maximum was: it is what the register shows now."""
    return class_id == EXTENDED_REGISTER and obis.d in _MAXIMA and 1 <= obis.c < 94


def _own_faults(source: Source, class_id: int, value: Value, scale: Scale) -> tuple[Fault, ...]:
    if value.tag in (Tag.NULL, Tag.DONT_CARE) or value.content in (b"", ""):
        return (Fault.EMPTY,)
    if isinstance(value.content, int) and (int(value.tag), value.content) in source.marks:
        return (Fault.SENTINEL,)
    if number_of(value) is None and (class_id in _NUMBERS or value.tag in (Tag.FLOAT32, Tag.FLOAT64)):
        return (Fault.NOT_DECODABLE,)  # octets that look like digits are none
    return () if scale.known else (Fault.NOT_DECODABLE,)


def _plain(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    if obis.c == 97 and obis.d in _ERROR_REGISTERS:
        return _Parts(bits_of(value))
    return _Parts(_text(value))


def _register(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    return _Parts(_text(value))


def _extended(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    status = beside.get(4)
    return _Parts(_text(value), _status(status), time=beside.get(5))


def _demand(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    """The last complete average; the running one is beside it."""
    current = beside.get(2)
    running = () if current is None else (text_of(current),)
    return _Parts(_text(value), (*running, *_status(beside.get(5))), time=beside.get(6))


def _disconnector(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    more: list[str] = []
    if (state := beside.get(3)) is not None:
        known = _CONTROL_STATES.get(state.content) if isinstance(state.content, int) else None
        more.append(f"control state: {known or text_of(state)}")
    if (mode := beside.get(4)) is not None:
        more.append(f"control mode: {text_of(mode)}")
    if value.tag is not Tag.BOOLEAN:
        return _Parts(text_of(value), tuple(more))
    return _Parts("connected" if value.content else "disconnected", tuple(more))


def _calendar(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    more = (f"{part}: {text_of(beside[index])}" for index, part in _CALENDAR_PARTS.items() if index in beside)
    return _Parts(text_of(value), tuple(more))


def _mbus(obis: Obis, value: Value, beside: Mapping[int, Value]) -> _Parts:
    """Identification, manufacturer, version, device type and status of the meter behind this one."""
    number = value.content
    text = f"{number:08X}" if isinstance(number, int) and number >= 0 else text_of(value)
    names = {7: "manufacturer", 8: "version", 9: "device type", 11: "status"}
    described = {index: text_of(beside[index]) for index in names if index in beside}
    maker = beside.get(7)
    if maker is not None and isinstance(maker.content, int):
        described[7] = _three_letters(maker.content)
    return _Parts(text, tuple(f"{names[index]}: {said}" for index, said in described.items()))


def _three_letters(number: int) -> str:
    """The manufacturer's letters (EN 13757-7, FLAG association): five bits each, A is 1."""
    letters = "".join(chr(64 + (number >> shift & 0x1F)) for shift in (10, 5, 0))
    return letters if letters.isalpha() and 0 < number < 0x8000 else str(number)


def _status(value: Value | None) -> tuple[str, ...]:
    """The status of an extended or demand register, where it has one: what it means is the maker's."""
    text = "" if value is None else text_of(value)
    return (f"status: {text}",) if text else ()


def _text(value: Value) -> str:
    number = number_of(value)
    return text_of(value) if number is None else number


_Describe = Callable[[Obis, Value, Mapping[int, Value]], _Parts]
_DESCRIBED: Mapping[int, _Describe] = MappingProxyType(
    {
        REGISTER: _register,
        EXTENDED_REGISTER: _extended,
        DEMAND_REGISTER: _demand,
        ACTIVITY_CALENDAR: _calendar,
        DISCONNECT_CONTROL: _disconnector,
        MBUS_CLIENT: _mbus,
    }
)
