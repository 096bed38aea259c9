"""What is published: readings as JSON, version 1 of the contract (docs/mqtt/readings-1.schema.json).

Rules: pure. A number has exactly the digits of its Decimal and never an exponent; no float appears. A reading whose
status is missing has no number, whatever stands in its raw text: a sentinel is a status, not energy. The command line
prints the same fields (`reading_object`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from gatewayd.model import Archived, Kind, Point, Ratio, RawStatus
from gatewayd.sink.topics import RETAINED

SCHEMA = "gatewayd.readings/1"

_ENCODER = msgspec.json.Encoder()
_NO_POINT = Point()


@dataclass(frozen=True, slots=True)
class Message:
    """Readings of one series and the JSON that carries them."""

    readings: tuple[Archived, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """What a message says about the gateway itself: its id, the points of its meters, the head of its archive."""

    gateway: str
    points: Mapping[str, Point]
    head: tuple[int, str | None]


def messages(batch: Sequence[Archived], origin: Origin, limit: int) -> Iterator[Message]:
    """One message per register and maximum; intervals and events of a series together, up to `limit` bytes.

    The messages of a series follow each other in the order of its readings. A reading that is longer than the limit
    has a message of its own.
    """
    for group in _groups(batch, origin, limit):
        yield group.message()


def reading_object(archived: Archived) -> dict[str, object]:
    """One reading by itself, as `gatewayd read --json` lists it: the series and the value."""
    return _series(archived) | _value(archived)


def to_json(document: object) -> bytes:
    """JSON in one line; Decimals anywhere inside become numbers with their own digits."""
    return _ENCODER.encode(_exact(document))


def rfc3339(instant: datetime) -> str:
    """`2026-11-21T20:45:00Z`, with a fraction only where there is one."""
    text = instant.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def point_object(point: Point) -> dict[str, str]:
    """The codes of a metering point that are known."""
    return {key: code for key, code in (("eic", point.eic), ("ean", point.ean)) if code}


def ratio_object(ratio: Ratio) -> dict[str, object]:
    """A ratio in the words of the configuration; null for a transformer that is not there."""
    return {
        "ct": ratio.ct or None,
        "vt": ratio.vt or None,
        "multiplier": format(ratio.multiplier, "f"),
        "value_side": ratio.value_side.value,
    }


def head_object(head: tuple[int, str | None]) -> dict[str, object]:
    return {"seq": head[0], "hash": head[1]}


class _Group:
    """A message while readings are added to it."""

    def __init__(self, first: Archived, origin: Origin) -> None:
        # Everything but the readings, whose list stands last: `..."readings":[` and, put back at the end, `]}`.
        self._frame = _ENCODER.encode(_frame(first, origin)).removesuffix(b"]}")
        self._readings: list[Archived] = []
        self._texts: list[bytes] = []
        self._size = len(self._frame) + 2

    def add(self, archived: Archived, text: bytes, limit: int) -> bool:
        """False, and nothing added, when the message would become longer than `limit`."""
        size = self._size + len(text) + bool(self._texts)
        if self._texts and size > limit:
            return False
        self._readings.append(archived)
        self._texts.append(text)
        self._size = size
        return True

    def message(self) -> Message:
        return Message(tuple(self._readings), b"".join((self._frame, b",".join(self._texts), b"]}")))


def _groups(batch: Sequence[Archived], origin: Origin, limit: int) -> list[_Group]:
    """The batch cut into messages, in the order of their first readings."""
    groups: list[_Group] = []
    latest: dict[object, _Group] = {}
    for archived in batch:
        text = to_json(_value(archived))
        key = None if archived.reading.kind in RETAINED else _key(archived)
        group = latest.get(key)
        if group is not None and group.add(archived, text, limit):
            continue
        group = _Group(archived, origin)
        group.add(archived, text, limit)
        groups.append(group)
        if key is not None:
            latest[key] = group
    return groups


def _key(archived: Archived) -> object:
    """Readings with the same key differ in nothing that stands outside the list of readings."""
    reading = archived.reading
    return (
        reading.meter,
        reading.obis,
        reading.obis_raw,
        reading.kind,
        reading.unit,
        reading.interval_s,
        archived.serial,
        archived.ratio_id,
        archived.ratio,
    )


def _frame(archived: Archived, origin: Origin) -> dict[str, object]:
    series = _series(archived)
    return {
        "schema": SCHEMA,
        "gateway": origin.gateway,
        "meter": series.pop("meter"),
        "point": point_object(origin.points.get(archived.reading.meter, _NO_POINT)),
        **series,
        "ratio": {"id": archived.ratio_id, **ratio_object(archived.ratio)},
        "validated": False,
        "head": head_object(origin.head),
        "readings": [],
    }


def _series(archived: Archived) -> dict[str, object]:
    reading = archived.reading
    return {
        "meter": reading.meter,
        "serial": archived.serial or None,
        "obis": None if reading.obis is None else str(reading.obis),
        "obis_raw": reading.obis_raw,
        "kind": reading.kind.value,
        "unit": reading.unit or None,
        "interval_s": reading.interval_s if reading.kind is Kind.INTERVAL else None,
    }


def _value(archived: Archived) -> dict[str, object]:
    reading = archived.reading
    missing = reading.status is RawStatus.MISSING
    document: dict[str, object] = {
        "seq": archived.seq,
        "at": rfc3339(reading.at),
        "value": None if missing else reading.value,
        "raw": reading.raw_text,
        "primary": None if missing else archived.primary,
        "status": reading.status.text,
        "flags": reading.flags.texts if reading.flags else [],
        "received_at": rfc3339(archived.received_at),
    }
    if reading.more:
        document["more"] = list(reading.more)
    if reading.meter_time:
        document["meter_time"] = reading.meter_time
    return document


def _exact(document: object) -> object:
    """The document with its Decimals written out: the encoder alone would write small ones as 1E-9."""
    if isinstance(document, Decimal):
        return msgspec.Raw(format(document, "f").encode("ascii"))
    if isinstance(document, dict):
        return {key: _exact(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_exact(value) for value in document]
    return document
