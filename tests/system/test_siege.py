"""A hostile meter, a broker that has stopped and a disk that is full: the other meters keep their slots.

The slots are boundaries of intervals each minute, read within two seconds. On each site one meter of eight on a bus is
hostile; beside the bus one line is dead, one is mute, and on two the only meter never ends. The broker is stopped from
before the first slot until behind the last one; the archive's file system is 99 % full, for a moment to its last byte.

Rules: real time, real processes; sites are besieged at the same time, each with everything of its own. Nearly all of it
is waiting for the next minute, so other tests run meanwhile: two seconds are enough for a machine that is busy.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.crash.rig import FULL
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.dlms_rig import Manner, dlms_meter
from tests.system.forked import QuickSite
from tests.system.rig import QUICK, ROOT, Daemon, Site, eventually, simulator
from tests.system.siege_bus import HOSTILE, UNITS, Bus, Hostile, bus, mute

MINUTE = timedelta(minutes=1)
SLOTS = 6 if FULL else 2
TOLERANCE = timedelta(seconds=2)
ALONE = {Hostile.DRIPS: "drip", Hostile.BABBLES: "babble", Hostile.LOOPS: "huge", Hostile.SILENT: "silence"}
"""What the IEC 62056-21 meter does that is alone on its line, at the rate of the line: all of it is archived."""
DISK_MB = 512
HUNDREDTH = (DISK_MB << 20) // 100
INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
READOUT = "C.1.0(35031234)\r\n1.8.0(0000999.500*kWh)\r\n"
INTERVALS = "jobs: [{intervals: [1-0:1.8.0], every: 1m}]"
CHATTY = "jobs: [{registers: all, every: 5s}]"
"""The meter by whose readings is seen that the archive cannot take any."""


class Disk:
    """A small file system in memory, and the file that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "somebody-elses"

    def free(self) -> int:
        return self._left()[0]

    def fill(self, leave: int) -> None:
        """Up to so many octets."""
        with self._filler.open("ab") as file:
            free, block = self._left()
            while free - leave >= block:
                try:
                    file.write(b"\0" * min(free - leave, 1 << 20))
                    file.flush()
                except OSError:
                    return
                free, _ = self._left()

    def free_up(self, octets: int) -> None:
        """So that so many are free again."""
        with self._filler.open("ab") as file:
            file.truncate(file.tell() - (octets - self.free()))

    def _left(self) -> tuple[int, int]:
        told = os.statvfs(self.folder)
        return told.f_bavail * told.f_frsize, told.f_frsize


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mounted for the time of the `with`; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@dataclass(frozen=True, slots=True)
class Besieged:
    """A site and who is at it. `good`: the meters that keep their slots."""

    kind: Hostile
    site: Site
    disk: Disk
    broker: Mosquitto
    bus: Bus
    daemon: Daemon
    subscriber: Subscriber
    good: list[str] = field(default_factory=list)

    def readings(self, meter: str, kind: str) -> list[dict[str, Any]]:
        command = ("archive", "show", meter, "--kind", kind)
        found: list[dict[str, Any]] = QuickSite(self.site).json(*command)["readings"]
        return found

    def arrived(self) -> list[int]:
        return [one["seq"] for message in self.subscriber.received for one in json.loads(message.payload)["readings"]]


@contextmanager
def besieged(folder: Path, kind: Hostile) -> Iterator[Besieged]:
    """Everything of one site; the daemon runs."""
    folder.mkdir()
    readout = folder / "readout.txt"
    readout.write_text(READOUT, newline="")
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "small"))
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        subscriber = stack.enter_context(Subscriber(broker, "gatewayd/+/+/+/+", qos=1))
        shared = stack.enter_context(bus(folder, kind))
        iec = stack.enter_context(simulator(readout, "--advance", "1.8.0=0.125", *QUICK))
        endless = stack.enter_context(simulator(readout, "--misbehave", ALONE[kind]))
        chatty = stack.enter_context(simulator(INDUSTRIAL, *QUICK))
        dlms = stack.enter_context(dlms_meter(folder, "em-dlms", Manner()))
        blocks = stack.enter_context(dlms_meter(folder, "em-blocks", Manner(), "--fault", "endless-blocks:2*"))
        dumb = stack.enter_context(mute())
        lines = f"  bus: {{type: tcp, host: 127.0.0.1, port: {shared.port}}}\n"
        lines += "  dead: {type: tcp, host: 127.0.0.1, port: 1}\n"
        lines += f"  dumb: {{type: tcp, host: 127.0.0.1, port: {dumb}}}\n"
        lines += iec.line("iec") + endless.line("endless") + chatty.line("chatty") + dlms.line + blocks.line
        rtu = "driver: modbus, modbus: {unit: %d, map: eastron-sdm630, transport: rtu}, line: %s"
        meters = [f"id: em-{unit}, {rtu % (unit, 'bus')}, {INTERVALS}" for unit in UNITS]
        meters += [f"id: em-{line}, {rtu % (1, line)}, {INTERVALS}" for line in ("dead", "dumb")]
        meters += [f"id: em-{line}, driver: iec62056_21, line: {line}, {INTERVALS}" for line in ("iec", "endless")]
        meters += [f"id: em-chatty, driver: iec62056_21, line: chatty, {CHATTY}"]
        entries = "".join(f"  - {{{meter}}}\n" for meter in meters)
        entries += dlms.entry().replace("jobs: [{registers: [1-0:1.8.0], every: 1h}]", INTERVALS)
        entries += blocks.entry().replace("jobs: [{registers: [1-0:1.8.0], every: 1h}]", INTERVALS)
        site = Site(folder)
        site.configure(lines, entries, f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n")
        text = site.config.read_text().replace(f"path: {site.archive}", f"path: {disk.folder / 'archive'}")
        site.config.write_text(text)
        daemon = stack.enter_context(site.daemon())
        good = [f"em-{unit}" for unit in UNITS if unit != HOSTILE] + ["em-iec", "em-dlms"]
        yield Besieged(kind, site, disk, broker, shared, daemon, subscriber, good)


def now() -> datetime:
    return datetime.now(UTC)


def wait_until(at: datetime) -> None:
    eventually(lambda: now() >= at, f"it is {at}", (at - now()).total_seconds() + 10)


@pytest.mark.timeout(900)
def test_the_others_keep_their_slots(tmp_path: Path) -> None:
    kinds = list(Hostile) if FULL else [Hostile.DRIPS, Hostile.LOOPS]
    with ExitStack() as stack:
        sites = [stack.enter_context(besieged(tmp_path / kind, kind)) for kind in kinds]
        for one in sites:
            eventually(lambda one=one: one.arrived(), "the sink delivers")  # type: ignore[misc]
            one.broker.stop()
            one.disk.fill(leave=HUNDREDTH)
        began = now()
        first = began.replace(second=0, microsecond=0) + (MINUTE if began.second < 55 else 2 * MINUTE)
        boundaries = [first + MINUTE * number for number in range(SLOTS + 1)]
        wait_until(boundaries[1] + timedelta(seconds=15))
        for one in sites:
            assert "is full" not in one.daemon.messages, one.daemon.messages
            one.disk.fill(leave=0)
        for one in sites:
            eventually(lambda one=one: "is full" in one.daemon.messages, "the archive cannot take more", 30)  # type: ignore[misc]
            one.disk.free_up(HUNDREDTH)
        assert now() < boundaries[2] - timedelta(seconds=5), "too slow to tell anything"
        wait_until(boundaries[-1] + timedelta(seconds=10))
        for one in sites:
            assert one.disk.free() > HUNDREDTH // 4, f"{one.kind}: the disk was full once more, and is to be larger"
            one.broker.cont()
        for one in sites:
            check(one, boundaries)


def check(one: Besieged, boundaries: list[datetime]) -> None:
    """What has to be true of a site when the siege is over."""
    site = QuickSite(one.site)
    for meter in one.good:
        read = [datetime.fromisoformat(register["at"]) for register in one.readings(meter, "register")]
        made = {interval["at"]: interval for interval in one.readings(meter, "interval")}
        for boundary in boundaries:
            on_time = [at for at in read if timedelta(0) <= at - boundary <= TOLERANCE]
            assert on_time, f"{one.kind}: {meter} was not read at {boundary}: {read}"
        for boundary in boundaries[1:]:
            interval = made[f"{boundary:%Y-%m-%dT%H:%M:%SZ}"]
            assert (interval["status"], interval["flags"]) == ("true", []), f"{one.kind}: {meter}: {interval}"
    assert one.bus.asked >= len(boundaries) // 2, f"{one.kind}: the hostile meter is not given up"
    hostile = one.readings(f"em-{HOSTILE}", "interval")
    assert {interval["status"] for interval in hostile} <= {"missing"}, one.kind
    assert one.daemon.terminate() == 0, one.daemon.messages
    assert "Traceback" not in one.daemon.messages, one.daemon.messages
    verified = site.json("archive", "verify")
    assert verified["ok"], verified
    wanted = set(range(1, verified["readings"] + 1))
    with one.site.daemon() as again:  # the pause before another attempt may be minutes; a new process tries at once
        eventually(lambda: again.messages.count("gatewayd.daemon: gatewayd 0") == 2, "it runs again")
        eventually(lambda: wanted <= set(one.arrived()), f"{one.kind}: the broker gets everything")
        assert again.terminate() == 0, again.messages
