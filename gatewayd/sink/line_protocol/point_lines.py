"""Derived values as line protocol: a measurement of their own, beside that of readings.

    reading_points,gateway=gw-1,layer=interval,obis=1-0:1.29.0*255,point=north,unit=kWh value=1100.000,status=0i,...

Rules: as in lines.py: digits as archived, never floats, no text fields, tags sorted and never empty. `value` is absent
where the status is missing; the sum of a part is `partial`. Where a database puts a point that comes again in the place
of the first, all versions of a value are the same point, and the newest is what is found; where it keeps both, and then
forgets by its own rules, each version is a series, told apart by the tag `version`. Pure.
"""

from collections.abc import Iterable

from gatewayd.model import Archived
from gatewayd.sink.derived_values import facts_of
from gatewayd.sink.line_protocol.lines import CACHED, nanoseconds, tag

SUFFIX = "_points"
"""What follows the name of the measurement of readings."""


class PointLines:
    """Writes the lines of one gateway. To be used by one thread at a time. `versions`: each version is a series."""

    def __init__(self, measurement: str, gateway: str, *, versions: bool) -> None:
        name = f"{measurement}{SUFFIX}"
        self._start = f"{name},gateway={tag(gateway)}" if gateway else name
        self._versions = versions
        self._series: dict[tuple[str, str, str, str], str] = {}

    def text(self, values: Iterable[Archived]) -> bytes:
        """One line for each, in their order; each with its line feed. BatchRefused for what is no value."""
        if len(self._series) > CACHED:
            self._series.clear()
        return "".join([self._line(archived) for archived in values]).encode()

    def _line(self, archived: Archived) -> str:
        reading, facts = archived.reading, facts_of(archived)
        key = (reading.meter, reading.obis_raw, reading.code, reading.unit)
        prefix = self._series.get(key)
        if prefix is None:
            named = (("layer", facts.layer), ("obis", reading.code), ("point", reading.meter), ("unit", reading.unit))
            prefix = self._start + "".join(f",{name}={tag(text)}" for name, text in named if text)
            self._series[key] = prefix
        if self._versions:
            prefix = f"{prefix},version={facts.version}"
        amount = f"value={facts.value}," if facts.value else f"partial={facts.partial}," if facts.partial else ""
        fields = (
            f"status={int(reading.status)}i,version={facts.version}i,validated={int(facts.validated)}i,"
            f"have={facts.have}i,want={facts.want}i,seq={archived.seq}i,flags={int(reading.flags)}i"
        )
        return f"{prefix} {amount}{fields} {nanoseconds(reading.at)}\n"
