"""What must fit together across the file: ids, lines, drivers, ratio versions, check characters.

Rules: works on the tree, not on the finished objects, so that everything is reported in one go even where some
other part of the file is wrong; what has the wrong form is passed over here, the definition reports that.
"""

from collections.abc import Collection, Iterator
from datetime import date

from gatewayd.config import line_checks, listening_checks
from gatewayd.config.definition import LINE_TYPES
from gatewayd.config.identifiers import ean_doubt, eic_doubt
from gatewayd.config.nodes import Fault, Loc, Mapping, Node, Scalar, Sequence, Tree, path
from gatewayd.config.wording import one_of, shown
from gatewayd.model import MeteringType
from gatewayd.obis import Obis

_PROFILE_TYPES = (MeteringType.A.value, MeteringType.B.value)


def faults(tree: Tree, drivers: Collection[str], sinks: Collection[str]) -> Iterator[Fault]:
    lines = _lines(tree)
    for name, line in lines.items():
        yield from _line(("lines", name), line)
    meters = list(_items(tree, "meters"))
    yield from line_checks.faults(lines, meters)
    yield from listening_checks.faults(tree, lines, meters)
    yield from _doubles(tree, meters)
    yield from _doubles(tree, list(_items(tree, "sinks")))
    for loc, meter in meters:
        yield from _unknown(loc, meter, "driver", "drivers", drivers)
        yield from _unknown(loc, meter, "line", "lines", {*lines, *line_checks.pools(lines)})
        yield from _foreign_options(loc, meter, drivers)
        yield from _ratio(loc, meter)
        yield from _jobs(loc, meter)
        yield from _intervals(loc, meter)
    for loc, sink in _items(tree, "sinks"):
        yield from _unknown(loc, sink, "type", "sink types", sinks)


def warnings(tree: Tree) -> Iterator[Fault]:
    """What is worth knowing in a configuration that can be used."""
    meters = list(_items(tree, "meters"))
    if not meters:
        yield Fault(("meters",), "no meters are configured, so nothing is read")
    used = {_text(meter, "line") for _, meter in meters}
    for name, line in _lines(tree).items():
        if name not in used and line_checks.pool_of(line) not in used:
            yield Fault(("lines", name), "no meter uses this line", at_key=True)
    yield from _shared_devices(tree)
    for loc, meter in meters:
        yield from _meter_warnings(loc, meter)


def _meter_warnings(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    metering_type = _text(meter, "metering_type")
    point = meter.entries.get("point")
    if metering_type in _PROFILE_TYPES and not isinstance(point, Mapping):
        message = f"metering type {metering_type} without a point; expected the EIC or EAN that its data belong to"
        yield Fault(loc, message)
    jobs = meter.entries.get("jobs")
    if not isinstance(jobs, Sequence) or not jobs.items:
        yield Fault(loc, "has no jobs, so it is never read by itself")
    if isinstance(point, Mapping):
        for key, doubt in (("eic", eic_doubt), ("ean", ean_doubt)):
            said = doubt(_text(point, key) or "")
            if said is not None:
                yield Fault((*loc, "point", key), said)


def _shared_devices(tree: Tree) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for name, line in _lines(tree).items():
        device = _text(line, "device")
        if device is None:
            continue
        if device in first:
            message = f"line '{first[device]}' has the same device; only one of them can have it open"
            yield Fault(("lines", name, "device"), message)
        first.setdefault(device, name)


def _line(loc: Loc, line: Node) -> Iterator[Fault]:
    if not isinstance(line, Mapping):
        return
    if "id" in line.entries:
        yield Fault((*loc, "id"), f"unknown key; the id of this line is its key, '{loc[-1]}'", at_key=True)
    kind = _text(line, "type")
    if not kind or kind in LINE_TYPES:
        return
    known = f"this version knows the line types {', '.join(LINE_TYPES[:-1])} and {LINE_TYPES[-1]}"
    yield Fault((*loc, "type"), f"unknown line type {shown(kind, loc)}; {known}")


def _doubles(tree: Tree, items: list[tuple[Loc, Mapping]]) -> Iterator[Fault]:
    first: dict[str, Loc] = {}
    for loc, item in items:
        identifier = _text(item, "id")
        if not identifier:
            continue
        if identifier in first:
            earlier = (*first[identifier], "id")
            line = tree.line(Fault(earlier, ""))
            message = f"{shown(identifier, ())} is already the id of {path(first[identifier])} in line {line}"
            yield Fault((*loc, "id"), message)
        first.setdefault(identifier, loc)


def _unknown(loc: Loc, item: Mapping, key: str, kind: str, known: Collection[str]) -> Iterator[Fault]:
    name = _text(item, key)
    if name and name not in known:
        yield Fault((*loc, key), f"unknown {kind.removesuffix('s')} {shown(name, (key,))}{one_of(kind, known, name)}")


def _foreign_options(loc: Loc, meter: Mapping, drivers: Collection[str]) -> Iterator[Fault]:
    own = _text(meter, "driver")
    for key in meter.entries:
        if own in drivers and key in drivers and key != own:
            message = f"these are options of the driver {key}, but the driver of this meter is {own}"
            yield Fault((*loc, key), message, at_key=True)


def _ratio(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    """Versions ascend strictly; the first may leave its day out."""
    versions = meter.entries.get("ratio")
    earlier: date | None = None
    for number, version in enumerate(versions.items if isinstance(versions, Sequence) else ()):
        since = _since(version)
        if since is None:
            return
        if earlier is not None and since <= earlier:
            said = "is also the day" if since == earlier else "is before the day"
            place = (*loc, "ratio", number)
            if isinstance(version, Mapping) and "since" in version.entries:
                message = f"{since} {said} of the version above ({earlier}); each version begins later than that above"
            else:
                message = "is required: the day from which this version holds, later than that of the version above"
            yield Fault((*place, "since"), message)
        earlier = since


def _since(version: Node) -> date | None:
    if not isinstance(version, Mapping):
        return None
    if "since" not in version.entries:
        return date(1970, 1, 1)
    try:
        return date.fromisoformat(_text(version, "since") or "")
    except ValueError:
        return None


def _jobs(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    jobs = meter.entries.get("jobs")
    for number, job in enumerate(jobs.items if isinstance(jobs, Sequence) else ()):
        place = (*loc, "jobs", number)
        if not isinstance(job, Mapping):
            continue
        if not {"registers", "intervals", "listen", "profile"} & job.entries.keys():
            yield Fault((*place, "registers"), "is required: OBIS codes to read, or all")
        if "profile" in job.entries:
            message = "profile jobs are not in this version of gatewayd; it knows jobs with registers"
            yield Fault((*place, "profile"), message, at_key=True, scope=place)


def _intervals(loc: Loc, meter: Mapping) -> Iterator[Fault]:
    """Each register in one job: two periods of one total would be told under one code."""
    jobs = meter.entries.get("jobs")
    first: dict[Obis, int] = {}
    for number, job in enumerate(jobs.items if isinstance(jobs, Sequence) else ()):
        codes = job.entries.get("intervals") if isinstance(job, Mapping) else None
        for place, code in enumerate(codes.items if isinstance(codes, Sequence) else ()):
            try:
                obis = Obis.parse(code.text or "" if isinstance(code, Scalar) else "")
            except ValueError:
                continue  # which is reported
            if first.setdefault(obis, number) != number:
                message = f"jobs[{first[obis]}] makes intervals of this register already; take it out of one of them"
                yield Fault((*loc, "jobs", number, "intervals", place), message)


def _lines(tree: Tree) -> dict[str, Node]:
    lines = tree.at(("lines",))
    return lines.entries if isinstance(lines, Mapping) else {}


def _items(tree: Tree, key: str) -> Iterator[tuple[Loc, Mapping]]:
    items = tree.at((key,))
    for number, item in enumerate(items.items if isinstance(items, Sequence) else ()):
        if isinstance(item, Mapping):
            yield (key, number), item


def _text(node: Node | None, key: str) -> str | None:
    value = node.entries.get(key) if isinstance(node, Mapping) else None
    return value.text if isinstance(value, Scalar) else None
