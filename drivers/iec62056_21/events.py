"""From an event log to readings: one EVENT for each entry (P.98, P.99 and their kin).

Rules: an entry is a header with the row behind it; a header without rows is an entry too. `raw_text` is the status
word, `more` what else the entry carries, in order: `code=value*unit` as the meter wrote it, the value alone where it
has no code. The status is true unless the telegram or the time is unsound: what a log says is said in flags.
"""

from drivers.iec62056_21.headers import Asked, Heading, name, understand
from drivers.iec62056_21.readings import code
from drivers.iec62056_21.wire.profile import Block, Channel, Row, TableData
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.status import Fault

_NO_CHANNEL = Channel("", "")


def events(found: TableData, asked: Asked) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
    """The entries in the window that was asked for, in the order of the answer, and complaints."""
    made: list[Reading] = []
    complaints: list[str] = []
    for block in found.blocks:
        heading = understand(block, asked)
        complaints.extend(heading.complaints)
        if heading.stamp is not None and not asked.wants(heading.stamp.at):
            continue
        rows = block.rows or (None,)
        if any(len(row.values if row else ()) < len(block.channels) for row in rows):
            complaints.append(f"{name(block)}: an entry with fewer values than it names")
        made.extend(_event(block, row, heading, asked) for row in rows)
    return tuple(made), tuple(complaints)


def _event(block: Block, row: Row | None, heading: Heading, asked: Asked) -> Reading:
    verdict = asked.judge((*heading.status, *heading.season))
    sound = not asked.faults and Fault.CLOCK_DOUBTFUL not in heading.season
    return Reading(
        meter=asked.meter,
        obis=code(block.code, asked.vendor.medium),
        obis_raw=block.code,
        kind=Kind.EVENT,
        at=asked.at if heading.stamp is None else heading.stamp.at,
        raw=block.raw if row is None else block.raw + row.lead + row.raw,
        raw_text=block.status,
        status=RawStatus.TRUE if sound else verdict.status,
        flags=verdict.flags,
        more=() if row is None else _further(block.channels, row.values),
        meter_time=block.time,
    )


def _further(channels: tuple[Channel, ...], values: tuple[str, ...]) -> tuple[str, ...]:
    """The values of an entry, each with its code and unit; those that no channel names stand alone."""
    named = (*channels[: len(values)], *(_NO_CHANNEL for _ in values[len(channels) :]))
    return tuple(
        f"{channel.code}={value}*{channel.unit}"
        if channel.code and channel.unit
        else f"{channel.code}={value}"
        if channel.code
        else value
        for channel, value in zip(named, values, strict=True)
    )
