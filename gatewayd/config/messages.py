"""What pydantic found, in the operator's words.

Rules: every fault says what was found and what was expected; none shows a secret, a class, a URL or the name of a
library's error.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from gatewayd.config.guide import Guide
from gatewayd.config.nodes import Fault, Loc, Node, Scalar, Sequence, Tree
from gatewayd.config.schema import Schema
from gatewayd.config.wording import names_secret, not_expected, one_of, shown, without_secrets

_REFERENCES = "password_file, password_env or password_credential"  # gatewayd.options.PasswordReference


def faults(error: ValidationError, tree: Tree, guide: Guide) -> Iterator[Fault]:
    for details in error.errors(include_url=False):
        yield _fault(details["type"], details["loc"], details["msg"], details.get("ctx", {}), tree, guide)


def _fault(kind: str, loc: Loc, said: str, context: dict[str, Any], tree: Tree, guide: Guide) -> Fault:
    place = guide.place(tree.root, loc, missing=kind == "missing")
    schema = guide.belongs(tree.root, place)
    node = tree.at(place)
    if loc and loc[-1] == "[key]":
        return _key(place, tree, guide)
    match kind:
        case "missing":
            return Fault(place, required(guide, schema))
        case "extra_forbidden":
            return _unknown(place, tree, guide)
        case "union_tag_not_found" | "union_tag_invalid":
            key = guide.tag_of(schema) or "type"
            return _choice(place, key, tree, guide, schema)
        case "too_short" | "too_long" if isinstance(node, Sequence):
            return Fault(place, _length(len(node.items), context))
        case "value_error" | "assertion_error":
            return Fault(place, _own_words(said, node, place))
        case _:
            optional = not guide.requires(tree.root, place)
            return Fault(place, not_expected(node, place, guide.words(schema), optional=optional))


def required(guide: Guide, schema: Schema) -> str:
    return f"is required: {guide.purpose(schema)}"


def _choice(place: Loc, key: str, tree: Tree, guide: Guide, schema: Schema) -> Fault:
    """The key that decides what else may stand here is missing or unknown."""
    loc = (*place, key)
    node = tree.at(loc)
    variants = guide.variants(schema)
    if node is None:
        return Fault(loc, f"is required: one of {', '.join(variants)}")
    text = node.text if isinstance(node, Scalar) and node.text else ""
    if not text:
        return Fault(loc, not_expected(node, loc, f"one of {', '.join(variants)}"))
    return Fault(loc, f"unknown {key} {shown(text, loc)}{one_of('ones', variants, text)}")


def _key(place: Loc, tree: Tree, guide: Guide) -> Fault:
    """A key that is a name given by the operator, such as the id of a line, has the wrong form."""
    above = guide.belongs(tree.root, place[:-1])
    names: Schema = next((choice["propertyNames"] for choice in guide.choices(above) if "propertyNames" in choice), {})
    key = str(place[-1])
    return Fault(place, f"the key {shown(key, place[:-1])} is not {guide.words(names)}", at_key=True)


def _unknown(place: Loc, tree: Tree, guide: Guide) -> Fault:
    known = guide.keys(guide.belongs(tree.root, place[:-1]), tree.at(place[:-1]))
    key = str(place[-1])
    if key.lower() == "password":
        message = f"unknown key; a password never stands in this file: use {_REFERENCES}"
        if "password_file" not in known:
            message += ", among the options of a driver or sink that takes one"
        return Fault(place, message, at_key=True)
    message = f"unknown key{one_of('keys', known, key)}"
    if names_secret(key):
        message = f"unknown key; a secret never stands in this file{one_of('keys', known, key)}"
    return Fault(place, message, at_key=True)


def _length(count: int, context: dict[str, Any]) -> str:
    least, most = context.get("min_length"), context.get("max_length")
    bounds = f"at least {least}" if least is not None else f"at most {most}"
    return f"has {count} entr{'y' if count == 1 else 'ies'}, expected {bounds}"


def _own_words(said: str, node: Node | None, place: Loc) -> str:
    """A validator's message, which begins with `is` or `has` where the value is its subject."""
    message = said.partition(", ")[2] if said.startswith(("Value error, ", "Assertion failed, ")) else said
    if not message:
        return "is not allowed here"
    message = without_secrets(message, node, place)
    subject = isinstance(node, Scalar) and node.text and message.startswith(("is ", "has "))
    if subject and isinstance(node, Scalar) and node.text:
        return f"{shown(node.text, place)} {message}"
    return message
