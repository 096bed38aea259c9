"""From fault to raw-data status: the one table (PPDS annex 5, 2.12; mapping in docs/status.md).

Rules: a driver never chooses a status itself, it names a `Fault`; several faults on one value give the worst status and
all flags. Meter status words are mapped by tables of the same kind.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from gatewayd.model import NO_FLAGS, Flag, Outcome, RawStatus


class Fault(Enum):
    """What can be wrong with a value on its way from the meter's register to us."""

    CHECK_CHARACTER = auto()
    CHECKSUM = auto()
    BLOCK_CUT_SHORT = auto()
    PARITY = auto()
    NOT_DECODABLE = auto()
    SENTINEL = auto()
    EMPTY = auto()
    NOT_IN_READOUT = auto()
    TIME_TWICE = auto()
    TIME_INVALID = auto()
    OTHER_SERIAL = auto()
    SEASON_DOUBTFUL = auto()
    POWER_FAILED = auto()
    POWER_CAME_BACK = auto()
    CLOCK_SET = auto()
    INTERVAL_PARTIAL = auto()
    METER_RESET = auto()
    SEASON_CHANGED = auto()
    SEASON_SUMMER = auto()
    VALUE_DISTURBED = auto()
    CLOCK_DOUBTFUL = auto()
    METER_FATAL = auto()
    METER_ERROR_BEGAN = auto()
    METER_ERROR_ENDED = auto()
    PARAMETERS_SET = auto()
    LOG_ERASED = auto()
    PROFILE_ERASED = auto()
    TAMPERED = auto()
    DATA_RECOVERED = auto()
    BIT_UNKNOWN = auto()
    OTHER_RATIO = auto()
    BOUNDARY_MISSED = auto()
    METER_EXCHANGED = auto()
    TOTAL_WENT_BACK = auto()
    ROLLED_OVER = auto()
    UNIT_CHANGED = auto()
    GATEWAY_CLOCK_SET = auto()
    INTERVAL_NOT_IN_METER = auto()
    METER_NOT_READ = auto()
    CONFLICTING = auto()
    DOUBLE_ROW = auto()
    CAME_LATE = auto()
    CLOCK_DEVIATES = auto()
    GATEWAY_CLOCK_UNKNOWN = auto()
    REGISTER_BACKWARD = auto()
    BY_HAND = auto()


class Verdict(NamedTuple):
    """Status and flags of one value."""

    status: RawStatus
    flags: Flag


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: what a fault does to a value, and why in the words of docs/status.md."""

    status: RawStatus
    flag: Flag
    meaning: str


SOUND = Verdict(RawStatus.TRUE, NO_FLAGS)

TABLE: dict[Fault, Rule] = {
    Fault.CHECK_CHARACTER: Rule(
        RawStatus.DISTORTED, Flag.BCC_FAILED, "the block check character (IEC 62056-21 annex A) does not fit the block"
    ),
    Fault.CHECKSUM: Rule(RawStatus.DISTORTED, Flag.CRC_FAILED, "the CRC of the telegram does not fit"),
    Fault.BLOCK_CUT_SHORT: Rule(
        RawStatus.DISTORTED, Flag.TRUNCATED, "the block ended before its end mark: what came cannot be checked"
    ),
    Fault.PARITY: Rule(RawStatus.DISTORTED, Flag.PARITY_ERROR, "a character of the block had wrong parity"),
    Fault.NOT_DECODABLE: Rule(RawStatus.DISTORTED, Flag.UNDECODABLE, "the bytes cannot be understood as a value"),
    Fault.SENTINEL: Rule(RawStatus.MISSING, Flag.SENTINEL, "the meter sent its mark for 'no value' (---.-, all FF)"),
    Fault.EMPTY: Rule(RawStatus.MISSING, Flag.NO_VALUE, "the meter named the register and sent no value"),
    Fault.NOT_IN_READOUT: Rule(RawStatus.MISSING, Flag.NOT_SENT, "the register was asked for and did not come"),
    Fault.TIME_TWICE: Rule(
        RawStatus.TRUE, Flag.TIME_AMBIGUOUS, "the meter's time falls into the repeated autumn hour, without a season"
    ),
    Fault.TIME_INVALID: Rule(RawStatus.TRUE, Flag.CLOCK_INVALID, "the time that belongs to the value is no date"),
    Fault.OTHER_SERIAL: Rule(
        RawStatus.TRUE, Flag.SERIAL_MISMATCH, "the meter that answered has another serial number than configured"
    ),
    Fault.OTHER_RATIO: Rule(
        RawStatus.TRUE, Flag.RATIO_MISMATCH, "the ratio of the transformers set in the meter is not the configured one"
    ),
    Fault.SEASON_DOUBTFUL: Rule(
        RawStatus.DISTORTED,
        Flag.TIME_AMBIGUOUS,
        "the meter's season digit contradicts legal time; set `clock` of the meter",
    ),
    # What meters say of intervals in their status words (PPDS annex 5, 2.12 and 3.2; EDIS, IDIS and DSMR).
    Fault.POWER_FAILED: Rule(RawStatus.TRUE, Flag.POWER_DOWN, "the supply failed in the interval"),
    Fault.POWER_CAME_BACK: Rule(RawStatus.TRUE, Flag.POWER_DOWN, "the supply came back in the interval"),
    Fault.CLOCK_SET: Rule(RawStatus.TRUE, Flag.CLOCK_ADJUSTED, "the meter's clock was set in the interval"),
    Fault.INTERVAL_PARTIAL: Rule(
        RawStatus.DISTORTED, Flag.PARTIAL_INTERVAL, "the interval is shorter or longer than its nominal length"
    ),
    Fault.METER_RESET: Rule(RawStatus.TRUE, Flag.RESET, "the meter was reset, or a billing period ended"),
    Fault.SEASON_CHANGED: Rule(RawStatus.TRUE, Flag.DST, "daylight saving began or ended"),
    Fault.SEASON_SUMMER: Rule(RawStatus.TRUE, Flag.DST, "daylight saving is in force"),
    Fault.VALUE_DISTURBED: Rule(RawStatus.DISTORTED, Flag.DISTURBED, "the meter says that the value is disturbed"),
    Fault.CLOCK_DOUBTFUL: Rule(
        RawStatus.DISTORTED, Flag.CLOCK_INVALID, "the meter does not trust its clock (reserve exhausted)"
    ),
    Fault.METER_FATAL: Rule(RawStatus.DISTORTED, Flag.METER_ERROR, "the meter reports a fatal error"),
    Fault.METER_ERROR_BEGAN: Rule(RawStatus.TRUE, Flag.METER_ERROR, "an error of the meter began"),
    Fault.METER_ERROR_ENDED: Rule(RawStatus.TRUE, Flag.METER_ERROR, "an error of the meter ended"),
    Fault.PARAMETERS_SET: Rule(RawStatus.TRUE, Flag.CONFIG_CHANGED, "a parameter of the meter was changed"),
    Fault.LOG_ERASED: Rule(RawStatus.TRUE, Flag.CONFIG_CHANGED, "the meter's event log was erased"),
    Fault.PROFILE_ERASED: Rule(RawStatus.TRUE, Flag.CONFIG_CHANGED, "the meter's load profile was erased"),
    Fault.TAMPERED: Rule(RawStatus.TRUE, Flag.TAMPER, "the meter reports tampering (cover, magnet, phase sequence)"),
    Fault.DATA_RECOVERED: Rule(RawStatus.TRUE, Flag.RECOVERED, "the meter recovered the value after a power failure"),
    Fault.BIT_UNKNOWN: Rule(
        RawStatus.DISTORTED,
        Flag.STATUS_UNKNOWN,
        "a bit of the meter's status word has no known meaning; the right vendor profile explains it",
    ),
    # Of intervals that the gateway makes of registers (docs/intervals.md).
    Fault.BOUNDARY_MISSED: Rule(
        RawStatus.MISSING, Flag.NOT_SENT, "the register was not read at the beginning or at the end of the interval"
    ),
    Fault.METER_EXCHANGED: Rule(
        RawStatus.DISTORTED, Flag.SERIAL_MISMATCH, "another meter answered at the end of the interval than before"
    ),
    Fault.TOTAL_WENT_BACK: Rule(
        RawStatus.DISTORTED, Flag.BACKWARD, "the register showed less at the end of the interval than before"
    ),
    Fault.ROLLED_OVER: Rule(RawStatus.TRUE, Flag.OVERFLOW, "the register began again at zero"),
    Fault.UNIT_CHANGED: Rule(
        RawStatus.DISTORTED, Flag.CONFIG_CHANGED, "unit or scaler of the register changed in the interval"
    ),
    Fault.GATEWAY_CLOCK_SET: Rule(
        RawStatus.DISTORTED, Flag.GATEWAY_CLOCK, "the gateway's clock was set in the interval"
    ),
    # Of intervals that never came, came late, or came twice (gatewayd/upkeep.py).
    Fault.INTERVAL_NOT_IN_METER: Rule(
        RawStatus.MISSING, Flag.NOT_SENT, "the meter was asked for the interval and has no row of it"
    ),
    Fault.METER_NOT_READ: Rule(
        RawStatus.MISSING, Flag.NOT_READ, "the meter could not be asked for the interval before its retry window closed"
    ),
    Fault.CONFLICTING: Rule(
        RawStatus.DISTORTED, Flag.CONFLICT, "the archive has another value of the same meter, code and interval"
    ),
    Fault.DOUBLE_ROW: Rule(RawStatus.DISTORTED, Flag.DUPLICATE, "the meter has two rows of one interval"),
    Fault.CAME_LATE: Rule(
        RawStatus.TRUE, Flag.LATE, "the value came after the interval was archived as missing, and takes its place"
    ),
    # What the gateway finds on what it has read (gatewayd/examine.py).
    Fault.CLOCK_DEVIATES: Rule(
        RawStatus.TRUE, Flag.CLOCK_DEVIATION, "the meter's clock was further off than its policy allows"
    ),
    Fault.GATEWAY_CLOCK_UNKNOWN: Rule(
        RawStatus.TRUE,
        Flag.GATEWAY_CLOCK,
        "the gateway's clock was not synchronised when it stamped the value, or found the meter's clock to be off",
    ),
    Fault.REGISTER_BACKWARD: Rule(
        RawStatus.DISTORTED, Flag.BACKWARD, "the total is less than the one before it of the same meter"
    ),
    # Of readings that a person has entered (gatewayd/manual/).
    Fault.BY_HAND: Rule(RawStatus.TRUE, Flag.MANUAL, "a person has read the register, and entered the value by hand"),
}

_NO_VALUES = "there are no values: what was received is kept as it came, and values of exchanges before it stand"
OUTCOMES: dict[Outcome, str] = {
    Outcome.DONE: "the answer came whole and sound: each value has its own status",
    Outcome.CHECK_FAILED: "check character, CRC or parity failed: all values are distorted. Of a pushed DLMS message "
    "whose authentication tag or check sequence fails nothing is decoded: there are no values",
    Outcome.TRUNCATED: "the answer stopped before its end mark: all values of it are distorted",
    Outcome.SILENT: f"the meter did not answer; {_NO_VALUES}",
    Outcome.REFUSED: f"the meter refused the password, the keys or the access; {_NO_VALUES}",
    Outcome.PROTOCOL_ERROR: "the answer is none that the protocol allows, its authentication tag (DLMS) fails, it is "
    f"not ciphered as it has to be, or repeats an old one; {_NO_VALUES}",
    Outcome.LINE_FAILED: f"the line failed; {_NO_VALUES}",
    Outcome.DEADLINE: f"the session took longer than it may; {_NO_VALUES}",
    Outcome.CANCELLED: f"the gateway was stopped, or somebody else had to be asked; {_NO_VALUES}",
}
"""What the end of an exchange means for its values."""


def judge(faults: Collection[Fault]) -> Verdict:
    """Status and flags of a value with these faults; TRUE without flags when there is none."""
    if not faults:
        return SOUND
    rules = [TABLE[fault] for fault in faults]
    flags = NO_FLAGS
    for rule in rules:
        flags |= rule.flag
    return Verdict(RawStatus.worst(rule.status for rule in rules), flags)
