"""What the columns of a profile are: the time of the row, status words, values, and what belongs to a value.

Rules: a reading is one object's value; other attributes of the same object that are captured beside it (the time of a
maximum, its status) belong to it. What is no object's value and belongs to none has no OBIS code of its own, only the
name of what was captured. A status word of channel b (0-b:96.10.x, b above 0) is about the values of that channel
where there are any, every other one about the whole row.
"""

from collections.abc import Mapping
from typing import NamedTuple

from drivers.dlms.captures import CLOCK, Captures
from drivers.dlms.scales import DEMAND_REGISTER, EXTENDED_REGISTER, REGISTER, UNKNOWN, Scale
from drivers.dlms.wire.attribute import CaptureObject
from gatewayd.obis import Obis
from gatewayd.status import Fault

DATA, STATUS_MAPPING = 1, 63
_VALUE = {REGISTER: (2,), EXTENDED_REGISTER: (2,), DEMAND_REGISTER: (3, 2)}
"""Class -> the attributes that are numbers in its unit; of a demand register the last average comes first."""
_CAPTURE_TIME = {EXTENDED_REGISTER: 5, DEMAND_REGISTER: 6}
_STATUS_CLASSES = frozenset({DATA, REGISTER, EXTENDED_REGISTER, STATUS_MAPPING})
_MAXIMA = frozenset({6, 16, 26})
"""Group D of maxima (IEC 62056-6-1, electricity)."""
_BITS = frozenset({(97, 97), (97, 98)})
"""Groups C and D of error and alarm registers, whose bits count."""

Scaled = Mapping[tuple[int, bytes], Scale]
"""Class and logical name of a register -> its scaler and unit."""
Columns = tuple[CaptureObject, ...]


class ValueColumn(NamedTuple):
    """Where a value is, and what is said of it beside itself. `plain`: a whole number in it is a reading as it is.
    `extreme`: place of the time at which this maximum was reached; `further`: places of other attributes, each with the
    number that it is written with."""

    place: int
    obis: Obis | None
    code: str
    unit: str
    scaler: int
    plain: bool
    is_number: bool
    is_bits: bool
    faults: tuple[Fault, ...]
    extreme: int | None = None
    further: tuple[tuple[int, str], ...] = ()


class Group(NamedTuple):
    """Values that the same status words are about."""

    statuses: tuple[int, ...]
    columns: tuple[ValueColumn, ...]


class Layout(NamedTuple):
    """`clock` is the place of the row's time, None where there is none."""

    width: int
    clock: int | None
    groups: tuple[Group, ...]


def layout(captures: Captures, scales: Scaled, *, marked: bool = False) -> Layout:
    """The roles of all columns. `marked`: there are numbers that mean that there is no value."""
    columns = captures.columns
    clock = None if captures.clock is None else columns.index(captures.clock)
    statuses = [place for place, column in enumerate(columns) if _is_status(column)]
    rest = [place for place in range(len(columns)) if place != clock and place not in statuses]
    grouped: dict[tuple[int, ...], list[ValueColumn]] = {}
    channels = {columns[place].logical_name[1] for place in rest}
    for value in _values(columns, rest, scales, marked=marked):
        channel = columns[value.place].logical_name[1]
        about = (
            place for place in statuses if (of := columns[place].logical_name[1]) in (0, channel) or of not in channels
        )
        grouped.setdefault(tuple(about), []).append(value)
    groups = tuple(Group(about, tuple(values)) for about, values in grouped.items())
    return Layout(len(columns), clock, groups)


def name_of(column: CaptureObject) -> str:
    """`1-0:1.6.0*255 attribute 5`; of a part of an attribute its number too."""
    part = f" part {column.data_index}" if column.data_index else ""
    return f"{Obis(*column.logical_name)} attribute {column.attribute}{part}"


def _is_status(column: CaptureObject) -> bool:
    medium, _, group_c, group_d, _, _ = column.logical_name
    is_profile_status = (medium, group_c, group_d) == (0, 96, 10)
    return is_profile_status and column.class_id in _STATUS_CLASSES and column.attribute == 2


def _values(columns: Columns, places: list[int], scales: Scaled, *, marked: bool) -> list[ValueColumn]:
    found: list[ValueColumn] = []
    of_object: dict[tuple[int, bytes], list[int]] = {}
    for place in places:
        of_object.setdefault((columns[place].class_id, columns[place].logical_name), []).append(place)
    for key, own in of_object.items():
        first = _first(columns, own)
        if first is None:
            found.extend(_alone(columns[place], place) for place in own)
        else:
            found.append(
                _value(columns, first, [place for place in own if place != first], scales.get(key), marked=marked)
            )
    return sorted(found, key=lambda value: value.place)


def _first(columns: Columns, own: list[int]) -> int | None:
    """The place of the object's value; None where it is not captured."""
    for attribute in _VALUE.get(columns[own[0]].class_id, (2,)):
        for place in own:
            # The value of a register has no parts: whatever index stands there, it is the whole of it.
            whole = columns[place].data_index == 0 or columns[place].class_id in _VALUE
            if columns[place].attribute == attribute and whole:
                return place
    return None


def _value(columns: Columns, place: int, others: list[int], scale: Scale | None, *, marked: bool) -> ValueColumn:
    column = columns[place]
    obis = Obis(*column.logical_name)
    scaled = column.class_id in _VALUE
    known = scale if scaled and scale is not None else UNKNOWN if scaled else Scale()
    time = _CAPTURE_TIME.get(column.class_id)
    extreme = next((one for one in others if columns[one].attribute == time), None) if obis.d in _MAXIMA else None
    further = tuple((one, _number(columns[one])) for one in others if one != extreme)
    faults = () if known.known else (Fault.NOT_DECODABLE,)
    bits = (obis.c, obis.d) in _BITS
    plain = not (faults or further or extreme is not None or marked or bits)
    return ValueColumn(place, obis, str(obis), known.unit, known.scaler, plain, scaled, bits, faults, extreme, further)


def _alone(column: CaptureObject, place: int) -> ValueColumn:
    """An attribute that is not its object's value: under the object's code it would pass for the value."""
    if column.class_id == CLOCK and column.attribute == 2:
        return ValueColumn(
            place, Obis(*column.logical_name), str(Obis(*column.logical_name)), "", 0, False, False, False, ()
        )
    return ValueColumn(place, None, name_of(column), "", 0, False, False, False, ())


def _number(column: CaptureObject) -> str:
    return f"{column.attribute}.{column.data_index}" if column.data_index else f"{column.attribute}"
