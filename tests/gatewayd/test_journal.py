"""Log lines for the journal carry priorities, those for people do not."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gatewayd.daemon.journal import JournalFormatter, is_journal
from tests.system.rig import ROOT


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
        (logging.INFO + 5, 6),
        (1, 7),
    ],
)
def test_priorities_are_those_of_syslog(level: int, priority: int) -> None:
    record = logging.LogRecord("gatewayd.worker", level, "", 0, "line %s", ("bus",), None)
    assert JournalFormatter().format(record) == f"<{priority}>gatewayd.worker: line bus"


def test_each_line_of_a_traceback_has_its_priority() -> None:
    """journald makes an entry of each line."""
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        record = logging.LogRecord("gatewayd", logging.ERROR, "", 0, "defect", None, sys.exc_info())
    lines = JournalFormatter().format(record).split("\n")
    assert len(lines) >= 5 and all(line.startswith("<3>") for line in lines)
    assert lines[0] == "<3>gatewayd: defect" and lines[-2:] == ["<3>ValueError: one", "<3>two"]


def test_the_variable_alone_is_no_journal(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        for text in ("", ":", "a:b", f"{found.st_dev}"):
            assert not is_journal(file.fileno(), {"JOURNAL_STREAM": text})
        assert not is_journal(file.fileno(), {})


def test_a_gateway_writes_for_the_journal(tmp_path: Path) -> None:
    """Its archive cannot be opened, so it ends at once; a warning of the configuration comes before that."""
    (tmp_path / "archive").write_text("in its place\n")
    config = tmp_path / "gatewayd.yaml"
    config.write_text(
        f"gateway: {{id: gw-1}}\narchive: {{path: {tmp_path}/archive}}\n"
        "lines:\n  a: {type: tcp, host: 127.0.0.1, port: 9}\n"
    )
    ours, theirs = socket.socketpair()
    found = os.fstat(theirs.fileno())
    stream = f"{found.st_dev}:{found.st_ino}"
    subprocess.run(
        [sys.executable, "-m", "gatewayd", "-c", str(config), "run"],
        stderr=theirs.fileno(),
        env=os.environ | {"JOURNAL_STREAM": stream},
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    theirs.close()
    text = ours.makefile().read()
    ours.close()
    assert text.startswith(f"<4>gatewayd.config: {config}:"), text
