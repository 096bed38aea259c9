"""What of an answer is new to the archive: each reading beside those of the same meter, code, kind and instant.

Rules: pure. What is identical is not archived again; what differs is, with the flag `conflict`; what comes for an
interval that was told missing is late. Two rows of one interval in one answer both stay, with the flag `duplicate`,
unless their own flags say why there are two. Entries of a log with one instant are different entries. Which meter
answered, and what was made of its status, makes no difference: what it sent does.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from gatewayd.model import Archived, Flag, Kind, RawStatus, Reading
from gatewayd.status import Fault, judge

Key = tuple[str, str, Kind, datetime, int | None]
"""What two readings have to have in common to be of one thing."""
_EXPLAINED = Flag.PARTIAL_INTERVAL | Flag.CLOCK_ADJUSTED
_TOLD = Flag.NOT_SENT | Flag.NOT_READ


def key_of(reading: Reading) -> Key:
    return reading.meter, reading.code, reading.kind, reading.at, reading.interval_s


def is_told(reading: Reading) -> bool:
    """Whether the gateway has put it down because nothing came."""
    return reading.status is RawStatus.MISSING and not reading.raw and bool(reading.flags & _TOLD)


def doubles(readings: Sequence[Reading], places: Iterable[int]) -> frozenset[int]:
    """The places of those that stand twice in one answer, of intervals, maxima and registers of profiles. In one answer
    a meter spells a code in one way."""
    rows = [place for place in places if readings[place].kind is not Kind.EVENT]
    if len({(readings[place].obis_raw, readings[place].at) for place in rows}) == len(rows):
        return frozenset()  # nearly always
    found: defaultdict[tuple[str, datetime, str, Kind, int | None], list[int]] = defaultdict(list)
    for place in rows:
        one = readings[place]
        found[one.obis_raw, one.at, one.meter, one.kind, one.interval_s].append(place)
    return frozenset(place for twice in found.values() if len(twice) > 1 for place in twice)


def plain_rows(readings: Sequence[Reading]) -> tuple[Sequence[Reading], Sequence[Reading]] | None:
    """Nearly every answer of a profile: rows of intervals one behind the other, each with the same channels, and no
    instant twice. The channels of the first row, and the first channel of each row; None where it is anything else."""
    if not readings or any(one.kind is not Kind.INTERVAL for one in readings):
        return None
    ats = [one.at for one in readings]
    width = next((place for place, at in enumerate(ats) if at != ats[0]), len(ats))
    channels = [(one.meter, one.obis_raw) for one in readings]
    lengths = [one.interval_s for one in readings]
    firsts = readings[::width]
    regular = (
        channels == channels[:width] * len(firsts)
        and len(set(channels[:width])) == width
        and len(set(ats[::width])) == len(firsts)
        and all(ats[place::width] == ats[::width] for place in range(1, width))
        and all(lengths[place::width] == lengths[::width] for place in range(1, width))
    )
    return (readings[:width], firsts) if regular else None


def judged(reading: Reading, fault: Fault) -> Reading:
    """With a fault more; not changed where its flags tell of it already."""
    status, flags = judge((fault,))
    return replace(reading, status=RawStatus.worst((reading.status, status)), flags=reading.flags | flags)


def doubled(reading: Reading) -> Reading:
    """One of two rows of one interval."""
    return reading if reading.flags & _EXPLAINED else judged(reading, Fault.DOUBLE_ROW)


def compared(
    readings: Sequence[Reading], places: Collection[int], archived: Sequence[Archived], twice: Collection[int]
) -> dict[int, Reading | Archived]:
    """For the readings at these places: what the archive has of it, or the reading with its flags."""
    there: defaultdict[Key, list[Archived]] = defaultdict(list)
    for one in archived:
        there[key_of(one.reading)].append(one)
    used: Counter[int] = Counter()
    found: dict[int, Reading | Archived] = {}
    for place in places:
        reading = readings[place]
        rivals = there.get(key_of(reading), [])
        same = next((one for one in rivals if not used[one.seq] and _same(one.reading, reading)), None)
        if same is not None:
            used[same.seq] += 1
            found[place] = same
        elif place in twice:
            found[place] = doubled(reading)
        else:
            found[place] = _beside(reading, [one.reading for one in rivals])
    return found


def _same(one: Reading, other: Reading) -> bool:
    """What the meter sent, in whatever spelling of the code."""
    return (one.raw_text, one.unit, one.scaler, one.more) == (
        other.raw_text,
        other.unit,
        other.scaler,
        other.more,
    ) and (is_told(one) is is_told(other))


def _beside(reading: Reading, rivals: Sequence[Reading]) -> Reading:
    real = [one for one in rivals if not is_told(one)]
    if reading.kind is Kind.EVENT or not rivals:
        return reading
    if not real:
        return judged(reading, Fault.CAME_LATE)
    if reading.kind is Kind.MAXIMUM and any(_value(one) == _value(reading) for one in real):
        return reading  # the same maximum, told in another row
    return judged(reading, Fault.CONFLICTING)


def _value(reading: Reading) -> tuple[str, str, int]:
    return reading.raw_text, reading.unit, reading.scaler


def told_of(reading: Reading, archived: Sequence[Archived]) -> Archived | None:
    """What the archive has in place of an interval that the gateway finds missing: a value before anything else."""
    rivals = [one for one in archived if key_of(one.reading) == key_of(reading)]
    return min(rivals, key=lambda one: (one.reading.status is RawStatus.MISSING, one.seq), default=None)
