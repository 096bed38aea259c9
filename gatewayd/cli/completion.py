"""`gatewayd completion`: what a shell needs to complete command lines, and the names that it asks for.

Rules: the scripts know commands and options by themselves; only for names of meters, points, lines and sinks do they
ask, with `gatewayd completion meters`, which has to be quick and is never noisy: the file is looked through, not
loaded, and what cannot be read has no names.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

SHELLS = ("bash", "zsh", "fish")
NAMES = ("meters", "points", "lines", "sinks")
_MOST = 64 * 1024 * 1024
_ID = re.compile(r"(?:^[ \t]*(?:-[ \t]+)?|[{,][ \t]*)id[ \t]*:[ \t]*[\"']?([0-9A-Za-z][0-9A-Za-z._-]*)")
_KEY = re.compile(r"^([ \t]+)([0-9A-Za-z][0-9A-Za-z._-]*)[ \t]*:")
_FLOW_KEY = re.compile(r"[{,][ \t]*([0-9A-Za-z][0-9A-Za-z._-]*)[ \t]*:[ \t]*\{")

_POOL = re.compile(r"\bpool[ \t]*:[ \t]*[\"']?([0-9A-Za-z][0-9A-Za-z._-]*)")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")


@click.command()
@click.argument("what", metavar="SHELL", type=click.Choice((*SHELLS, *NAMES)))
@click.pass_obj
def completion(config_path: Path, what: str) -> None:
    """Print the completion for SHELL: bash, zsh or fish.

    \b
    bash: eval "$(gatewayd completion bash)"   in ~/.bashrc
    zsh:  eval "$(gatewayd completion zsh)"    in ~/.zshrc, behind compinit
    fish: gatewayd completion fish > ~/.config/fish/completions/gatewayd.fish
    """
    if what in NAMES:
        for name in names(config_path, what):
            click.echo(name)
        return
    from gatewayd.cli import gatewayd
    from gatewayd.cli.completion_scripts import script

    click.echo(script(what, gatewayd), nl=False)


def names(path: Path, what: str) -> list[str]:
    """The ids of meters (points of registrars, too), points, lines (pools, too) or sinks in a configuration file, as
    they stand in it; none where it cannot be read. A guess: it is for suggestions."""
    text = ""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        text = file.read(_MOST).decode("utf-8-sig", "replace")
    block = _block(text, what)
    return list(dict.fromkeys(_line_names(block) if what == "lines" else _ids(block)))


def _block(text: str, name: str) -> Iterable[str]:
    """The lines under a key of the first level, without comments."""
    match = re.search(rf"^{name}[ \t]*:(.*\n(?:[ \t#\r-].*\n|\n)*)", text + "\n", re.MULTILINE)
    return () if match is None else [_COMMENT.sub("", line) for line in match[1].splitlines()]


def _ids(block: Iterable[str]) -> Iterator[str]:
    for line in block:
        yield from _ID.findall(line)


def _line_names(block: Iterable[str]) -> Iterator[str]:
    width = 0
    for line in block:
        match = _KEY.match(line)
        if match is not None and width in (0, len(match[1])):
            width = len(match[1])
            yield match[2]
        elif not width:  # lines: {cabin: {...}}
            yield from _FLOW_KEY.findall(line)
        yield from _POOL.findall(line)
