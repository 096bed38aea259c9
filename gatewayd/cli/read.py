"""`gatewayd read`: one session with one meter, now. What it brings is printed and archived, whatever happens."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.acquire import Result
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.cli.output import print_readings, warn
from gatewayd.config import Config, MeterSettings
from gatewayd.model import Registers, Request
from gatewayd.obis import Obis


def obis_code(text: str) -> Obis:
    """An OBIS code on the command line."""
    try:
        return Obis.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("meter")
@click.argument("obis", nargs=-1, type=obis_code)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def read(config_path: Path, meter: str, obis: tuple[Obis, ...], as_json: bool) -> None:
    """Read METER now: the given OBIS codes, or everything it sends."""
    config = daemon.load_config(config_path)
    warn(config_path, config.warnings)
    result = asyncio.run(_read(config, find_meter(config, meter), Registers(obis)))
    print_readings(result.readings, config.gateway.zone, as_json=as_json)
    if result.fault is not None:
        raise result.fault


def find_meter(config: Config, meter: str) -> MeterSettings:
    """The settings of a meter; a usage error that lists the known ones when there is none of that name."""
    for settings in config.meters:
        if settings.id == meter:
            return settings
    known = ", ".join(settings.id for settings in config.meters[:20]) or "none"
    raise click.UsageError(f"meter '{meter}' is not configured; known: {known}")


async def _read(config: Config, settings: MeterSettings, request: Request) -> Result:
    line = daemon.build_line(config.lines[settings.line])
    async with daemon.opened(daemon.build_store(config, group_seconds=0.0)) as store, _progress(settings) as progress:
        acquisition = daemon.build_acquisition(config, store)
        return await acquisition.run(line, daemon.build_station(config, settings), request, progress.watch)


class _Progress:
    """A line on standard error that tells how a slow session goes on."""

    def __init__(self, settings: MeterSettings) -> None:
        self._what = f"{settings.id} on line {settings.line}"
        self._channel: RecordingChannel | None = None
        self._started = time.monotonic()
        self._shown = False

    def watch(self, channel: RecordingChannel) -> None:
        self._channel = channel

    async def show(self) -> None:
        while True:
            await asyncio.sleep(1)
            received = self._channel.total if self._channel is not None else 0
            seconds = time.monotonic() - self._started
            click.echo(f"\r{self._what}: {received} bytes received, {seconds:.0f} s ", nl=False, err=True)
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)


@contextlib.asynccontextmanager
async def _progress(settings: MeterSettings) -> AsyncIterator[_Progress]:
    progress = _Progress(settings)
    task = asyncio.create_task(progress.show(), name="progress") if sys.stderr.isatty() else None
    try:
        yield progress
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        progress.clear()
