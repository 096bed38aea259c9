"""A derivation: the values of one point, layer and code that were computed together, as an exchange of the archive.

    exchange.meter    the point                request   derive LAYER OBIS
    exchange.line     metering                 received  who, how and with what: canonical JSON
    exchange.detail   why, in words

Rules: pure. What is the same as before is not written again; what differs is the next version and names the one that it
supersedes. The JSON is canonical (sorted keys, no blanks, no floats), so that equal derivations are equal bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from gatewayd.metering.events import PointEvent
from gatewayd.metering.events import reading_of as event_reading
from gatewayd.metering.findings import Finding
from gatewayd.metering.findings_told import written
from gatewayd.metering.record import Derived, reading_of, same
from gatewayd.metering.values import Channel, Layer, Value
from gatewayd.model import Exchange, Outcome, Reading

LINE = "metering"
REQUEST = "derive"
SCHEMA = "gatewayd.derivation/1"
GATEWAY = "gateway"
"""The author of what nobody has entered."""

Fact = str | int | bool | tuple[str, ...]
Facts = tuple[tuple[str, Fact], ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest version of a value, its sequence number in the derived archive, and its unit."""

    seq: int
    derived: Derived
    unit: str = ""


Known = Mapping[datetime, Standing]
"""What stands of one channel and layer, by the end of the interval."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """What was computed, and what of it is to be written. `reason`: why now; `facts`: parameters, by name, as they were
    used; `author`: the gateway, or whoever has entered a value. `findings`: what rules found on all that was computed;
    `remarks`: what else is remarkable, in words; `checked`: whether rules have looked at all of it. `events`: what is
    told together with the values."""

    channel: Channel
    layer: Layer
    new: tuple[Derived, ...]
    reason: str = ""
    author: str = GATEWAY
    facts: Facts = field(default=())
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    checked: bool = False
    events: tuple[PointEvent, ...] = ()

    @property
    def point(self) -> str:
        """The point."""
        return self.channel.point

    @property
    def request(self) -> str:
        return f"{REQUEST} {self.layer.value} {self.channel.obis}"

    @property
    def received(self) -> bytes:
        """Who, how and with what."""
        document: dict[str, object] = {
            "schema": SCHEMA,
            "point": self.channel.point,
            "layer": self.layer.value,
            "obis": str(self.channel.obis),
            "author": self.author,
            "methods": sorted({method.value for method in {one.value.method for one in self.new}}),
            "parameters": dict(self.facts),
            "checked": self.checked,
        }
        if self.findings:
            told, more = written(self.findings, self.channel, self.layer, [one.value for one in self.new])
            document |= {"findings": told} if told else {}
            document |= {"more_findings": more} if more else {}
        if self.remarks:
            document["remarks"] = self.remarks
        return msgspec.json.encode(document, order="deterministic")

    def exchange(self, at: datetime) -> Exchange:
        """It as an exchange of the archive, done at this instant."""
        return Exchange(self.channel.point, LINE, self.request, at, at, self.received, Outcome.DONE, self.reason)

    def readings(self) -> tuple[Reading, ...]:
        """Its values as readings of the archive, then its events."""
        values = [reading_of(self.channel, self.layer, one) for one in self.new]
        return tuple([*values, *map(event_reading, self.events)] if self.events else values)


def news(values: Iterable[Value], known: Known, *, validated: Iterable[bool]) -> tuple[Derived, ...]:
    """What of these values is not written down yet, as the versions that they become."""
    found: list[Derived] = []
    for value, sound in zip(values, validated, strict=True):
        before = known.get(value.at)
        if before is None:
            found.append(Derived(value, validated=sound))
        elif not same(before.derived, value, validated=sound):
            found.append(Derived(value, before.derived.version + 1, before.seq, sound))
    return tuple(found)


def counted(derivations: Sequence[Derivation]) -> int:
    """How many values they write."""
    return sum(len(one.new) for one in derivations)
