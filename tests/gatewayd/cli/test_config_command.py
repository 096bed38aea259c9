"""`gatewayd config`: examples load as they are, and lint judges any file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli.config import DRIVERS, config
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS

GOOD = """\
gateway: {id: gw}
archive: {path: /a}
lines:
  used: {type: tcp, host: h, port: 1}
meters: [{id: em-1, driver: dlms, line: used, dlms: {transport: wrapper}, jobs: [{registers: all, every: 1h}]}]
"""
DOUBTFUL = GOOD.replace("lines:", "lines:\n  spare: {type: tcp, host: h, port: 2}")
BAD = GOOD.replace("path", "paht")


def run(*arguments: str, **more: str) -> Result:
    return CliRunner().invoke(config, arguments, obj=Path("none.yaml"), input=more.get("text"))


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_example_for_every_driver_loads_without_a_warning(driver: str) -> None:
    done = run("example", driver)
    loaded = parse(done.stdout, "example", DRIVER_OPTIONS, SINK_OPTIONS)
    assert loaded.warnings == ()
    assert {meter.driver for meter in loaded.meters} == {driver}
    assert loaded.sinks and all("  #" in line or line.startswith("#") for line in done.stdout.splitlines()[:2])


@pytest.mark.parametrize(
    ("texts", "options", "code"),
    [
        ([GOOD], [], 0),
        ([DOUBTFUL], [], 0),
        ([DOUBTFUL], ["--strict"], 1),
        ([GOOD, BAD], [], 2),
        ([DOUBTFUL, BAD], ["--strict"], 2),
    ],
)
def test_lint_judges_each_file(tmp_path: Path, texts: list[str], options: list[str], code: int) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    done = run("lint", *map(str, files), *options)
    assert done.exit_code == code
    assert ("warning: " in done.stderr) == (DOUBTFUL in texts)
    assert ("paht" in done.stderr) == (BAD in texts)
    document = json.loads(run("lint", "--json", *map(str, files)).stdout)
    assert document["ok"] == (BAD not in texts)
    assert [one["file"] for one in document["files"]] == list(map(str, files))
    assert [one["ok"] for one in document["files"]] == [text != BAD for text in texts]


def test_lint_reads_what_it_is_piped_and_looks_at_nothing_else() -> None:
    """A key file of another machine need not be here."""
    sink = "sinks: [{id: s, type: mqtt, host: h, username: u, password_file: /nowhere/at/all}]\n"
    done = run("lint", "-", text=GOOD + sink)
    assert (done.exit_code, done.stdout) == (0, "standard input: gateway gw: 1 line, 1 meter, 1 job, 1 sink\n")
    assert run("lint", "-", text=BAD).exit_code == 2


def test_lint_without_a_file_takes_the_one_in_use() -> None:
    done = run("lint")
    assert done.exit_code == 2 and done.stderr.startswith("none.yaml: does not exist")
