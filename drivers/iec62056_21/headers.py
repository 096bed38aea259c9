"""What the header of a block says: an instant, and what its status word means for the values under it.

Rules: nothing is guessed silently: a time or status that is not understood is a fault of every value under the header
and a complaint for people. Meters open a new header whenever the status changes, so it holds for all rows under it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from drivers.iec62056_21.vendors import StatusWord, Table, Vendor
from drivers.iec62056_21.wire.clock import MeterClock
from drivers.iec62056_21.wire.dates import Stamp, parse_stamp
from drivers.iec62056_21.wire.profile import Block
from gatewayd.model import Profile
from gatewayd.status import Fault, Verdict, judge

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_STATUS_LIMIT = 16
"""Hexadecimal digits of the widest status word that is read as one (64 bits)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, of which meter, and `faults`: what is wrong with the telegram that came."""

    meter: str
    request: Profile
    table: Table
    vendor: Vendor
    clock: MeterClock
    at: datetime
    faults: tuple[Fault, ...]

    @property
    def is_log(self) -> bool:
        return self.table.kind == "log"

    @property
    def status_word(self) -> StatusWord:
        """The table's own status word, else the vendor's for this kind of table."""
        if self.table.status is not None:
            return self.table.status
        return self.vendor.log_status if self.is_log else self.vendor.profile_status

    def wants(self, at: datetime) -> bool:
        """True for an instant in (start, end] of the request."""
        return self.request.start < at <= self.request.end

    def judge(self, own: tuple[Fault, ...]) -> Verdict:
        """Status and flags of a value with its own faults: in an unsound telegram nothing is believed."""
        return judge(self.faults or own)


SHOWN = 40
"""How much of a text that was not understood a complaint shows."""


class Heading(NamedTuple):
    """A header understood. `stamp` is None where its time is none."""

    stamp: Stamp | None
    status: tuple[Fault, ...]
    complaints: tuple[str, ...]

    @property
    def season(self) -> tuple[Fault, ...]:
        """What is wrong with the season of the stamp, where nothing but the stamp is known."""
        if self.stamp is None:
            return (Fault.CLOCK_DOUBTFUL,)
        if self.stamp.second is not None:
            return (Fault.TIME_TWICE,)
        return (Fault.SEASON_DOUBTFUL,) if self.stamp.doubtful else ()


def name(block: Block) -> str:
    """How complaints name a header."""
    return f"header {block.code}" if block.code else "header without a code"


def understand(block: Block, asked: Asked) -> Heading:
    """The instant and the status of a header."""
    stamp = parse_stamp(block.time, asked.clock, season_digit=asked.vendor.season_digit, form=asked.vendor.window_time)
    status = status_faults(block.status, asked.status_word)
    complaints: list[str] = []
    if stamp is None:
        complaints.append(f"{name(block)}: '{block.time[:SHOWN]}' is no time, its values carry the time of reading")
    elif stamp.doubtful:
        complaints.append(
            f"{name(block)}: times that contradict legal time (another season, or an hour that it skips); "
            "a meter that keeps winter time all the year needs `clock: standard`"
        )
    if status is None:
        complaints.append(f"{name(block)}: status word '{block.status[:SHOWN]}' is not hexadecimal")
    return Heading(stamp, (Fault.BIT_UNKNOWN,) if status is None else status, tuple(complaints))


def status_faults(text: str, word: StatusWord) -> tuple[Fault, ...] | None:
    """The faults that the set bits of a status word name, from the lowest bit on; None where it is not hexadecimal.

    A set bit without a meaning, and one beyond the width of the word, is BIT_UNKNOWN; no text says nothing.
    """
    if len(text) > _STATUS_LIMIT or not _HEX_DIGITS.issuperset(text):
        return None
    faults = (word.meaning.get(bit, Fault.BIT_UNKNOWN) for bit in _set_bits(int(text or "0", 16)))
    return tuple(dict.fromkeys(fault for fault in faults if fault is not None))


def _set_bits(value: int) -> Iterator[int]:
    while value:
        lowest = value & -value
        yield lowest
        value ^= lowest
