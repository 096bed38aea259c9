"""The ear of a battery-powered meter, which sleeps until it has heard the wake-up message (IEC 62056-21 annex B).

Rules: NUL characters are counted, however they are cut into pieces: at least 2.0 s worth of them without a break, then
a pause of 1.4 s to 1.8 s; anything else does not wake it. Each character takes its line time at the start rate, also
where a pipe hands over many at once. The instants come from the caller.
"""

from __future__ import annotations

import math

from simulators.line import character_seconds

WAKE_UP_S = 2.0
PAUSE_S = (1.4, 1.8)
UNBROKEN_S = 0.25


class Sleeper:
    """Lets bytes pass when the meter is awake."""

    def __init__(self, baud: int) -> None:
        self._character_s = character_seconds(baud)
        self._needed = math.ceil(round(WAKE_UP_S / self._character_s, 6))
        self._awake = False
        self._nuls = 0
        self._until = -math.inf

    def sleep(self) -> None:
        """Nothing is heard any more until the next wake-up message."""
        self._awake = False
        self._nuls = 0

    def feed(self, data: bytes, at: float) -> bytes:
        """What an awake meter hears of these bytes, whose first one arrived at `at` (monotonic seconds)."""
        for number, byte in enumerate(data):
            if self._awake:
                return data[number:]
            began = max(at, self._until)
            pause = began - self._until
            if byte & 0x7F == 0:
                self._nuls = self._nuls + 1 if pause <= UNBROKEN_S else 1
            elif self._nuls >= self._needed and PAUSE_S[0] <= pause <= PAUSE_S[1]:
                self._awake = True
                return data[number:]
            else:
                self._nuls = 0
            self._until = began + self._character_s
        return b""
