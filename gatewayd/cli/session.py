"""One session with one meter from the command line: what all commands that talk to a meter have in common."""

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any

import click

from gatewayd import daemon
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.channel.tracing import Tap
from gatewayd.cli.aside import aside
from gatewayd.cli.plural import counted
from gatewayd.config import Config, Line, MeterSettings, TcpListenLine, UdpListenLine
from gatewayd.control import follow
from gatewayd.errors import GatewayError
from gatewayd.obis import Obis
from gatewayd.peer import user_name
from gatewayd.talk import Result

_PROFILES = 99
_UNITS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)
_LAST_UNIT = 247


def obis_code(text: str) -> Obis:
    """An OBIS code on the command line."""
    try:
        return Obis.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def register_code(text: str) -> Obis:
    """The same for a single register: a load profile or log is none (EDIS: group C 99)."""
    obis = obis_code(text)
    if obis.c == _PROFILES:
        raise click.BadParameter(f"{text} is a load profile or log, which `gatewayd profile METER {text}` reads")
    return obis


def modbus_units(text: str) -> range:
    """Modbus units on the command line: 1-8, or 3."""
    match = _UNITS.fullmatch(text)
    if match is not None:
        units = range(int(match[1]), int(match[2] or match[1]) + 1)
        if units and units[0] >= 1 and units[-1] <= _LAST_UNIT:
            return units
    raise click.BadParameter(f"'{text}' is no range of Modbus units; expected 1-8 or 3, within 1-{_LAST_UNIT}")


def find_meter(config: Config, meter: str) -> MeterSettings:
    """The settings of a meter; a usage error that lists the known ones when there is none of that name."""
    for settings in config.meters:
        if settings.id == meter:
            return settings
        if any(part.id == meter for part in settings.parts):
            raise click.UsageError(f"'{meter}' is a metering point of registrar '{settings.id}'; that is who is asked")
    known = ", ".join(settings.id for settings in config.meters[:20]) or "none"
    raise click.UsageError(f"meter '{meter}' is not configured; known: {known}")


def find_asked_meter(config: Config, meter: str) -> MeterSettings:
    """The same for a meter that has to answer questions; a usage error for one that calls us."""
    settings = find_meter(config, meter)
    if isinstance(config.lines_of(settings.line)[0], TcpListenLine | UdpListenLine):
        raise click.UsageError(
            f"meter '{meter}' calls us on line '{settings.line}' and cannot be asked for this; "
            f"`gatewayd read {meter}` waits for what it sends"
        )
    return settings


def find_line(config: Config, line: str) -> Line:
    """The settings of a line; a usage error that lists the known ones when there is none of that name."""
    if line in config.lines:
        return config.lines[line]
    known = ", ".join(list(config.lines)[:20]) or "none"
    raise click.UsageError(f"line '{line}' is not configured; known: {known}")


async def session(config: Config, settings: MeterSettings, request: daemon.Question, tap: Tap | None = None) -> Result:
    """One session, archived: held by the running gateway where there is one, else here; a line on standard error tells
    how it goes on. With `tap`, which shows its traffic, always here."""
    progress = _Progress(settings)
    if tap is not None:
        return await _held_here(config, settings, request, progress, tap)
    return await daemon.either(
        lambda: _asked(config, settings, request, progress),
        lambda: _held_here(config, settings, request, progress, None),
        aside,
    )


async def _held_here(
    config: Config, settings: MeterSettings, request: daemon.Question, progress: "_Progress", tap: Tap | None
) -> Result:
    lines = config.lines_of(settings.line)
    line = daemon.build_line(next((one for one in lines if tap is not None and one.id == tap.line), lines[0]), tap)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(daemon.opened_here(config))
        if tap is None:
            await stack.enter_async_context(progress.shown())
        acquisition = daemon.build_acquisition(config, store)
        station = daemon.build_station(config, settings, store.memory_of(settings.id))
        user = user_name(os.geteuid())
        tell = await stack.enter_async_context(daemon.audited(store, user, settings.id, request))
        found = await acquisition.run(line, station, request, progress.watch)
        tell(found)
        return found


async def _asked(config: Config, settings: MeterSettings, request: daemon.Question, progress: "_Progress") -> Result:
    """The running gateway asks. NotRunning when there is none; GatewayError when it refuses, or stops."""
    collected = daemon.Collected(settings.id)
    details = {"meter": settings.id, "question": daemon.question_text(request)}
    async with progress.shown(), aclosing(follow(config.archive.path, "ask", **details)) as events:
        async for event in events:
            if not collected.take(event):
                progress.told(event)
            elif collected.done is not None:
                return collected.done
    raise GatewayError("the gateway has stopped before the session was over; what came is archived")


class _Progress:
    """A line on standard error that tells how a slow session goes on."""

    def __init__(self, settings: MeterSettings) -> None:
        self._what = f"{settings.id} on line {settings.line}"
        self._channel: RecordingChannel | None = None
        self._started = time.monotonic()
        self._shown = False
        self._meter = settings.id
        self._state: str | None = None

    def watch(self, channel: RecordingChannel) -> None:
        self._channel = channel

    def told(self, event: Mapping[str, Any]) -> None:  # whatever JSON has
        """What the running gateway says of a session that it holds."""
        others = [one for one in event.get("under_way", ()) if one != self._meter]
        received = event.get("received")
        if event.get("lent") and not received:
            self._state = f"the line is lent for a {event['lent'][0]} first"
        elif others and not received:
            self._state = f"the running gateway reads {', '.join(others)} first"
        else:
            self._state = f"{counted(received or 0, 'byte')} received by the running gateway"

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Show it while the `async with` lasts, in a terminal."""
        task = asyncio.create_task(self._show(), name="progress") if sys.stderr.isatty() else None
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if self._shown:
                click.echo("\r\x1b[K", nl=False, err=True)

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(1)
            received = self._channel.total if self._channel is not None else 0
            seconds = time.monotonic() - self._started
            state = self._state or f"{counted(received, 'byte')} received"
            click.echo(f"\r\x1b[K{self._what}: {state}, {seconds:.0f} s ", nl=False, err=True)
            self._shown = True
