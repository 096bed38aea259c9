"""`gatewayd tail`: every reading once and in order, over segments, restarts and damage, and where no archive is yet."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.query import Selection
from gatewayd.archive.rows import from_us
from gatewayd.cli.tail import followed
from tests.crash.rig import build
from tests.gatewayd.archive.samples import append, entry, opened, reading, reading_from
from tests.system.forked import running
from tests.system.rig import DEADLINE_S, QUICK, ROOT, Site, eventually

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"


def rounds(*actions: Callable[[], object]) -> Callable[[], bool]:
    """An end after so many looks; each action is done before one of them."""
    left = list(actions)

    def ended() -> bool:
        if not left:
            return True
        left.pop(0)()
        return False

    return ended


def nothing() -> None:
    pass


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other without a pause."""
    monkeypatch.setattr("gatewayd.cli.tail._EVERY_S", 0.0)


def test_from_an_instant_on_through_all_segments(tmp_path: Path) -> None:
    build(tmp_path, per_segment=7, segment_count=3)
    with reading_from(tmp_path) as reader:
        everything = reader.select(Selection())
    long_ago = from_us(0)
    # more looks than batches: a look ends with the archive
    assert list(followed(tmp_path, long_ago, rounds(*[nothing] * 30))) == everything
    assert list(followed(tmp_path, long_ago + timedelta(days=365 * 200), rounds(*[nothing] * 30))) == []


def test_without_one_only_what_is_new_and_over_a_restart_of_the_gateway(tmp_path: Path) -> None:
    def write(*numbers: int) -> Callable[[], None]:
        def action() -> None:
            with opened(tmp_path) as store:
                append(store, entry(*map(reading, numbers)))

        return action

    write(1, 2)()
    found = [
        one.reading for one in followed(tmp_path, None, rounds(nothing, write(3), nothing, write(4, 5), *[nothing] * 5))
    ]
    assert found == [reading(3), reading(4), reading(5)]


def test_an_archive_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "archive"

    def write() -> None:
        with opened(folder) as store:
            append(store, entry(reading(1)))

    assert [one.seq for one in followed(folder, None, rounds(nothing, write, *[nothing] * 5))] == [1]


def test_what_is_damaged_is_passed_over_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(tmp_path, per_segment=7, segment_count=3)
    path = segments.segment_path(tmp_path, 2)
    path.chmod(0o600)
    path.write_bytes(b"no database" * 1000)
    found = [one.seq for one in followed(tmp_path, from_us(0), rounds(*[nothing] * 30))]
    assert found == [*range(1, 22), *range(43, 64)]  # three for each exchange
    assert "readings 22 to 42 are passed over" in capsys.readouterr().err


def _more(file: Path, before: int) -> bool:
    return file.exists() and file.read_text().count("\n") > before + 1


def _read_until(master: int, word: str) -> str:
    """What comes from a terminal, up to a word and a little more."""
    data = b""
    while word not in data.decode(errors="replace"):
        assert select.select([master], [], [], DEADLINE_S)[0], data
        data += os.read(master, 1 << 16)
    return data.decode(errors="replace")


def test_a_pipe_has_lines_at_once_and_a_terminal_ends_with_ctrl_c(tmp_path: Path) -> None:
    """The gateway is stopped and started anew meanwhile."""
    site = Site(tmp_path)
    master, slave = pty.openpty()
    with ExitStack() as stack:
        meter = stack.enter_context(
            running(tmp_path, "simulators", "iec62056_21", "--readout", str(HOUSEHOLD), "--tcp", "0", *QUICK)
        )
        site.configure(
            f"  house: {{type: tcp, host: 127.0.0.1, port: {meter.line().rpartition(':')[2]}}}\n",
            "  - {id: em-1, driver: iec62056_21, line: house, jobs: [{registers: [1-0:1.8.0], every: 1s}]}\n",
        )
        arguments = ["-c", str(site.config), "tail", "em-1"]
        piped = stack.enter_context(running(tmp_path, "gatewayd", *arguments, "--obis", "1.8.0", "--json"))
        shown = subprocess.Popen(
            [sys.executable, "-m", "gatewayd", *arguments, "--lang", "cs"],
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
        )
        stack.callback(shown.kill)
        text = _read_until(master, "sleduji archiv")
        seen = 0
        for _ in range(2):
            with running(tmp_path, "gatewayd", "-c", str(site.config), "run") as gateway:
                eventually(partial(_more, piped.output, seen), "readings come")
                seen = piped.output.read_text().count("\n")
                os.kill(gateway.pid, signal.SIGTERM)
                assert gateway.wait() == 0
        text += _read_until(master, "skutečná")
        os.kill(piped.pid, signal.SIGINT)
        shown.send_signal(signal.SIGINT)
        assert piped.wait() == shown.wait(20) == 130
        rows = [json.loads(line, parse_float=str) for line in piped.output.read_text().splitlines()]
        assert [one["seq"] for one in rows] == sorted({one["seq"] for one in rows})
        assert {(one["obis"], one["value"]) for one in rows} == {("1-0:1.8.0*255", "21874.316")}
        assert piped.said.strip() == ""
        assert "sleduji archiv" in text and "\x1b[32mskutečná" in text and "Traceback" not in text
    os.close(slave)
    os.close(master)
