"""What a technician asks of a meter, and what has come of it, as JSON for the control socket.

Rules: nothing is lost on the way: readings arrive as the archive has them, bytes and digits included. They come in
portions; a fault names its kind, so that the command ends with the same exit code as if it had asked itself.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from gatewayd import errors
from gatewayd.errors import GatewayError
from gatewayd.model import (
    Archived,
    Clock,
    MeterObject,
    Order,
    Point,
    Profile,
    Ratio,
    Reading,
    Registers,
    Scan,
    ValueSide,
)
from gatewayd.talk import Result

PORTION = 500
"""Readings in one line."""
Question = Registers | Profile | Scan | Clock
"""What a technician may ask for."""
_KINDS: Mapping[str, type[Question]] = {"read": Registers, "profile": Profile, "scan": Scan, "clock": Clock}
_FAULTS: Mapping[str, type[GatewayError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type)
    and issubclass(kind, GatewayError)
    and kind is not errors.ConfigError
    and not issubclass(kind, errors.NotPermitted)  # it is the gateway that may not, and not who asks
}


def kind_of(question: Order) -> str:
    """`read`, `profile`, `scan` or `clock`; GatewayError for what nobody asks for by hand."""
    for name, kind in _KINDS.items():
        if isinstance(question, kind):
            return name
    raise GatewayError(f"nobody asks by hand for {type(question).__name__}")


def question_text(question: Order) -> str:
    """As JSON."""
    return msgspec.json.encode({"kind": kind_of(question), "what": question}).decode()


def question_from(text: str) -> Question:
    """The reverse; GatewayError when it is none."""
    try:
        document = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        kind = _KINDS[msgspec.json.decode(document["kind"], type=str)]
        return msgspec.json.decode(document["what"], type=kind)
    except (KeyError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise GatewayError(f"that is no question to a meter: {error}") from error


def result_events(result: Result) -> Iterator[dict[str, object]]:
    """The events that tell it: portions of readings, then the end."""
    for start in range(0, len(result.readings), PORTION):
        yield {"event": "readings", "readings": result.readings[start : start + PORTION]}
    fault = None
    if result.fault is not None:
        fault = {"kind": type(result.fault).__name__, "text": str(result.fault)}
    yield {"event": "result", "objects": result.objects, "remarks": result.remarks, "fault": fault}


class Collected:
    """A result that comes in pieces; to be fed with events until `done`."""

    def __init__(self, meter: str) -> None:
        self._meter = meter
        self._readings: list[Archived] = []
        self.done: Result | None = None

    def take(self, event: Mapping[str, Any]) -> bool:  # whatever JSON has
        """False for an event that is no piece of a result. GatewayError when it is of another version."""
        try:
            match event.get("event"):
                case "readings":
                    self._readings += map(_archived, msgspec.convert(event["readings"], list[_Told]))
                case "result":
                    self.done = Result(
                        self._meter,
                        tuple(self._readings),
                        _fault(event["fault"]),
                        msgspec.convert(event["objects"], tuple[MeterObject, ...]),
                        msgspec.convert(event["remarks"], tuple[str, ...]),
                    )
                case _:
                    return False
        except (KeyError, TypeError, ValueError) as error:
            raise GatewayError(f"the running gateway sends a result that is not known here: {error!r}") from error
        return True


class _Told(msgspec.Struct):
    """An Archived on the wire. Its ratio holds from a day or from an instant on, which JSON does not tell apart."""

    seq: int
    reading: Reading
    received_at: datetime
    serial: str
    ratio_id: int
    ratio: dict[str, Any]
    exchange: int
    point: Point


def _archived(told: _Told) -> Archived:
    return Archived(
        told.seq,
        told.reading,
        told.received_at,
        told.serial,
        told.ratio_id,
        _ratio(**told.ratio),
        told.exchange,
        told.point,
    )


def _ratio(*, ct: str, vt: str, multiplier: str, value_side: str, since: str, **_factor: str) -> Ratio:
    begin = datetime.fromisoformat(since) if "T" in since else date.fromisoformat(since)
    return Ratio(ct, vt, Decimal(multiplier), ValueSide(value_side), begin)


def _fault(told: Mapping[str, str] | None) -> GatewayError | None:
    if told is None:
        return None
    kind = _FAULTS.get(told["kind"], GatewayError)
    return kind(told["text"])
