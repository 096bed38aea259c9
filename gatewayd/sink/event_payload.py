"""What is published of events of metering points: JSON, version 1 (docs/mqtt/point-event-1.schema.json).

Rules: pure. One event is one message. A number has exactly the digits of its Decimal and never an exponent. Who keeps
the first of each `seq` has each event once.
"""

from gatewayd.metering.events import PointEvent, event_of
from gatewayd.metering.record import ranges
from gatewayd.metering.values import Layer
from gatewayd.model import Archived
from gatewayd.sink.payload import head_object, point_object, rfc3339, to_json

SCHEMA = "gatewayd.point-event/1"
EVENT = "event"
"""The level of topics in the place of a layer."""


def event_message(archived: Archived, gateway: str, head: tuple[int, str | None], replay: str = "") -> bytes:
    """The message of one event. `replay`: the id of the request that it answers. ValueError for what is no event."""
    event = event_of(archived.reading)
    document: dict[str, object] = {
        "schema": SCHEMA,
        "gateway": gateway,
        "point": {"id": event.point, **point_object(archived.point)},
        "type": event.type,
        "state": event.state.value,
        "severity": event.severity.value,
        "obis": None if event.obis is None else str(event.obis),
        "period": "month" if event.scope in (Layer.MONTH, Layer.MAXIMUM) else "day",
        "day": event.day.isoformat(),
        "at": rfc3339(event.at),
        "layer": event.layer.value,
        "start": rfc3339(event.start),
        "end": rfc3339(event.end),
        "amount": event.amount,
        "limit": event.limit,
        "unit": event.unit or None,
        "count": event.count,
        "methods": _methods(event),
        "subject": event.subject or None,
        "inputs": ranges(event.inputs),
        "text": event.text,
        "seq": archived.seq,
        "told_at": rfc3339(archived.received_at),
        "head": head_object(head),
        **({"replay": replay} if replay else {}),
    }
    return to_json(document)


def _methods(event: PointEvent) -> list[str]:
    return event.method.split(",") if event.method else []
