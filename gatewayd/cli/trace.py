"""`gatewayd trace`: every byte on a line with its time, out of the running gateway, or from the line itself.

Rules: only looks: without --read nothing is sent. Passwords, PINs and telephone numbers are hidden, their echoes too.
"""

import asyncio
import contextlib
import math
import shutil
import sys
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from gatewayd import daemon
from gatewayd.channel import Framing
from gatewayd.channel.tracing import Subscription, Tap, Traced
from gatewayd.cli.plural import counted
from gatewayd.cli.session import find_line, find_meter, register_code, session
from gatewayd.cli.trace_text import TOGETHER, WIDE, TraceText, row_bytes
from gatewayd.config import Config, ModemLine
from gatewayd.control import NotRunning, follow
from gatewayd.errors import ArchiveLocked, GatewayError
from gatewayd.model import Registers
from gatewayd.obis import Obis
from gatewayd.sink.payload import to_json

T = TypeVar("T")

_BAUD = 9600
_SET_SECONDS = 10.0


@click.command()
@click.argument("line")
@click.argument("obis", nargs=-1, type=register_code)
@click.option("--read", "meter", metavar="METER", help="Read METER (all, or the given codes) and show that session.")
@click.option("--for", "seconds", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after it.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after so many events.")
@click.option("--baud", type=click.IntRange(min=50), help="Rate to listen at [default: the line's, else 9600].")
@click.option(
    "--framing",
    type=click.Choice([framing.value for framing in Framing]),
    help="Framing to listen with [default: the line's, else 7E1].",
)
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the same into FILE, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in a line for each event.")
@click.pass_obj
def trace(
    config_path: Path,
    line: str,
    obis: tuple[Obis, ...],
    meter: str | None,
    seconds: float | None,
    count: int | None,
    baud: int | None,
    framing: str | None,
    save: Path | None,
    as_json: bool,
) -> None:
    """Show every byte on LINE, in both directions, until Ctrl-C.

    When the gateway runs, what it says and hears on that line; else LINE is opened and only listened to.
    """
    if obis and meter is None:
        raise click.UsageError("OBIS codes belong to --read METER")
    if meter is not None and (baud or framing or seconds or count):
        raise click.UsageError("--baud, --framing, --for and --count are for listening; a session ends by itself")
    config = daemon.load_config(config_path)
    find_line(config, line)
    tap = Tap(line, daemon.now)
    with _opened(save) as copy:
        screen = Screen(config, line, as_json=as_json, copy=copy, count=count)
        if meter is None:
            asyncio.run(_watch(config, tap, screen, seconds, baud, framing))
            return
        settings = find_meter(config, meter)
        if line not in [member.id for member in config.lines_of(settings.line)]:
            raise click.UsageError(f"meter '{meter}' is on line {settings.line}, not on {line}")
        try:
            result = asyncio.run(screen.showing(tap, session(config, settings, Registers(obis), tap)))
        except ArchiveLocked as error:
            if not error.gateway:
                raise
            raise ArchiveLocked(
                error.text,
                f"gatewayd trace {line} shows what it does: leave that running, and in another terminal "
                f"gatewayd read {meter}",
                gateway=True,
            ) from None
        assert result is not None  # nothing else ends it
    what = counted(len(result.readings), "reading")
    click.echo(f"{what} archived; see gatewayd archive show {meter}", err=True)
    if result.fault is not None:
        raise result.fault


class Screen:
    """Where the events are written to, and when there have been enough."""

    def __init__(
        self,
        config: Config,
        line: str,
        *,
        as_json: bool,
        copy: TextIO | None = None,
        count: int | None = None,
        err: bool = False,
    ) -> None:
        terminal = (sys.stderr if err else sys.stdout).isatty()
        row = row_bytes(shutil.get_terminal_size().columns) if terminal else WIDE
        self._err = err
        self._text = None if as_json else TraceText(config.gateway.zone, row)
        self._line = line
        self._copy = copy
        self._left = math.inf if count is None else count

    async def showing(self, tap: Tap, work: Coroutine[Any, Any, T]) -> T | None:  # Any: nobody sends anything into it
        """Do the work and write what the tap tells meanwhile. None when enough was written before its end."""
        with tap.subscribe() as events:
            working = asyncio.create_task(work, name=f"line {tap.line}")
            writing = asyncio.create_task(self._follow(events), name="trace")
            try:
                await asyncio.wait({working, writing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                working.cancel()
                writing.cancel()
                await asyncio.gather(working, writing, return_exceptions=True)
                while self._left > 0 and (event := events.get_nowait()) is not None:
                    self._show(event)
                self._rest()
            if not writing.cancelled():
                writing.result()  # nobody may be there to read it any more
            return None if working.cancelled() else working.result()

    async def _follow(self, events: Subscription) -> None:
        while self._left > 0:
            try:
                async with asyncio.timeout(TOGETHER.total_seconds()):
                    event = await events.get()
            except TimeoutError:
                self._rest()
            else:
                self._show(event)

    def _show(self, event: Traced) -> None:
        self._left -= 1
        if self._text is None:
            self._write([to_json(daemon.event_object(self._line, event)).decode()])
        else:
            self._write(self._text.rows(event))

    def _rest(self) -> None:
        if self._text is not None:
            self._write(self._text.rest())

    def _write(self, rows: Iterable[str]) -> None:
        for row in rows:
            click.echo(row, err=self._err)
            if self._copy is not None:
                try:
                    self._copy.write(row + "\n")
                    self._copy.flush()
                except OSError as error:
                    name, self._copy = self._copy.name, None
                    raise click.ClickException(f"{name} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _opened(save: Path | None) -> Iterator[TextIO | None]:
    if save is None:
        yield None
        return
    try:
        stream = save.open("w", encoding="utf-8")
    except PermissionError:
        raise  # has an exit code of its own
    except OSError as error:
        raise click.ClickException(f"{save} cannot be written: {error.strerror or error}") from error
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):  # told already: every row is flushed
            stream.close()


async def _watch(
    config: Config, tap: Tap, screen: Screen, seconds: float | None, baud: int | None, framing: str | None
) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await screen.showing(tap, _look_on(config, tap, baud, framing))


async def _look_on(config: Config, tap: Tap, baud: int | None, framing: str | None) -> None:
    try:
        await _gateway(config, tap, told=not (baud or framing))
    except NotRunning:
        await _listen(config, tap, baud, framing)


async def _gateway(config: Config, tap: Tap, *, told: bool) -> None:
    async with aclosing(follow(config.archive.path, "trace", line=tap.line)) as events:
        async for document in events:
            if document.get("event") == "listening":
                click.echo(f"line {tap.line}, as the running gateway sees it; Ctrl-C ends", err=True)
                if not told:
                    click.echo("the gateway sets the line: --baud and --framing are not used", err=True)
                continue
            event = daemon.event_from(document)
            tap.put(event.what, event.data, event.text, event.at)
    raise GatewayError("the gateway has ended the trace: it has stopped, or what it sent was not read for seconds")


async def _listen(config: Config, tap: Tap, baud: int | None, framing: str | None) -> None:
    """Open the line and send nothing."""
    settings = find_line(config, tap.line)
    if isinstance(settings, ModemLine):
        raise click.UsageError(f"line '{tap.line}' is a modem; show a call with --read METER, or run the gateway")
    rate = baud or getattr(settings, "baud", None) or _BAUD
    character = Framing(framing or settings.framing or Framing.E71.value)
    await asyncio.to_thread(daemon.check_elsewhere, config)
    channel = await daemon.open_alone(daemon.build_line(settings, tap))
    try:
        deadline = asyncio.get_running_loop().time() + _SET_SECONDS
        await channel.set_line(rate, character, deadline=deadline)
        click.echo(f"no gateway runs; listening at {rate} Bd {character.value}; Ctrl-C ends", err=True)
        await daemon.hear(channel)
    finally:
        await channel.close()
