"""Writes packaging/man/: gatewayd.1 from the click commands, gatewayd.yaml.5 from the definition of the configuration.

Rules: what is said of a command, an option or a key is what the code says of it; only the frame stands here. A test
compares the files with what would be written now.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from gatewayd import __version__
from gatewayd.cli import gatewayd
from gatewayd.cli.exit_codes import MEANINGS
from gatewayd.cli.tree import Node, node
from gatewayd.config import json_schema
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from scripts import roff

FOLDER = Path(__file__).resolve().parents[1] / "packaging" / "man"
DATE = "2026-11-27"
"""Of the last change that a reader has to know of."""
Schema = Mapping[str, Any]  # whatever a JSON Schema has

_PURPOSE = "reads electricity, heat and gas meters, archives what they send, and publishes it"
_DESCRIPTION = """
`gatewayd` reads meters over serial lines, TCP and modems by IEC 62056-21, DLMS/COSEM and Modbus. Everything that a
meter has sent is archived before anything else happens with it, signed and never changed; brokers and databases are
served out of the archive. `gatewayd run` is the service; all other commands are for people and scripts.
"""
_OUTPUT = """
Data go to standard output, messages to standard error. With `--json` a command prints one JSON document, or, where it
goes on (`trace`, `tail`), one object in a line; JSON is the same in every language. Tables have colours only on a
terminal. Whatever takes longer than a second says on a terminal how far it is.
"""
_ENVIRONMENT = {
    "GATEWAYD_CONFIG": "The configuration file, where `-c` does not name one.",
    "GATEWAYD_LANG": "`cs` or `en`: language of words and headings in `status`, `read`, `profile`, `clock`, `tail`, "
    "`archive`, `point`, `explain`, `compare` and `substitute`. Without it LC_ALL, LC_MESSAGES and LANG decide, in "
    "this order.",
    "NO_COLOR": "When set, nothing is printed in colours.",
}
_FILES = {
    "/etc/gatewayd/gatewayd.yaml": "The configuration; see `gatewayd.yaml`(5).",
    "/var/lib/gatewayd": "The archive in the example configurations: segments, head, keys, and the control socket "
    "`control.sock`, by which commands ask the running gateway.",
}
_EXAMPLES = """gatewayd config example dlms > gatewayd.yaml
gatewayd -c gatewayd.yaml check
gatewayd read em-1001 1.8.0 2.8.0
gatewayd profile em-1001 1-0:99.1.0 --from yesterday --plot
gatewayd tail em-1001 --json | jq .value
gatewayd archive gaps em-1001 --from 2026-11-01
gatewayd export points north --layout csv --from 2026-11-01 -o north.csv
gatewayd archive export --since 2026-11-01 --format csv -o november.csv
"""


def command_page() -> str:
    """The text of gatewayd.1."""
    tree = node(gatewayd)
    parts = [
        _head("gatewayd", 1, "User Commands"),
        roff.section("Name"),
        f"gatewayd \\- {roff.plain(_PURPOSE)}\n",
        roff.section("Synopsis"),
        f"{roff.bold('gatewayd')} [{roff.bold('-c')} {roff.italic('FILE')}] {roff.italic('COMMAND')} "
        f"[{roff.italic('ARGUMENT')}]...\n",
        roff.section("Description"),
        roff.prose(_DESCRIPTION) + "\n",
        roff.paragraph(_OUTPUT),
        roff.section("Options"),
        *map(_option, tree.options),
        roff.entry(f"{roff.bold('-h')}, {roff.bold('--help')}", ["Show the help of gatewayd or of a command."]),
        roff.section("Commands"),
        *_commands(tree),
        roff.section("Exit status"),
        *(roff.entry(roff.bold(str(int(code))), [text]) for code, text in MEANINGS.items()),
        roff.section("Environment"),
        *(roff.entry(roff.bold(name), [text]) for name, text in _ENVIRONMENT.items()),
        roff.section("Files"),
        *(roff.entry(roff.italic(name), [text]) for name, text in _FILES.items()),
        roff.section("Examples"),
        roff.prose("A file to begin with, a meter read by hand, its load profile, what comes, what is missing:") + "\n",
        roff.verbatim(_EXAMPLES),
        roff.section("See also"),
        f"{roff.bold('gatewayd.yaml')}(5), {roff.bold('journalctl')}(1)\n",
    ]
    return "".join(parts)


def configuration_page() -> str:
    """The text of gatewayd.yaml.5."""
    schema: Schema = json_schema(DRIVER_OPTIONS, SINK_OPTIONS)
    parts = [
        _head("gatewayd.yaml", 5, "File Formats"),
        roff.section("Name"),
        "gatewayd.yaml \\- configuration of gatewayd\n",
        roff.section("Description"),
        roff.prose(
            "YAML 1.2 in UTF-8. Scalars are taken as they are written: `serial: 00123` keeps its zeros. Periods are "
            "written `15m`, `60s`, `1h` or `1d`, times of day `00:05`. Secrets never stand in this file, only where "
            "they are: in a file, an environment variable or a credential of systemd. `gatewayd check` names every "
            "fault with its line, `gatewayd config example` prints a file to begin with, and `gatewayd reload` has the "
            "running gateway take a changed one."
        )
        + "\n",
        roff.section("Keys of the file"),
        *_keys(schema, schema),
    ]
    for name, definition in _objects(schema):
        parts += [
            roff.section(name),
            roff.prose(definition.get("description", "")) + "\n",
            *_keys(definition, schema),
        ]
    parts += [roff.section("See also"), f"{roff.bold('gatewayd')}(1)\n"]
    return "".join(parts)


def _head(name: str, section: int, manual: str) -> str:
    comment = '.\\" Written by python -m scripts.man_page, do not edit.\n'
    return comment + roff.title(name, section, DATE, f"gatewayd {__version__}", manual) + ".ad l\n"


# -- commands ----------------------------------------------------------------------------------------------------------


def _commands(tree: Node) -> Iterator[str]:
    for child in tree.children:
        if child.children:
            yield from _commands(child)
            continue
        yield roff.subsection(" ".join(["gatewayd", *child.path, *_usage(child)]))
        yield from _help(child.help)
        yield from map(_option, child.options)


def _usage(one: Node) -> Iterator[str]:
    yield from ["[OPTION]..."] if one.options else []
    for argument in one.arguments:
        yield argument.make_metavar(click.Context(one.command))


def _help(text: str) -> Iterator[str]:
    """Paragraphs; behind a line of backspace alone (click's mark) lines stay as they are."""
    for number, block in enumerate(text.split("\n\n")):
        if block.strip().startswith("\b"):
            yield roff.verbatim(block.strip().removeprefix("\b").strip("\n"))
        else:
            yield roff.paragraph(block) if number else roff.prose(block) + "\n"


def _option(option: click.Option) -> str:
    record = option.get_help_record(click.Context(gatewayd))
    names, text = record if record is not None else ("", "")
    flags = ", ".join(roff.bold(name) for name in (*option.opts, *option.secondary_opts))
    value = names.rpartition("--")[2].partition(" ")[2] if not option.is_flag else ""
    value = _RANGE_NAME.sub("N", value)
    text = _RANGE.sub(lambda found: f"[{found[1]} to {found[2]}]", _LEAST.sub(r"[from \1]", text))
    return roff.entry(f"{flags} {roff.italic(value)}" if value else flags, [text])


_RANGE_NAME = re.compile(r"(?:INTEGER|FLOAT)(?: RANGE)?")
_RANGE = re.compile(r"\[([0-9.]+)<=x<=([0-9.]+)\]")
_LEAST = re.compile(r"\[x>=([0-9.]+)\]")


# -- configuration -----------------------------------------------------------------------------------------------------


def _objects(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The blocks of a configuration, each under the name by which it is referred to."""
    for name, definition in sorted(schema["$defs"].items(), key=lambda item: _called(item[0]).lower()):
        if definition.get("type") == "object":
            yield _called(name), definition


_CALLED = {"JobEntry": "job", "PartEntry": "points of a registrar", "PolicyEntries": "policies", "TlsOptions": "tls"}


def _called(name: str) -> str:
    """`DlmsOptions` is the block `dlms` and so on; what has no other name keeps its own, in small letters."""
    if name in _CALLED:
        return _CALLED[name]
    if name.startswith(("Meter-", "Sink-")):
        kind, _, which = name.partition("-")
        return f"{kind.lower()}: {which}"
    for ending in ("Settings", "Options", "Entry", "Line"):
        if name.endswith(ending):
            base = name.removesuffix(ending)
            words = "".join(f" {one.lower()}" if one.isupper() else one for one in base).strip()
            return f"line: {words.replace(' ', '_')}" if ending == "Line" else words
    return name.lower()


def _keys(definition: Schema, schema: Schema) -> Iterator[str]:
    required = set(definition.get("required", ()))
    for key, value in definition.get("properties", {}).items():
        expected = _expected(value)
        blocks = sorted({_called(name) for name in _references(value) if _is_block(name, schema)})
        facts = [
            value.get("description", ""),
            f"See {', '.join(f'`{block}`' for block in blocks)}." if blocks else "",
            "" if blocks or not expected else f"Expected: {expected}.",
            "Has to be there." if key in required else _default(value),
        ]
        yield roff.entry(roff.bold(key), [" ".join(filter(None, facts))])


def _is_block(name: str, schema: Schema) -> bool:
    return bool(schema["$defs"][name].get("type") == "object")


def _references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        for key, inner in value.items():
            if key != "discriminator":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _expected(value: Schema) -> str:
    """In words: choices, bounds, or what messages say."""
    if "x-expected" in value:
        return str(value["x-expected"])
    for inner in (value, *value.get("anyOf", ())):
        if "x-expected" in inner:
            return str(inner["x-expected"])
        if "enum" in inner:
            return _either(map(str, inner["enum"]))
        bounds = [f"{word} {inner[key]}" for key, word in _BOUNDS.items() if key in inner]
        kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(
            str(inner.get("type")), ""
        )
        if kind:
            return " ".join(filter(None, (kind, " ".join(bounds))))
    return ""


_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _either(words: Iterable[str]) -> str:
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last


def _default(value: Schema) -> str:
    default = value.get("default")
    if default in (None, "", [], {}) or isinstance(default, Mapping | list):
        return ""
    if isinstance(default, bool):
        return f"Default: {str(default).lower()}."
    text = str(default)
    return f"Default: {_period(text) if value.get('format') == 'period' else text.removesuffix('.0')}."


def _period(text: str) -> str:
    """`PT1M` is written 1m in the file."""
    number, unit = text.removeprefix("P").removeprefix("T")[:-1], text[-1:].lower()
    return f"{number}{unit}" if number.isdigit() else text


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="ascii")


def pages() -> dict[str, str]:
    """What the files hold."""
    return {"gatewayd.1": command_page(), "gatewayd.yaml.5": configuration_page()}


if __name__ == "__main__":
    main()
