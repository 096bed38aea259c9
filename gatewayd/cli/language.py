"""In which language people are told: English, or Czech with `--lang cs`, GATEWAYD_LANG, or the locale of the messages.

Rules: only what people read is translated, at the moment when it is printed; JSON, CSV, logs and messages about faults
stay English, because programs and colleagues elsewhere read them. What has no translation is said in English. The words
are in words.py.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from gatewayd.cli.plural import counted
from gatewayd.cli.words import CZECH, PLURALS

LANGUAGES = ("en", "cs")
_KEY = "gatewayd.cli.language"
_PLACES = ("GATEWAYD_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""Where a language may stand, the first one that is set decides: ours, then as in locale(7)."""

# Any: a command may return what it likes, click ignores it.
Command = TypeVar("Command", bound=Callable[..., Any])


def lang_option(command: Command) -> Command:
    """Give a command the option --lang."""
    return click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        expose_value=False,
        callback=_remember,
        help="Language of words and headings.  [default: $GATEWAYD_LANG, or that of the locale]",
    )(command)


def language() -> str:
    """The language of the command that is under way."""
    context = click.get_current_context(silent=True)
    chosen = None if context is None else context.meta.get(_KEY)
    return chosen if isinstance(chosen, str) else _of_environment()


def said(text: str) -> str:
    """The text in that language. A template keeps its names in braces."""
    return CZECH.get(text, text) if language() == "cs" else text


def said_all(texts: list[str]) -> str:
    """Words that stand beside each other: flags, for instance."""
    return ", ".join(map(said, texts))


def said_count(number: int, noun: str, plural: str = "") -> str:
    """`1 line`, `2 lines`; `2 linky`, `5 linek`."""
    if language() != "cs" or noun not in PLURALS:
        return counted(number, noun, plural)
    one, few, many = PLURALS[noun]
    return f"{number} {one if number == 1 else few if number in (2, 3, 4) else many}"


def _of_environment() -> str:
    for place in _PLACES:
        value = os.environ.get(place, "")
        if value:
            return "cs" if value.lower().startswith(("cs", "czech")) else "en"
    return "en"


def _remember(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.meta[_KEY] = value
    return value
