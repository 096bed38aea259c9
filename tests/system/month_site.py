"""The site of the simulated month, and its archives and engine, with a clock that the test sets.

Rules: the configuration is an operator's; what is computed of it is the product's own doing. The engine runs in this
process, since no daemon can be put back into the evening of a day of the past.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon import load_config
from gatewayd.daemon.derived import DerivedArchive, derived_folder
from gatewayd.daemon.metering import Metering
from gatewayd.daemon.metering_build import works_of
from tests.system.month_raw import Batch, oct_
from tests.system.rig import Site

LINES = "  office: {type: tcp, host: 127.0.0.1, port: 9}\n"
_METER = "  - {{id: {id}, driver: iec62056_21, line: office, metering_type: {type}, {more}jobs: [{{profile: P.01}}]}}\n"
_LV = "ratio: [{ct: 200/5}], voltage: low, "
_MV = 'voltage: medium, ratio: [{ct: 50/5, vt: 22000/100}, {ct: 100/5, vt: 22000/100, since: "2025-10-16 13:20"}], '
_HOURLY = "policy: {period: 60m}, "
_REGISTERS = "  - {{id: rm-{number}, driver: iec62056_21, line: office, metering_type: C, ratio: [{{ct: 100/5}}]}}\n"
METERS = "".join(
    _METER.format(id=name, type=kind, more=more)
    for name, kind, more in (
        ("em-1", "A", _LV),
        ("em-7", "A", _LV),
        ("em-2", "A", _LV),
        ("em-3", "A", _MV),
        ("em-4", "A", ""),
        ("em-5", "B", ""),
        ("gm-1", "A", _HOURLY),
        ("pm-1", "B", _HOURLY),
        ("pm-2", "B", "ratio: [{ct: 50/5}], " + _HOURLY),
    )
) + "".join(_REGISTERS.format(number=number) for number in range(1, 6))
_PHASES = "channels: [1-0:21.29.0, 1-0:22.29.0, 1-0:41.29.0, 1-0:61.29.0, 1-0:62.29.0]"
POINTS = f"""points:
  - id: north
    meters: [{{meter: em-1}}, {{meter: em-7, since: "2025-10-14 10:07"}}]
    channels: [1-0:1.29.0, 1-0:2.29.0, 1-0:3.29.0, 1-0:4.29.0]
    accuracy: {{meter: 0.5S, ct: 0.5S}}
    substitution: {{enabled: true}}
  - {{id: north-control, meter: em-2, control_of: north, accuracy: {{meter: 1}}}}
  - id: south
    meter: em-3
    eic: 27ZG600Z0424987D
    channels: [1-0:1.29.0, 1-0:2.29.0, 1-0:3.29.0, 1-0:4.29.0]
    metering_side: secondary
    transformer: {{kind: vvn_vn, sn_kva: 6300, dp0_kw: 8, dpk_kw: 50}}
    verified_until: {{meter: 2025-10-29}}
  - id: own
    meter: em-4
    channels: [1-0:1.29.0, 1-0:2.29.0]
    rated: {{current_a: 63, voltage_v: 400}}
    substitution: {{enabled: true}}
  - id: shop
    meter: em-5
    eic: 27ZG600Z0009482S
    channels: [1-0:1.29.0]
    metering_side: secondary
    rated: {{current_a: 63, voltage_v: 400}}
    substitution: {{enabled: true}}
  - {{id: total, sum: {{north: 1, south: 1, own: -1}}}}
  - {{id: site, sum: {{north: 1, shop: 1}}, partial: true}}
  - {{id: all, sum: {{total: 1, shop: 1}}}}
  - {{id: boiler, meter: gm-1, eic: 27ZG700Z0009482Q, channels: [7-0:3.0.0], evaluation: 60m}}
  - {{id: saldo, meter: pm-1, netting: saldo, {_PHASES}}}
  - {{id: phases, meter: pm-2, netting: per_phase, {_PHASES}}}
  - {{id: villa, meter: rm-1, channels: [1-0:1.8.0], substitution: {{enabled: true}}}}
  - {{id: shed, meter: rm-2, channels: [1-0:1.8.0], substitution: {{enabled: true}}}}
  - {{id: kiosk, meter: rm-3, channels: [1-0:1.8.0], substitution: {{enabled: true}}}}
  - {{id: stall, meter: rm-4, channels: [1-0:1.8.0], substitution: {{enabled: true}}}}
  - id: depot
    meter: rm-5
    channels: [1-0:1.8.0]
    metering_side: secondary
policies: {{A: {{evaluation: 15m}}, B: {{evaluation: 60m}}}}
"""


def site_of(folder: Path, sinks: str = "") -> Site:
    """A folder with the configuration."""
    folder.mkdir(exist_ok=True)
    site = Site(folder)
    site.configure(LINES, METERS, sinks)
    before = site.config.read_text(encoding="utf-8")
    site.config.write_text(POINTS + before, encoding="utf-8")
    return site


class Plant:
    """The open archives and the engine. `seqs`: for each reading, in the order in which it came, its number."""

    def __init__(self, config: Config, raw: Store, derived: Store) -> None:
        self.now = oct_(2)
        self.config = config
        self.raw = raw
        self.derived_store = derived
        self.derived = DerivedArchive(derived)
        zone = config.gateway.zone
        works = works_of(config.points, zone)
        self.engine = Metering(raw, self.derived, works, zone, lambda: self.now, linger_s=0.0, sleep=_at_once)
        self.seqs: list[int] = []

    async def bring(self, batches: Iterable[Batch], at: datetime | None = None) -> None:
        """Archive what came, in this order; all of it at an instant, or each when it came."""
        pending = [self.raw.append(one.entry(at)) for one in batches]
        for found in await asyncio.gather(*pending):
            self.seqs += [one.seq for one in found]

    async def compute(self, now: datetime) -> None:
        """What follows from it by this time."""
        self.now = now
        await self.engine.catch_up()


@asynccontextmanager
async def plant(site: Site) -> AsyncIterator[Plant]:
    """The archives of a site, open, and the engine as its configuration wants it."""
    config = load_config(site.config)
    made: list[Plant] = []
    opened: list[Store] = []

    def us() -> int:
        return to_us(made[0].now if made else oct_(2))

    try:
        for place in (site.archive, derived_folder(site.archive)):
            store = Store(place, "gw-test", us, group_seconds=0.0)
            store.open()
            opened.append(store)
        made.append(Plant(config, *opened))
        yield made[0]
    finally:
        for store in opened:
            await asyncio.to_thread(store.close)


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)
