"""What must fit together in the jobs of a meter and of the metering points behind it.

Rules: works on the tree, as checks.py. A meter is asked once for one thing: the same profile in two jobs, or the same
register in two jobs of intervals, would be told twice.
"""

from collections.abc import Iterator

from gatewayd.config.nodes import Fault, Loc, Mapping, Node, Scalar, Sequence, jobs_of, members, path, text
from gatewayd.model import MeteringType
from gatewayd.obis import Obis

_KINDS = ("registers", "intervals", "listen", "profile")


def faults(loc: Loc, meter: Mapping, *, has_profiles: bool) -> Iterator[Fault]:
    """`has_profiles`: whether meters of its driver may have load profiles."""
    kind = text(meter, "metering_type")
    for place, job in members(loc, meter, "jobs"):
        yield from _kind(place, job)
        yield from _times(place, job, kind)
    for at, point in members(loc, meter, "points"):
        for place, job in members(at, point, "jobs"):
            yield from _kind(place, job)
            yield from _times(place, job, text(point, "metering_type") or kind)
            yield from _not_listening(place, job)
    if has_profiles:
        yield from _profiles(loc, meter)
    else:
        yield from _no_profiles(loc, meter)
    yield from _intervals(loc, meter)


def _kind(place: Loc, job: Mapping) -> Iterator[Fault]:
    if job.entries.keys().isdisjoint(_KINDS):
        yield Fault((*place, "registers"), "is required: OBIS codes to read, or all")
    for key, expected in (("profile", "an OBIS code such as 1-0:99.1.0"), ("listen", "true")):
        if isinstance(value := job.entries.get(key), Scalar) and value.text is None:  # not a job of all registers
            yield Fault((*place, key), f"is empty; expected {expected}")


def _times(place: Loc, job: Mapping, kind: str | None) -> Iterator[Fault]:
    """Registers without a time are billing values, and only where the file says that the meter has those: the type is
    C by default, and a forgotten `every` should not become a reading a month."""
    if not job.entries.keys().isdisjoint(("every", "at", "listen", "profile", "intervals")):
        return
    if kind == MeteringType.C.value and "registers" in job.entries:
        return
    message = "has neither every nor at; expected one of them, such as every: 15m or at: 00:05"
    yield Fault(place, message, scope=(*place, "every"))


def _not_listening(place: Loc, job: Mapping) -> Iterator[Fault]:
    if "listen" in job.entries:
        message = "a metering point sends nothing by itself; put the job among those of its registrar"
        yield Fault((*place, "listen"), message, at_key=True, scope=place)


def _no_profiles(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    for place, job in jobs_of(loc, meter):
        if "profile" in job.entries:
            message = (
                f"meters of the driver {text(meter, 'driver')} have no load profile; expected intervals, which are "
                "made of registers, such as {intervals: [1-0:1.8.0, 1-0:2.8.0], every: 15m}"
            )
            yield Fault((*place, "profile"), message, at_key=True, scope=place)


def _profiles(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    """Each profile in one job: it is kept complete, and that once."""
    first: dict[Obis, Loc] = {}
    for place, job in jobs_of(loc, meter):
        obis = _code(job.entries.get("profile"))
        if obis is None:
            continue  # none, or one that is reported
        if obis in first:
            message = f"{path(first[obis][len(loc) :])} keeps this profile complete already; take one of them out"
            yield Fault((*place, "profile"), message)
        first.setdefault(obis, place)


def _intervals(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    """Each register in one job: two periods of one total would be told under one code."""
    first: dict[Obis, Loc] = {}
    for place, job in jobs_of(loc, meter):
        codes = job.entries.get("intervals")
        for number, code in enumerate(codes.items if isinstance(codes, Sequence) else ()):
            obis = _code(code)
            if obis is None:
                continue  # which is reported
            if first.setdefault(obis, place) != place:
                earlier = path(first[obis][len(loc) :])
                message = f"{earlier} makes intervals of this register already; take it out of one of them"
                yield Fault((*place, "intervals", number), message)


def _code(node: Node | None) -> Obis | None:
    try:
        return Obis.parse(node.text or "") if isinstance(node, Scalar) else None
    except ValueError:
        return None
