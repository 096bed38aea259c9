"""`gatewayd tail`: readings as they are archived, one line each, until Ctrl-C.

Rules: reads the archive and asks nobody, so that it goes on over rotated segments and a gateway that is started anew,
and waits where there is none yet; who may not read it need not wait. Every reading is shown once, in the order of the
archive, and written out at once; what cannot be read because of damage is passed over and told. In a pipe a line has no
colours and whole times; `--json` has the fields of `read --json`.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive.follow import Follower
from gatewayd.archive.head import read_head
from gatewayd.archive.rows import to_us
from gatewayd.archive.segments import open_for_reading, segment_numbers, segment_path
from gatewayd.cli.given import given_time
from gatewayd.cli.language import lang_option, said, said_all
from gatewayd.cli.output import NARROW, Screen, console, local_time, short_time, status_style, visible
from gatewayd.cli.session import obis_code
from gatewayd.config import Config
from gatewayd.errors import ArchiveDamaged, ArchiveError, ArchiveNotPermitted
from gatewayd.model import Archived
from gatewayd.obis import Obis
from gatewayd.sink.payload import reading_object, to_json

_EVERY_S = 0.25
"""How often the head is looked at: a small file."""
_BATCH = 500
_VALUE, _CODE = 14, 15


@click.command()
@click.argument("meters", nargs=-1, metavar="[METER]...")
@click.option("--obis", "codes", type=obis_code, multiple=True, metavar="CODE", help="Only this code; repeatable.")
@click.option(
    "--since", metavar="TIME", help="Begin with what was archived from this time on, legal time; without it, from now."
)
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after so many readings.")
@click.option("--for", "seconds", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End after it.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in a line for each reading.")
@click.pass_obj
def tail(
    config_path: Path,
    meters: tuple[str, ...],
    codes: tuple[Obis, ...],
    since: str | None,
    count: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Show readings as they are archived, of METERs or of all, until Ctrl-C.

    The gateway may be stopped and started meanwhile. Times for --since: 2026-11-27, "2026-11-27 13:15", yesterday,
    today."""
    config = daemon.load_config(config_path)
    _known(config, meters)
    zone = config.gateway.zone
    wanted = Wanted(frozenset(meters), frozenset(map(str, codes)))
    start = None if since is None else given_time(since, zone, "--since")
    screen = console()
    show = _as_json if as_json else Lines(screen, zone, max((len(one.id) for one in config.metered), default=0)).show
    if sys.stderr.isatty():
        click.echo(said("following the archive {path}; Ctrl-C ends").format(path=config.archive.path), err=True)
    left = count
    end = None if seconds is None else time.monotonic() + seconds
    for archived in followed(config.archive.path, start, lambda: end is not None and time.monotonic() >= end):
        if not wanted.has(archived):
            continue
        show(archived)
        if left is not None:
            left -= 1
            if not left:
                break


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which readings are shown; empty: all."""

    meters: frozenset[str]
    codes: frozenset[str]

    def has(self, archived: Archived) -> bool:
        reading = archived.reading
        return (not self.meters or reading.meter in self.meters) and (not self.codes or reading.code in self.codes)


def followed(folder: Path, start: datetime | None, ended: Callable[[], bool]) -> Iterator[Archived]:
    """Readings as they come, those from `start` on first; goes on until `ended()`. Waits where there is no archive.
    PermissionError, ArchiveNotPermitted where this user may not read it."""
    follower: Follower | None = None
    seq: int | None = None
    told = ""
    while not ended():
        try:
            head = read_head(folder)
            end = 0 if head is None else head.seq  # where there is none yet, everything is new
            if follower is None and (numbers := segment_numbers(folder)):
                follower = Follower(folder)
                open_for_reading(segment_path(folder, numbers[-1])).close()
            if seq is None:
                seq = end if start is None or follower is None else _begin(follower, start, end)
            elif end < seq:
                click.echo(f"the archive {folder} was begun anew", err=True)
                follower, seq = None, 0
                continue
            while follower is not None and end > seq and not ended():
                found, seq = _after(follower, seq, end)
                yield from found
            told = ""
        except (ArchiveError, PermissionError) as error:
            if seq is None and isinstance(error, ArchiveNotPermitted | PermissionError):
                raise
            follower = None
            if str(error) != told:
                click.echo(f"warning: {error}", err=True)
                told = str(error)
        time.sleep(_EVERY_S)


def _begin(follower: Follower, start: datetime | None, head: int) -> int:
    """The number behind which it begins."""
    if start is None:
        return head
    before = follower.before(to_us(start))
    return head if before is None else before


def _after(follower: Follower, seq: int, head: int) -> tuple[list[Archived], int]:
    """The next readings and the number of the last one; what is damaged is passed over, and told."""
    try:
        found = follower.after(seq, _BATCH, head)
        return found, found[-1].seq if found else head  # numbers without a reading: they were dropped meanwhile
    except ArchiveDamaged as error:
        fault = error
    lost, found = follower.lost_until(seq, head), []
    if lost == seq:  # only a part: one by one
        for lost in range(seq + 1, head + 1):
            with contextlib.suppress(ArchiveDamaged):
                found = follower.after(lost - 1, 1, lost)
                if found:
                    break
    last = lost - len(found)
    if last > seq:
        click.echo(f"warning: readings {seq + 1} to {last} are passed over: {fault}", err=True)
    return found, lost


def _known(config: Config, meters: tuple[str, ...]) -> None:
    ids = [one.id for one in config.metered]
    for meter in meters:
        if meter not in ids:
            raise click.UsageError(f"meter '{meter}' is not configured; known: {', '.join(ids[:20]) or 'none'}")


def _as_json(archived: Archived) -> None:
    sys.stdout.buffer.write(to_json(reading_object(archived)) + b"\n")
    sys.stdout.flush()


class Lines:
    """Readings as lines for people, with columns below each other. `width`: of the longest name of a meter."""

    def __init__(self, screen: Screen, zone: ZoneInfo, width: int) -> None:
        self._screen = screen
        self._zone = zone
        self._width = width
        self._narrow = screen.is_terminal and screen.width < NARROW

    def show(self, archived: Archived) -> None:
        """Write one."""
        reading, zone = archived.reading, self._zone
        value = reading.value
        shown = visible(reading.raw_text) if value is None else Text(format(value, "f"))
        shown.align("right", max(_VALUE, len(shown)))
        line = Text("  ").join(
            (
                Text(short_time(reading.at, zone)[5:] if self._narrow else local_time(reading.at, zone)),
                Text(f"{reading.meter:{self._width}}"),
                Text(f"{reading.code.removesuffix('*255') if self._narrow else reading.code:{_CODE}}"),
                Text.assemble(shown, f" {reading.unit:5}"),
                Text(said(reading.status.text), style=status_style(reading.status.text)),
                Text(said_all(reading.flags.texts)),
            )
        )
        line.rstrip()
        self._screen.print(line, soft_wrap=True)
        sys.stdout.flush()
