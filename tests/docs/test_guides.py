"""The guides are true: every YAML block loads, every command exists with its options, quoted texts are those of the code.

Rules: a fragment of YAML is put where the page means it to stand, and nothing else is added that it could be wrong in.
Commands that need no meter are run, on a gateway's folder that has an archive.
"""

import ast
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gatewayd.cli import gatewayd
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from tests.docs.guides import PAGES, ROOT, Block, Command, blocks, commands
from tests.system.dlms_rig import Manner, dlms_meter
from tests.system.dlms_rig import gateway as site_of
from tests.system.forked import QuickSite

YAML = [block for page in PAGES for block in blocks(page) if block.language == "yaml"]
COMMANDS = [command for page in PAGES for command in commands(page)]
GUIDES = [ROOT / "docs" / f"{name}.md" for name in ("operator", "technician", "troubleshooting", "security", "upgrade")]
PLACEHOLDER = re.compile(r"^(\[.*|.*\]|\.\.\.|[A-Z]+(:[A-Z]+)?|.*[A-Z]{4,}\S*)$")


# -- configuration ----------------------------------------------------------------------------------------------------


def in_context(text: str) -> str:
    """A configuration around a fragment: of the whole file, or of a meter."""
    data: Any = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - scalars stay the texts that they are
    if isinstance(data, list):
        data = {"meters": data}
    if "jobs" in data:
        data = {"meters": [{"id": "em-1", "driver": driver(data["jobs"]), **data}]}
    whole = {"gateway": {"id": "gw-1"}, "archive": {"path": "/tmp/none"}, "lines": {}, "meters": [], **data}
    for meter in whole["meters"]:
        meter.setdefault("driver", "dlms")
        meter.setdefault("line", "station")
        if meter["driver"] == "dlms":
            meter.setdefault("dlms", {"transport": "wrapper"})
        if meter["driver"] == "modbus":
            meter.setdefault("modbus", {"unit": "1", "map": "eastron-sdm630"})
        whole["lines"].setdefault(meter["line"], {"type": "tcp", "host": "localhost", "port": "9"})
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, default_style='"')


def driver(jobs: list[dict[str, Any]]) -> str:
    """Modbus has no profiles, and is what intervals are for."""
    return "dlms" if any("profile" in job for job in jobs) else "modbus"


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.name)
def test_every_yaml_block_loads(block: Block) -> None:
    whole = block.text.startswith("gateway:")
    text = block.text if whole else in_context(block.text)
    config = parse(text, block.name, DRIVER_OPTIONS, SINK_OPTIONS)
    assert not whole or not config.meters or config.warnings == (), f"{block.name} is a whole file and has warnings"


def test_a_fragment_with_a_fault_is_found() -> None:
    for text in ("jobs:\n  - {registers: all, evry: 15m}\n", "observability: {listn: 127.0.0.1:9750}\n"):
        with pytest.raises(Exception, match=r"evry|listn"):
            parse(in_context(text), "x", DRIVER_OPTIONS, SINK_OPTIONS)


# -- commands ---------------------------------------------------------------------------------------------------------


def understood(command: Command) -> None:
    """Every word is known to gatewayd. What stands for something else (METER, [SINK], ...) is taken for anything."""
    current: click.Command = gatewayd
    context = click.Context(gatewayd, info_name="gatewayd")
    words = [word.strip("[]") for word in command.words if word != "..."]
    while True:
        parser = current.make_parser(context)
        options, rest, _ = parser.parse_args(list(words))
        if not isinstance(current, click.Group) or not rest:
            break
        (name, *words) = rest
        found = current.get_command(context, name)
        if found is None:
            raise click.UsageError(f"there is no command {name}", context)
        current, context = found, click.Context(found, info_name=name, parent=context)
    if not command.whole:
        return
    for parameter in current.params:
        value = options.get(parameter.name or "")
        if isinstance(parameter, click.Option) and parameter.is_eager:  # --help, --version
            continue
        if not isinstance(value, str) or not PLACEHOLDER.match(value):
            parameter.handle_parse_result(context, {parameter.name or "": value} if value is not None else {}, [])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_exists(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda _path, value, *_: value)  # files of the reader
    understood(command)


@pytest.mark.parametrize("words", ["archive verify --all", "read", "status --watch 0.1", "archive prune", "scan em-1 --blok x"])
def test_a_command_that_is_wrong_is_found(words: str) -> None:
    with pytest.raises(click.ClickException):
        understood(Command(words, tuple(words.split()), whole=True))


# -- quoted texts -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def texts() -> frozenset[str]:
    """Every text of the code, with … for what is put in. Texts that are joined by + or as parts count as one."""
    found = set[str]()
    for folder in ("gatewayd", "drivers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if text := written(node):
                    found.add(re.sub(r"%[.0-9]*[a-z]|\{[a-z_]*\}", "…", text))
    return frozenset(found)


def written(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(written(part) if isinstance(part, ast.Constant) else "…" for part in parts)
    return ""


QUOTES = [
    line.removeprefix("> ")
    for line in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("> ")
]


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quoted_text_is_one_of_the_code(quote: str) -> None:
    assert any(quote in text for text in texts()), f"gatewayd never says: {quote}"


def test_a_text_that_is_not_of_the_code_is_found() -> None:
    assert len(QUOTES) > 40
    assert not any("is left alone for ever" in text for text in texts())
