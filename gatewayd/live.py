"""How a line and its meters are doing: what a worker knows of them, for `gatewayd status` and for the log.

Rules: one log line for each change of a meter's state, not for each attempt; a fault of the line is told of once for
the line and not once for each of its meters. Nothing is asked or written to tell it.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from gatewayd.breaker import Condition
from gatewayd.errors import GatewayError, MeterRefused, PasswordUnclear
from gatewayd.refusals import LeftAlone, remedy

log = logging.getLogger("gatewayd.worker")


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A conversation that is going on: with whom, on which line, since when, and whether a technician wants it. `lent`:
    what the line is lent to him for; then it is with no meter that is known, and `meter` is ""."""

    meter: str
    line: str
    since: datetime
    technician: bool = False
    lent: str = ""


@dataclass(frozen=True, slots=True)
class MeterState:
    """How a meter is doing. Instants in UTC; None where there is none."""

    meter: str
    last_success: datetime | None = None
    """The end of the last session in which everything was sound; of a meter that pushes, the last message."""
    fault: str = ""
    """Why it cannot be read or heard at present; "" while it can."""
    fault_since: datetime | None = None
    next_due: datetime | None = None
    """When it is asked next, at the earliest; None for a meter that pushes."""
    silent: bool = False
    """It did not answer the last time."""
    dead: bool = False
    """It has not answered for several times in a row, and is asked less often."""
    deviation: timedelta | None = None
    """Its clock minus the gateway's, as it was seen last."""
    left: int = 0
    """Pieces of time of its profiles that are still to be asked for."""
    seconds: float | None = None
    """How long the last session took."""


class Vital(NamedTuple):
    """The little of a meter that is scraped all the time: as in MeterState; `faulty`: it has a fault."""

    meter: str
    last_success: datetime | None
    faulty: bool
    deviation: timedelta | None = None


@dataclass(frozen=True, slots=True)
class LineState:
    """How a line, or a pool of lines, is doing. Instants in UTC; None where there is none."""

    line: str
    condition: Condition = Condition.CLOSED
    """CLOSED: it works. OPEN: it has failed, nobody on it is asked until `until`. HALF_OPEN: it is being tried."""
    until: datetime | None = None
    fault: str = ""
    """How the line itself has failed, while it is not CLOSED."""
    under_way: tuple[UnderWay, ...] = ()
    """At most one on a line; a pool has one for each of its modems."""
    queue: int = 0
    """Jobs that are due and wait, back-fill and technicians included."""
    oldest: datetime | None = None
    """Since when the first of them waits."""
    meters: tuple[MeterState, ...] = ()


@dataclass(slots=True)
class _Known:
    """What is known of a meter. `faults`: how the last run of each of its jobs ended, where that was not soundly."""

    faults: dict[int, str] = field(default_factory=dict)
    since: datetime | None = None
    deviation: timedelta | None = None
    seconds: float | None = None
    told: bool = False
    refused: bool = False


class Meters:
    """The meters of one worker. `places` tells of each job whose it is; `last_success` is written, and outlives the
    worker (tallies.py)."""

    def __init__(
        self,
        worker: str,
        places: Sequence[str],
        others: Iterable[str] = (),
        last_success: dict[str, datetime] | None = None,
    ) -> None:
        self.faults: dict[str, str] = {}
        """Meters that cannot be read at present, and why."""
        self._worker = worker
        self._places = tuple(places)
        self._last_success = {} if last_success is None else last_success
        self._known = {meter: _Known() for meter in (*places, *others)}

    def note(
        self,
        place: int,
        fault: GatewayError | None,
        now: datetime,
        *,
        credentials: str = "",
        defect: Exception | None = None,
        quiet: bool = False,
    ) -> None:
        """How a job has ended. Its meter is read again when the last run of every one of its jobs was sound. `quiet`:
        who is told of it is told by the line."""
        meter = self._places[place]
        known = self._known[meter]
        if fault is None:
            known.refused = False
            known.faults.pop(place, None)
            if not known.faults:
                self._well(meter)
            return
        before = known.faults.get(place)
        known.faults[place] = str(fault)
        known.since = known.since or now
        if isinstance(fault, PasswordUnclear):  # at most twice: then it is left alone
            self.faults[meter], known.told = str(fault), True
            log.warning("%s; the second time in a row the meter is left alone", fault)
        elif isinstance(fault, MeterRefused):
            text = str(fault) if isinstance(fault, LeftAlone) else f"{fault}; {remedy(credentials)}"
            if not known.refused:
                log.error("%s", text)
            known.refused = known.told = True
            self.faults[meter] = text
        else:
            known.refused = False
            self.faults[meter] = str(fault)
            if not quiet and (not known.told or (defect is not None and before != str(fault))):
                log.warning("%s", fault, exc_info=defect)
                known.told = True

    def session(self, meter: str, now: datetime, seconds: float, deviation: timedelta | None, *, sound: bool) -> None:
        """A session with the meter is over; `sound`: everything in it was."""
        known = self._known[meter]
        known.seconds = seconds
        self.seen(meter, deviation)
        if sound:
            self._last_success[meter] = now

    def seen(self, meter: str, deviation: timedelta | None) -> None:
        """The meter's clock minus the gateway's, None where it did not show it."""
        if deviation is not None:
            self._known[meter].deviation = deviation

    def told_by_the_line(self) -> None:
        """The line has failed: that its meters cannot be read need not be told of each, nor that they can again."""
        for meter, known in self._known.items():
            if meter in self.faults and not known.refused:
                known.told = False

    def _well(self, meter: str) -> None:
        known = self._known[meter]
        known.since = None
        if self.faults.pop(meter, None) is not None and known.told:
            log.info("meter %s on line %s is read again", meter, self._worker)
        known.told = False

    def vitals(self) -> list[Vital]:
        """All of them."""
        faults, last = self.faults, self._last_success
        return [Vital(meter, last.get(meter), meter in faults, known.deviation) for meter, known in self._known.items()]

    def states(
        self, next_due: Mapping[str, datetime], left: Mapping[str, int], silent: Iterable[str], dead: Iterable[str]
    ) -> tuple[MeterState, ...]:
        """All of them, in the order of the configuration."""
        hushed, gone = set(silent), set(dead)
        return tuple(
            MeterState(
                meter,
                self._last_success.get(meter),
                self.faults.get(meter, ""),
                known.since,
                next_due.get(meter),
                meter in hushed,
                meter in gone,
                known.deviation,
                left.get(meter, 0),
                known.seconds,
            )
            for meter, known in self._known.items()
        )
