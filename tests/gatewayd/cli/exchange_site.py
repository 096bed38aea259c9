"""Points whose meters were exchanged, and one of gas, with archives that the engine has filled, for commands."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from click.testing import CliRunner, Result

from gatewayd import daemon
from gatewayd.cli import gatewayd
from gatewayd.config import Config
from gatewayd.legal_time import day_bounds, ends_between
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import EXPORT, IMPORT, world

GAS = Obis.parse("7-0:3.0.0")
FIRST, LAST = date(2026, 10, 13), date(2026, 10, 15)
EXCHANGED = datetime(2026, 10, 14, 8, 7, tzinfo=UTC)
"""10:07 of legal time, within a quarter-hour."""
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
CONFIG = """\
gateway: {{id: gw-1}}
archive: {{path: {folder}/archive}}
lines: {{bus: {{type: tcp, host: 127.0.0.1, port: 9}}}}
meters:
  - {{id: em-1, driver: iec62056_21, line: bus, serial: "OLD-1", metering_type: A, jobs: [{{profile: P.01}}]}}
  - {{id: em-7, driver: iec62056_21, line: bus, serial: "NEW-7", metering_type: A, jobs: [{{profile: P.01}}]}}
  - {{id: em-8, driver: iec62056_21, line: bus, serial: "8888", metering_type: A, jobs: [{{profile: P.01}}]}}
  - {{id: em-9, driver: iec62056_21, line: bus, serial: "9999", metering_type: A, jobs: [{{profile: P.01}}]}}
  - {{id: gm-1, driver: iec62056_21, line: bus, metering_type: A, policy: {{period: 60m}}, jobs: [{{profile: P.01}}]}}
points:
  - id: north
    meters: [{{meter: em-1}}, {{meter: em-7, since: "2026-10-14 10:07"}}]
    channels: [1-0:1.29.0, 1-0:2.29.0]
    accuracy: [{{meter: "1"}}, {{meter: 0.5S, since: 2026-10-14}}, {{meter: 0.2S, since: 2026-12-01}}]
    verified_until: [{{meter: 2027-01-31}}, {{meter: 2030-01-31, since: 2026-10-14}}]
  - {{id: swap, meters: [{{meter: em-8}}, {{meter: em-9, since: "2026-10-16"}}], channels: [1-0:1.29.0]}}
  - {{id: boiler, meter: gm-1, channels: [7-0:3.0.0], evaluation: 60m}}
"""


def configured(folder: Path) -> Config:
    """`north`, exchanged at 10:07 of 14 October; `swap`, exchanged at the end of 15 October; `boiler`, gas by hours."""
    path = folder / "gatewayd.yaml"
    path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return daemon.load_config(path)


def span_of_days(first: date = FIRST, last: date = LAST) -> tuple[datetime, datetime]:
    return day_bounds(first)[0], day_bounds(last)[1]


def reading(meter: str, at: datetime, text: str, code: Obis = IMPORT, step: timedelta = QUARTER) -> Reading:
    unit = "m3" if code == GAS else "kWh"
    seconds = round(step.total_seconds())
    return Reading(
        meter, code, str(code), Kind.INTERVAL, at, text.encode(), text, unit, 0, RawStatus.TRUE, interval_s=seconds
    )


def electricity() -> list[list[Reading]]:
    """1.0 kWh of the old meters, 2.0 of the new ones in each quarter-hour of three days; in that of an exchange 2.0."""
    ends = ends_between(*span_of_days(), QUARTER)
    old = [at for at in ends if at < EXCHANGED]
    new = [at for at in ends if at > EXCHANGED]
    return [
        [reading(meter, at, amount, code) for code in (IMPORT, EXPORT) for at in when]
        for meter, when, amount in (("em-1", old, "1.0"), ("em-7", new, "2.0"))
    ] + [[reading("em-8", at, "1.0") for at in ends]]


def gas(first: date, last: date) -> list[Reading]:
    """The state of a meter after each hour of these legal-time days: 0.5 m3 more each time."""
    ends = ends_between(*span_of_days(first, last), HOUR)
    return [reading("gm-1", at, f"{100 + n / Decimal(2)}", GAS, HOUR) for n, at in enumerate(ends)]


def derive(config: Config, pieces: Sequence[Sequence[Reading]], now: datetime) -> None:
    """Raw readings archived, and what the engine makes of them."""

    async def fill() -> None:
        async with world(config.archive.path, config.points) as here:
            here.now = now
            for piece in pieces:
                await here.bring(piece)
            await here.engine.catch_up()

    asyncio.run(fill())


def command(folder: Path, *arguments: object) -> Result:
    """A command line on the site in this folder."""
    return CliRunner().invoke(gatewayd, ["-c", str(folder / "gatewayd.yaml"), *map(str, arguments)])
