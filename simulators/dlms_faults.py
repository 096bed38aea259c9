"""The ways in which a simulated DLMS meter misbehaves, and in which of its answers.

    KIND          every answer, its repetitions too
    KIND:N        the N-th answer of a session, once in the meter's life; a repetition is sound
    KIND:N*       the N-th answer of every session

Rules: answers are counted from 1 in each session (the AARE is the first), 0 is the UA that sets up the link; a session
begins with a connection, in HDLC with each SNRM. A kind whose answer is not of that sort (`endless-blocks` where the
N-th answer is no block) shows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of fault, spelled as on the command line."""

    BAD_FCS = "bad-fcs"
    BAD_HCS = "bad-hcs"
    LOST_FRAME = "lost-frame"
    LOST_SEGMENT = "lost-segment"
    LATE_LAST_SEGMENT = "late-last-segment"
    RNR = "rnr"
    FRMR = "frmr"
    DM = "dm"
    OTHER_STATION = "other-station"
    SILENT = "silent"
    HANG_UP = "hang-up"
    NOISE = "noise"
    WRONG_INVOKE_ID = "wrong-invoke-id"
    WRONG_SERVICE = "wrong-service"
    WRONG_BLOCK_NUMBER = "wrong-block-number"
    ENDLESS_BLOCKS = "endless-blocks"
    EMPTY_BLOCK = "empty-block"
    TRAILING_BYTES = "trailing-bytes"
    TRUNCATED = "truncated"
    DEEP_NESTING = "deep-nesting"
    AARE_WITHOUT_USER_INFORMATION = "aare-without-user-information"
    WRONG_HLS_ANSWER = "wrong-hls-answer"
    TAMPERED_CIPHERTEXT = "tampered-ciphertext"
    TAMPERED_TAG = "tampered-tag"
    REPLAY = "replay"
    PLAINTEXT_REPLY = "plaintext-reply"
    DOWNGRADE = "downgrade"
    WRONG_TITLE = "wrong-title"


OF_HDLC = frozenset(
    {
        Kind.BAD_FCS,
        Kind.BAD_HCS,
        Kind.LOST_SEGMENT,
        Kind.LATE_LAST_SEGMENT,
        Kind.RNR,
        Kind.FRMR,
        Kind.DM,
    }
)
"""They make no sense in a wrapper."""
OF_CIPHERING = frozenset(
    {Kind.TAMPERED_CIPHERTEXT, Kind.TAMPERED_TAG, Kind.REPLAY, Kind.PLAINTEXT_REPLY, Kind.DOWNGRADE}
)
"""They need a meter that ciphers."""
_FROM_THE_LINK_ON = frozenset({Kind.DM, Kind.SILENT})
_TEXT = re.compile(r"(?P<kind>[a-z-]+?)(?::(?P<number>\d{1,6})(?P<always>\*?))?")
_LATE = re.compile(r"late-last-segment:(?P<seconds>\d{1,4}(?:\.\d{1,3})?)(?::(?P<number>\d{1,6})(?P<always>\*?))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. `number` None: every answer. `seconds`: how late, of late-last-segment."""

    kind: Kind
    number: int | None = None
    once: bool = False
    seconds: float = 0.0


def parse(text: str) -> Fault:
    """`KIND`, `KIND:N`, `KIND:N*`, `late-last-segment:SECONDS[:N[*]]`; ValueError says what is wrong with it."""
    late = text.startswith(Kind.LATE_LAST_SEGMENT)
    match = (_LATE if late else _TEXT).fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not {'late-last-segment:SECONDS' if late else 'KIND'}[:N[*]]")
    try:
        kind = Kind.LATE_LAST_SEGMENT if late else Kind(match["kind"])
    except ValueError:
        raise ValueError(f"{match['kind']!r} is none of {', '.join(Kind)}") from None
    number = None if match["number"] is None else int(match["number"])
    return Fault(kind, number, number is not None and not match["always"], float(match["seconds"]) if late else 0.0)


class Faults:
    """Which faults are shown now: asked where each kind would show, and used up there."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = list(faults)
        self._spent: set[Fault] = set()
        self.number = 0

    def begin_session(self) -> None:
        """The link is set up, or a connection was made."""
        self.number = 0
        self._spent.clear()

    def next_answer(self) -> None:
        self.number += 1
        self._spent.clear()

    def shows(self, kind: Kind) -> Fault | None:
        """The fault of this kind, if this answer has it; what has a number is not shown again in a repetition."""
        for fault in self._faults:
            if fault.kind is not kind or fault in self._spent:
                continue
            if fault.number is None and (self.number or kind in _FROM_THE_LINK_ON):
                return fault
            if fault.number == self.number and fault.number is not None:
                self._spent.add(fault)
                if fault.once:
                    self._faults.remove(fault)
                return fault
        return None
