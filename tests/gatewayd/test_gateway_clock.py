"""What the kernel says of the clock, and the watch over it with a kernel and clocks that do what a test says."""

import logging
from datetime import timedelta
from decimal import Decimal

import pytest

from gatewayd import kernel_clock
from gatewayd.archive.records import Audit
from gatewayd.gateway_clock import GatewayClock
from gatewayd.kernel_clock import TRUSTED, Sync, Synchronised, kernel_says, understood
from tests.gatewayd.doubles import START

YES = Synchronised(Sync.YES, "adjtimex", Decimal("0.012"))
NO = Synchronised(Sync.NO, "adjtimex")
UNKNOWN = Synchronised(Sync.UNKNOWN, "no adjtimex on this host")


# -- the kernel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0x0001, YES), (0x2001, YES), (0x0040, NO), (0x2041, NO)],  # STA_PLL, STA_NANO, STA_UNSYNC
)
def test_one_bit_of_the_status_decides(status: int, expected: Synchronised) -> None:
    assert understood(status, 12_000) == expected
    assert expected.sure is (expected is YES)


def test_this_kernel_can_be_asked() -> None:
    """On Linux it answers one or the other; nothing is set by it."""
    said = kernel_says()
    assert said.state in (Sync.YES, Sync.NO)
    assert said.source == "adjtimex"
    assert (said.error is not None) is (said.state is Sync.YES)


def test_where_there_is_no_adjtimex_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_clock, "_adjtimex", lambda: None)
    assert kernel_says() == UNKNOWN
    monkeypatch.setattr(kernel_clock, "_adjtimex", lambda: lambda _: -1)
    assert kernel_says().state is Sync.UNKNOWN


# -- the watch -------------------------------------------------------------------------------------------------------


class World:
    """Two clocks and a kernel."""

    def __init__(self, *, trusted: bool = False) -> None:
        self.now = START
        self.steady = 1000.0
        self.kernel = NO
        self.asked = 0
        self.watch = GatewayClock(lambda: self.now, lambda: self.steady, self._says, trusted=trusted)

    def _says(self) -> Synchronised:
        self.asked += 1
        return self.kernel

    def pass_(self, seconds: float, gained: float = 0.0) -> tuple[Audit, ...]:
        """So much time passes; the wall clock gains something on it."""
        self.steady += seconds
        self.now += timedelta(seconds=seconds + gained)
        return self.watch.look()


def told(audits: tuple[Audit, ...]) -> list[tuple[str, str, str]]:
    assert all((one.source, one.category, one.subject) == ("gateway", "clock", "gateway") for one in audits)
    return [(one.type, one.result, one.detail) for one in audits]


def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    assert told(world.pass_(10)) == [("gateway-clock-synchronisation", "no", "adjtimex")]
    assert not world.watch.synchronised()
    assert world.pass_(10) == world.pass_(10) == ()
    world.kernel = YES
    assert told(world.pass_(10)) == [("gateway-clock-synchronisation", "yes", "adjtimex: error at most 0.012 s")]
    assert world.watch.synchronised()
    world.kernel = Synchronised(Sync.YES, "adjtimex", Decimal("0.013"))
    assert world.pass_(10) == ()  # how far it may be off changes all the time
    world.kernel = UNKNOWN
    assert told(world.pass_(10)) == [("gateway-clock-synchronisation", "unknown", "no adjtimex on this host")]
    assert not world.watch.synchronised()
    assert [(one.levelname, one.name) for one in caplog.records] == [
        (level, "gatewayd.clock") for level in ("WARNING", "INFO", "WARNING")
    ]


@pytest.mark.parametrize(
    ("gained", "detail"),
    [
        (3600.0, "+3600.000 s"),
        (-86400.0, "-86400.000 s"),
        (1.5, "+1.500 s"),
        (-1.001, "-1.001 s"),
        (56 * 365 * 86400.0, "+1766016000.000 s"),  # a clock that was at 1970
    ],
)
def test_a_step_is_told_with_its_size(gained: float, detail: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.pass_(10)
    caplog.clear()
    audits = world.pass_(10, gained)
    assert told(audits) == [("gateway-clock-step", "seen", detail)]
    assert audits[0].at == world.now
    assert [one.getMessage() for one in caplog.records] == [f"the gateway's clock was set, or leapt, by {detail}"]
    assert world.pass_(10) == ()


@pytest.mark.parametrize(("seconds", "gained"), [(10, 0.9), (10, -1.0), (10, 0.005), (3600, 1.8), (86400, -43.0)])
def test_slewing_is_no_step(seconds: float, gained: float) -> None:
    world = World()
    world.pass_(10)
    assert world.pass_(seconds, gained) == ()


def test_a_clock_that_is_trusted_is_not_asked_after_but_its_steps_are_told() -> None:
    world = World(trusted=True)
    assert world.watch.state == TRUSTED
    assert world.watch.synchronised()
    assert told(world.pass_(10)) == [("gateway-clock-synchronisation", "yes", "configuration")]
    assert told(world.pass_(10, 60)) == [("gateway-clock-step", "seen", "+60.000 s")]
    assert world.asked == 0
