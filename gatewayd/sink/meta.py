"""What a consumer should know about a meter before its readings: the retained `meta` and `status` messages.

Rules: what stands in the configuration is published at every connection; what only readings tell (serial number, units)
is collected since the start of the gateway, from sound readings only, and published again when it changed, at most
once a minute per meter.
"""

from collections.abc import Iterable, Sequence

from gatewayd.model import Archived, Meter, RawStatus
from gatewayd.sink.payload import head_object, point_object, ratio_object

SCHEMA = "gatewayd.meta/1"
STATUS_SCHEMA = "gatewayd.status/1"
PAUSE_S = 60.0
CODES = 1000
"""Codes of one meter that are described at most: noise on a line makes codes without end."""


def online(gateway: str, version: str, head: tuple[int, str | None], since: str) -> dict[str, object]:
    """The status while connected; `since` is the time of connecting."""
    return {
        "schema": STATUS_SCHEMA,
        "gateway": gateway,
        "state": "online",
        "version": version,
        "head": head_object(head),
        "since": since,
    }


def offline(gateway: str, version: str, reason: str, since: str | None = None) -> dict[str, object]:
    """The status while away. The last will has no `since`: nobody knows when it will be needed."""
    return {
        "schema": STATUS_SCHEMA,
        "gateway": gateway,
        "state": "offline",
        "version": version,
        "reason": reason,
        "since": since,
    }


class Descriptions:
    """The `meta` documents of all meters, kept up to date by the readings that pass."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._meters = {meter.id: meter for meter in meters}
        self._serials = {meter.id: meter.serial for meter in meters}
        self._units: dict[str, dict[str, str]] = {meter.id: {} for meter in meters}
        self._changed: set[str] = set()
        self._published: dict[str, float] = {}

    def note(self, readings: Iterable[Archived]) -> None:
        """Learn serial numbers and units."""
        for archived in readings:
            reading = archived.reading
            if reading.meter not in self._meters or reading.obis is None or reading.status >= RawStatus.DISTORTED:
                continue
            if archived.serial and self._serials[reading.meter] != archived.serial:
                self._serials[reading.meter] = archived.serial
                self._changed.add(reading.meter)
            units = self._units[reading.meter]
            if len(units) >= CODES and reading.code not in units:
                continue
            if reading.unit and units.get(reading.code) != reading.unit:
                units[reading.code] = reading.unit
                self._changed.add(reading.meter)

    def due(self, now: float) -> list[str]:
        """Meters whose document changed and was not published during the last minute; `now` in seconds of any clock."""
        return sorted(meter for meter in self._changed if now - self._published.get(meter, -PAUSE_S) >= PAUSE_S)

    def everything(self) -> list[str]:
        return list(self._meters)

    def published(self, meter: str, now: float) -> None:
        """The document went out. What an unchanged one brought does not hold back the first change."""
        if meter in self._changed:
            self._changed.discard(meter)
            self._published[meter] = now

    def document(self, meter_id: str) -> dict[str, object]:
        meter = self._meters[meter_id]
        return {
            "schema": SCHEMA,
            "id": meter.id,
            "serial": self._serials[meter_id] or None,
            "point": point_object(meter.point),
            "metering_type": meter.metering_type.value,
            "driver": meter.driver,
            "line": meter.line,
            "ratios": [{"since": ratio.since.isoformat(), **ratio_object(ratio)} for ratio in meter.ratios],
            "units": dict(sorted(self._units[meter_id].items())),
        }
