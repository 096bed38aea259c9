"""How long an HDLC link waits, and how often it asks (IEC 62056-46 6.4.4.5: repetition is the client's business).

Rules: no clock, the time is given. Noise prolongs nothing; a frame that has begun does, up to the time that the longest
one may take. Every count and every time has an end.
"""

from drivers.dlms.wire.hdlc_dialogue import LinkSettings


class Patience:
    """The waits of one link: `until` is when to stop waiting, `paused` says that the meter was not ready."""

    def __init__(self, settings: LinkSettings) -> None:
        self.until = 0.0
        self.paused = False
        self.attempt = 0
        self._settings = settings
        self._frame_until = 0.0
        self._busy_until: float | None = None

    @property
    def exhausted(self) -> bool:
        """True when the present frame may not be sent again."""
        return self.attempt >= self._settings.attempts

    def sent(self, size: int, now: float) -> None:
        """A frame of `size` bytes goes out now."""
        self.attempt += 1
        self._expect(now + self._settings.on_the_wire(size))

    def progress(self, now: float) -> None:
        """A frame came in its turn, and another one is due without a word of ours."""
        self.attempt = 0
        self._busy_until = None
        self._expect(now)

    def began(self, now: float) -> None:
        """The beginning of a frame is there, and its rest is not."""
        if not self.paused:
            self.until = max(self.until, min(now + self._settings.response_timeout, self._frame_until))

    def listen(self, now: float) -> None:
        """More is expected than was asked for: a meter that has nothing to say is not polled for long."""
        self.progress(now)
        self._busy_until = now + self._settings.response_timeout

    def pause(self, now: float) -> bool:
        """The meter is not ready: wait before it is asked again. False when it has not been for too long."""
        if self._busy_until is None:
            self._busy_until = now + self._settings.busy_limit
        self.paused = True
        self.until = now + self._settings.busy_pause
        return now < self._busy_until

    def _expect(self, since: float) -> None:
        self.paused = False
        self.until = since + self._settings.response_timeout
        self._frame_until = self.until + self._settings.frame_time
