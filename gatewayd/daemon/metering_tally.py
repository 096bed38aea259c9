"""What the derived archive has taken of the engine since the start, counted for whoever scrapes it.

Rules: counted when it is on the disk, so that the counters are those of the archive; integers in memory and no I/O. One
writer, the event loop; others read at any time. Events are no values, and are passed over.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gatewayd.archive.records import Entry
from gatewayd.metering.record import More
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Kind, RawStatus

SUBSTITUTES = (Method.CONTROL, Method.INTERPOLATED, Method.COMPARABLE, Method.ESTIMATE, Method.MANUAL)
"""Methods that put something in the place of what was not metered."""
_SUBSTITUTES = frozenset(method.value for method in SUBSTITUTES)
_METHOD, _RULES = More._fields.index("method"), More._fields.index("rules")
_LAYERS = frozenset(layer.value for layer in Layer)


@dataclass(slots=True)
class DerivedTally:
    """Versions of values that were written."""

    values: Counter[tuple[str, RawStatus]] = field(default_factory=Counter)
    """By layer and status."""
    substitutes: Counter[str] = field(default_factory=Counter)
    """By method; those of SUBSTITUTES alone."""
    findings: Counter[str] = field(default_factory=Counter)
    """By rule: values that name it."""

    def confirmed(self, entries: Iterable[Entry]) -> None:
        """These are on the disk."""
        for entry in entries:
            for reading in entry.readings:
                if reading.kind is Kind.EVENT or reading.obis_raw not in _LAYERS:
                    continue
                self.values[reading.obis_raw, reading.status] += 1
                method, rules = reading.more[_METHOD], reading.more[_RULES]
                if method in _SUBSTITUTES:
                    self.substitutes[method] += 1
                if rules:
                    self.findings.update(rules.split(","))
