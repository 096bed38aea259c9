"""Times on the command line: `2026-11-01`, `2026-11-01 13:15`, with an offset, `yesterday`, `today`, `now`.

Rules: pure; legal time of the gateway unless the text has an offset of its own. What happens twice, or never, on the
days of the change is refused, and both readings are named: nobody guesses which hour was meant.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.legal_time import ambiguous, day_bounds, imaginary, instant

_EXPECTED = "expected 2026-11-01, 2026-11-01 13:15, 2026-11-01T13:15+01:00, yesterday, today or now"
_MIDNIGHT = time(0)
_ENDS_OF_DAYS = ("24:00", "24:00:00")


def instant_of(text: str, zone: ZoneInfo, now: datetime, *, end: bool = False, begins: time = _MIDNIGHT) -> datetime:
    """The UTC instant that `text` means at `now`. A day is its beginning, or its `end`; it `begins` at midnight, or
    where gas is asked for at 06:00. ValueError with the remedy."""
    if text.strip().lower() == "now":
        return now.astimezone(UTC)
    try:
        return day_bounds(day_of(text, zone, now), zone, begins)[1 if end else 0]
    except (ValueError, OverflowError):
        return _moment(text, zone)


def day_of(text: str, zone: ZoneInfo, now: datetime) -> date:
    """The legal-time day that `text` means at `now`. ValueError with the remedy."""
    words = text.strip().lower()
    today = now.astimezone(zone).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        return named[words] if words in named else date.fromisoformat(words)
    except ValueError:
        raise ValueError(f"'{text}' is no day; expected 2026-11-01, yesterday or today") from None


def _moment(text: str, zone: ZoneInfo) -> datetime:
    words = text.strip()
    try:
        if words[10:].lstrip(" T") in _ENDS_OF_DAYS:  # the label of the last interval of a day
            return day_bounds(date.fromisoformat(words[:10]), zone)[1]
        found = datetime.fromisoformat(words)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        local = found.replace(tzinfo=zone)
        if ambiguous(local):
            first, second = (local.replace(fold=fold).isoformat(timespec="minutes") for fold in (0, 1))
            raise _Doubt(f"'{text}' happens twice on that day; write {first} or {second}")
        if imaginary(local):
            after = instant(local.date(), time(local.hour, local.minute), zone).astimezone(zone)
            raise _Doubt(
                f"'{text}' never happens on that day: the clock goes on to {after.isoformat(timespec='minutes')}"
            )
        return local.astimezone(UTC)
    except _Doubt:
        raise
    except (ValueError, OverflowError):
        raise ValueError(f"'{text}' is no time; {_EXPECTED}") from None


class _Doubt(ValueError):
    """A time that is none, or two."""


def rounded_down(at: datetime, step: timedelta) -> datetime:
    """The last full step of the hour that is not after `at`."""
    return at - timedelta(seconds=at.timestamp() % step.total_seconds())
