"""YAML text as a tree of texts that know their line.

Rules: a plain scalar is exactly what stands in the file (`00123`, `00:05`, `no`, `1-0:1.8.0`); only an empty one,
`null` and `~` are None. Types are given by the definition, not by YAML. Tags, merge keys and several documents are
refused; size, depth and the number of nodes after expanding aliases are bounded. Nothing here recurses over the text,
and no message repeats a text from the file: it could be a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from gatewayd.config.syntax import LOADER, explained
from gatewayd.errors import Finding

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 32

Loc = tuple[str | int, ...]
"""Where a value is: keys and indices from the root, `("meters", 0, "ratio", 1, "ct")`."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1 5.1
_NULL = frozenset(("", "null", "~"))
_TEXT_TAGS = frozenset((None, "!", "tag:yaml.org,2002:str"))
_MAPPING_TAGS = frozenset((None, "!", "tag:yaml.org,2002:map"))
_SEQUENCE_TAGS = frozenset((None, "!", "tag:yaml.org,2002:seq"))


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


class Unreadable(Exception):
    """The text is no YAML, or more than may be read; there is no tree."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def compose(text: str, loader: Any = LOADER) -> Tree:
    """The tree of one YAML document; Unreadable when there is none. `loader` is a PyYAML loader class."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:  # a text has at most as many characters as bytes
        raise Unreadable(too_large())
    forbidden = _FORBIDDEN.search(text)
    if forbidden is not None:
        line = text.count("\n", 0, forbidden.start()) + 1
        raise Unreadable(
            Finding(line, "", f"the character U+{ord(forbidden[0]):04X} is not allowed in a YAML file; remove it")
        )
    composer = _Composer()
    try:
        for event in yaml.parse(text, Loader=loader):
            composer.take(event)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes such as "\UFFFFFFFF"
        raise Unreadable(explained(error, text)) from None
    if composer.root is None or (isinstance(composer.root, Scalar) and composer.root.text is None):
        raise Unreadable(Finding(0, "", "is empty; expected at least the keys gateway and archive"))
    return Tree(composer.root, tuple(composer.faults))


def too_large() -> Finding:
    return Finding(0, "", f"is larger than {MAX_BYTES // 1024} KiB, the most that a configuration may have")


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not come yet."""

    node: Mapping | Sequence
    anchor: str | None
    count_before: int
    key: str | None = None
    key_line: int = 0
    height: int = 1


@dataclass(slots=True)
class _Anchored:
    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Composer:
    """Takes events one by one; `stack` holds the open containers, outermost first."""

    root: Node | None = None
    faults: list[Fault] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    count: int = 0
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._tag(event, _MAPPING_TAGS)
                self._open(Mapping(_line(event), {}, {}), event.anchor)
            case yaml.SequenceStartEvent():
                self._tag(event, _SEQUENCE_TAGS)
                self._open(Sequence(_line(event), []), event.anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self.stack.pop()
                self._anchor(done.anchor, done.node, self.count - done.count_before, done.height)
                self._attach(done.node, done.height)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self._refuse(event, "a second document begins here; write one only, without a line of ---")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        line = _line(event)
        if event.tag is not None:
            self._tag(event, _TEXT_TAGS)
        if self._expects_key():
            self._key(self.stack[-1], event.value, line)
            self._anchor(event.anchor, Scalar(line, event.value), 1, 0)
            return
        plain = not event.style and event.tag is None
        node = Scalar(line, None if plain and event.value in _NULL else event.value)
        self._counted(line, 1)
        self._anchor(event.anchor, node, 1, 0)
        self._attach(node, 0)

    def _open(self, node: Mapping | Sequence, anchor: str | None) -> None:
        if self._expects_key():
            raise Unreadable(Finding(node.line, self._path(), "a key must be plain text, not a list or a mapping"))
        if len(self.stack) >= MAX_DEPTH:
            raise Unreadable(Finding(node.line, "", f"is nested deeper than {MAX_DEPTH} levels"))
        self.stack.append(_Open(node, anchor, self.count))
        self._counted(node.line, 1)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._expects_key():
            self._refuse(event, "a key must be plain text, not an alias")
        anchored = self.anchors.get(event.anchor or "")
        if anchored is None:
            self._refuse(
                event, "there is no finished anchor (&) above that this alias (*) could mean; put a text in quotes"
            )
        if len(self.stack) + anchored.height > MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels by this alias")
        self._counted(_line(event), anchored.size)
        self._attach(anchored.node, anchored.height)

    def _expects_key(self) -> bool:
        if not self.stack:
            return False
        top = self.stack[-1]
        return top.key is None and isinstance(top.node, Mapping)

    def _key(self, top: _Open, key: str, line: int) -> None:
        top.key, top.key_line = key, line
        first = top.node.key_lines.get(key) if isinstance(top.node, Mapping) else None
        if first is not None:
            message = f"this key stands in line {first} and again in line {line}; keep one"
            self.faults.append(Fault(self._here(), message, line=line))
        elif key == "<<":
            message = "merge keys are not used here; write the keys out, or repeat the whole mapping with an alias"
            here = self._here()
            self.faults.append(Fault(here, message, at_key=True, scope=here[:-1]))

    def _attach(self, node: Node, height: int) -> None:
        if not self.stack:
            self.root = node if self.root is None else self.root
            return
        top = self.stack[-1]
        top.height = max(top.height, height + 1)
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
            return
        if top.key is not None and top.key not in top.node.entries:
            top.node.entries[top.key] = node
            top.node.key_lines[top.key] = top.key_line
        top.key = None

    def _anchor(self, name: str | None, node: Node, size: int, height: int) -> None:
        if name is not None:
            self.anchors[name] = _Anchored(node, size, height)

    def _counted(self, line: int, size: int) -> None:
        self.count += size
        if self.count > MAX_NODES:
            raise Unreadable(Finding(line, "", f"has more than {MAX_NODES} values after expanding the aliases"))

    def _tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, allowed: frozenset[str | None]) -> None:
        if event.tag not in allowed:
            message = "tags (!) are not used here; leave it out, or put a text that begins with ! in quotes"
            self.faults.append(Fault(self._here(), message, line=_line(event)))

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        raise Unreadable(Finding(_line(event), self._path(), message))

    def _here(self) -> Loc:
        """The place of what comes next: the value of a key, the next item, or the mapping that expects a key."""
        steps = [_step(open_) for open_ in self.stack]
        return tuple(steps[:-1] if self._expects_key() else steps)

    def _path(self) -> str:
        return path(self._here())


def _step(open_: _Open) -> str | int:
    if isinstance(open_.node, Sequence):
        return len(open_.node.items)
    return open_.key or ""


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark is not None else 0


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
