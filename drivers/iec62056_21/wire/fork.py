"""One sign-on, and only then the choice: the identification says how the meter is to be read.

    ASKED --identification--> what `choose` makes of it

Rules: those of session.py. For meters whose vendor profile is found by their identification (`vendor: auto`).
"""

from collections.abc import Callable

from drivers.iec62056_21.wire.framing import Identification
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.readout import ReadoutSession
from drivers.iec62056_21.wire.session import Action, SessionSettings, leaving
from drivers.iec62056_21.wire.sign_on import SignOn
from gatewayd.errors import GatewayError

Chosen = ReadoutSession | ProgrammingSession


class Fork:
    """A session that becomes another one. `choose` may raise; its errors end the session."""

    def __init__(self, settings: SessionSettings, choose: Callable[[Identification], Chosen]) -> None:
        self._settings = settings
        self._choose = choose
        self._sign_on = SignOn(settings)
        self._over = True
        self._left = False  # the meter waits for nothing more
        self.chosen: Chosen | None = None
        """What it has become."""

    @property
    def identification(self) -> Identification | None:
        """What the meter has said of itself so far."""
        return self._sign_on.identification

    @property
    def in_telegram(self) -> bool:
        return self.chosen is not None and self.chosen.in_telegram

    @property
    def password_pending(self) -> bool:
        """True from the password on until the meter has answered it."""
        return isinstance(self.chosen, ProgrammingSession) and self.chosen.password_pending

    @property
    def blocks(self) -> int:
        return self.chosen.blocks if self.chosen is not None else 0

    @property
    def asked(self) -> bool:
        return self.chosen is None and not self._over and self._sign_on.asked

    def start(self, now: float) -> tuple[Action, ...]:
        self._over = False
        return self._sign_on.start(now)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        if self.chosen is not None:
            return self.chosen.feed(data, now)
        return () if self._over else self._guarded(lambda: self._signing_on(data, now))

    def expired(self, now: float) -> tuple[Action, ...]:
        if self.chosen is not None:
            return self.chosen.expired(now)
        return () if self._over else self._guarded(lambda: self._sign_on.expired(now))

    def close(self, now: float) -> tuple[Action, ...]:
        """As what it has become; a break when the meter has identified itself and nobody knows how to go on."""
        if self.chosen is not None:
            return self.chosen.close(now)
        left, self._left = self._left or self.identification is None, True
        self._over = True
        return () if left else leaving(self._settings)

    def _signing_on(self, data: bytes, now: float) -> tuple[Action, ...]:
        actions = self._sign_on.feed(data, now)
        identification = self._sign_on.identification
        if not self._sign_on.done or identification is None:
            return actions
        self.chosen = self._choose(identification)
        return self.chosen.resume(self._sign_on, now)

    def _guarded(self, step: Callable[[], tuple[Action, ...]]) -> tuple[Action, ...]:
        try:
            return step()
        except GatewayError:
            self._over = True
            raise
