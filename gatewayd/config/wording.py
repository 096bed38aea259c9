"""How values from the file are shown in messages, and which are not.

Rules: a value under a key that may name a secret is never shown, nor the user part of a URL; whatever is shown is
short, on one line and printable.
"""

import difflib
import re
from collections.abc import Iterable

from gatewayd.config.nodes import Loc, Mapping, Node, Scalar, Sequence

_SECRET_KEY = re.compile(r"pass|secret|key|pin|token|credential|phone", re.IGNORECASE)
_SECRET_WORDS = frozenset(("password", "passphrase", "passwd", "pass", "secret", "key", "pin", "token", "psk"))
_SECRET_TEXT = re.compile(r"pass|secret|credential", re.IGNORECASE)
_URL_USER = re.compile(r"//[^/\s]*@")
_LONGEST = 60
_MANY = 12
_MOST_COMPARED = 200


def is_secret(loc: Loc) -> bool:
    """Whether a key on the way to the value has a name that secrets have."""
    return any(isinstance(step, str) and _SECRET_KEY.search(step) for step in loc)


def names_secret(key: str) -> bool:
    """Whether the key itself says that a secret follows."""
    return not _SECRET_WORDS.isdisjoint(re.split(r"[^a-z]+", key.lower()))


def shown(text: str, loc: Loc) -> str:
    """The text in quotes, or words in its place where it may be a secret."""
    if is_secret(loc) or _SECRET_TEXT.search(text):
        return "the value (not shown)"
    return f"'{printable(_URL_USER.sub('//...@', text), _LONGEST)}'"


def printable(text: str, longest: int = 500) -> str:
    clean = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text[: longest + 1]
    )
    return clean if len(text) <= longest and len(clean) <= longest else f"{clean[:longest]}..."


def found(node: Node | None, loc: Loc) -> str:
    """The subject of `... is not a number`."""
    match node:
        case Scalar(text=str() as text):
            return f"{shown(text, loc)} is"
        case Mapping():
            return "a mapping is"
        case Sequence():
            return "a list is"
        case _:
            return "an empty value is"


def not_expected(node: Node | None, loc: Loc, expected: str, *, optional: bool = False) -> str:
    if isinstance(node, Scalar) and node.text is None:
        return f"is empty; expected {expected}{', or leave the key out' if optional else ''}"
    if isinstance(node, Scalar) and node.text == "":
        return f"is an empty text; expected {expected}"
    return f"{found(node, loc)} not {expected}"


def one_of(kind: str, names: Iterable[str], text: str) -> str:
    """`; did you mean 'bus'? known lines: bus, optical`; the end of a sentence about an unknown name."""
    known = sorted(names)
    if not known:
        return f"; there are no {kind}"
    listed = ", ".join(known[:_MANY]) + (f" and {len(known) - _MANY} more" if len(known) > _MANY else "")
    close = difflib.get_close_matches(text[:_LONGEST], known, 1) if len(known) <= _MOST_COMPARED else []
    return f"; did you mean '{close[0]}'? known {kind}: {listed}" if close else f"; known {kind}: {listed}"


def without_secrets(message: str, node: Node | None, loc: Loc) -> str:
    """A validator's own message, replaced where it repeats a secret that stands at or below the place."""
    if any(len(text) > 0 and text in message for text in _secrets(node, loc)):
        return "the value (not shown) is not allowed here"
    return printable(_URL_USER.sub("//...@", message))


def _secrets(node: Node | None, loc: Loc) -> Iterable[str]:
    match node:
        case Scalar(text=str() as text) if is_secret(loc):
            yield text
        case Mapping():
            for key, inner in node.entries.items():
                yield from _secrets(inner, (*loc, key))
        case Sequence():
            for number, inner in enumerate(node.items):
                yield from _secrets(inner, (*loc, number))
