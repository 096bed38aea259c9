"""From an event log to readings: one EVENT for each row (IEC 62056-6-1, 99.97, 99.98 and 99.99).

Rules: the reading has the log's own code; `raw_text` is the event code, else the first thing that the row says besides
its time, `more` all other columns, each as `code=value`. `raw` is the whole row. The status is true unless the row or
its time is unsound: what a log says of the meter is said in its codes.
"""

from collections.abc import Iterable

from drivers.dlms.columns import name_of
from drivers.dlms.intervals import Asked, Placed
from drivers.dlms.profile_readings import Made, no_row
from drivers.dlms.rows import Row
from drivers.dlms.value_text import text_of
from drivers.dlms.wire.attribute import CaptureObject
from gatewayd.model import Kind, Reading
from gatewayd.obis import Obis
from gatewayd.status import judge

_GROUP_D = frozenset({97, 98, 99})
_INSIDE = 80


def is_log(obis: Obis) -> bool:
    return obis.c == 99 and obis.d in _GROUP_D


def events_of(placed: Iterable[Placed], asked: Asked) -> Made:
    """The entries in the window."""
    columns = asked.captures.columns
    places = [place for place in range(len(columns)) if place != asked.layout.clock]
    code = next((place for place in places if _is_event_code(columns[place])), places[0] if places else None)
    names = {place: _name(columns[place]) for place in places if place != code}
    made: list[Reading] = []
    odd = 0
    for one in placed:
        end, row = one.end, one.row
        if end is not None and not asked.window.holds(end):
            continue
        if not row.values:
            odd += 1
            made.append(no_row(row, asked, Kind.EVENT))
            continue
        status, flags = judge(one.faults)
        made.append(
            Reading(
                meter=asked.context.meter,
                obis=asked.obis,
                obis_raw=str(asked.obis),
                kind=Kind.EVENT,
                at=asked.at if end is None else end,
                raw=row.raw,
                raw_text="" if code is None else _text(row, code, asked),
                status=status,
                flags=flags,
                more=tuple(f"{name}={_text(row, place, asked)}" for place, name in names.items()),
                meter_time=one.text,
            )
        )
    return Made(tuple(made), odd)


def _is_event_code(column: CaptureObject) -> bool:
    """Event code objects: 0-b:96.11.e."""
    medium, _, group_c, group_d, _, _ = column.logical_name
    return (medium, group_c, group_d) == (0, 96, 11) and column.attribute == 2


def _name(column: CaptureObject) -> str:
    return str(Obis(*column.logical_name)) if column.attribute == 2 and not column.data_index else name_of(column)


def _text(row: Row, place: int, asked: Asked) -> str:
    return text_of(row.values[place], asked.context.rules.deviation)[:_INSIDE]
