"""A reading as a person hands it in, and what came of it: what crosses the control socket.

Rules: texts as they were typed or stood in a cell; nothing is understood here.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import msgspec

from gatewayd.errors import GatewayError

LONGEST_TEXT = 200
"""Characters of a note or an author."""


class Method(Enum):
    """How the reading was taken."""

    VISUAL = "visual"
    TERMINAL = "hand-terminal"
    FILE = "file"


class Submission(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reading. The meter is named by its id or by its EIC, the time by an instant or by a day (DD.MM.YYYY); `obis`
    is "" for the register that the meter is settled by. `row`: in the table that it comes from, 0 for none."""

    value: str
    meter: str = ""
    eic: str = ""
    obis: str = ""
    unit: str = ""
    at: datetime | None = None
    day: str = ""
    number: str = ""
    type: str = ""
    request: str = ""
    note: str = ""
    method: Method = Method.VISUAL
    decimals: bool = False
    correct: bool = False
    maximum: int = 0
    """So many times the comparable consumption is an error; 0: as many as always."""
    row: int = 0


class Outcome(Enum):
    """What became of it: SOUND and DOUBTFUL where it was only looked at; HELD where it waits for its release, REJECTED
    where it does so no more."""

    SOUND = "sound"
    DOUBTFUL = "doubtful"
    REFUSED = "refused"
    ARCHIVED = "archived"
    HELD = "held"
    REJECTED = "rejected"


class Found(msgspec.Struct, frozen=True):
    """A finding, in words; `portal`: those of the gas operator's portal, "" where that has none."""

    severity: str
    check: str
    text: str
    portal: str = ""

    @property
    def line(self) -> str:
        return f"{self.severity}: {self.text}"


class Handled(msgspec.Struct, frozen=True):
    """What came of one submission. Everything but `outcome` and `findings` as far as it could be understood; `seq` is
    the reading's place in the archive, `number` that of one that waits or has waited."""

    outcome: Outcome
    findings: tuple[Found, ...] = ()
    row: int = 0
    meter: str = ""
    obis: str = ""
    value: str = ""
    unit: str = ""
    at: datetime | None = None
    type: str = ""
    serial: str = ""
    status: str = ""
    flags: tuple[str, ...] = ()
    seq: int = 0
    number: int = 0


def written(submissions: Sequence[Submission]) -> str:
    """For a request."""
    return msgspec.json.encode(submissions).decode()


def read(text: str) -> list[Submission]:
    """The same back. GatewayError for what it is not."""
    try:
        found = msgspec.json.decode(text, type=list[Submission])
    except msgspec.MsgspecError as error:
        raise GatewayError(f"these are no readings: {error}; is one of the two of another version?") from error
    if any(one.at is not None and one.at.tzinfo is None for one in found):
        raise GatewayError("a time without a zone is no instant")
    return found
