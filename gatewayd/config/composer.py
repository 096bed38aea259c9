"""YAML text as a tree of texts that know their line.

Rules: a plain scalar is exactly what stands in the file (`00123`, `00:05`, `no`, `1-0:1.8.0`); only an empty one,
`null` and `~` are None. Types are given by the definition, not by YAML. Tags, merge keys and several documents are
refused; size, depth and the number of nodes after expanding aliases are bounded. Nothing here recurses over the text,
and no message repeats a text from the file: it could be a secret.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from gatewayd.config.nodes import Fault, Loc, Mapping, Node, Scalar, Sequence, Tree, path
from gatewayd.config.syntax import LOADER, explained
from gatewayd.errors import Finding

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 32

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1 5.1
_NULL = frozenset(("", "null", "~"))
_TEXT_TAGS = frozenset((None, "!", "tag:yaml.org,2002:str"))
_MAPPING_TAGS = frozenset((None, "!", "tag:yaml.org,2002:map"))
_SEQUENCE_TAGS = frozenset((None, "!", "tag:yaml.org,2002:seq"))


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
        if isinstance(event, yaml.ScalarEvent):  # nine of ten events; the composer takes half the time of loading
            self._scalar(event)
            return
        match event:
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
        value = event.value
        if event.tag is not None:
            self._tag(event, _TEXT_TAGS)
        if self._expects_key():
            self._key(self.stack[-1], value, line)
            if event.anchor is not None:
                self._anchor(event.anchor, Scalar(line, value), 1, 0)
            return
        plain = value in _NULL and not event.style and event.tag is None
        node = Scalar(line, None if plain else value)
        self._counted(line, 1)
        if event.anchor is not None:
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
        if height >= top.height:
            top.height = height + 1
        holder, key = top.node, top.key
        if isinstance(holder, Sequence):
            holder.items.append(node)
            return
        if key is not None and key not in holder.entries:
            holder.entries[key] = node
            holder.key_lines[key] = top.key_line
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
    mark = event.start_mark
    return 0 if mark is None else mark.line + 1
