"""SIGTERM and SIGKILL at random moments of the real daemon, while it fills 40 days of two profiles, reads registers,
makes intervals and publishes: at the end everything is there once, and no meter was harmed.

Rules: the moment is any time from the start of the process on, the signal is drawn; what the profiles hold is computed
from the formula of the simulators (tests/system/dlms_rig.py), what arrived is counted by mosquitto_sub.
Before the first signal the DLMS meter has let the gateway in once: a password that was never taken is not tried a third
time behind two kills in the moment of their answer (gatewayd/refusals.py).
"""

import json
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.archive import refused, segments
from tests.crash.rig import rounds
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.dlms_rig import PRAGUE, QUARTER, TOTALS, DlmsMeter, Manner, dlms_meter, interval, total
from tests.system.forked import Forked, QuickSite, forked, running
from tests.system.rig import QUICK, ROOT, Meter, Site, eventually, simulator

SEED = 20261127
DAYS = rounds(40, 58)
KEPT = ("--profile-days", str(DAYS))
LONGEST_S = 1.5
SERVED = 0.75
"""Of so many the time counts from when they serve, of the others from when the process begins."""
TERMINATED_S = 10.0
MISSING = 4
SERVING = "gatewayd.daemon: gatewayd 0"
INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
PASSWORD = "24681357"
MADE = ("1-0:1.29.0*255", "1-0:2.29.0*255")
"""The columns of the IEC 62056-21 profile, channels from 1."""


@dataclass(frozen=True, slots=True)
class Plant:
    """The gateway, its meters and what hears of it."""

    site: QuickSite
    iec: Path
    dlms: DlmsMeter
    subscriber: Subscriber
    began: datetime

    @property
    def archive(self) -> Path:
        return self.site.site.archive

    def start(self) -> Forked:
        return forked(self.site.said, "gatewayd", "-c", str(self.site.site.config), "run")

    def arrived(self) -> dict[str, list[int]]:
        """The numbers of all readings that the subscriber was sent, in their order, for each meter and code."""
        found: dict[str, list[int]] = {}
        for message in self.subscriber.received:
            found.setdefault(message.topic, []).extend(one["seq"] for one in json.loads(message.payload)["readings"])
        return found

    def everything(self, count: int) -> bool:
        """Whether all up to this number have arrived."""
        return {seq for numbers in self.arrived().values() for seq in numbers} >= set(range(1, count + 1))


@contextmanager
def plant(folder: Path) -> Iterator[Plant]:
    began = datetime.now(UTC)
    today = began.astimezone(PRAGUE).date()
    first, journal = today - timedelta(days=DAYS), folder / "iec.journal"
    generated = ("--generate-profile", f"P.01:15:{len(MADE)}:{first}:{today - timedelta(days=1)}", "--seed", "1")
    guarded = ("--password", PASSWORD, "--journal", str(journal), *generated)
    (folder / "iec.pw").write_text(f"{PASSWORD}\n")
    units = ("--unit", "1", "--unit", "2")
    bus = running(folder, "simulators", "modbus", "--tcp", "0", "--map", "eastron-sdm630", *units)
    with (
        Mosquitto(folder / "broker") as broker,
        Subscriber(broker, "gatewayd/+/+/+/+", qos=1, contract=False) as subscriber,
        simulator(INDUSTRIAL, "--advance", "1.8.0=1", *QUICK) as readout,
        simulator(INDUSTRIAL, *guarded, *QUICK) as profile,
        dlms_meter(
            folder, "em-dlms", Manner(authentication="low"), "--max-info", "512", "--reaction-ms", "5", *KEPT
        ) as dlms,
        bus as units_of_bus,
    ):
        site = Site(folder)
        shared = Meter(readout.process, port=int(units_of_bus.line().rsplit(":", 1)[1]))
        lines = readout.line("a") + profile.line("b") + dlms.line + shared.line("bus")
        often = "{registers: all, every: 1s}"
        kept = "{profile: %s, %s, period: 15m, backfill_months: 2}"
        entries = [
            f"id: em-readout, driver: iec62056_21, line: a, jobs: [{often}]",
            f"id: em-iec, driver: iec62056_21, line: b, iec62056_21: {{password_file: {folder / 'iec.pw'}}}, "
            f"jobs: [{kept % ('P.01', 'every: 15m')}, {{registers: [1-0:1.8.0], every: 1s}}]",
        ]
        for unit in (1, 2):
            made = "{intervals: [1-0:1.8.0, 1-0:2.8.0], every: 1m}"
            options = f"modbus: {{unit: {unit}, map: eastron-sdm630, transport: rtu}}"
            entries.append(f"id: em-{unit}, driver: modbus, line: bus, {options}, jobs: [{made}, {often}]")
        text = "".join(f"  - {{{entry}}}\n" for entry in entries)
        # at: as most meters have it, so that a stop in the middle of the back-fill must not put it off to the next day.
        text += dlms.entry(every="1s").replace("jobs: [", f"jobs: [{kept % ('1-0:99.1.0', 'at: 00:20')}, ")
        site.configure(lines, text, f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n")
        yield Plant(QuickSite(site), journal, dlms, subscriber, began)


@pytest.mark.timeout(1800)
def test_signals_at_any_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    orderly = 0
    holes = []
    with plant(tmp_path) as made:
        wanted = expected(made.began)
        first = made.start()
        try:
            eventually(lambda: bool(archived(made.archive, ("em-dlms",))), "it lets us in")
        finally:
            first.kill()
        for number in range(rounds(20, 200)):
            daemon = made.start()
            try:
                if chance.random() < SERVED:
                    eventually(lambda d=daemon: SERVING in d.said, "it serves")  # type: ignore[misc]
                daemon.process.join(chance.uniform(0, LONGEST_S))
                assert daemon.process.exitcode is None, f"round {number}: {daemon.said}"
                if chance.random() < 0.5:
                    daemon.kill()
                else:
                    orderly += _terminated(daemon)
            finally:
                daemon.kill()
            assert SERVING not in daemon.said or "Traceback" not in daemon.said, f"round {number}: {daemon.said}"
            holes.append(len(missing(made.archive, wanted)))
        assert orderly >= rounds(3, 30), "too few were stopped while they served"
        assert len(set(holes)) >= rounds(4, 10), f"too few were stopped while a profile was filled: {holes}"
        last = made.start()
        try:
            eventually(lambda: not missing(made.archive, wanted), "the profiles are complete", 300)
            eventually(lambda: SERVING in last.said, "it serves")
            assert _terminated(last)
        except AssertionError as error:
            left = Counter(meter for meter, _, _ in missing(made.archive, wanted))
            raise AssertionError(f"{error}; missing: {left}; {refused.listed(made.archive)}; {last.said}") from error
        finally:
            last.kill()
        verified = made.site.json("archive", "verify")
        assert verified["ok"], verified
        eventually(lambda: made.everything(verified["readings"]), "all has arrived", 30)
        arrived = made.arrived()
    for topic, numbers in arrived.items():
        new = list(dict.fromkeys(numbers))
        assert new == sorted(new), f"{topic}: what arrives for the first time comes in order"
    # A SIGTERM between a password and its answer leaves an entry: it is tried once more.
    assert not [one for one in refused.listed(made.archive) if one.final], "nobody is left alone"
    for what in ("password wrong", "locked"):
        assert not [line for line in made.iec.read_text().splitlines() if what in line]
    check_profiles(made)
    check_increments(made)


def _terminated(daemon: Forked) -> bool:
    """SIGTERM; whether it came when the daemon served already. One that is still loading ends somehow."""
    os.kill(daemon.pid, signal.SIGTERM)
    code = daemon.wait(TERMINATED_S)
    serving = SERVING in daemon.said
    assert code == 0 or not serving, f"{code}: {daemon.said}"
    return serving


# -- what the archive has, and what it ought to have -------------------------------------------------------------------

Cell = tuple[str, str, int]
"""Meter, OBIS code, end of the interval in Unix seconds."""


def expected(began: datetime) -> dict[Cell, str]:
    """The intervals that both meters held all the time, with their values as they send them."""
    until = began.replace(minute=began.minute // 15 * 15, second=0, microsecond=0)
    wanted: dict[Cell, str] = {}
    end = until - timedelta(days=DAYS - 1)
    while (end := end + QUARTER) <= until:
        for channel, code in enumerate(TOTALS, 1):
            wanted["em-dlms", code, int(end.timestamp())] = str(total(end, channel))
        if end <= _midnight(began):
            for channel, code in enumerate(MADE, 1):
                value = interval(end, channel)
                wanted["em-iec", code, int(end.timestamp())] = f"{value // 1000:02d}.{value % 1000:03d}"
    return wanted


def _midnight(at: datetime) -> datetime:
    return at.astimezone(PRAGUE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def archived(folder: Path, meters: tuple[str, ...]) -> list[tuple[Cell, str, int]]:
    """All intervals of these meters: where they belong, raw text, status."""
    found: list[tuple[Cell, str, int]] = []
    places = ", ".join("?" * len(meters))
    for number in segments.segment_numbers(folder):
        path = segments.segment_path(folder, number)
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            rows = connection.execute(
                "SELECT meter, obis, at / 1000000, raw_text, status FROM reading JOIN series ON series.id = series"
                f" WHERE kind = 'interval' AND meter IN ({places})",
                meters,
            ).fetchall()
        found += [((meter, code, at), text, status) for meter, code, at, text, status in rows]
    return found


def missing(folder: Path, wanted: dict[Cell, str]) -> set[Cell]:
    return set(wanted) - {cell for cell, _, _ in archived(folder, ("em-dlms", "em-iec"))}


def check_profiles(made: Plant) -> None:
    """Each interval is there once, with the meter's own value."""
    rows = archived(made.archive, ("em-dlms", "em-iec"))
    times = Counter(cell for cell, _, _ in rows)
    assert [cell for cell, count in times.items() if count > 1] == []
    wanted = expected(made.began)
    assert {cell: text for cell, text, _ in rows if cell in wanted} == wanted
    assert not [cell for cell, _, status in rows if status == MISSING], "nothing is closed that is there"


def check_increments(made: Plant) -> None:
    """Between the first and the last that were told no interval is left out, and none has two values."""
    by_series: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for (meter, code, at), text, _ in archived(made.archive, ("em-1", "em-2")):
        by_series.setdefault((meter, code), []).append((at, text))
    for series, rows in by_series.items():
        ends = sorted({at for at, _ in rows})
        assert ends == list(range(ends[0], ends[-1] + 60, 60)), series
        valued = Counter(at for at, text in rows if text)
        assert [at for at, count in valued.items() if count > 1] == [], series
