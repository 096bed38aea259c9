"""Texts become values: true, 9600, 2024-05-01, 15m, each only where the definition expects such a thing.

Rules: one spelling per type, so that nothing is guessed (`yes` is no boolean, `1_000` no number); numbers with a
fraction stay text for Decimal to read. What does not fit is a fault and stays text; limits are checked later, by the
definition itself.
"""

import re
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

from gatewayd.config import guide as g
from gatewayd.config.nodes import Fault, Mapping, Node, Scalar, Sequence
from gatewayd.config.schema import Schema
from gatewayd.config.wording import not_expected, one_of

Reader = Callable[[str], object]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_PERIOD = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _NotThis(ValueError):
    """The text is not of the reader's type."""


class Conversion:
    """One pass over a tree; `faults` fills on the way."""

    def __init__(self, guide: g.Guide) -> None:
        self.faults: list[Fault] = []
        self._guide = guide
        self._readers: dict[int, tuple[Reader, ...] | None] = {}
        self._loc: list[str | int] = []

    def value(self, node: Node, schema: Schema) -> Any:
        """Plain Python for pydantic: dict, list, str, None and the values that the schema calls for."""
        match node:
            case Scalar(text=None):
                return None
            case Scalar(text=str() as text):
                return self._scalar(node, text, schema)
            case Mapping():
                choices = self._of_kind(node, schema, g.is_mapping)
                return {key: self._inner(value, choices, key) for key, value in node.entries.items()}
            case Sequence():
                choices = self._of_kind(node, schema, g.is_list)
                return [self._inner(value, choices, number) for number, value in enumerate(node.items)]

    def _inner(self, node: Node, choices: tuple[Schema, ...], step: str | int) -> Any:
        schema = self._guide.inner(choices, step)
        self._loc.append(step)
        value = self.value(node, {} if schema is None else schema)
        self._loc.pop()
        return value

    def _of_kind(self, node: Node, schema: Schema, kind: Callable[[Schema], bool]) -> tuple[Schema, ...]:
        choices = self._guide.concrete(schema, node)
        fitting = tuple(choice for choice in choices if kind(choice))
        if not fitting and choices and all(map(_closed, choices)):
            self._fault(node, schema)
        return fitting

    def _scalar(self, node: Scalar, text: str, schema: Schema) -> Any:
        if id(schema) not in self._readers:
            self._readers[id(schema)] = self._readers_of(schema)
        readers = self._readers[id(schema)]
        if readers is None:
            return text
        for reader in readers:
            try:
                return reader(text)
            except ValueError:
                continue
        self._fault(node, schema)
        return text

    def _readers_of(self, schema: Schema) -> tuple[Reader, ...] | None:
        """One reader per choice; None where any text may stand."""
        readers: list[Reader] = []
        for choice in self._guide.choices(schema):
            if g.is_mapping(choice) or g.is_list(choice):
                continue
            reader = _reader(choice)
            if reader is None:
                return None
            readers.append(reader)
        return tuple(readers) if self._guide.choices(schema) else None

    def _fault(self, node: Node, schema: Schema) -> None:
        loc = tuple(self._loc)
        message = not_expected(node, loc, self._guide.words(schema))
        choices = [choice for choice in self._guide.choices(schema) if "x-expected" not in choice]
        names = [g.text_of(value) for choice in choices for value in g.allowed(choice) or ()]
        if (
            isinstance(node, Scalar)
            and node.text
            and names
            and "did you mean" in (hint := one_of("values", names, node.text.strip()))
        ):
            message += hint.partition("?")[0] + "?"
        self.faults.append(Fault(loc, message))


def _closed(choice: Schema) -> bool:
    """Whether the schema says at all what may stand here."""
    return "type" in choice or "discriminator" in choice or g.allowed(choice) is not None


def _reader(choice: Schema) -> Reader | None:
    closed = g.allowed(choice)
    if closed is not None:
        return _choice({g.text_of(value): value for value in closed})
    match choice.get("type"), choice.get("format"):
        case "boolean", _:
            return _choice({"true": True, "false": False})
        case "integer", _:
            return _integer
        case "number", _:
            return _number
        case "string", "date":
            return _date
        case "string", "clock":
            return _clock
        case "string", "period":
            return _period
        case _:
            return None


def _choice(values: dict[str, Any]) -> Reader:
    def read(text: str) -> object:
        if text not in values:
            raise _NotThis
        return values[text]

    return read


def _integer(text: str) -> object:
    if not _INTEGER.fullmatch(text):
        raise _NotThis
    return int(text)


def _number(text: str) -> object:
    if not _NUMBER.fullmatch(text):
        raise _NotThis
    return text


def _date(text: str) -> object:
    if not _DATE.fullmatch(text):
        raise _NotThis
    return date.fromisoformat(text)


def _clock(text: str) -> object:
    if not _CLOCK.fullmatch(text):
        raise _NotThis
    return time.fromisoformat(text)


def _period(text: str) -> object:
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise _NotThis
    try:
        return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    except OverflowError:
        raise _NotThis from None
