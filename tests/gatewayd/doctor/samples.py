"""What the tests of judgements share: how a finding is told, and somebody who looks."""

import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.doctor.account import Account
from gatewayd.doctor.findings import Finding, Level
from gatewayd.doctor.scene import Scene

OK, NOTE, WARNING, ERROR = Level
ACCOUNT = Account("gatewayd", 990, frozenset({990, 20}))
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
CHARACTER, REGULAR, FOLDER = stat.S_IFCHR, stat.S_IFREG, stat.S_IFDIR


def told(found: Finding | Sequence[Finding]) -> list[tuple[Level, str]]:
    """Level and text; whatever is not all right has a remedy."""
    ones = [found] if isinstance(found, Finding) else found
    assert all(one.remedy for one in ones if one.level is not OK and not one.text.startswith("there is no archive yet"))
    return [(one.level, one.text) for one in ones]


def only(found: Finding | Sequence[Finding], level: Level, words: str, remedy: str = "") -> None:
    """One finding of this level with these words."""
    ones = [found] if isinstance(found, Finding) else list(found)
    assert [one for one, _ in told(ones)] == [level], ones
    assert words in ones[0].text, ones[0].text
    assert remedy in ones[0].remedy, ones[0].remedy


def scene(*, running: bool | None, status: dict[str, Any] | None = None) -> Scene:
    text = "gateway: {id: gw-1}\narchive: {path: /var/lib/gatewayd}\nlines: {a: {type: serial, device: /dev/null}}\n"
    config = parse(text, "f.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    return Scene(config, Path("/etc/gatewayd/gatewayd.yaml"), ACCOUNT, ACCOUNT, running, status, "1.1")


def status(**changed: Any) -> dict[str, Any]:
    configuration = {"file": "/etc/gatewayd/gatewayd.yaml", "loaded_at": "2026-11-27T12:00:00Z", "fault": None}
    head = {"version": "1.1", "pid": 7, "since": "2026-11-27T12:00:00Z", "configuration": configuration}
    return {
        **head,
        "archive": {"fault": None},
        "faults": [],
        "meters": [],
        "alarms": [],
        "lines": [],
        "metering": None,
        **changed,
    }
