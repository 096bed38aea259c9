"""A clock reading in words: what the meter's clock shows, and how far it is off.

Rules: pure; only readings that drivers make of the clock object have a deviation, meter minus gateway, in seconds.
"""

from gatewayd.cli.language import said
from gatewayd.model import Kind, Reading, number
from gatewayd.obis import Obis

CLOCK = Obis.parse("0-0:1.0.0")


def is_clock(reading: Reading) -> bool:
    """Whether this is what the meter's clock showed during the session, and no row of a log."""
    return reading.obis == CLOCK and reading.kind is Kind.REGISTER


def deviation(reading: Reading) -> str:
    """`3.2 s behind`, `0.1 s ahead`, `right`; `no time` where the clock shows none, or something that is none."""
    seconds = number(reading.more[0]) if reading.more else None
    if seconds is None:
        return said("no time")
    if seconds == 0:
        return said("right")
    text = said("{seconds} s ahead" if seconds > 0 else "{seconds} s behind")
    return text.format(seconds=f"{abs(seconds):f}")


def clock_line(reading: Reading) -> str:
    """`2026-11-27T03:43:35+01:00, 13.2 s behind`, and its status and flags where it is not true."""
    parts = [printable(reading.meter_time or reading.raw_text) or said("nothing"), deviation(reading)]
    if reading.status or reading.flags:
        parts.append(" ".join(map(said, (reading.status.text, *reading.flags.texts))))
    return ", ".join(parts)


def printable(text: str) -> str:
    """What the meter wrote, with control characters made visible."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
