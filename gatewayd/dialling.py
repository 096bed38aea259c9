"""What the configuration says and a modem hears: telephone numbers, init steps, bearers, networks, call windows.

Rules: values without I/O and clock; no whole telephone number is in any repr or text of them, only `PhoneNumber.digits`
gives it away. Here and not with the channel, because the configuration is checked with them.
"""

import re
from dataclasses import dataclass
from datetime import time
from enum import Enum

_NUMBER = re.compile(r"\+?[0-9*#]+(?:[,W]+[0-9*#]+)*")
_NUMBER_LIMIT = 40
_COMMAND = re.compile(r"AT[\x20-\x7e]{0,100}", re.IGNORECASE)
_BEARER = re.compile(r"[0-9]{1,3}(?:,[0-9]){0,2}")


@dataclass(frozen=True, slots=True, repr=False)
class PhoneNumber:
    """A number as the modem dials it: digits, `*`, `#`, a leading `+`; `,` is a pause, `W` waits for a second tone.

    ValueError for anything else: `;` would make a voice call, and a line end would begin another command.
    """

    digits: str

    def __post_init__(self) -> None:
        if len(self.digits) > _NUMBER_LIMIT or not _NUMBER.fullmatch(self.digits):
            raise ValueError(
                f"a telephone number has up to {_NUMBER_LIMIT} of 0-9 * #, after an optional +; , (pause) and W (wait "
                "for the tone) may stand inside"
            )

    @property
    def masked(self) -> str:
        """Enough to know it by, e.g. +42060****89: at least four characters are hidden, and not how many."""
        shown = max(0, min(6, len(self.digits) - 6))
        return f"{self.digits[:shown]}****{self.digits[-2:] if len(self.digits) >= 6 else ''}"

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked})"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the set-up. Real modems reject some; what may be rejected is not required."""

    command: str
    required: bool = False

    def __post_init__(self) -> None:
        if not _COMMAND.fullmatch(self.command):
            raise ValueError("an init step is one line of printable ASCII that begins with AT")
        words = self.command.upper().replace(" ", "")
        if words.startswith(("ATD", "ATA", "ATO")) or "+CPIN" in words or "+CLCK" in words or "+CPWD" in words:
            raise ValueError("an init step does not dial, answer, or touch the PIN; gatewayd does that itself, once")


def checked_bearer(text: str) -> str:
    """What follows AT+CBST= (GSM 07.07 6.7), or nothing; ValueError for anything else."""
    if text and not _BEARER.fullmatch(text):
        raise ValueError("a bearer is SPEED[,NAME[,CE]] of AT+CBST, for instance 7,0,1")
    return text


class Network(Enum):
    """Where the modem dials: a SIM, registration and signal exist only in a cellular network."""

    CELLULAR = "cellular"
    PSTN = "pstn"


class Dialling(Enum):
    """What stands after ATD: the modem's own setting, tone, or pulse."""

    DEFAULT = ""
    TONE = "T"
    PULSE = "P"


@dataclass(frozen=True, slots=True)
class Window:
    """When calls may begin: from one wall clock reading of legal time until before another, past midnight where the
    second is not the later one. ValueError when they are the same: that could mean always or never."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError("has no length; leave the key out for the whole day")

    def __contains__(self, clock: time) -> bool:
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
