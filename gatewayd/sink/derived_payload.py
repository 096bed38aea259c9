"""What is published of derived values: JSON, version 1 of the contract (docs/mqtt/derived-1.schema.json).

Rules: pure. A number has exactly the digits of its Decimal and never an exponent; no float appears. A value that is
missing has no number; the sum of what is there stands beside it, as `partial`. `validated` is true where there were
validation rules and none has found anything; all values of a message are of one kind in that. Events of points are
messages of their own (event_payload.py).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gatewayd.metering.record import VALIDATED, layer_of, more_of
from gatewayd.model import Archived, Kind, Point, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.sink.event_payload import EVENT, event_message
from gatewayd.sink.payload import Message, head_object, point_object, rfc3339
from gatewayd.sink.topics import Topics, level

SCHEMA = "gatewayd.derived/1"
POINTS = "points"
"""The level of topics below which the metering points are; a meter of this id has topics of another length."""

_PLAIN = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
"""A number of JSON."""
_STATUS = {status: status.text for status in RawStatus}
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class PointTopics(Topics):
    """The topics of derived values."""

    def derived(self, point: str, layer: str, code: str) -> str:
        """{prefix}/{gateway}/points/{point}/{layer}/{obis}"""
        return "/".join((self.prefix, level(self.gateway), POINTS, level(point), layer, level(code)))

    def reading(self, reading: Reading) -> str:
        """That of a reading of the derived archive, in which the layer stands where a meter's code would."""
        if reading.kind is Kind.EVENT:
            return self.event(reading.meter, reading.obis_raw)
        return self.derived(reading.meter, reading.obis_raw, reading.code)

    def event(self, point: str, type: str) -> str:
        """{prefix}/{gateway}/points/{point}/event/{type}"""
        return "/".join((self.prefix, level(self.gateway), POINTS, level(point), EVENT, level(type)))


class DerivedComposer:
    """Makes messages of what is in the derived archive; `head` is the end of that archive at the time."""

    def __init__(self, gateway: str, head: Callable[[], tuple[int, str | None]]) -> None:
        self._gateway = gateway
        self._head = head

    def messages(self, batch: Sequence[Archived], limit: int, replay: str = "") -> Iterator[Message]:
        """Values of a series together, up to `limit` bytes, each event by itself; the messages of a series follow each
        other in the order of its values, and so do those of a topic: where its values have another length, unit or
        point, they begin another message, and what came before is closed. `replay` as in payload.Composer."""
        tail = b',"head":' + _ENCODER.encode(head_object(self._head()))
        if replay:
            tail += b',"replay":' + _ENCODER.encode(replay)
        tail += b',"values":['
        latest: dict[_Topic, _Group] = {}
        groups: list[_Group | Message] = []
        instants: dict[datetime, str] = {}
        before: _Series | None = None
        group: _Group | None = None
        for archived in batch:
            if archived.reading.kind is Kind.EVENT:
                groups.append(Message((archived,), event_message(archived, self._gateway, self._head(), replay)))
                continue
            document, validated = _value(archived, instants)
            text = _ENCODER.encode(document)
            series = _series(archived)
            if series != before:  # the values of one mostly follow each other
                group, before = latest.get(series[:3]), series
                if group is not None and group.series != series:
                    group = None
            if group is None or group.validated is not validated or group.size + len(text) + 1 > limit:
                frame = _ENCODER.encode(_frame(archived, self._gateway, validated)).removesuffix(b"}")
                group = latest[series[:3]] = _Group(series, validated, frame + tail)
                groups.append(group)
            group.add(archived, text)
        for one in groups:
            yield one if isinstance(one, Message) else one.message()


_Topic = tuple[str, str, Obis | None]
_Series = tuple[str, str, Obis | None, str, int | None, Point]
"""What the topic is made of stands in front."""


class _Group:
    """A message while values are added to it."""

    def __init__(self, series: _Series, validated: bool, start: bytes) -> None:
        self.series = series
        self.validated = validated
        self.start = start
        self.readings: list[Archived] = []
        self.texts: list[bytes] = []
        self.size = len(start) + 2

    def add(self, archived: Archived, text: bytes) -> None:
        self.readings.append(archived)
        self.texts.append(text)
        self.size += len(text) + 1

    def message(self) -> Message:
        return Message(tuple(self.readings), self.start + b",".join(self.texts) + b"]}")


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


class _Value(msgspec.Struct, gc=False):
    """One value as it stands in a message: encoded in half the time of a dictionary."""

    seq: int
    at: str
    value: msgspec.Raw | None
    status: str
    flags: list[str]
    method: str
    inputs: str
    have: int
    want: int
    rules: list[str]
    reason: str
    version: int
    supersedes: int | None
    computed_at: str
    partial: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    instant: str | msgspec.UnsetType = msgspec.UNSET


def _value(archived: Archived, instants: dict[datetime, str]) -> tuple[_Value, bool]:
    """Of the texts as they are archived: nothing has to be understood to be handed on. `instants` are texts that are
    known already."""
    reading = archived.reading
    more = more_of(reading.more)
    gone = reading.status is RawStatus.MISSING
    amount = _number(reading)
    have, _, want = more.coverage.partition("/")
    for instant in (reading.at, archived.received_at):
        if instant not in instants:
            instants[instant] = rfc3339(instant)
    value = _Value(
        archived.seq,
        instants[reading.at],
        None if gone else amount,
        _STATUS[reading.status],
        reading.flags.texts if reading.flags else [],
        more.method,
        more.inputs,
        int(have),
        int(want),
        more.rules.split(",") if more.rules else [],
        more.reason,
        int(more.version),
        int(more.supersedes) if more.supersedes else None,
        instants[archived.received_at],
        amount if gone and amount is not None else msgspec.UNSET,
        rfc3339(datetime.fromisoformat(more.instant)) if more.instant else msgspec.UNSET,
    )
    return value, more.validated == VALIDATED


def _number(reading: Reading) -> msgspec.Raw | None:
    """With its own digits: the encoder alone would write small ones as 1E-9. None where there is none."""
    text = reading.raw_text
    if reading.scaler == 0 and _PLAIN.fullmatch(text):  # nearly always
        return msgspec.Raw(text.encode("ascii"))
    amount = reading.value
    return None if amount is None else msgspec.Raw(format(amount, "f").encode("ascii"))
