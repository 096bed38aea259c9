"""What the composition root decides itself: where a sink goes on, and what retention asks for."""

import asyncio
import importlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gatewayd import daemon
from gatewayd.archive.cursors import Position
from gatewayd.archive.retention import Kept, Limits
from gatewayd.archive.rows import to_us
from gatewayd.config import Config, parse
from gatewayd.daemon import retention
from gatewayd.daemon.build import sink_start

CONFIG = "gateway: {id: gw-1}\narchive: {path: /var/lib/gatewayd, retention_months: 36, segment_mb: 64}\n"


@pytest.mark.parametrize(
    ("written", "start"),
    [("", "beginning"), (", start: now", "now"), (", start: 2026-11-01", datetime(2026, 10, 31, 23, tzinfo=UTC))],
)
def test_where_a_new_sink_begins(written: str, start: object) -> None:
    """A day begins at its legal midnight."""
    config = configuration(f"sinks: [{{id: m, type: mqtt, host: localhost{written}}}]\n")
    assert sink_start(config.sinks[0], config.gateway.zone) == start


def test_the_size_cap_of_the_configuration_reaches_the_archive(tmp_path: Path) -> None:
    store = daemon.build_store(configuration())
    assert store._segment_bytes == 64 << 20
    assert store.folder == Path("/var/lib/gatewayd")


@pytest.mark.parametrize(
    ("cursors", "acknowledged"),
    [({}, {"m": 0, "t": 0}), ({"m": 90}, {"m": 90, "t": 0}), ({"t": 4, "x": 1}, {"m": 0, "t": 4})],
)
def test_retention_keeps_36_whole_months_and_what_any_configured_sink_still_needs(
    cursors: dict[str, int],
    acknowledged: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From the first legal midnight of the month 36 months ago: 2026-11-21 keeps November 2023; 12 more for sinks."""
    monkeypatch.setattr(retention, "now", lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))
    monkeypatch.setattr(
        retention, "read_cursors", lambda _: {sink: Position(cursor) for sink, cursor in cursors.items()}
    )
    asked: list[Limits] = []

    class Asked(Exception):
        """Ends the daily task after its second round."""

    class Store:
        async def prune(self, limits: Limits) -> Kept:
            asked.append(limits)
            return Kept(2, tuple(limits.waiting(100)))

    async def once(_: float) -> None:
        raise Asked

    monkeypatch.setattr(asyncio, "sleep", once)
    sinks = "sinks: [{id: m, type: mqtt, host: localhost}, {id: t, type: mqtt, host: localhost}]\n"
    with pytest.raises(Asked), caplog.at_level(logging.ERROR):
        asyncio.run(retention.retain(lambda: configuration(sinks), cast("Any", Store()), lambda: True))
    before, even = datetime(2023, 10, 31, 23, tzinfo=UTC), datetime(2022, 10, 31, 23, tzinfo=UTC)
    assert asked == [Limits(to_us(before), to_us(even), acknowledged, to_us(datetime(2026, 11, 21, 12, tzinfo=UTC)))]
    loud = [sink for sink in ("m", "t") if sink in cursors]
    assert (f"have not taken them: {', '.join(loud)};" in caplog.text) == bool(loud)


def test_retention_drops_nothing_by_a_clock_that_may_be_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that leaps years ahead would make everything old."""
    monkeypatch.setattr(retention, "read_cursors", lambda _: {})
    happened: list[str] = []

    class Asked(Exception):
        """Ends the daily task behind its first round."""

    class Store:
        async def prune(self, _limits: Limits) -> Kept:
            happened.append("pruned")
            return Kept()

    async def sleep(_: float) -> None:
        happened.append("slept")
        if "pruned" in happened:
            raise Asked

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(Asked), caplog.at_level(logging.WARNING):
        asyncio.run(
            retention.retain(lambda: configuration(""), cast("Any", Store()), lambda: happened.count("slept") >= 3)
        )
    assert happened == ["slept", "slept", "slept", "pruned", "slept"]
    assert caplog.text.count("retention waits until the gateway's clock is synchronised") == 1, "told once"


def test_files_and_libraries_that_are_not_here_are_doubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("x\n")
    here, gone = tmp_path / "there", tmp_path / "gone"
    monkeypatch.setattr(importlib.import_module("gatewayd.daemon.doubts"), "find_spec", lambda _: None)
    sinks = (
        f"sinks: [{{id: m, type: mqtt, host: h, username: u, password_file: {here}, tls: {{ca_file: {gone}}}}}, "
        "{id: s, type: postgresql, host: h, database: d, username: u}, "
        "{id: i, type: line_protocol, dialect: influx2, url: 'http://h', bucket: b}]\n"
    )
    assert [(finding.key, finding.message) for finding in daemon.doubts(configuration(sinks))] == [
        ("sinks[0].tls.ca_file", f"{gone} does not exist"),
        ("sinks[1]", "needs pg8000, which is not installed: pip install gatewayd[postgresql]"),
        ("sinks[2]", "needs influxdb_client, which is not installed: pip install gatewayd[influx2]"),
    ]
    monkeypatch.undo()
    assert [finding.key for finding in daemon.doubts(configuration(sinks))] == ["sinks[0].tls.ca_file"]


def configuration(sinks: str = "") -> Config:
    return parse(CONFIG + sinks, "gatewayd.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)
