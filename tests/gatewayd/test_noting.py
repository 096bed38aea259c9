"""What is done to sinks beside the gateway is in its audit log, with the name of whoever did it."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewayd.archive.query import Reader
from gatewayd.archive.set_aside import SetAside, listed
from gatewayd.cli import gatewayd
from gatewayd.config import Config, parse
from gatewayd.control import follow, listening
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS, build_store, note, opened
from gatewayd.daemon.noting import FORGOTTEN, REPLAYED, REQUEST, note_stream
from gatewayd.errors import GatewayError
from gatewayd.peer import user_name
from tests.gatewayd.archive.samples import opened as archive

ME = user_name(os.geteuid())


def configured(folder: Path) -> Config:
    text = f"gateway: {{id: gw}}\narchive: {{path: {folder}}}\nlines: {{}}\nmeters: []\n"
    return parse(text, "x.yaml", DRIVER_OPTIONS, SINK_OPTIONS)


def noted(folder: Path) -> list[tuple[str, str, str, str, str]]:
    found = Reader(folder).audits("operator")
    return [(one.source, one.type, one.subject, one.result, one.detail) for one in found]


def test_where_no_gateway_runs_the_command_writes_it(tmp_path: Path) -> None:
    asyncio.run(note(configured(tmp_path), REPLAYED, "m", "done", "readings 1 to 2"))
    assert noted(tmp_path) == [(ME, "sink-replay", "m", "done", "readings 1 to 2")]


def test_the_running_gateway_writes_it_and_nothing_else(tmp_path: Path) -> None:
    """By the name that the kernel tells; a client that says another one is not heard."""

    async def main() -> None:
        config = configured(tmp_path)
        async with (
            opened(build_store(config, group_seconds=0.0)) as store,
            listening(tmp_path, {}, {REQUEST: note_stream(store)}),
        ):
            await note(config, FORGOTTEN, "m", "done", "3 rows")
            with pytest.raises(GatewayError, match="nothing that is noted"):
                await note(config, "clock-set", "em-1", "done", "never")
            forged = {"type": REPLAYED, "subject": "m", "result": "x" * 9000, "user": "jana", "source": "jana"}
            async for _ in follow(tmp_path, REQUEST, **forged):
                pass

    asyncio.run(main())
    assert noted(tmp_path) == [(ME, FORGOTTEN, "m", "done", "3 rows"), (ME, REPLAYED, "m", "x" * 500, "")]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    config = folder / "g.yaml"
    config.write_text(
        f"gateway: {{id: gw}}\narchive: {{path: {folder}/archive}}\nlines: {{}}\nmeters: []\n"
        "sinks: [{id: m, type: mqtt, host: 127.0.0.1, port: 9, timeout_s: 1}]\n"
    )
    done = CliRunner().invoke(gatewayd, ["-c", str(config), "sink", *arguments])
    return done.exit_code, done.stderr


def test_a_list_that_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    with archive(folder) as store:
        asyncio.run(store.set_aside(SetAside("m", 1, 1, "too wide", datetime(2026, 11, 27, tzinfo=UTC))))
    assert run(tmp_path, "set-aside", "m", "--clear") == (0, "") and listed(folder) == []
    assert run(tmp_path, "set-aside", "m", "--clear") == (0, "")  # nothing was done
    assert noted(folder) == [(ME, "set-aside-cleared", "m", "done", "1 row")]
