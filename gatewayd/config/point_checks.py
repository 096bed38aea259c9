"""What must fit together around metering points: versions of ratios, voltage, and the points behind a registrar.

Rules: works on the tree, as checks.py. A value belongs to one metering point: no code may be the own of two.
"""

from collections.abc import Iterator

from gatewayd.config.nodes import Fault, Loc, Mapping, Node, Scalar, Sequence, members, path, text
from gatewayd.config.values import EVER, LegalTime, Own, legal_time, own_codes


def faults(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    for place, point in ((loc, meter), *members(loc, meter, "points")):
        yield from _versions(place, point)
        yield from _voltage(place, point)
    yield from _shares(loc, meter)


def _versions(loc: Loc, point: Mapping) -> Iterator[Fault]:
    """They ascend strictly; the first may leave its day out."""
    versions = point.entries.get("ratio")
    earlier: LegalTime | None = None
    for number, version in enumerate(versions.items if isinstance(versions, Sequence) else ()):
        since = _since(version)
        if since is None:
            return
        if earlier is not None and since <= earlier:
            said = ("is also" if since == earlier else "is before") + (" the day" if since.whole else " the time")
            place = (*loc, "ratio", number)
            if isinstance(version, Mapping) and "since" in version.entries:
                after = "each version begins later than that above"
                message = f"{since.text} {said} of the version above ({earlier.text}); {after}"
            else:
                message = "is required: the day from which this version holds, later than that of the version above"
            yield Fault((*place, "since"), message)
        earlier = since


def _since(version: Node) -> LegalTime | None:
    if not isinstance(version, Mapping):
        return None
    if "since" not in version.entries:
        return EVER
    try:
        return legal_time(text(version, "since") or "")
    except ValueError:
        return None


def _voltage(loc: Loc, point: Mapping) -> Iterator[Fault]:
    """At low voltage there are current transformers at most (PPDS annex 5, 2.1)."""
    if text(point, "voltage") != "low":
        return
    for place, version in members(loc, point, "ratio"):
        if text(version, "vt"):
            message = "there are no voltage transformers at low voltage; leave vt out, or take voltage: medium or high"
            yield Fault((*place, "vt"), message)


def _shares(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    """The points of a registrar share its codes; of two that want the same one would get nothing."""
    taken: list[tuple[Own, Loc]] = []
    for at, point in members(loc, meter, "points"):
        shares = point.entries.get("channels")
        for number, share in enumerate(shares.items if isinstance(shares, Sequence) else ()):
            place = (*at, "channels", number)
            try:
                own = own_codes(share.text or "" if isinstance(share, Scalar) else "")
            except ValueError:
                continue  # which is reported
            other = next((earlier for codes, earlier in taken if _overlap(codes, own)), None)
            if other is not None:
                message = f"is among the codes of {path(other[len(loc) :])} already; a code belongs to one point"
                yield Fault(place, message)
            taken.append((own, place))


def _overlap(one: Own, other: Own) -> bool:
    pairs = [own if isinstance(own, tuple) else (own.a, own.b) for own in (one, other)]
    return pairs[0] == pairs[1] and (one == other or isinstance(one, tuple) or isinstance(other, tuple))
