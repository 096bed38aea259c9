"""Home Assistant's MQTT discovery: one retained configuration per live register, so that sensors appear by themselves.

Rules: pure. A configuration is due until it was published, again when it changes, and all are due in a new connection.
A sensor shows the primary value while its status is true, substitute or provisional, else `unknown`; what a consumer
asked to be sent again never moves it, because Home Assistant would take an old count for a new meter.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256

from gatewayd.model import Archived, Flag, Kind, Meter, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.sink.home_assistant_sensors import Sensor, sensor
from gatewayd.sink.meta import CODES
from gatewayd.sink.topics import Topics

Document = dict[str, object]

_SOUND = " or ".join(f"r.status == '{status.text}'" for status in RawStatus if status < RawStatus.DISTORTED)
# An empty text is ignored by Home Assistant, `None` makes the state unknown. What a person has read may be of any time,
# and in another unit than the meter sends: the sensor stays that of the meter.
VALUE_TEMPLATE = (
    "{% set r = value_json.readings[0] %}{% if value_json.replay is defined or 'manual' in r.flags %}"
    "{% elif r.primary is not none and (" + _SOUND + ") %}{{ r.primary }}{% else %}None{% endif %}"
)
ATTRIBUTES_TEMPLATE = (
    "{% set r = value_json.readings[0] %}{% if value_json.replay is defined %}{}{% else %}"
    "{{ {'status': r.status, 'flags': r.flags, 'at': r.at, 'raw': r.raw, 'seq': r.seq} | tojson }}{% endif %}"
)


class Discovery:
    """The configurations of one gateway, as readings make the registers known. `prefix` is Home Assistant's own."""

    def __init__(self, prefix: str, topics: Topics, gateway: str, version: str, meters: Sequence[Meter]) -> None:
        self._prefix = prefix
        self._topics = topics
        self._gateway = gateway
        self._version = version
        self._node = _safe(gateway)
        self._meters = {meter.id: meter for meter in meters}
        self._serials = {meter.id: meter.serial for meter in meters}
        self._known: dict[tuple[str, Obis], tuple[str, Sensor | None, Reading]] = {}
        self._codes: Counter[str] = Counter()
        self._documents: dict[str, Document] = {}
        self._waiting: dict[str, Document] = {}
        self._offered: dict[str, Document] = {}

    def note(self, readings: Iterable[Archived]) -> None:
        """Learn registers, their units and the serial numbers of meters."""
        for archived in readings:
            reading = archived.reading
            if reading.kind is not Kind.REGISTER or reading.obis is None or reading.status >= RawStatus.DISTORTED:
                continue
            if Flag.MANUAL in reading.flags:
                continue
            if archived.serial and archived.serial != self._serials.get(reading.meter):
                self._rename(reading.meter, archived.serial)
            key = (reading.meter, reading.obis)
            known = self._known.get(key)
            # A unit that was left out once is not gone.
            if known is not None and (known[0] == reading.unit or not reading.unit):
                continue
            if known is None and self._codes[reading.meter] >= CODES:
                continue
            if reading.meter not in self._meters or reading.value is None:
                continue
            self._codes[reading.meter] += known is None
            described = sensor(reading.obis, reading.unit)
            self._known[key] = (reading.unit, described, reading)
            if described is not None:
                self._describe(reading, reading.obis, described)

    def due(self) -> list[tuple[str, Document]]:
        """Topic and document of every configuration that this connection has not published yet, or that has changed."""
        self._offered = dict(self._waiting)
        return list(self._offered.items())

    def published(self, topic: str) -> None:
        """The document that `due` gave for this topic went out."""
        if topic in self._waiting and self._waiting[topic] is self._offered.get(topic):
            del self._waiting[topic]

    def reset(self) -> None:
        """A new connection: the broker may have forgotten everything, and all that is known is due again."""
        self._waiting = dict(self._documents)

    def _rename(self, meter: str, serial: str) -> None:
        """The meter was exchanged, or told its number for the first time: it stands in each of its configurations."""
        if meter not in self._meters:
            return
        self._serials[meter] = serial
        for (owner, obis), (_, described, reading) in self._known.items():
            if owner == meter and described is not None:
                self._describe(reading, obis, described)

    def _describe(self, reading: Reading, obis: Obis, described: Sensor) -> None:
        # The device that all meters name as theirs has to come first: Home Assistant wants to know it by then.
        gateway_topic = f"{self._prefix}/binary_sensor/{self._node}/gateway/config"
        if gateway_topic not in self._documents:
            self._put(gateway_topic, self._gateway_document())
        name = f"{_safe(reading.meter)}_{obis.a}-{obis.b}_{obis.c}_{obis.d}_{obis.e}"
        self._put(f"{self._prefix}/sensor/{self._node}/{name}/config", self._sensor_document(reading, name, described))

    def _put(self, topic: str, document: Document) -> None:
        self._documents[topic] = document
        self._waiting[topic] = document

    def _sensor_document(self, reading: Reading, name: str, described: Sensor) -> Document:
        topic = self._topics.reading(reading)
        document: Document = {
            "name": described.name,
            "unique_id": f"gatewayd.{self._node}.{name}",
            "state_topic": topic,
            "value_template": VALUE_TEMPLATE,
            "json_attributes_topic": topic,
            "json_attributes_template": ATTRIBUTES_TEMPLATE,
            "device_class": described.device_class,
            "state_class": described.state_class,
            "unit_of_measurement": described.unit,
            "availability": [
                {
                    "topic": self._topics.status,
                    "value_template": "{{ value_json.state }}",
                    "payload_available": "online",
                    "payload_not_available": "offline",
                }
            ],
            "qos": 1,
            "device": _known_only(
                {
                    "identifiers": [f"gatewayd.{self._node}.{_safe(reading.meter)}"],
                    "name": reading.meter,
                    "serial_number": self._serials[reading.meter] or None,
                    "via_device": f"gatewayd.{self._node}",
                }
            ),
            "origin": self._origin(),
        }
        return _known_only(document)

    def _gateway_document(self) -> Document:
        """The gateway as a device, with the one thing that it tells about itself."""
        return {
            "name": "Connection",
            "unique_id": f"gatewayd.{self._node}",
            "state_topic": self._topics.status,
            "value_template": "{{ value_json.state }}",
            "payload_on": "online",
            "payload_off": "offline",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "qos": 1,
            "device": {
                "identifiers": [f"gatewayd.{self._node}"],
                "name": self._gateway,
                "sw_version": self._version,
            },
            "origin": self._origin(),
        }

    def _origin(self) -> Document:
        return {"name": "gatewayd", "sw_version": self._version}


def _known_only(document: Document) -> Document:
    return {key: value for key, value in document.items() if value is not None}


def _safe(text: str) -> str:
    """As a part of a discovery topic, where only A-Z, a-z, 0-9, _ and - may stand; different texts stay different."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return plain if plain == text and text else f"{plain}-{sha256(text.encode()).hexdigest()[:8]}"
