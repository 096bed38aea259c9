"""Finding one's way in the definition: what belongs at a place, and how to say it.

Rules: reads only the JSON Schema of the definition, so that drivers' and sinks' options are understood like our own.
Where the schema leaves a choice, the value in the file decides; where that does not help, all choices are kept.
"""

import re
from typing import Any

from gatewayd.config.nodes import Loc, Mapping, Node, Scalar, child
from gatewayd.config.schema import Schema

_ANYTHING: Schema = {}
_UNIONS = ("anyOf", "oneOf", "allOf")


class Guide:
    """A schema with its references followed. Results are remembered; a guide lives for one loading."""

    def __init__(self, schema: Schema) -> None:
        self.root = schema
        self._definitions: dict[str, Schema] = schema.get("$defs", {})
        self._choices: dict[int, tuple[Schema, ...]] = {}
        self._resolved: dict[int, Schema] = {}

    def resolved(self, schema: Schema) -> Schema:
        """The schema behind a reference, with what stands beside the reference."""
        if "$ref" not in schema:
            return schema
        known = self._resolved.get(id(schema))
        if known is None:
            behind = self.resolved(self._definitions[schema["$ref"].rsplit("/", 1)[-1]])
            known = {**behind, **{key: value for key, value in schema.items() if key != "$ref"}}
            self._resolved[id(schema)] = known
        return known

    def choices(self, schema: Schema) -> tuple[Schema, ...]:
        """What may stand here, apart from nothing; a union decided by the value of a key counts as one."""
        known = self._choices.get(id(schema))
        if known is None:
            known = self._choices[id(schema)] = tuple(self._spread(schema))
        return known

    def _spread(self, schema: Schema) -> list[Schema]:
        resolved = self.resolved(schema)
        if "discriminator" in resolved or "properties" in resolved:
            return [resolved]
        for keyword in _UNIONS:
            if keyword in resolved:
                return [found for part in resolved[keyword] for found in self.choices(part)]
        return [] if resolved.get("type") == "null" else [resolved]

    def concrete(self, schema: Schema, node: Node | None) -> tuple[Schema, ...]:
        """The choices with every union decided by the key that stands in `node`; none where that value is unknown."""
        choices = self.choices(schema)
        if not any("discriminator" in choice for choice in choices):
            return choices
        return tuple(
            decided for choice in choices for decided in (self._decided(choice, node) if _tag(choice) else (choice,))
        )

    def _decided(self, choice: Schema, node: Node | None) -> tuple[Schema, ...]:
        named = node.entries.get(_tag(choice)) if isinstance(node, Mapping) else None
        text = named.text if isinstance(named, Scalar) else None
        reference = choice["discriminator"]["mapping"].get(text) if text is not None else None
        return () if reference is None else (self._definitions[reference.rsplit("/", 1)[-1]],)

    def inner(self, choices: tuple[Schema, ...], step: str | int) -> Schema | None:
        """What belongs under a key or index of something that is one of `choices`; None where nothing does."""
        for choice in choices:
            if isinstance(step, int):
                found = _item(choice, step)
            else:
                found = choice.get("properties", {}).get(step)
                if found is None:
                    found = _value_of_any_key(choice, step)
            if found is not None:
                return found
        return None

    def place(self, root: Node, loc: Loc, *, missing: bool = False) -> Loc:
        """The place in the file of pydantic's location.

        Pydantic puts the chosen variant of a union and the kind of a failed one between the keys; those are left out.
        `missing`: the last step is a key that is not there.
        """
        schema: Schema = self.root
        node: Node = root
        steps: list[str | int] = []
        decided = False
        for number, step in enumerate(loc):
            if not decided and step in self.variants(schema):
                decided = True  # the node itself decides, in concrete()
                continue
            inner = self.inner(self.concrete(schema, node), step)
            below = child(node, step)
            last = missing and number == len(loc) - 1
            if below is None and inner is None and not last:
                continue
            steps.append(step)
            schema, decided = (_ANYTHING if inner is None else inner), False
            # Not in the file: something that the loader put in itself, such as the absent options of a driver.
            node = Mapping(node.line, {}, {}) if below is None else below
        return tuple(steps)

    def belongs(self, root: Node, place: Loc) -> Schema:
        """What belongs at a place in the file."""
        schema: Schema = self.root
        node: Node | None = root
        for step in place:
            inner = self.inner(self.concrete(schema, node), step)
            schema, node = (_ANYTHING if inner is None else inner), child(node, step)
        return schema

    def keys(self, schema: Schema, node: Node | None) -> list[str]:
        choices = self.concrete(schema, node)
        return list(dict.fromkeys(key for choice in choices for key in choice.get("properties", ())))

    def requires(self, root: Node, place: Loc) -> bool:
        """Whether the key at the place must be there."""
        if not place or not isinstance(place[-1], str):
            return True
        node: Node | None = root
        for step in place[:-1]:
            node = child(node, step)
        choices = self.concrete(self.belongs(root, place[:-1]), node)
        return any(place[-1] in choice.get("required", ()) for choice in choices)

    def variants(self, schema: Schema) -> tuple[str, ...]:
        """The values of the key that decides a union."""
        return tuple(text for choice in self.choices(schema) for text in _variants(choice))

    def tag_of(self, schema: Schema) -> str | None:
        """The key that decides a union."""
        return next((_tag(choice) for choice in self.choices(schema) if _tag(choice)), None)

    def words(self, schema: Schema) -> str:
        """`a whole number from 1 to 65535`: what belongs here."""
        return " or ".join(dict.fromkeys(self._each_in_words(schema))) or "nothing"

    def _each_in_words(self, schema: Schema) -> list[str]:
        """What a schema says of itself goes before what its choices are."""
        resolved = self.resolved(schema)
        if "x-expected" in resolved:
            return [str(resolved["x-expected"])]
        if "discriminator" not in resolved and "properties" not in resolved:
            for keyword in _UNIONS:
                if keyword in resolved:
                    return [words for part in resolved[keyword] for words in self._each_in_words(part)]
        return [] if resolved.get("type") == "null" else [_words(resolved)]

    def purpose(self, schema: Schema) -> str:
        """The first sentence of the documentation, as the end of a sentence; else what belongs here."""
        text = str(self.resolved(schema).get("description", "")).split("\n\n")[0].replace("\n", " ")
        sentence = re.split(r"\.\s|;", text)[0].rstrip(".")
        if not sentence:
            return self.words(schema)
        return sentence if sentence[1:2].isupper() else sentence[0].lower() + sentence[1:]


def _tag(choice: Schema) -> str:
    return str(choice.get("discriminator", {}).get("propertyName", ""))


def _variants(choice: Schema) -> Any:
    return choice.get("discriminator", {}).get("mapping", ())


def _item(choice: Schema, index: int) -> Schema | None:
    prefix = choice.get("prefixItems", ())
    found = prefix[index] if index < len(prefix) else choice.get("items")
    return found if isinstance(found, dict) else None


def _value_of_any_key(choice: Schema, key: str) -> Schema | None:
    for pattern, schema in choice.get("patternProperties", {}).items():
        if re.search(pattern, key):
            return schema if isinstance(schema, dict) else None
    found = choice.get("additionalProperties")
    return found if isinstance(found, dict) else None


def is_mapping(choice: Schema) -> bool:
    return choice.get("type") == "object" or "properties" in choice or "discriminator" in choice


def is_list(choice: Schema) -> bool:
    return choice.get("type") == "array"


def allowed(choice: Schema) -> tuple[Any, ...] | None:
    """The values of a closed choice."""
    if "const" in choice:
        return (choice["const"],)
    return tuple(choice["enum"]) if "enum" in choice else None


def text_of(value: object) -> str:
    """How a value of a closed choice is written in YAML."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _words(choice: Schema) -> str:
    if "x-expected" in choice:
        return str(choice["x-expected"])
    closed = allowed(choice)
    if closed is not None:
        return text_of(closed[0]) if len(closed) == 1 else f"one of {', '.join(map(text_of, closed))}"
    match choice.get("type"):
        case "integer":
            return _bounded("a whole number", choice)
        case "number":
            return _bounded("a number", choice)
        case "boolean":
            return "true or false"
        case "array":
            return "a list"
        case "object":
            return "a mapping of keys and values"
        case _ if "discriminator" in choice:
            return "a mapping of keys and values"
        case _:
            return _text_words(choice)


_FORMATS = {
    "date": "a date such as 2024-05-01",
    "date-time": "a date and time such as 2024-05-01T00:15:00Z",
    "path": "a path",
    "file-path": "the path of a file",
    "directory-path": "the path of a folder",
    "uri": "a URL such as http://localhost:8428",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "ipvanyaddress": "an IP address",
    "uuid": "a UUID",
}


def _text_words(choice: Schema) -> str:
    words = _FORMATS.get(choice.get("format", ""), "text")
    least, most = choice.get("minLength"), choice.get("maxLength")
    if least and most:
        words += f" of {least} characters" if least == most else f" of {least} to {most} characters"
    elif most:
        words += f" of at most {most} characters"
    elif least:
        words += f" of at least {least} character{'s' if least > 1 else ''}"
    if "pattern" in choice:
        words += f" that fits {choice['pattern']}"
    return words


def _bounded(noun: str, choice: Schema) -> str:
    least, most = choice.get("minimum"), choice.get("maximum")
    above, below = choice.get("exclusiveMinimum"), choice.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f"{noun} from {least} to {most}"
    bounds = [
        f"{words} {bound}"
        for words, bound in (
            ("of at least", least),
            ("greater than", above),
            ("of at most", most),
            ("less than", below),
        )
        if bound is not None
    ]
    return f"{noun} {' and '.join(bounds)}" if bounds else noun
