"""What a technician asks of a meter, and what has come of it, as JSON for the control socket.

Rules: nothing is lost on the way: readings arrive as the archive has them, bytes and digits included. They come in
portions; a fault names its kind, so that the command ends with the same exit code as if it had asked itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gatewayd import errors
from gatewayd.errors import GatewayError
from gatewayd.model import Archived, Clock, MeterObject, Order, Profile, Registers, Scan
from gatewayd.talk import Result

PORTION = 500
"""Readings in one line."""
Question = Registers | Profile | Scan | Clock
"""What a technician may ask for."""
_KINDS: Mapping[str, type[Question]] = {"read": Registers, "profile": Profile, "scan": Scan, "clock": Clock}
_FAULTS: Mapping[str, type[GatewayError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, GatewayError) and kind is not errors.ConfigError
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
                    self._readings += msgspec.convert(event["readings"], list[Archived])
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


def _fault(told: Mapping[str, str] | None) -> GatewayError | None:
    if told is None:
        return None
    kind = _FAULTS.get(told["kind"], GatewayError)
    return kind(told["text"])
