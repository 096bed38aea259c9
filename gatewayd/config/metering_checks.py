"""What must fit together around metering points: what exists, no circles, each meter in one place.

Rules: works on the tree, as checks.py; what has the wrong form is passed over here. Two points never have one meter at
the same time; a control metering has a point of its own. A main point is judged by its control metering, and so comes
after it: neither is made of the other. What is said since a day stands in the order of the days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from gatewayd.config.metering_depth import MOST_LEVELS, too_deep
from gatewayd.config.nodes import Fault, Loc, Mapping, Scalar, Sequence, Tree, members, path, text
from gatewayd.config.values import DAWN, EVER, LegalTime, legal_time
from gatewayd.config.wording import one_of, shown
from gatewayd.metering.virtual import Virtual, cycle

_WAYS = ("meter", "meters", "sum")
_EXPECTED = "expected meter: em-1, or meters with their since, or sum: {north: 1, own: -1}"
_PHYSICAL = ("accuracy", "metering_side", "transformer", "netting", "verified_until")
"""What only a point with a meter has."""
_DATED = ("accuracy", "rated", "transformer", "verified_until")
"""What may be said one after the other, each since a day."""
_SHOWN = 3
"""So many points of a long chain are named at each end."""


@dataclass(frozen=True, slots=True)
class _Stay:
    """A meter at a point from one time to another; `until` None: still."""

    loc: Loc
    meter: str
    since: LegalTime
    until: LegalTime | None = None

    def meets(self, other: "_Stay") -> bool:
        """Whether both, of one meter, are at the same time."""
        return (self.until is None or other.since < self.until) and (other.until is None or self.since < other.until)


def faults(tree: Tree) -> Iterator[Fault]:
    points = list(members((), tree.root, "points"))
    meters = [found for loc, meter in members((), tree.root, "meters") for found in _with_parts(loc, meter)]
    known = {name for _, meter in meters if (name := text(meter, "id"))}
    ids = {name for _, point in points if (name := text(point, "id"))}
    stays: dict[str, list[_Stay]] = {}
    placed = {stay.meter for loc, point in points for stay in _stays(loc, point)}
    ids |= known - placed
    for loc, point in points:
        yield from _way(loc, point)
        own = _stays(loc, point)
        yield from _ascending(loc, own)
        for key in _DATED:
            yield from _by_day(loc, point, key)
        yield from _meters(loc, point, known)
        yield from _namesake(loc, point, own, known)
        yield from _others(loc, point, ids, placed)
        yield from _shared(own, stays)
        for stay in own:
            stays.setdefault(stay.meter, []).append(stay)
    yield from _controls(points)
    yield from _circle(points)
    yield from _depth(points)


def _with_parts(loc: Loc, meter: Mapping) -> Iterator[tuple[Loc, Mapping]]:
    yield loc, meter
    yield from members(loc, meter, "points")


def _way(loc: Loc, point: Mapping) -> Iterator[Fault]:
    """A point has a meter, meters one after the other, or is a sum."""
    ways = [key for key in _WAYS if key in point.entries]
    if not ways:
        yield Fault(loc, f"has neither meter nor sum; {_EXPECTED}")
    elif len(ways) > 1:
        yield Fault((*loc, ways[1]), f"stands beside {ways[0]}; {_EXPECTED}", at_key=True)
    for key in ("meters", "sum"):
        node = point.entries.get(key)
        if (isinstance(node, Sequence) and not node.items) or (isinstance(node, Mapping) and not node.entries):
            yield Fault((*loc, key), f"is empty; {_EXPECTED}")
    if "sum" in ways:
        for key in _PHYSICAL:
            if key in point.entries:
                yield Fault(
                    (*loc, key), f"belongs to a point with a meter; leave {key} out, or say it there", at_key=True
                )
    elif "partial" in point.entries:
        yield Fault((*loc, "partial"), "belongs to a virtual point, with sum; leave it out", at_key=True)


def _stays(loc: Loc, point: Mapping) -> list[_Stay]:
    """Its meters with their times, as far as they have the form of such."""
    if meter := text(point, "meter"):
        return [_Stay((*loc, "meter"), meter, EVER)]
    found: list[_Stay] = []
    for place, entry in members(loc, point, "meters"):
        try:
            since = legal_time(text(entry, "since") or "") if "since" in entry.entries else EVER
        except ValueError:
            continue  # which is reported
        found.append(_Stay((*place, "meter"), text(entry, "meter") or "", since))
    return [
        _Stay(one.loc, one.meter, one.since, found[number + 1].since if number + 1 < len(found) else None)
        for number, one in enumerate(found)
    ]


def _ascending(loc: Loc, stays: list[_Stay]) -> Iterator[Fault]:
    for before, one in pairwise(stays):
        if one.since <= before.since:
            place = (*one.loc[:-1], "since")
            if one.since == EVER:
                yield Fault(place, "is required: when this meter took the place of the one above")
            else:
                message = f"{one.since.text} is not after {before.since.text}, when the meter above was put in"
                yield Fault(place, f"{message}; each one begins later than that above")


def _by_day(loc: Loc, point: Mapping, key: str) -> Iterator[Fault]:
    """What is said one after the other begins later each time; the first may leave its day out."""
    node = point.entries.get(key)
    if isinstance(node, Sequence) and not node.items:
        yield Fault((*loc, key), "is an empty list; leave it out, or say what holds")
    earlier: date | None = None
    for place, entry in members(loc, point, key):
        try:
            since = date.fromisoformat(text(entry, "since") or "") if "since" in entry.entries else DAWN
        except ValueError:
            return  # which is reported
        if earlier is not None and since <= earlier:
            if since == DAWN:
                message = "is required: the day from which this holds, later than that of the one above"
            else:
                message = f"{since} is not after {earlier}, that of the one above; each one begins later"
            yield Fault((*place, "since"), message)
        earlier = since


def _meters(loc: Loc, point: Mapping, known: set[str]) -> Iterator[Fault]:
    for place, entry in ((loc, point), *members(loc, point, "meters")):
        name = text(entry, "meter")
        if name and name not in known:
            yield Fault((*place, "meter"), f"unknown meter {shown(name, ('meter',))}{one_of('meters', known, name)}")


def _namesake(loc: Loc, point: Mapping, stays: list[_Stay], known: set[str]) -> Iterator[Fault]:
    name = text(point, "id")
    if name and name in known and name not in {stay.meter for stay in stays}:
        message = f"{shown(name, ())} is the id of a meter that was never at this point; expected another id, or"
        yield Fault((*loc, "id"), f"{message} meter: {name}")


def _others(loc: Loc, point: Mapping, ids: set[str], placed: set[str]) -> Iterator[Fault]:
    """The points of a sum, and the one that is controlled."""
    terms = point.entries.get("sum")
    names = list(terms.entries) if isinstance(terms, Mapping) else []
    for name in names:
        place = (*loc, "sum", name)
        if name not in ids:
            yield Fault(place, _unknown(name, ids, placed), at_key=True)
        elif isinstance(terms, Mapping) and _number(terms.entries[name]) == 0:
            yield Fault(place, "is 0, so that the point is no part of the sum; expected 1, -1 or another coefficient")
    main = text(point, "control_of")
    if main and main not in ids:
        yield Fault((*loc, "control_of"), _unknown(main, ids, placed))
    elif main and main == text(point, "id"):
        yield Fault((*loc, "control_of"), "a point does not control itself; expected the id of the main point")


def _unknown(name: str, ids: set[str], placed: set[str]) -> str:
    if name in placed:
        return f"{shown(name, ())} is a meter at another point; expected the id of that point"
    return f"unknown point {shown(name, ())}{one_of('points', ids, name)}"


def _number(node: object) -> Decimal | None:
    try:
        return Decimal(node.text or "") if isinstance(node, Scalar) else None
    except InvalidOperation:
        return None


def _shared(own: list[_Stay], others: dict[str, list[_Stay]]) -> Iterator[Fault]:
    for stay in own:
        other = next((one for one in others.get(stay.meter, ()) if stay.meter and stay.meets(one)), None)
        if other is not None:
            message = f"{shown(stay.meter, ())} is at {path(other.loc[:2])} at the same time"
            yield Fault(stay.loc, f"{message}; a meter is at one point, and a control metering has a meter of its own")


def _controls(points: list[tuple[Loc, Mapping]]) -> Iterator[Fault]:
    """Who controls is not controlled; and there is one control metering at most."""
    mains: dict[str, Loc] = {}
    controls = {text(point, "id") for _, point in points if text(point, "control_of")}
    for loc, point in points:
        main = text(point, "control_of")
        if not main or main == text(point, "id"):
            continue
        if main in controls:
            message = f"{shown(main, ())} is a control metering itself; expected the id of the main point"
            yield Fault((*loc, "control_of"), message)
        elif main in mains:
            message = (
                f"{shown(main, ())} is controlled by {path(mains[main])} already; a point has one control metering"
            )
            yield Fault((*loc, "control_of"), message)
        mains.setdefault(main, loc)


def _circle(points: list[tuple[Loc, Mapping]]) -> Iterator[Fault]:
    """What goes round in a circle, each once: sums, at the first of them in the file; a control metering that is made
    of its main point, or of something that is, at the control metering."""
    definitions: dict[str, Virtual] = {}
    places: dict[str, Loc] = {}
    controls: dict[str, tuple[str, Loc]] = {}
    for loc, point in points:
        name, terms = text(point, "id"), point.entries.get("sum")
        if name and isinstance(terms, Mapping) and name not in definitions:
            definitions[name] = Virtual(name, dict.fromkeys(terms.entries, Decimal(1)))
            places[name] = loc
        if name and (main := text(point, "control_of")) and main != name:
            controls.setdefault(main, (name, loc))
    yield from _sums(definitions, places)
    told: set[frozenset[str]] = set()
    for main, (control, loc) in controls.items():
        way = _way_to(main, control, definitions, controls)
        if way and frozenset(way) not in told:
            told.add(frozenset(way))
            message = f"is made of the point that it controls: {' > '.join((main, *way))}; a control metering has a"
            yield Fault((*loc, "control_of"), f"{message} meter of its own, or is made of other points")


def _depth(points: list[tuple[Loc, Mapping]]) -> Iterator[Fault]:
    """Sums upon sums, told once, at the first of them in the file that has too many below it."""
    needs: dict[str, list[str]] = {}
    places: dict[str, Loc] = {}
    for loc, point in points:
        name, terms = text(point, "id"), point.entries.get("sum")
        if name:
            places.setdefault(name, loc)
            needs.setdefault(name, []).extend(terms.entries if isinstance(terms, Mapping) else ())
        if name and (main := text(point, "control_of")):
            needs.setdefault(main, []).append(name)
    way = too_deep(needs)
    if way:
        shown_way = " > ".join((*way[:_SHOWN], "...", *way[-_SHOWN:]))
        message = f"is made of points over {len(way) - 1} levels, expected at most {MOST_LEVELS}: {shown_way}"
        yield Fault(places.get(way[0], ("points",)), f"{message}; make it of the points below them")


def _way_to(
    main: str, control: str, definitions: dict[str, Virtual], controls: dict[str, tuple[str, Loc]]
) -> tuple[str, ...]:
    """From the control metering of a point back to it, over what each is made of or controlled by; () where there is
    no way."""
    ways: list[tuple[str, ...]] = [(control,)]
    seen = {control}
    while ways:
        way = ways.pop(0)
        here = definitions.get(way[-1])
        parts = () if here is None else tuple(here.terms)
        beside = controls[way[-1]][:1] if way[-1] in controls else ()
        for name in (*parts, *beside):
            if name == main:
                return (*way, main)
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()


def _sums(definitions: dict[str, Virtual], places: dict[str, Loc]) -> Iterator[Fault]:
    """Sums that go round in a circle; they are taken out."""
    while found := cycle(definitions.values()):
        first = next(name for name in definitions if name in found)
        number = found.index(first)
        ring = [*found[number:], *found[:number]]
        ring = list(dict.fromkeys(ring))
        said = "is a part of itself" if len(ring) == 1 else f"goes round in a circle: {' > '.join((*ring, first))}"
        yield Fault((*places[first], "sum"), f"{said}; a sum is made of other points")
        for name in ring:
            definitions.pop(name)
