"""What must fit together across the file: ids, lines, drivers; jobs, points and lines that call have modules of theirs.

Rules: works on the tree, not on the finished objects, so that everything is reported in one go even where some
other part of the file is wrong; what has the wrong form is passed over here, the definition reports that.
"""

from collections.abc import Collection, Iterator
from collections.abc import Mapping as Classes

from pydantic import BaseModel

from gatewayd.config import job_checks, line_checks, listening_checks, metering_checks, point_checks
from gatewayd.config.definition import LINE_TYPES
from gatewayd.config.nodes import Fault, Loc, Mapping, Node, Tree, members, path, text
from gatewayd.config.wording import one_of, shown
from gatewayd.options import has_load_profiles


def faults(tree: Tree, drivers: Classes[str, type[BaseModel]], sinks: Collection[str]) -> Iterator[Fault]:
    lines = _lines(tree)
    for name, line in lines.items():
        yield from _line(("lines", name), line)
    meters = list(members((), tree.root, "meters"))
    yield from line_checks.faults(lines, meters)
    yield from listening_checks.faults(tree, lines, meters)
    metered = [found for loc, meter in meters for found in ((loc, meter), *members(loc, meter, "points"))]
    yield from _doubles(tree, metered)
    yield from _doubles(tree, list(members((), tree.root, "sinks")))
    yield from _doubles(tree, list(members((), tree.root, "points")))
    yield from metering_checks.faults(tree)
    reachable = {*lines, *line_checks.pools(lines)}
    for loc, meter in meters:
        yield from _unknown(loc, meter, "driver", "drivers", drivers)
        yield from _unknown(loc, meter, "line", "lines", reachable)
        yield from _foreign_options(loc, meter, drivers)
        yield from point_checks.faults(loc, meter)
        options = drivers.get(text(meter, "driver") or "")
        yield from job_checks.faults(loc, meter, has_profiles=options is None or has_load_profiles(options))
    for loc, sink in members((), tree.root, "sinks"):
        yield from _unknown(loc, sink, "type", "sink types", sinks)


def warnings(tree: Tree) -> Iterator[Fault]:
    """What is worth knowing of lines in a configuration that can be used; of meters: lint.py."""
    meters = list(members((), tree.root, "meters"))
    if not meters:
        yield Fault(("meters",), "no meters are configured, so nothing is read")
    used = {text(meter, "line") for _, meter in meters}
    for name, line in _lines(tree).items():
        if name not in used and line_checks.pool_of(line) not in used:
            yield Fault(("lines", name), "no meter uses this line", at_key=True)
    yield from _shared_devices(tree)


def _shared_devices(tree: Tree) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for name, line in _lines(tree).items():
        device = text(line, "device")
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
    kind = text(line, "type")
    if not kind or kind in LINE_TYPES:
        return
    known = f"this version knows the line types {', '.join(LINE_TYPES[:-1])} and {LINE_TYPES[-1]}"
    yield Fault((*loc, "type"), f"unknown line type {shown(kind, loc)}; {known}")


def _doubles(tree: Tree, items: list[tuple[Loc, Mapping]]) -> Iterator[Fault]:
    first: dict[str, Loc] = {}
    for loc, item in items:
        identifier = text(item, "id")
        if not identifier:
            continue
        if identifier in first:
            earlier = (*first[identifier], "id")
            line = tree.line(Fault(earlier, ""))
            message = f"{shown(identifier, ())} is already the id of {path(first[identifier])} in line {line}"
            yield Fault((*loc, "id"), message)
        first.setdefault(identifier, loc)


def _unknown(loc: Loc, item: Mapping, key: str, kind: str, known: Collection[str]) -> Iterator[Fault]:
    name = text(item, key)
    if name and name not in known:
        yield Fault((*loc, key), f"unknown {kind.removesuffix('s')} {shown(name, (key,))}{one_of(kind, known, name)}")


def _foreign_options(loc: Loc, meter: Mapping, drivers: Collection[str]) -> Iterator[Fault]:
    own = text(meter, "driver")
    for key in meter.entries:
        if own in drivers and key in drivers and key != own:
            message = f"these are options of the driver {key}, but the driver of this meter is {own}"
            yield Fault((*loc, key), message, at_key=True)


def _lines(tree: Tree) -> dict[str, Node]:
    lines = tree.at(("lines",))
    return lines.entries if isinstance(lines, Mapping) else {}
