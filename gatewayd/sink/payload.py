"""What is published: readings as JSON, version 1 of the contract (docs/mqtt/readings-1.schema.json).

Rules: pure. A number has exactly the digits of its Decimal and never an exponent; no float appears. A reading whose
status is missing has no number, whatever stands in its raw text: a sentinel is a status, not energy. The command line
prints the same fields (`reading_object`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from gatewayd.model import NOWHERE, Archived, Kind, Point, Ratio, RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.topics import RETAINED

SCHEMA = "gatewayd.readings/1"

_ENCODER = msgspec.json.Encoder()
_FRAMES = 20_000
"""How many series are remembered."""


@dataclass(frozen=True, slots=True)
class Message:
    """Readings of one series and the JSON that carries them."""

    readings: tuple[Archived, ...]
    payload: bytes


class Composer:
    """Makes messages for one gateway; `points` are those of its meters, `head` the end of its archive at the time."""

    def __init__(self, gateway: str, points: Mapping[str, Point], head: Callable[[], tuple[int, str | None]]) -> None:
        self._gateway = gateway
        self._points = points
        self._head = head
        self._frames: dict[_Key, bytes] = {}

    def messages(self, batch: Sequence[Archived], limit: int, replay: str = "") -> Iterator[Message]:
        """One message per register and maximum; intervals and events of a series together, up to `limit` bytes.

        The messages of a series follow each other in the order of its readings. A reading that is longer than the limit
        has a message of its own. `replay` is the id of the request that they answer, if they do.
        """
        tail = b',"head":' + _ENCODER.encode(head_object(self._head()))
        if replay:
            tail += b',"replay":' + _ENCODER.encode(replay)
        tail += b',"readings":['
        latest: dict[_Key, _Group] = {}
        groups: list[_Group] = []
        instants: dict[datetime, str] = {}
        for archived in batch:
            text = _ENCODER.encode(_value(archived, instants))
            key = _key(archived)
            alone = archived.reading.kind in RETAINED
            group = None if alone else latest.get(key)
            if group is not None and group.add(archived, text, limit):
                continue
            group = _Group(self._frame(key, archived) + tail)
            group.add(archived, text, limit)
            groups.append(group)
            if not alone:
                latest[key] = group
        for group in groups:
            yield group.message()

    def _frame(self, key: "_Key", archived: Archived) -> bytes:
        """Everything of a message that is the same for all of its series, up to the head."""
        frame = self._frames.get(key)
        if frame is None:
            if len(self._frames) >= _FRAMES:  # noise on a line makes codes without end
                self._frames.clear()
            # As it was when the meter was read; where none was known then, the one that is known now.
            point = archived.point if archived.point != NOWHERE else self._points.get(archived.reading.meter, NOWHERE)
            frame = self._frames[key] = _ENCODER.encode(_frame(archived, self._gateway, point)).removesuffix(b"}")
        return frame


def reading_object(archived: Archived) -> dict[str, object]:
    """One reading by itself, as `gatewayd read --json` lists it: the series and the value."""
    return _series(archived) | _value(archived, {})


def to_json(document: object) -> bytes:
    """JSON in one line; Decimals anywhere inside become numbers with their own digits."""
    return _ENCODER.encode(_exact(document))


def rfc3339(instant: datetime) -> str:
    """`2026-11-21T20:45:00Z`, with a fraction only where there is one."""
    text = instant.astimezone(UTC).isoformat().removesuffix("+00:00")
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
    """A message while readings are added to it: `{..."readings":[` and, put behind them, `]}`."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self._readings: list[Archived] = []
        self._texts: list[bytes] = []
        self._size = len(start) + 2

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
        return Message(tuple(self._readings), b"".join((self._start, b",".join(self._texts), b"]}")))


_Key = tuple[str, Obis | None, str, Kind, str, int | None, str, Point, int, Ratio]


def _key(archived: Archived) -> _Key:
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
        archived.point,
        archived.ratio_id,
        archived.ratio,
    )


def _frame(archived: Archived, gateway: str, point: Point) -> dict[str, object]:
    series = _series(archived)
    return {
        "schema": SCHEMA,
        "gateway": gateway,
        "meter": series.pop("meter"),
        "point": point_object(point),
        **series,
        "ratio": {"id": archived.ratio_id, **ratio_object(archived.ratio)},
        "validated": False,
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


def _value(archived: Archived, instants: dict[datetime, str]) -> dict[str, object]:
    """One reading; `instants` are texts that are known already."""
    reading = archived.reading
    value = None if reading.status is RawStatus.MISSING else reading.value
    for instant in (reading.at, archived.received_at):
        if instant not in instants:
            instants[instant] = rfc3339(instant)
    document: dict[str, object] = {
        "seq": archived.seq,
        "at": instants[reading.at],
        "value": None if value is None else _plain(value),
        "raw": reading.raw_text,
        "primary": None if value is None else _plain(value * archived.ratio.factor),
        "status": reading.status.text,
        "flags": reading.flags.texts if reading.flags else [],
        "received_at": instants[archived.received_at],
    }
    if reading.more:
        document["more"] = list(reading.more)
    if reading.meter_time:
        document["meter_time"] = reading.meter_time
    return document


def _plain(value: Decimal) -> msgspec.Raw:
    """A number with its own digits: the encoder alone would write small ones as 1E-9."""
    return msgspec.Raw(format(value, "f").encode("ascii"))


def _exact(document: object) -> object:
    """The document with its Decimals written out."""
    if isinstance(document, Decimal):
        return _plain(document)
    if isinstance(document, dict):
        return {key: _exact(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_exact(value) for value in document]
    return document
