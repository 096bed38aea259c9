"""A folder with a configuration of metering points and archives filled by the engine, for commands around points."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from gatewayd.metering.points import MeteringPoint
from gatewayd.model import Reading
from tests.gatewayd.metering_world import DAY, EXPORT, IMPORT, NORTH, SOUTH, day_of, quarter, total, world

ALL = (NORTH, SOUTH, total(north=1, south=-1))
JOB = "jobs: [{profile: P.01}]"
CHANNELS = "[1-0:1.29.0, 1-0:2.29.0, 1-0:3.29.0]"
CONFIG = """\
gateway: {{id: gw-1, timezone: {zone}}}
archive: {{path: {folder}/archive}}
lines: {{bus: {{type: tcp, host: 127.0.0.1, port: 9}}}}
policies: {{A: {{evaluation: 15m}}}}
meters:
  - {{id: em-1, driver: iec62056_21, line: bus, serial: "35031234", metering_type: A, {job}}}
  - {{id: em-2, driver: iec62056_21, line: bus, metering_type: A, {job}}}
points:
  - {{id: north, meter: em-1, eic: 27ZG600Z0424987D, channels: {channels},
     accuracy: {{meter: 0.5S}}}}
  - {{id: south, meter: em-2, control_of: north, accuracy: {{meter: "1"}}}}
  - {{id: total, sum: {{north: 1, south: -1}}}}
"""


def configured(folder: Path, zone: str = "Europe/Prague") -> Path:
    """The configuration of `north`, its control metering `south`, and `total`."""
    path = folder / "points.yaml"
    path.write_text(CONFIG.format(folder=folder, zone=zone, job=JOB, channels=CHANNELS), encoding="utf-8")
    return path


def of_months(folder: Path) -> Path:
    """The configuration of `shop`, type C without a load profile, with substitutes."""
    path = folder / "points.yaml"
    text = CONFIG.split("policies:")[0].format(folder=folder, zone="Europe/Prague")
    meter = "meters: [{id: em-3, driver: iec62056_21, line: bus, metering_type: C, jobs: [{registers: all}]}]\n"
    points = "points: [{id: shop, meter: em-3, channels: [1.8.0], substitution: {enabled: true}}]\n"
    path.write_text(text + meter + points, encoding="utf-8")
    return path


def morning_zone(now: datetime) -> str:
    """A time zone in which it is five o'clock in the morning: substitute values by hand are taken then."""
    offset = (5 - now.hour) % 24
    east = offset if offset <= 14 else offset - 24
    return f"Etc/GMT{-east:+d}"  # POSIX counts them the other way round


def a_day(day: date = DAY) -> list[list[Reading]]:
    """96 x 0.250 and 0.010 kWh of em-1, of which one quarter-hour is missing; 0.251 kWh of em-2, once 0.500."""
    main, control = day_of("em-1", day), day_of("em-2", day, "0.251")
    main[5] = quarter("em-1", main[5].at, "")
    control[9] = quarter("em-2", control[9].at, "0.500")
    return [main, day_of("em-1", day, "0.010", EXPORT), control]


def filled(
    folder: Path,
    pieces: Sequence[list[Reading]] | None = None,
    points: Sequence[MeteringPoint] = ALL,
    now: datetime = datetime(2026, 11, 21, 5, 0, tzinfo=UTC),
) -> None:
    """Raw readings archived, and what the engine makes of them."""

    async def fill() -> None:
        async with world(folder / "archive", points) as here:
            here.now = now
            for piece in a_day() if pieces is None else pieces:
                await here.bring(piece)

    asyncio.run(fill())


__all__ = ["ALL", "DAY", "EXPORT", "IMPORT", "a_day", "configured", "filled", "morning_zone"]
