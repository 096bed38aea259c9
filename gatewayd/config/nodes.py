"""A configuration file as a tree of texts that know their line, and places in it.

Rules: no types and no meaning, only where a text stands; a place is a sequence of keys and indices from the root.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gatewayd.errors import Finding

Loc = tuple[str | int, ...]
"""Where a value is: keys and indices from the root, `("meters", 0, "ratio", 1, "ct")`."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text; None for an empty value."""

    line: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Mapping:
    line: int
    entries: dict[str, "Node"]
    key_lines: dict[str, int]


@dataclass(frozen=True, slots=True)
class Sequence:
    line: int
    items: list["Node"]


Node = Scalar | Mapping | Sequence


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding before it has a line: `loc` is looked up in the tree.

    `at_key` says that the key itself is wrong, not its value. `scope` is the part of the file in which nothing else
    is reported because of this fault; the faulty value itself where it is None. `line` is set where the fault is about
    something that was not kept in the tree; it keeps nothing else from being reported.
    """

    loc: Loc
    message: str
    at_key: bool = False
    scope: Loc | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    root: Node
    faults: tuple[Fault, ...]
    """What is wrong with the tree as such, but leaves the rest readable: duplicate keys, tags, merge keys."""

    def at(self, loc: Loc) -> Node | None:
        node: Node | None = self.root
        for step in loc:
            node = child(node, step)
        return node

    def line(self, fault: Fault) -> int:
        """The line of the value (or its key); for something missing, the line of what should hold it."""
        node: Node = self.root
        line = node.line
        for step in fault.loc:
            inner = child(node, step)
            if inner is None:
                return line
            line = inner.line
            if isinstance(node, Mapping) and fault.at_key:
                line = node.key_lines[str(step)]
            node = inner
        return line


def child(node: Node | None, step: str | int) -> Node | None:
    if isinstance(node, Mapping) and isinstance(step, str):
        return node.entries.get(step)
    if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def text(node: Node | None, key: str) -> str | None:
    """The text behind a key; None where there is none."""
    value = node.entries.get(key) if isinstance(node, Mapping) else None
    return value.text if isinstance(value, Scalar) else None


def members(loc: Loc, node: Node | None, key: str) -> Iterator[tuple[Loc, Mapping]]:
    """The mappings of the list behind a key, each with its place. `loc` is that of the node."""
    items = child(node, key)
    for number, item in enumerate(items.items if isinstance(items, Sequence) else ()):
        if isinstance(item, Mapping):
            yield (*loc, key, number), item


def jobs_of(loc: Loc, meter: Mapping) -> Iterator[tuple[Loc, Mapping]]:
    """What is asked of a meter: its own jobs, then those of the metering points behind it."""
    yield from members(loc, meter, "jobs")
    for place, point in members(loc, meter, "points"):
        yield from members(place, point, "jobs")


def finding(tree: Tree, fault: Fault) -> Finding:
    line = tree.line(fault) if fault.line is None else fault.line
    return Finding(line, path(fault.loc), fault.message)


def path(loc: Loc) -> str:
    """`meters[0].ratio[1].ct`."""
    return "".join(_joined(loc))


_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def _joined(loc: Loc) -> Iterator[str]:
    for number, step in enumerate(loc):
        if isinstance(step, int):
            yield f"[{step}]"
            continue
        # A key that is no key, such as "password hunter2" where a colon was forgotten, may hold anything.
        text = step if _PLAIN_KEY.fullmatch(step) or step == "<<" else "(no plain key)"
        yield f".{text}" if number else text
