"""The end of a call: DTR, the pause, `+++`, `ATH`; and how a modem is called back that somebody left in a call.

    ONLINE, DIAL -> DROP (DTR) -> ABORT | QUIET -> ESCAPE (+++) -> HOOK (ATH) -> OVER; a stuck modem: WAKE -> QUIET

Rules: it ends, whatever the modem says or does not say, and tells whether the modem confirmed it. Sources: ITU-T V.250
5.6.1 and 6.3.6; the escape sequence is that of all makers (Hayes).
"""

from gatewayd.channel.at_dialogue import Actions, Dialogue, HungUp, Send, SetDtr, SetTimer, State
from gatewayd.channel.at_results import Result


class HangUp(Dialogue):
    """Moves of the states DROP, ABORT, QUIET, ESCAPE, HOOK, OVER."""

    def _leave(self, _result: Result, now: float) -> Actions:
        """The request to hang up, wherever we are."""
        lost = self.state is State.LOST
        self._ending = True
        self._todo.clear()
        if not self._dialled and not self._connected:
            return self._over(confirmed=True)
        if not lost and (self._connected or self._dialling):
            if self._has_dtr:
                self.state = State.DROP
                return SetDtr(False), self._timer(now, self._options.guard)
            return self._quiet(now) if self._connected else self._abort(now)
        return self._hook(now)

    def _dropped(self, _result: Result, now: float) -> Actions:
        return (SetDtr(True), *self._hook(now))

    def _drop_unanswered(self, _result: Result, now: float) -> Actions:
        # Nobody has sent anything for the guard time by now.
        return (SetDtr(True), *(self._escape(now) if self._connected else self._abort(now)))

    def _drop_late_connect(self, _result: Result, now: float) -> Actions:
        self._connected = True
        return ()

    def _abort(self, now: float) -> Actions:
        """Any character ends the dialling (V.250 5.6.1)."""
        self.state = State.ABORT
        return Send(b"\r", "(abort)"), self._timer(now, self._options.guard)

    def _late_connect(self, _result: Result, now: float) -> Actions:
        self._connected = True
        return self._quiet(now)

    def _abort_unanswered(self, _result: Result, now: float) -> Actions:
        self._connected = True  # perhaps; the guard time has passed
        return self._escape(now)

    def _quiet(self, now: float) -> Actions:
        self.state = State.QUIET
        return (self._timer(now, self._options.guard),)

    def _guard_kept(self, _result: Result, now: float) -> Actions:
        return self._escape(now)

    def _escape(self, now: float) -> Actions:
        self.state = State.ESCAPE
        return Send(b"+++", "+++"), self._timer(now, self._options.guard * 1.5)

    def _escaped(self, _result: Result, now: float) -> Actions:
        return self._hook(now)

    def _escape_unanswered(self, _result: Result, now: float) -> Actions:
        # In command state the +++ is still in the modem's line; the first CR throws it away.
        return self._hook(now, b"\rATH\r")

    def _hook(self, now: float, data: bytes = b"ATH\r") -> Actions:
        self.state = State.HOOK
        self._attempts = 1
        return Send(data, "ATH"), self._timer(now, self._options.command / 2)

    def _on_hook(self, _result: Result, now: float) -> Actions:
        return self._over(confirmed=True) if self._ending else self._wake(now)

    def _hook_failed(self, _result: Result, now: float) -> Actions:
        if self._attempts < 2 and self._ending:
            self._attempts += 1
            return Send(b"ATH\r", "ATH"), self._timer(now, self._options.command / 4)
        return self._over(confirmed=False) if self._ending else self._wake(now)

    def _leave_later(self, _result: Result, now: float) -> Actions:
        """Asked to hang up while hanging up: for good, or to rescue the modem."""
        self._ending = True
        return ()

    def _leave_again(self, _result: Result, _now: float) -> Actions:
        return self._over(confirmed=True)

    def _over(self, *, confirmed: bool) -> Actions:
        self.state = State.OVER
        return SetTimer(None), HungUp(confirmed)
