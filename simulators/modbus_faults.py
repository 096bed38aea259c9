"""The ways in which a simulated Modbus device misbehaves, and in which of its answers.

    KIND[=X][@UNIT]          every answer
    KIND[=X][@UNIT]:N        the N-th answer, once
    KIND[=X][@UNIT]:N*       every N-th answer
    KIND[=X][@UNIT]:P%       of so many percent of the answers, by the seed

X is the code of `exception`, and the seconds of `late` and `slow`. With @UNIT the answers of that unit are counted, and
otherwise all of them, from 1, as long as the simulator lives.

Rules: a request that nobody answers (silent) counts as well; several kinds can show in one answer.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of fault, spelled as on the command line."""

    EXCEPTION = "exception"
    """Refused with this code."""
    LATE = "late"
    """So many seconds later. What is asked meanwhile is heard, and answered behind it."""
    SLOW = "slow"
    """In pieces, over so many seconds."""
    SILENT = "silent"
    HANG_UP = "hang-up"
    """In the middle of the answer."""
    OTHER_UNIT = "other-unit"
    OTHER_FUNCTION = "other-function"
    SHORT = "short"
    """A register less than was asked for, in a sound frame."""
    LONG = "long"
    """A register more."""
    WRONG_COUNT = "wrong-count"
    """The octet that counts the others says two more than there are."""
    STALE = "stale"
    """The answer before this one once more, and this one never."""
    TRUNCATED = "truncated"
    NOISE = "noise"
    """Random octets in front."""
    NOISE_BEHIND = "noise-behind"
    GARBAGE = "garbage"
    """As many random octets as the answer would have."""
    ECHO = "echo"
    """The request once more, in front."""
    DUPLICATE = "duplicate"
    BAD_CRC = "bad-crc"
    OTHER_TRANSACTION = "other-transaction"
    """A number that nobody has used yet."""
    OLD_TRANSACTION = "old-transaction"
    """An answer with the number before and other values is in front."""
    WRONG_PROTOCOL = "wrong-protocol"
    WRONG_LENGTH = "wrong-length"


OF_RTU = frozenset({Kind.BAD_CRC, Kind.ECHO})
OF_TCP = frozenset({Kind.OTHER_TRANSACTION, Kind.OLD_TRANSACTION, Kind.WRONG_PROTOCOL, Kind.WRONG_LENGTH})
_WITH_SECONDS = frozenset({Kind.LATE, Kind.SLOW})
_TEXT = re.compile(
    r"(?P<kind>[a-z-]+)(?:=(?P<extent>\d{1,4}(?:\.\d{1,3})?))?(?:@(?P<unit>\d{1,3}))?"
    r"(?::(?P<number>\d{1,7})(?P<how>[*%]?))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `extent`: seconds, or the code. `number` None: every answer; `how`: "" once, "*", "%"."""

    kind: Kind
    extent: float = 0.0
    unit: int | None = None
    number: int | None = None
    how: str = ""


def parse(text: str) -> Fault:
    """ValueError says what is wrong with it."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not KIND[=X][@UNIT][:N[*]|:P%]")
    try:
        kind = Kind(match["kind"])
    except ValueError:
        raise ValueError(f"{match['kind']!r} is none of {', '.join(Kind)}") from None
    extent = float(match["extent"] or 0)
    if kind is Kind.EXCEPTION and not (extent.is_integer() and 1 <= extent <= 255):
        raise ValueError("exception=CODE, 1 to 255")
    if kind in _WITH_SECONDS and not extent:
        raise ValueError(f"{kind}=SECONDS")
    if kind not in _WITH_SECONDS and kind is not Kind.EXCEPTION and match["extent"] is not None:
        raise ValueError(f"{kind} takes no =X")
    number = None if match["number"] is None else int(match["number"])
    if number == 0 or (match["how"] == "%" and number is not None and number > 100):
        raise ValueError(f"{text!r}: answers are counted from 1, and percent go to 100")
    return Fault(kind, extent, None if match["unit"] is None else int(match["unit"]), number, match["how"] or "")


class Faults:
    """What shows in each answer."""

    def __init__(self, faults: Sequence[Fault], randomness: random.Random) -> None:
        self._faults = tuple(faults)
        self._random = randomness
        self._answers: Counter[int | None] = Counter()

    def next(self, unit: int) -> dict[Kind, Fault]:
        """The faults of the next answer, which is one of this unit."""
        self._answers[None] += 1
        self._answers[unit] += 1
        return {fault.kind: fault for fault in self._faults if self._shows(fault, unit)}

    def _shows(self, fault: Fault, unit: int) -> bool:
        if fault.unit not in (None, unit):
            return False
        if fault.number is None:
            return True
        answer = self._answers[fault.unit]
        match fault.how:
            case "%":
                return self._random.randrange(100) < fault.number
            case "*":
                return answer % fault.number == 0
            case _:
                return answer == fault.number
