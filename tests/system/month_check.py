"""The comparison of what is derived with what is expected, value by value.

Rules: everything that stands in the archive is looked at, and everything that is expected has to be there. Only losses
are compared to so many digits; all else is exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from gatewayd.archive.follow import Follower
from gatewayd.daemon.derived import derived_folder
from gatewayd.legal_time import end_label
from gatewayd.metering.record import Derived, derived_of
from gatewayd.model import Archived, Kind
from tests.system.month_beside import in_window
from tests.system.month_raw import PRAGUE, Batch, Row
from tests.system.month_value import Key, Month, Val
from tests.system.rig import Site

EXACT = Fraction(1, 10**38)
"""Calculated losses have 40 digits, everything else is exact."""


class Current(NamedTuple):
    """A current value as it stands in the derived archive."""

    seq: int
    unit: str
    derived: Derived


@dataclass(frozen=True)
class Outcome:
    """A site with its month. `places`: of a number in the raw archive, the place of that reading in `rows`."""

    site: Site
    rows: Sequence[Row]
    places: Mapping[int, int]

    @cached_property
    def current(self) -> dict[Key, Current]:
        """The current values of October."""
        return {
            key: Current(one.seq, one.reading.unit, derived_of(one.reading))
            for one in everything(self.site)
            if one.reading.kind is not Kind.EVENT
            for key in (key_of(one),)
            if in_window(key[0], key[3])
        }

    def inputs(self, derived: Derived) -> set[int]:
        """Of which rows it was made."""
        return {self.places[seq] for seq in derived.value.inputs}


def everything(site: Site) -> list[Archived]:
    """All values and events."""
    return Follower(derived_folder(site.archive)).after(0, 1_000_000)


def key_of(one: Archived) -> Key:
    return one.reading.meter, one.reading.obis_raw, str(one.reading.obis), one.reading.at


def outcome(site: Site, came: Sequence[Batch], seqs: Sequence[int], rows: Sequence[Row]) -> Outcome:
    """`rows` has the readings in the order that places are counted in."""
    place = {id(row): number for number, row in enumerate(rows)}
    sent = [place[id(row)] for batch in came for row in batch.rows]
    return Outcome(site, rows, dict(zip(seqs, sent, strict=True)))


def differences(found: Outcome, wanted: Month) -> Iterator[str]:
    """What is not as it has to be."""
    current = found.current
    for key in current.keys() - wanted.values.keys():
        yield f"{named(key)}: is there, and should not be: {shown(current[key])}"
    for key, value in wanted.values.items():
        one = current.get(key)
        if one is None:
            if value.told and not absent(key, wanted):
                yield f"{named(key)}: is not there"
            continue
        for what, product, model in compared(found, one.derived, value):
            yield f"{named(key)}: {what} is {product}, should be {model}"


def absent(key: Key, wanted: Month) -> bool:
    """Losses of an interval of which nobody has told anything."""
    point, layer, _, at = key
    return layer == "loss" and not wanted.channels[point, "1"][at].told


def compared(found: Outcome, derived: Derived, wanted: Val) -> Iterator[tuple[str, object, object]]:
    value = derived.value
    amount = None if value.amount is None else Fraction(value.amount)
    if (amount is None) != (wanted.amount is None) or not close(amount, wanted.amount):
        yield "amount", value.amount, None if wanted.amount is None else float(wanted.amount)
    pairs: list[tuple[str, object, object]] = [
        ("status", value.status, wanted.status),
        ("flags", value.flags, wanted.flags),
        ("rules", set(value.rules), wanted.rules),
        ("coverage", (value.have, value.want), (wanted.have, wanted.want)),
        ("length", value.seconds, wanted.seconds),
        ("instant", value.instant, wanted.instant),
        ("method", value.method.value, wanted.method or "none"),
    ]
    yield from (one for one in pairs if one[1] != one[2])
    inputs = found.inputs(derived)
    if not wanted.need <= inputs <= wanted.allow:
        yield "inputs", sorted(inputs), f"at least {sorted(wanted.need)}, at most {sorted(wanted.allow)}"
    if derived.validated and (wanted.rules or wanted.status > 1 or wanted.amount is None):
        yield "validated", True, False


def close(one: Fraction | None, other: Fraction | None) -> bool:
    return one == other or (one is not None and other is not None and abs(one - other) <= abs(other) * EXACT)


def named(key: Key) -> str:
    return f"{key[0]} {key[1]} {key[2]} to {end_label(key[3], PRAGUE)}"


def shown(one: Current) -> str:
    """Without the long list of what it was made of."""
    value = one.derived.value
    return f"{value.amount} {value.status.text} {value.method.value} {value.reason}"
