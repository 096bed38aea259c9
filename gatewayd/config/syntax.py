"""What the YAML parser says, in plain words.

Rules: never a piece of the file in a message (it could be a secret), only what is wrong, the line, and the remedy.
"""

from typing import Any

import yaml

from gatewayd.errors import Finding

# libyaml is some ten times faster; its marks and events are the same (tests compare both).
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAB = "a tab stands where blanks are expected; YAML is indented with blanks only"
_INDENT = "the indentation does not fit the lines above, or a ':' is missing"
_QUOTE = "a text that begins with a quotation mark here is not closed"
_UNKNOWN = "check the indentation and the quotation marks"
_COLON = "a ':' is not expected here; check the indentation, or put the text in quotes"

# Part of the parser's words (libyaml's and PyYAML's own) -> ours. The first that fits.
_WORDS: tuple[tuple[str, str], ...] = (
    ("tab character", _TAB),
    ("mapping values are not allowed", _COLON),
    ("block sequence entries are not allowed", "a '- ' is not expected here; check the indentation"),
    ("sequence entries are not allowed", "a '- ' is not expected here; check the indentation"),
    ("mapping keys are not allowed", "a '? ' is not expected here; put the text in quotes"),
    ("could not find expected ':'", "a ':' is missing after this key, or the indentation is wrong"),
    ("expected ',' or ']'", "a list that was begun with [ lacks its ] or a comma"),
    ("expected ',' or '}'", "a mapping that was begun with { lacks its } or a comma"),
    ("expected <block end>", _INDENT),
    ("did not find expected key", _INDENT),
    ("did not find expected '-' indicator", _INDENT),
    ("expected <document start>", "the indentation does not fit, or a second document begins here"),
    ("unexpected document indicator", _QUOTE),
    ("tag handle", "tags (!) are not used here; put a text that begins with ! in quotes"),
    ("tag", "tags (!) are not used here; put a text that begins with ! in quotes"),
    ("alias", "a text that begins with * must stand in quotes"),
    ("anchor", "a text that begins with & must stand in quotes"),
    ("escape", "an unknown escape after \\ in double quotes; use single quotes"),
    ("Unicode character", "an escape after \\ that means no character; use single quotes"),
    ("incompatible YAML document", "the %YAML line asks for a version that is not known; leave it out"),
    ("directive", "a line that begins with % is not used here; put the text in quotes"),
    ("block scalar", "after | or > nothing but a comment may follow in the line"),
    ("chomping", "after | or > nothing but a comment may follow in the line"),
    ("indentation indicator", "after | or > nothing but a comment may follow in the line"),
)


def explained(error: Exception, text: str) -> Finding:
    """One finding for a parser's exception; `text` is the file, looked at only to recognise tabs and quotes."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Finding(0, "", "is not valid YAML: a character or an escape in it means nothing")
    mark = error.problem_mark or error.context_mark
    line = int(mark.line) + 1 if mark is not None else 0
    lines = text.splitlines()
    line = min(line, max(len(lines), 1))
    context, problem = str(error.context or ""), str(error.problem or "")
    if "quoted scalar" in context and error.context_mark is not None and "escape" not in problem:
        return Finding(int(error.context_mark.line) + 1, "", f"is not valid YAML: {_QUOTE}")
    if "cannot start any token" in problem:
        return Finding(line, "", _cannot_start(lines[line - 1] if lines else "", int(mark.column) if mark else 0))
    ours = next((ours for words, ours in _WORDS if words in problem), _UNKNOWN)
    if ours == _INDENT and _tab_before_text(lines, line):
        ours = _TAB
    begun = error.context_mark
    if begun is not None and ours not in (_TAB, _COLON) and int(begun.line) + 1 < line:
        ours = f"{ours} (it belongs to what begins in line {int(begun.line) + 1})"
    return Finding(line, "", f"is not valid YAML: {ours}")


def _cannot_start(line: str, column: int) -> str:
    character = line[column : column + 1]
    if character == "\t":
        return f"is not valid YAML: {_TAB}"
    if character in ("@", "`", "%"):
        return f"is not valid YAML: a text that begins with {character} must stand in quotes"
    return "is not valid YAML: a text cannot begin with this character; put it in quotes"


def _tab_before_text(lines: list[str], line: int) -> bool:
    near = lines[max(0, line - 2) : line]
    return any("\t" in text[: len(text) - len(text.lstrip())] for text in near)
