"""Completion: the names that are suggested, and the scripts in the shells that they are for.

Rules: bash, zsh and fish themselves run the scripts; zsh with its own widgets replaced by ones that print.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gatewayd.cli import gatewayd
from gatewayd.cli.completion import names
from gatewayd.cli.completion_scripts import script
from gatewayd.cli.tree import nodes
from scripts import completion
from tests.system.rig import ROOT

EXAMPLE = ROOT / "config" / "gatewayd.yaml"
CONFIG = """\
gateway: {id: gw-1}
lines:  # of the house
  optical: {type: serial, device: /dev/ttyUSB0}
  gsm-1:
    type: modem
    pool: night                # id: none
meters:
  - id: em-1
    line: optical

  - {driver: dlms, id: 'em-2', line: optical}
  # - id: em-3
  - id: reg-1
    points: [{id: reg-1-a, channels: [1-1]}]
sinks: [{id: broker, type: mqtt}]
"""
QUESTIONS = [
    ("read em", ["em-1", "em-2"]),
    ("reloa", ["reload"]),
    ("archive sho", ["show"]),
    ("archive show em-1 --kind m", ["maximum"]),
    ("trace g", ["gsm-1"]),
    ("scan ", ["em-1", "em-2", "gsm-1", "night", "optical", "reg-1", "reg-1-a"]),
    ("sink check ", ["broker"]),
    ("status --meter em", ["em-1", "em-2"]),
    ("archive export --format p", ["parquet"]),
    ("status --wat", ["--watch"]),
    ("read em-1 ", []),
    ("-c /nothing read ", []),
]
BEGIN = {
    "bash": """
source {script}
try() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gatewayd; printf '%s\\n' "${{COMPREPLY[@]}}"; }}
""",
    "zsh": """
compdef() {{ : }}
compset() {{ : }}
compadd() {{ print -rl -- ${{(M)found:#$PREFIX*}} }}
_describe() {{ local -a all; all=(${{described%%:*}}); print -rl -- ${{(M)all:#$PREFIX*}} }}
source {script}
""",
    "fish": "source {script}",
}
"""Once in each shell; in zsh with what the completion system has there."""
TRY = {
    "bash": "try gatewayd {words}",
    "zsh": "words=(gatewayd {words}); CURRENT=$#words; PREFIX=$words[CURRENT]; _gatewayd",
    "fish": "complete -C {whole} | string split -f 1 \\t",
}
BARE = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; run: apt-get install {name}")
    return found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def test_names_of_a_configuration(config: Path) -> None:
    assert names(config, "meters") == ["em-1", "em-2", "reg-1", "reg-1-a"]
    assert names(config, "lines") == ["optical", "gsm-1", "night"]
    assert names(config, "sinks") == ["broker"]


def test_names_of_the_example_are_those_that_are_loaded() -> None:
    from gatewayd.daemon import load_config

    loaded = load_config(EXAMPLE)
    assert set(names(EXAMPLE, "meters")) == {meter.id for meter in loaded.metered}
    assert set(names(EXAMPLE, "lines")) == {*loaded.lines, *loaded.pools}
    assert names(EXAMPLE, "sinks") == [sink.id for sink in loaded.sinks]
    by_themselves = set(names(EXAMPLE, "meters"))
    assert names(EXAMPLE, "points") == [point.id for point in loaded.points if point.id not in by_themselves]


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"meters", b"meters: [}\n  id", b""])
def test_what_cannot_be_read_has_no_names(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    assert names(path, "meters") == names(tmp_path, "lines") == names(tmp_path / "none", "sinks") == []


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_shell_completes(name: str, config: Path, tmp_path: Path) -> None:
    """All questions in one shell; what it asks of the gateway is asked of this one."""
    program = tmp_path / "bin" / "gatewayd"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncd {ROOT}\nexec {sys.executable} -m gatewayd "$@"\n')
    program.chmod(0o755)
    file = tmp_path / f"gatewayd.{name}"
    file.write_text(script(name, gatewayd))
    text = BEGIN[name].format(script=file) + "\n"
    for words, _ in QUESTIONS:
        last = words.rpartition(" ")[2]
        quoted = f"{words.removesuffix(last)}'{last}'"
        text += TRY[name].format(words=quoted, whole=f"'gatewayd {words}'") + "\necho %%\n"
    done = subprocess.run(
        [shell(name), *BARE[name], "-c", text],
        env={"PATH": f"{program.parent}:/usr/bin:/bin", "GATEWAYD_CONFIG": str(config), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert done.stderr == ""
    answers = [sorted(filter(None, part.splitlines())) for part in done.stdout.split("%%\n")[:-1]]
    assert answers == [expected for _, expected in QUESTIONS]


def test_every_command_and_option_is_in_every_script() -> None:
    for name in completion.NAMES:
        text = script(name, gatewayd)
        for node in nodes(gatewayd):
            assert " ".join(node.path) in text
            assert all(option.opts[-1] in text for option in node.options)


@pytest.mark.parametrize("name", completion.NAMES.values())
def test_the_packaged_scripts_are_fresh(name: str) -> None:
    found = (completion.FOLDER / name).read_text(encoding="utf-8")
    assert found == completion.scripts()[name], "run: python -m scripts.completion"
