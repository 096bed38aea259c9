"""The gateway's clock is wrong after a reboot: six days back, in 1970, six days ahead; then it leaps to what is right.

The meter's clock is right all the time, and its load profile is being filled when the clock goes wrong. The seq of the
archive ascends, nothing is there twice, nothing is lost, and nothing is closed as missing by a wrong clock. While
the kernel does not know that the clock is right, what it stamps is flagged.

Rules: the real daemon with a clock of its own (own_clock.py), killed and started again; what the kernel says of it is
the test's, too.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.model import Flag
from tests.system.dlms_rig import QUARTER, TOTALS, Manner, dlms_meter, total
from tests.system.forked import QuickSite
from tests.system.own_clock import OwnClock
from tests.system.rig import Daemon, Site, eventually

DAYS = 10
SIX_DAYS = timedelta(days=6)
MISSING = 4
ENTRY = (
    "  - {id: em-1, driver: dlms, line: em-1-line, dlms: {transport: wrapper}, metering_type: A,\n     jobs: [%s]}\n"
)
UNREACHED = (
    "  - {id: em-2, driver: dlms, line: dead, dlms: {transport: wrapper},\n"
    "     jobs: [{profile: 1-0:99.1.0, every: 15m, period: 15m, channels: [1-0:1.8.0]}]}\n"
)
"""It comes into the configuration when the clock is wrong: no reason to miss what was before."""
JOBS = "{registers: [1-0:1.8.0], every: 1s}, {profile: 1-0:99.1.0, every: 15m, period: 15m, backfill_months: 1}"


@dataclass(frozen=True, slots=True)
class Row:
    """A reading as it lies in the archive; instants in Unix microseconds."""

    seq: int
    code: str
    kind: str
    at: int
    text: str
    status: int
    bits: int
    started_at: int
    request: str

    @property
    def flags(self) -> Flag:
        return Flag(self.bits)


class Gateway:
    """One gateway and its clock: `offset` from what is right, and whether the kernel knows that it is."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self._clock = OwnClock(folder)

    def set(self, offset: timedelta, *, synchronised: bool) -> None:
        """At once, also for a process that runs."""
        self._clock.ahead(offset)
        self._clock.synchronised(synchronised)

    @contextmanager
    def life(self) -> Iterator[Daemon]:
        """A process from start to kill."""
        with self.site.daemon(**self._clock.environment) as daemon:
            yield daemon

    def rows(self, behind: int = 0) -> list[Row]:
        """All readings with a higher seq, in the order of the archive."""
        found: list[Row] = []
        if not self.site.archive.exists():
            return found
        for number in segments.segment_numbers(self.site.archive):
            path = segments.segment_path(self.site.archive, number)
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
                rows = connection.execute(
                    "SELECT seq, obis, kind, at, raw_text, status, flags, started_at, request FROM reading"
                    " JOIN series ON series.id = series JOIN exchange ON exchange.id = exchange"
                    " WHERE seq > ? ORDER BY seq",
                    (behind,),
                )
                found += [Row(*row) for row in rows]
        return found

    def head(self) -> int:
        rows = self.rows()
        return rows[-1].seq if rows else 0

    def reads(self, daemon: Daemon, behind: int) -> list[Row]:
        """Waits for some registers with a higher seq."""

        def some() -> bool:
            assert daemon.process.poll() is None, daemon.messages
            return sum(row.kind == "register" for row in self.rows(behind)) >= 3

        eventually(some, "registers are read")
        return self.rows(behind)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("clock", ["kernel", "trusted"])
def test_a_clock_that_is_set_back_loses_and_doubles_nothing(tmp_path: Path, clock: str) -> None:
    began = datetime.now(UTC)
    slow = ("--profile-days", str(DAYS), "--reaction-ms", "50")
    with dlms_meter(tmp_path, "em-1", Manner("wrapper"), *slow) as meter:
        site = Site(tmp_path)
        site.configure(meter.line, ENTRY % JOBS)
        site.config.write_text(site.config.read_text().replace("clock: trusted", f"clock: {clock}"))
        gateway = Gateway(site, tmp_path)

        gateway.set(timedelta(0), synchronised=True)
        with gateway.life() as daemon:
            eventually(lambda: any(row.kind == "interval" for row in gateway.rows()), "the profile is being filled")
            gateway.reads(daemon, 0)
        right = gateway.rows()
        text = site.config.read_text().replace("lines:\n", "lines:\n  dead: {type: tcp, host: 127.0.0.1, port: 1}\n")
        site.config.write_text(text + UNREACHED)
        wrong: list[tuple[timedelta, list[Row]]] = []
        for offset in (-SIX_DAYS, since_1970(), SIX_DAYS, SIX_DAYS):
            gateway.set(offset, synchronised=False)
            head = gateway.head()
            with gateway.life() as daemon:
                gateway.reads(daemon, head)
                if offset == SIX_DAYS and not any(offset == before for before, _ in wrong):
                    # What is to come was asked for, and the meter had nothing of it. The next process is told that.
                    eventually(lambda head=head: bool(cells(gateway.rows(head))), "older rows are read")  # type: ignore[misc]
                    assert daemon.terminate() == 0, daemon.messages
            wrong.append((offset, gateway.rows(head)))
        gateway.set(since_1970(), synchronised=False)
        head = gateway.head()
        with gateway.life() as daemon:  # it begins in 1970 once more
            gateway.reads(daemon, head)
            gateway.set(timedelta(0), synchronised=True)
            eventually(lambda: "was set, or leapt, by +" in daemon.messages, "the leap is seen")
            leapt = gateway.head()
            wanted = expected(began)
            eventually(lambda: wanted.keys() <= cells(gateway.rows()).keys(), "the profile is complete", 120)
            gateway.reads(daemon, leapt)
            assert daemon.terminate() == 0, daemon.messages
        assert "Traceback" not in daemon.messages, daemon.messages
        verified = QuickSite(site).json("archive", "verify")
        assert verified["ok"], verified
    rows = gateway.rows()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    times = Counter((row.code, row.at) for row in rows if row.kind == "interval")
    assert [cell for cell, count in times.items() if count > 1] == [], "nothing is there twice"
    assert {cell: text for cell, text in cells(rows).items() if cell in wanted} == wanted
    assert not [row for row in rows if row.status == MISSING or row.request.startswith("gap ")]
    check_stamps(wrong)
    check_flags(right, [row for _, part in wrong for row in part], rows[leapt:], watched=clock == "kernel")
    audits = audit_types(site.archive)
    assert audits["gateway-clock-step"] == 1, audits


def since_1970() -> timedelta:
    """From now back to the first minutes of a clock that has lost its battery."""
    return datetime(1970, 1, 1, 0, 1, tzinfo=UTC) - datetime.now(UTC)


Cells = dict[tuple[str, int], str]


def cells(rows: list[Row]) -> Cells:
    """Code, end in Unix seconds and text of every interval."""
    return {(row.code, row.at // 1_000_000): row.text for row in rows if row.kind == "interval"}


def expected(began: datetime) -> Cells:
    """What the meter held of its profile all the time."""
    until = began.replace(minute=began.minute // 15 * 15, second=0, microsecond=0)
    quarters = (DAYS - 1) * 96
    ends = [until - QUARTER * number for number in range(quarters)]
    return {
        (code, int(end.timestamp())): str(total(end, channel)) for end in ends for channel, code in enumerate(TOTALS, 1)
    }


def check_stamps(wrong: list[tuple[timedelta, list[Row]]]) -> None:
    """The clock was really wrong, and what it stamped is kept as it was."""
    for offset, rows in wrong:
        about = (datetime.now(UTC) + offset).timestamp() * 1e6
        assert rows and all(abs(row.started_at - about) < 300e6 for row in rows), offset


def check_flags(right: list[Row], wrong: list[Row], after: list[Row], *, watched: bool) -> None:
    """Registers are flagged while the kernel does not know that the clock is right, and not when it does."""
    registers = [[row.flags for row in rows if row.kind == "register"] for rows in (right, wrong, after)]
    assert all(registers)
    assert not [flags for flags in registers[0] if Flag.GATEWAY_CLOCK in flags]
    assert {Flag.GATEWAY_CLOCK in flags for flags in registers[1]} == {watched}
    assert Flag.GATEWAY_CLOCK not in registers[2][-1]


def audit_types(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in segments.segment_numbers(folder):
        path = segments.segment_path(folder, number)
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found.update(row[0] for row in connection.execute("SELECT type FROM audit"))
    return found
