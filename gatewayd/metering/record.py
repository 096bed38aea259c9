"""A derived value as a reading of the derived archive, and back: nothing of it is lost, and nothing is added.

    meter  the point          obis_raw    the layer: interval, day, month, ...
    obis   the code           raw_text    the amount in plain digits, "" for none
    at     the end            more        what `explain` shows: see More

Rules: pure. What goes in comes out equal. The inputs are written as ranges of sequence numbers of the raw archive, so
that a month takes a few bytes: `17-20,25`, and `17-397/4` for every fourth. A derived value has a version; its number
goes up by one each time that a value of the same point, layer, code and end is written anew, and the one before stays.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import msgspec

from gatewayd.metering.values import Channel, Layer, Method, Value
from gatewayd.model import Flag, Kind, RawStatus, Reading

VALIDATED = "validated"
_LAYERS = {layer.value: layer for layer in Layer}
_METHODS = {method.value: method for method in Method}
_WHOLE = "1/1"


class More(NamedTuple):
    """What stands in `more` of a derived reading. `inputs` are ranges, `coverage` is have/want, `rules` are divided by
    commas; `supersedes` and `instant` may be empty."""

    method: str
    inputs: str
    version: str
    supersedes: str
    coverage: str
    rules: str
    instant: str
    validated: str
    reason: str


class Derived(msgspec.Struct, frozen=True, gc=False):
    """A value with its place in the history of its key. `supersedes`: the sequence number, in the derived archive, of
    the version before; None for the first. `validated`: there were rules, and none of them found anything."""

    value: Value
    version: int = 1
    supersedes: int | None = None
    validated: bool = False


def reading_of(channel: Channel, layer: Layer, derived: Derived) -> Reading:
    """What is written into the derived archive."""
    value = derived.value
    coverage = _WHOLE if value.have == value.want == 1 else f"{value.have}/{value.want}"
    more = (
        value.method._value_,  # `value` takes a tenth of all the time here
        str(value.inputs[0]) if len(value.inputs) == 1 else ranges(value.inputs),
        str(derived.version),
        "" if derived.supersedes is None else str(derived.supersedes),
        coverage,
        ",".join(value.rules),
        "" if value.instant is None else value.instant.isoformat(),
        VALIDATED if derived.validated else "",
        value.reason,
    )
    amount = "" if value.amount is None else format(value.amount, "f")
    return Reading(
        channel.point,
        channel.obis,
        layer._value_,
        Kind.MAXIMUM if layer is Layer.MAXIMUM else Kind.INTERVAL,
        value.at,
        b"",
        amount,
        channel.unit,
        0,
        value.status,
        value.flags,
        more,
        value.seconds,
    )


def layer_of(reading: Reading) -> Layer:
    """The layer of a reading of the derived archive. ValueError for what is none."""
    layer = _LAYERS.get(reading.obis_raw)
    if layer is None:
        raise ValueError(f"'{reading.obis_raw}' is no layer of derived values")
    return layer


def channel_of(reading: Reading) -> Channel:
    """The channel of a reading of the derived archive. ValueError for what has no code."""
    if reading.obis is None:
        raise ValueError(f"a derived value of {reading.meter} has no OBIS code")
    return Channel(reading.meter, reading.obis, reading.unit)


def derived_of(reading: Reading) -> Derived:
    """The value of a reading of the derived archive. ValueError for what is none."""
    if reading.interval_s is None:
        raise ValueError(f"a derived value of {reading.meter} at {reading.at.isoformat()} has no length")
    return derived_from(
        reading.at, reading.interval_s, reading.raw_text, reading.status, reading.flags, more_of(reading.more)
    )


def more_of(more: Sequence[str]) -> More:
    """What stands in `more`. ValueError where that is no derived value."""
    if len(more) != len(More._fields):
        raise ValueError(f"a derived value is not written as one: {len(more)} texts instead of {len(More._fields)}")
    return More._make(more)


def derived_from(at: datetime, seconds: int, amount: str, status: RawStatus, flags: Flag, more: More) -> Derived:
    """A value of what is written of it. ValueError for what is none."""
    have = want = 1
    if more.coverage != _WHOLE:
        have, want = map(int, more.coverage.split("/"))
    value = Value(
        at,
        seconds,
        Decimal(amount) if amount else None,
        status,
        flags,
        (int(more.inputs),) if more.inputs.isdigit() else numbers(more.inputs),
        _METHODS[more.method],
        have,
        want,
        datetime.fromisoformat(more.instant) if more.instant else None,
        tuple(more.rules.split(",")) if more.rules else (),
        more.reason,
    )
    return Derived(
        value, int(more.version), int(more.supersedes) if more.supersedes else None, more.validated == VALIDATED
    )


def same(known: Derived, value: Value, *, validated: bool) -> bool:
    """Whether a value says what is written down already: then it is no new version. The words of its reason are no part
    of it: they may become better ones; but those of a provisional value say until when it is one. An amount of the same
    number is the same one, whatever its digits."""
    one = known.value
    return (
        one.amount == value.amount
        and one.status is value.status
        and one.flags == value.flags
        and one.inputs == value.inputs
        and one.method is value.method
        and (one.have, one.want, one.seconds) == (value.have, value.want, value.seconds)
        and one.instant == value.instant
        and one.rules == value.rules
        and known.validated is validated
        and (one.status is not RawStatus.PROVISIONAL or one.reason == value.reason)
    )


@lru_cache(maxsize=4096)
def ranges(numbers: tuple[int, ...]) -> str:
    """`17-20,25,30-50/4` of ascending numbers."""
    return ",".join(_pieces(numbers))


@lru_cache(maxsize=4096)
def numbers(text: str) -> tuple[int, ...]:
    """The numbers of such a text. ValueError for what is none."""
    if not text:
        return ()
    found: list[int] = []
    for piece in text.split(","):
        first, dash, rest = piece.partition("-")
        if not dash:
            found.append(int(first))
            continue
        last, _, step = rest.partition("/")
        found.extend(range(int(first), int(last) + 1, int(step or 1)))
    return tuple(found)


def _pieces(numbers: Sequence[int]) -> Iterator[str]:
    """Greedy: as many equal steps as there are; two numbers are a range only where they follow each other."""
    place, count = 0, len(numbers)
    while place < count:
        first = numbers[place]
        step = numbers[place + 1] - first if place + 1 < count else 0
        end = place + 1
        while end < count and numbers[end] - numbers[end - 1] == step:
            end += 1
        length = end - place
        if length >= 3 or (length == 2 and step == 1):
            yield f"{first}-{numbers[end - 1]}" + (f"/{step}" if step != 1 else "")
            place = end
        else:
            yield str(first)
            place += 1
