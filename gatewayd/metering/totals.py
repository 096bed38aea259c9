"""The energy of an interval out of the totals at its start and at its end, as the rows of a profile have them.

Rules: pure and exact. Both totals have to be there, in units of one kind: a meter that goes from Wh to kWh goes on,
with the flag config_changed. The status is the worse one, flags and inputs are those of both. A total that has gone
back is no energy: the interval is missing, with the flag backward.
"""

import msgspec

from gatewayd.metering.energy_units import EXACT, in_unit
from gatewayd.metering.rows_chosen import Chosen
from gatewayd.model import Flag, RawStatus


def risen(start: Chosen, end: Chosen) -> Chosen:
    """By how much a total went up."""
    inputs = tuple(sorted({*start.inputs, *end.inputs}))
    flags = start.flags | end.flags
    both = msgspec.structs.replace(end, value=None, status=RawStatus.MISSING, flags=flags, inputs=inputs)
    if start.value is None or end.value is None:
        which = "end" if end.value is None else "start"
        return msgspec.structs.replace(both, said=f"there is no total at its {which}")
    if start.unit != end.unit:
        flags |= Flag.CONFIG_CHANGED
        both = msgspec.structs.replace(both, flags=flags)
    before = in_unit(start.value, start.unit, end.unit)
    if before is None:
        said = f"the unit of the total changes in it, from {start.unit} to {end.unit}"
        return msgspec.structs.replace(both, said=said)
    value = EXACT.subtract(end.value, before)
    if value < 0:
        said = f"the total goes back in it, from {before:f} to {end.value:f}"
        return msgspec.structs.replace(both, flags=flags | Flag.BACKWARD, said=said)
    said = "; ".join(text for text in (start.said, end.said) if text)
    return msgspec.structs.replace(both, value=value, status=RawStatus.worst((start.status, end.status)), said=said)
