"""What the composition root decides itself: where a sink goes on, and what retention asks for."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatewayd import daemon
from gatewayd.archive.rows import to_us
from gatewayd.config import Config, parse

CONFIG = "gateway: {id: gw-1}\narchive: {path: /var/lib/gatewayd, retention_months: 36, segment_mb: 64}\n"


@pytest.mark.parametrize(("saved", "start"), [({}, 0), ({"mqtt": 7}, 7), ({"mqtt": 10}, 10), ({"mqtt": 11}, 0)])
def test_a_cursor_behind_the_end_of_the_archive_belongs_to_another_archive(
    saved: dict[str, int], start: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = cast("Any", SimpleNamespace(head=10))
    with caplog.at_level(logging.WARNING):
        assert daemon._cursor("mqtt", saved, store) == start
    assert ("starting anew" in caplog.text) == (saved == {"mqtt": 11})


def test_the_size_cap_of_the_configuration_reaches_the_archive(tmp_path: Path) -> None:
    store = daemon.build_store(configuration())
    assert store._segment_bytes == 64 << 20
    assert store.folder == Path("/var/lib/gatewayd")


@pytest.mark.parametrize(("cursors", "acknowledged"), [([], 500), ([90], 90), ([400, 20], 20)])
def test_retention_keeps_36_whole_months_and_what_any_sink_still_needs(
    cursors: Sequence[int], acknowledged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first legal midnight of the month 36 months ago: 2026-11-21 keeps November 2023."""
    monkeypatch.setattr(daemon, "now", lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))
    asked: list[tuple[int, int]] = []

    class Asked(Exception):
        """Ends the daily task after its first round."""

    class Store:
        head = 500

        async def prune(self, before_us: int, acknowledged: int) -> None:
            asked.append((before_us, acknowledged))
            raise Asked

    outboxes = [SimpleNamespace(cursor=cursor) for cursor in cursors]
    gateway = cast("Any", SimpleNamespace(store=Store(), outboxes=outboxes))
    with pytest.raises(Asked):
        asyncio.run(daemon._retain(configuration(), gateway))
    assert asked == [(to_us(datetime(2023, 10, 31, 23, tzinfo=UTC)), acknowledged)]


def configuration() -> Config:
    return parse(CONFIG, "gatewayd.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)
