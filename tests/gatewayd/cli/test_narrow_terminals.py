"""What has more columns than a terminal of 80: nothing is a word wide, nothing is cut off."""

import asyncio
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from gatewayd.archive.query import Counts
from gatewayd.archive.records import Audit
from gatewayd.cli import archive_audit, gatewayd
from gatewayd.cli.demo_view import View, _Message
from gatewayd.cli.output import Screen
from tests.gatewayd.archive.samples import opened

AT = datetime(2026, 11, 27, 14, 56, tzinfo=UTC)
REFUSED = "/etc/gatewayd/gatewayd.yaml:18: meters[1].jobs[0].evry: unknown key; did you mean 'every'? known keys: at"


def terminal(width: int) -> Screen:
    return Screen(file=io.StringIO(), force_terminal=True, width=width, highlight=False, color_system=None)


def shown(screen: Screen) -> list[str]:
    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    assert all(len(line) <= screen.width for line in lines)
    return lines


def audit(folder: Path, screen: Screen, entries: Sequence[Audit], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    with opened(folder / "archive") as store:
        for entry in entries:
            store.submit(entry).result()
    (folder / "g.yaml").write_text(
        f"gateway: {{id: gw}}\narchive: {{path: {folder}/archive}}\nlines: {{}}\nmeters: []\n"
    )
    monkeypatch.setattr(archive_audit, "console", lambda: screen)
    arguments = ["-c", str(folder / "g.yaml"), "archive", "audit", "--category", "configuration"]
    assert CliRunner().invoke(gatewayd, arguments, catch_exceptions=False).exit_code == 0
    return shown(screen)


def test_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (
        Audit(AT, "jana", "configuration", "reloaded", "gateway", "refused", REFUSED),
        Audit(AT, "SIGHUP", "configuration", "reloaded", "gateway", "done", ""),
    )
    assert audit(tmp_path, terminal(80), entries, monkeypatch) == [
        "2026-11-27 15:56:00  jana  configuration  reloaded  gateway  refused",
        "    /etc/gatewayd/gatewayd.yaml:18: meters[1].jobs[0].evry: unknown key; did you",
        "    mean 'every'? known keys: at",
        "2026-11-27 15:56:00  SIGHUP  configuration  reloaded  gateway  done",
    ]


@pytest.mark.parametrize(("width", "there"), [(80, False), (160, True)])
def test_the_demonstration(width: int, there: bool) -> None:
    """Whole values, or not at all."""
    view, screen = View(), terminal(width)
    reading = {"seq": 1, "at": "2026-11-27T14:56:00Z", "raw": "0021874.329", "status": "distorted",
               "flags": ["bcc_failed"], "value": 21874.329, "primary": 1749946.32}  # fmt: skip
    message = {"meter": "em-plant", "obis": "1-0:1.8.0*255", "unit": "kWh", "readings": [reading]}
    asyncio.run(view._take(msgspec.convert(message, _Message)))
    screen.print(view.table(Counts(1, 1, 1), screen.width))
    (row,) = [line for line in shown(screen) if "em-plant" in line]
    assert "…" not in "".join(shown(screen))
    for text in ("1-0:1.8.0", "21874.329", "kWh", "distorted", "bcc_failed", "14:56:00"):
        assert text in row
    assert ("1749946.32" in row) is there


@pytest.mark.parametrize("group", ["archive", "config", "reading", "sink"])
def test_the_overview_of_a_group_has_whole_sentences(group: str) -> None:
    overview = CliRunner().invoke(gatewayd, [group, "--help"], terminal_width=80).stdout.partition("Commands:\n")[2]
    entries = re.split(r"\n  (?=\S)", overview.strip())
    assert len(entries) >= 3 and all(entry.endswith(".") and not entry.endswith("...") for entry in entries)
    assert all(len(line) <= 80 for line in overview.splitlines())
