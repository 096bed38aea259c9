"""What is published of derived values: JSON, version 1 of the contract (docs/mqtt/derived-1.schema.json).

Rules: pure. A number has exactly the digits of its Decimal and never an exponent; no float appears. A value that is
missing has no number; the sum of what is there stands beside it, as `partial`. `validated` is true where there were
validation rules and none has found anything; all values of a message are of one kind in that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from gatewayd.metering.record import derived_of, layer_of, ranges
from gatewayd.model import Archived, Point, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.sink.payload import Message, head_object, point_object, rfc3339
from gatewayd.sink.topics import Topics, level

SCHEMA = "gatewayd.derived/1"
POINTS = "points"
"""The level of topics below which the metering points are; a meter of this id has topics of another length."""

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class PointTopics(Topics):
    """The topics of derived values."""

    def derived(self, point: str, layer: str, code: str) -> str:
        """{prefix}/{gateway}/points/{point}/{layer}/{obis}"""
        return "/".join((self.prefix, level(self.gateway), POINTS, level(point), layer, level(code)))

    def reading(self, reading: Reading) -> str:
        """That of a reading of the derived archive, in which the layer stands where a meter's code would."""
        return self.derived(reading.meter, reading.obis_raw, reading.code)


class DerivedComposer:
    """Makes messages of what is in the derived archive; `head` is the end of that archive at the time."""

    def __init__(self, gateway: str, head: Callable[[], tuple[int, str | None]]) -> None:
        self._gateway = gateway
        self._head = head

    def messages(self, batch: Sequence[Archived], limit: int, replay: str = "") -> Iterator[Message]:
        """Values of a series together, up to `limit` bytes; the messages of a series follow each other in the order of
        its values. `replay` as in payload.Composer."""
        tail = b',"head":' + _ENCODER.encode(head_object(self._head()))
        if replay:
            tail += b',"replay":' + _ENCODER.encode(replay)
        tail += b',"values":['
        latest: dict[_Series, _Group] = {}
        groups: list[_Group] = []
        for archived in batch:
            document, validated = _value(archived)
            text = _ENCODER.encode(document)
            series = _series(archived)
            group = latest.get(series)
            if group is None or group.validated is not validated or group.size + len(text) + 1 > limit:
                frame = _ENCODER.encode(_frame(archived, self._gateway, validated)).removesuffix(b"}")
                group = latest[series] = _Group(validated, frame + tail)
                groups.append(group)
            group.add(archived, text)
        for group in groups:
            yield Message(tuple(group.readings), group.start + b",".join(group.texts) + b"]}")


_Series = tuple[str, str, Obis | None, str, int | None, Point]


class _Group:
    """A message while values are added to it."""

    def __init__(self, validated: bool, start: bytes) -> None:
        self.validated = validated
        self.start = start
        self.readings: list[Archived] = []
        self.texts: list[bytes] = []
        self.size = len(start) + 2

    def add(self, archived: Archived, text: bytes) -> None:
        self.readings.append(archived)
        self.texts.append(text)
        self.size += len(text) + 1


def _series(archived: Archived) -> _Series:
    """Values with the same one differ in nothing that stands outside the list of values, but in `validated`."""
    reading = archived.reading
    return reading.meter, reading.obis_raw, reading.obis, reading.unit, reading.interval_s, archived.point


def _frame(archived: Archived, gateway: str, validated: bool) -> dict[str, object]:
    reading = archived.reading
    return {
        "schema": SCHEMA,
        "gateway": gateway,
        "point": {"id": reading.meter, **point_object(archived.point)},
        "layer": layer_of(reading).value,
        "obis": str(reading.obis),
        "unit": reading.unit or None,
        "interval_s": reading.interval_s,
        "validated": validated,
    }


def _value(archived: Archived) -> tuple[dict[str, object], bool]:
    derived = derived_of(archived.reading)
    value = derived.value
    gone = value.status is RawStatus.MISSING
    document: dict[str, object] = {
        "seq": archived.seq,
        "at": rfc3339(value.at),
        "value": None if gone or value.amount is None else _plain(value.amount),
        "status": value.status.text,
        "flags": value.flags.texts if value.flags else [],
        "method": value.method.value,
        "inputs": ranges(value.inputs),
        "have": value.have,
        "want": value.want,
        "rules": list(value.rules),
        "reason": value.reason,
        "version": derived.version,
        "supersedes": derived.supersedes,
        "computed_at": rfc3339(archived.received_at),
    }
    if gone and value.amount is not None:
        document["partial"] = _plain(value.amount)
    if value.instant is not None:
        document["instant"] = rfc3339(value.instant)
    return document, derived.validated


def _plain(value: Decimal) -> msgspec.Raw:
    """A number with its own digits: the encoder alone would write small ones as 1E-9."""
    return msgspec.Raw(format(value, "f").encode("ascii"))
