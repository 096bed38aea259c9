"""Who may be called when: call windows, back-off of numbers and modems, and which call is next. Pure: no clock, no I/O.

Rules: no call outside the modem's windows, none to a number or by a modem before its back-off is over, never two calls
to one number at once; what is most urgent goes first, of equals what has waited longest. A failure is the number's or
the modem's (BACK_OFF): that of a number holds for every modem that shares this ledger, that of a modem for no other.
After what only a person can mend the modem or the number is parked. A number at which call after call was paid for in
vain is given up: whoever keeps the jobs then calls it at their regular times only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.channel.modem_options import BACK_OFF, CallRecord, CallResult, Scope
from gatewayd.dialling import PhoneNumber, Window

PAID_IN_VAIN = 5
"""After so many paid calls in a row that failed, a number is given up until a call succeeds."""
_MINUTE = timedelta(minutes=1)
_HOUR, _DAY = 60, 24 * 60


def paid(record: CallRecord) -> bool:
    """Whether the call has cost money: it was connected, or the far end may have answered (a network charges for that,
    whether the modems understand each other or not)."""
    answered = record.result in (CallResult.NO_CARRIER, CallResult.TIMEOUT)
    return record.connected_at is not None or (record.dialled and answered)


def is_open(windows: tuple[Window, ...], at: datetime, zone: ZoneInfo) -> bool:
    """Whether a call may begin; always where there are no windows. In the autumn hour both readings of it count."""
    clock = at.astimezone(zone).time().replace(fold=0)
    return not windows or any(clock in window for window in windows)


def next_open(windows: tuple[Window, ...], at: datetime, zone: ZoneInfo) -> datetime:
    """The first instant from `at` on, in UTC, at which a call may begin: `at` itself, or the beginning of a window.

    A window that begins in the hour that spring skips begins at the end of that hour.
    """
    if is_open(windows, at, zone):
        return at
    # By the minute, as windows are written, and not by arithmetic on wall clocks: right on every day of the year.
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    while True:
        clock = _minutes(minute.astimezone(zone).time())
        minute += _MINUTE * min(_sure((_minutes(window.start) - clock) % _DAY) for window in windows)
        if is_open(windows, minute, zone):
            return minute


def _sure(ahead: int) -> int:
    """Minutes that pass before a wall clock can show a reading that is so far ahead: it may gain an hour on the way,
    and a reading that it showed within the last hour may come again."""
    return max(1, ahead - _HOUR) if ahead <= _DAY - _HOUR else 1


def _minutes(clock: time) -> int:
    return clock.hour * _HOUR + clock.minute


@dataclass(frozen=True, slots=True)
class Due:
    """A meter for which work is due, its number, and since when or from when on."""

    number: PhoneNumber
    at: datetime
    meter: str = ""
    priority: int = 0
    """Of what is due: the least goes first, then what has waited longest."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Failures in a row, the instant of the last one, and until when to wait; None: until somebody acts."""

    failures: int
    since: datetime
    until: datetime | None


class Ledger:
    """What modems that work off one queue know of each other's calls. `windows` has the windows of each modem."""

    def __init__(self, windows: Mapping[str, tuple[Window, ...]], zone: ZoneInfo) -> None:
        self._windows = windows
        self._zone = zone
        self._modems: dict[str, _Trouble] = {}
        self._numbers: dict[PhoneNumber, _Trouble] = {}
        self._in_vain: dict[PhoneNumber, int] = {}
        self._called: set[PhoneNumber] = set()

    def open(self, modem: str, now: datetime) -> bool:
        """Whether the modem is in one of its windows."""
        return is_open(self._windows[modem], now, self._zone)

    def window(self, modem: str, now: datetime) -> datetime:
        """When the modem may call, from now on, as far as its windows go."""
        return next_open(self._windows[modem], now, self._zone)

    def parked(self, modem: str) -> bool:
        """Whether the modem waits for somebody to act."""
        return modem in self._modems and self._modems[modem].until is None

    def choose(self, modem: str, dues: Iterable[Due], now: datetime) -> Due | datetime | None:
        """What the modem calls now; or the earliest instant at which it may have to call; None: nothing by itself."""
        ready = [(when, due) for due in dues if (when := self._ready(modem, due, now)) is not None]
        callable_now = [due for when, due in ready if when <= now]
        if callable_now and self.open(modem, now):
            return min(callable_now, key=lambda due: (due.priority, due.at))
        # Of two instants the later one never finds the earlier window: the earliest stands for all.
        return next_open(self._windows[modem], min(when for when, _ in ready), self._zone) if ready else None

    def _ready(self, modem: str, due: Due, now: datetime) -> datetime | None:
        """From when on the call may be made, windows aside, not before now; None where that is not known."""
        if due.number in self._called:
            return None
        ready = max(due.at, now)
        for trouble in (self._modems.get(modem), self._numbers.get(due.number)):
            if trouble is None:
                continue
            if trouble.until is None:
                return None
            if now >= trouble.since - _MINUTE:  # else the clock was set back, and nobody knows how long ago that was
                ready = max(ready, trouble.until)
        return ready

    def calling(self, number: PhoneNumber) -> bool:
        """Whether a call to it is under way."""
        return number in self._called

    def begin(self, number: PhoneNumber) -> None:
        """A call to this number is under way from here on."""
        assert number not in self._called, "two calls to one number"
        self._called.add(number)

    def given_up(self, number: PhoneNumber) -> bool:
        """Whether the last calls to it were paid for in vain."""
        return self._in_vain.get(number, 0) >= PAID_IN_VAIN

    def end(self, modem: str, number: PhoneNumber, result: CallResult, now: datetime, *, cost: bool = False) -> None:
        """The call is over; `cost`: it was paid for. A modem that came as far as the number works, whatever came of
        the call."""
        self._called.discard(number)
        back_off = BACK_OFF[result]
        if result is CallResult.CANCELLED:
            return
        if cost:
            self._in_vain[number] = self._in_vain.get(number, 0) + 1
        if result is CallResult.DONE:
            self._in_vain.pop(number, None)
            self._numbers.pop(number, None)
            self._modems.pop(modem, None)
        elif back_off.scope is Scope.NUMBER:
            self._modems.pop(modem, None)
            self._numbers[number] = _worse(self._numbers.get(number), result, now)
        else:
            self._modems[modem] = _worse(self._modems.get(modem), result, now)


def _worse(before: _Trouble | None, result: CallResult, now: datetime) -> _Trouble:
    failures = 1 if before is None else before.failures + 1
    seconds = BACK_OFF[result].after(failures)
    trouble = _Trouble(failures, now, now)
    return replace(trouble, until=None if seconds is None else now + timedelta(seconds=seconds))
