"""Intervals of registers, from the configuration to the archive: a simulated meter as a process, a clock that is ours.

Rules: a quarter-hour passes when the worker has nothing to do; everything else is what `gatewayd run` builds.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from gatewayd import worker
from gatewayd.daemon import build
from gatewayd.worker import LineWorker
from tests.gatewayd.doubles import START, TestClock
from tests.system.rig import QUICK, Site, simulator

READOUT = "C.1.0(35031234)\r\n1.8.0(0000999.500*kWh)\r\n2.8.0(0000017.00*kWh)\r\n"
METERS = (
    "  - {id: em-1, driver: iec62056_21, line: office,\n"
    "     jobs: [{intervals: [1-0:1.8.0, 1-0:2.8.0], every: 15m, rollover: 10000000}]}\n"
)


class Plant:
    """The clock of the gateway, which goes on when its worker waits."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.clock = TestClock(START, step=timedelta(0))
        self.end = START
        monkeypatch.setattr(worker, "wait", self.wait)
        monkeypatch.setattr(build, "now", self.clock)
        monkeypatch.setattr(build, "monotonic", lambda: (self.clock.now - START).total_seconds())

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.clock.now >= self.end:
            stop.set()

    def live(self, minutes: float) -> None:
        """One life of a gateway; the meter is read at its begin too."""
        self.end = self.clock.now + timedelta(minutes=minutes)

        async def life() -> None:
            config = build.load_config(self.site.config)
            store = build.build_store(config, group_seconds=0)
            async with build.opened(store), asyncio.timeout(60):
                acquisition = build.build_acquisition(config, store)
                (one,) = build.build_workers(config, acquisition, {}, store.memory_of)
                assert isinstance(one, LineWorker)
                await one.run(asyncio.Event())
                assert one.faults == {}

        asyncio.run(life())


def test_increments_of_a_simulated_meter_over_two_lives_of_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    readout = tmp_path / "readout.txt"
    readout.write_text(READOUT, newline="")
    with simulator(readout, "--advance", "1.8.0=0.125", *QUICK) as meter:
        site.configure(meter.line("office"), METERS)
        assert site.run("check").returncode == 0
        plant = Plant(site, monkeypatch)
        plant.live(46)  # at 0, 15, 30 and 45 min
        plant.live(60)  # at 46, which is no boundary, 60, 75, 90 and 105
        plant.clock.advance(1800)
        plant.live(20)  # at 136, late and without a beginning, and at 150

    shown = site.json("archive", "show", "em-1", "--obis", "1-0:1.29.0", "--kind", "interval")["readings"]
    at = [f"2026-11-21T{20 + n // 4}:{n % 4 * 15:02}:00Z" for n in range(1, 11)]
    assert [one["at"] for one in shown] == at
    # The readout at 46 min was one step as well: from 45 to 60 the register rose by two.
    values = [one["value"] for one in shown]
    assert values == ["0.125", "0.125", "0.125", "0.250", "0.125", "0.125", "0.125", None, None, None]
    assert [one["status"] for one in shown] == ["true"] * 7 + ["missing"] * 3
    exports = site.json("archive", "show", "em-1", "--obis", "1-0:2.29.0", "--kind", "interval")["readings"]
    assert [one["raw"] for one in exports] == ["0.00"] * 7 + [""] * 3
    registers = site.json("archive", "show", "em-1", "--obis", "1-0:1.8.0", "--kind", "register")["readings"]
    assert len(registers) == 4 + 5 + 2, "the registers themselves are archived, whenever they were read"
