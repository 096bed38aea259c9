"""The guides are true: YAML loads, commands exist with their options and do what they do, quotes are those of the code.

Rules: a fragment of YAML is put where the page means it to stand, and nothing else is added that it could be wrong in.
Commands that need no meter are run, on a gateway's folder that has an archive; those that need one are transcripts.
"""

import ast
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from gatewayd.cli import gatewayd
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.model import Flag
from scripts import transcripts
from tests.docs.guides import PAGES, ROOT, Command, blocks, commands
from tests.system.dlms_rig import Manner, dlms_meter
from tests.system.dlms_rig import gateway as site_of
from tests.system.forked import QuickSite

GUIDES = [ROOT / "docs" / f"{name}.md" for name in ("operator", "technician", "troubleshooting", "security", "upgrade")]
LOCAL = re.compile(
    r"^(old\.yaml )?"
    r"(check|config|completion|status|archive|reading (list|template|waiting)|sink set-aside|doctor|--version)\b"
)
TOP = re.compile(r"^(gateway|archive|acquisition|control|manual|observability|policies|lines|meters|sinks):")
PLACEHOLDER = re.compile(r"^(\[.*|.*\]|\.\.\.|[A-Z]+(:[A-Z]+)?|.*[A-Z]{4,}\S*)$")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# -- configuration ----------------------------------------------------------------------------------------------------


def in_context(text: str) -> str:
    """A configuration around a fragment: of the whole file, or of a meter."""
    data: Any = yaml.load(text, yaml.BaseLoader)  # scalars stay the texts that they are
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
        if meter["line"] not in [line.get("pool") for line in whole["lines"].values()]:
            whole["lines"].setdefault(meter["line"], {"type": "tcp", "host": "localhost", "port": "9"})
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, default_style='"')


def driver(jobs: list[dict[str, Any]]) -> str:
    """Modbus has no profiles, and is what intervals are for."""
    return "dlms" if any("profile" in job for job in jobs) else "modbus"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_yaml_block_loads(page: Path) -> None:
    for block in blocks(page):
        if (block.language == "yaml" and not block.text.startswith(" ")) or TOP.match(block.text):
            whole = "\nlines:" in block.text and block.text.startswith("gateway:")
            text = block.text if whole else in_context(block.text)
            config = parse(text, block.name, DRIVER_OPTIONS, SINK_OPTIONS)
            assert not whole or not config.meters or config.warnings == (), block.name


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


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_exists(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.Path, "convert", lambda _path, value, *_: value)  # files of the reader
    for command in commands(page):
        try:
            understood(command)
        except click.ClickException as error:
            pytest.fail(f"{command.name}: {error.format_message()}")


@pytest.mark.parametrize("words", ["archive verify --all", "read", "status --watch 0.1", "archive prune", "scan -b"])
def test_a_command_that_is_wrong_is_found(words: str) -> None:
    with pytest.raises(click.ClickException):
        understood(Command(words, tuple(words.split()), whole=True))


def without_meter(command: Command) -> bool:
    """Whether a command does all that it does with a folder, on this machine."""
    words = " ".join(word for word in command.words if not word.startswith("-"))
    return bool(command.whole and LOCAL.match(words) and not any(PLACEHOLDER.match(word) for word in command.words))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> QuickSite:
    """A configuration with the meters of the guides, and an archive that has something of one."""
    folder = tmp_path_factory.mktemp("guides")
    with dlms_meter(folder, "em-1001", Manner("wrapper"), "--profile-values", "intervals") as meter:
        entries = [
            meter.entry().replace("{id: em-1001,", f"{{id: {name},") for name in ("em-1001", "em-2001", "em-3001")
        ]
        entries[1] = entries[1].replace(
            "jobs: [", "jobs: [{profile: 1-0:99.1.0, every: 1h}, "
        )  # of which gaps are told
        site = site_of(folder, entries, meter)
        done = site.run("profile", "em-1001", "1-0:99.1.0")
        assert done.returncode == 0, done.stderr
    key = site.run("archive", "public-key")
    (folder / "gw-brno-1.pub").write_text(key.stdout)
    (folder / "old.yaml").write_text((folder / "gatewayd.yaml").read_text())
    return site


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_commands_that_need_no_meter_do_what_they_do(page: Path, site: QuickSite) -> None:
    for command in dict.fromkeys(command.words for command in commands(page) if without_meter(command)):
        words = [re.sub(r"^[\w-]+\.(pub|csv|yaml)$", rf"{site.site.folder}/\g<0>", word) for word in command]
        if words[0] == "-c":
            words = words[2:]
        done = site.run(*words)
        assert "Traceback" not in done.stderr
        expected = (0, 1) if words[0] in ("status", "doctor") else (0,)  # no gateway runs, and this is no real box
        assert done.returncode in expected, f"{page.name}: gatewayd {' '.join(command)}: {done.stderr or done.stdout}"


def test_the_guides_have_such_commands() -> None:
    found = [command for page in GUIDES for command in commands(page) if without_meter(command)]
    assert len(found) > 15


# -- links ------------------------------------------------------------------------------------------------------------


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_headings_that_there_are(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        aim = page.parent / target if target else page
        assert anchor in headings(aim), f"{page.name} links to {target}#{anchor}"


# -- transcripts ------------------------------------------------------------------------------------------------------


def test_the_transcripts_are_what_the_commands_say() -> None:
    assert len(transcripts.commands(transcripts.PAGE.read_text(encoding="utf-8"))) > 10
    try:
        environment = transcripts.environment()
    except FileNotFoundError as error:
        pytest.fail(str(error))
    command = [sys.executable, "-m", "scripts.transcripts", "--check"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"run: python -m scripts.transcripts\n{done.stdout}{done.stderr}"


def test_a_transcript_with_another_word_is_not_alike() -> None:
    text = transcripts.PAGE.read_text(encoding="utf-8")
    for old, new in (
        ("21874.316", "21874.317"),
        ("skutečná", "pravá"),
        ("  em-2001", "  em-2002"),
        ("95 of 96", "94 of 96"),
    ):
        assert old in text and transcripts.alike(text.replace(old, new)) != transcripts.alike(text)
    for old, new in ((r"09:40:\d\d", "09:41:59"), (r"process \d+", "process 1"), (r"->  00 01 .*", "->  00 02")):
        changed, count = re.subn(old, new, text)
        assert count and transcripts.alike(changed) == transcripts.alike(text)


# -- quoted texts -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def texts() -> frozenset[str]:
    """Every text of the code but its docstrings, with … for what is put in."""
    found = set[str]()
    for folder in ("gatewayd", "drivers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            said = set[ast.AST]()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):  # parents first
                if isinstance(node, ast.Expr):
                    said.add(node.value)
                elif node not in said and (text := written(node)):
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


def test_quoted_texts_are_those_of_the_code() -> None:
    foreign = [quote for quote in QUOTES if not any(quote in text for text in texts())]
    assert not foreign, f"gatewayd never says: {foreign}"


def test_the_reasons_and_flags_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    flags = {flag.texts[0] for flag in Flag}
    assert len(named) > 20
    for name in named:
        assert name in flags or any(name.removesuffix(":") in text for text in texts()), f"nobody says {name}"


def test_a_text_that_is_not_of_the_code_is_found() -> None:
    assert len(QUOTES) > 40
    assert not any("is left alone for ever" in text for text in texts())


def test_a_clock_that_is_right_by_a_hair_is_alike_one_that_is_off() -> None:
    """However wide the column is in which it says so."""
    begin, end = "<!-- transcript: laptop -->\n```console\n", "```\n<!-- end of transcript -->\n"
    told = ("2.1 s behind", "3 s ahead", "right", "right  ")
    said = [
        transcripts.alike(f"{begin}2026-11-26 09:41:02+01:00, {text} (read 2026-11-26 09:41:02)\n{end}")
        for text in told
    ]
    assert said[0] and all(one == said[0] for one in said), said
