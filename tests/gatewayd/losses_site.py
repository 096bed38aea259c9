"""Points behind supply transformers, out of a configuration, with archives that the engine has filled, for `losses`."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from gatewayd import daemon
from gatewayd.config import Config
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import IMPORT, world

REACTIVE = Obis.parse("1-0:3.29.0")
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
CONFIG = """\
gateway: {{id: gw-1}}
archive: {{path: {folder}/archive}}
lines: {{bus: {{type: tcp, host: 127.0.0.1, port: 9}}}}
meters:
  - {{id: em-1, driver: iec62056_21, line: bus, metering_type: B, jobs: [{{profile: P.01, period: {period}}}]}}
  - {{id: em-2, driver: iec62056_21, line: bus, metering_type: C, jobs: [{{registers: all}}]}}
points:
  - {{id: works, meter: em-1, metering_side: secondary, transformer: {works}}}
  - {{id: shop, meter: em-2, metering_side: secondary, transformer: {shop}}}
"""


def configured(folder: Path, works: str = "{kind: vn_nn}", shop: str = "{kind: vn_nn}", period: str = "15m") -> Config:
    """The configuration of `works`, with a load profile, and `shop`, type C without one."""
    path = folder / "gatewayd.yaml"
    path.write_text(CONFIG.format(folder=folder, works=works, shop=shop, period=period), encoding="utf-8")
    return daemon.load_config(path)


def loads(begin: datetime, powers: Iterable[tuple[int, int]], step: timedelta = QUARTER) -> list[Reading]:
    """Intervals of these mean powers, kW and kvar, of which the first begins then."""
    found: list[Reading] = []
    part = Decimal(round(step.total_seconds())) / 3600
    for place, (active, reactive) in enumerate(powers, 1):
        for code, power, unit in ((IMPORT, active, "kWh"), (REACTIVE, reactive, "kvarh")):
            found.append(interval(begin + place * step, format(power * part, "f"), code, unit, step))
    return found


def interval(
    at: datetime, text: str, code: Obis = IMPORT, unit: str = "kWh", step: timedelta = QUARTER, **more: RawStatus
) -> Reading:
    """An interval as a meter sends it; without a text none."""
    status = more.get("status", RawStatus.TRUE if text else RawStatus.MISSING)
    seconds = round(step.total_seconds())
    return Reading("em-1", code, str(code), Kind.INTERVAL, at, text.encode(), text, unit, 0, status, interval_s=seconds)


def derive(config: Config, pieces: Sequence[Sequence[Reading]], now: datetime) -> None:
    """Raw readings archived, and what the engine makes of them."""

    async def fill() -> None:
        async with world(config.archive.path, config.points) as here:
            here.now = now
            for piece in pieces:
                await here.bring(piece)
            await here.engine.catch_up()

    asyncio.run(fill())
