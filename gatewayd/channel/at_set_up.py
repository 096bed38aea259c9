"""The set-up of a call: wake, init steps, SIM, registration, signal, bearer, dial.

    IDLE -> WAKE -> STEP... -> SIM (-> PIN) -> REGISTRATION (<-> _WAIT) -> SIGNAL -> STEP (bearer) -> DIAL

Rules: it has one deadline; the PIN is sent once, whatever comes of it; an answer that comes late is not taken for that
of the next command. Sources: ITU-T V.250 6.2 and 6.3, 3GPP 27.007 7.2, 8.3, 8.5.
"""

import re
from dataclasses import replace

from gatewayd.channel.at_dialogue import Actions, Dialled, Rang, Ready, Send, SetTimer, State, reason
from gatewayd.channel.at_hang_up import HangUp
from gatewayd.channel.at_results import Event, Result
from gatewayd.channel.modem_options import CallResult, Registration
from gatewayd.dialling import Step

WAKE_ATTEMPTS = 3
_CREG = re.compile(r"\+CREG: *(\d{1,2})(?: *, *(\d{1,2})(?![0-9A-F]))?")
_CSQ = re.compile(r"\+CSQ: *(\d{1,2})\b")
_CPIN = re.compile(r"\+CPIN: *([A-Z -]{1,19}2?)")
LATE = {
    State.WAKE: (CallResult.MODEM, "does not answer AT"),
    State.STEP: (CallResult.MODEM, "does not answer its init steps in time"),
    State.SIM: (CallResult.MODEM, "does not answer AT+CPIN? in time"),
    State.SIM_WAIT: (CallResult.MODEM, "has a SIM that does not become ready"),
    State.PIN: (CallResult.SIM, "does not answer the PIN, which is not sent again"),
    State.REGISTRATION: (CallResult.NOT_REGISTERED, "is not registered in the network"),
    State.REGISTRATION_WAIT: (CallResult.NOT_REGISTERED, "is not registered in the network"),
    State.SIGNAL: (CallResult.MODEM, "does not answer AT+CSQ in time"),
    State.REFUSE: (CallResult.MODEM, "is called all the time"),
    State.DIAL: (CallResult.TIMEOUT, "has no connection in time"),
    State.QUIET: (CallResult.MODEM, "does not answer AT"),
    State.ESCAPE: (CallResult.MODEM, "does not answer AT"),
    State.HOOK: (CallResult.MODEM, "does not answer AT"),
}
_RESULT_OF = {
    Event.NO_CARRIER: CallResult.NO_CARRIER,
    Event.ERROR: CallResult.REFUSED,
    Event.NO_DIALTONE: CallResult.NO_DIALTONE,
    Event.BUSY: CallResult.BUSY,
    Event.NO_ANSWER: CallResult.NO_ANSWER,
    Event.DELAYED: CallResult.DELAYED,
    Event.BLACKLISTED: CallResult.BLACKLISTED,
}
_SIM_BUSY = 14  # 3GPP 27.007 9.2.1
_SIM_READY = ("READY", "SIM PIN2", "SIM PUK2")  # a second PIN is asked for by what no call needs (27.007 8.3)


class SetUp(HangUp):
    """Moves of the states from WAKE to DIAL."""

    def _wake(self, now: float) -> Actions:
        self._attempts, self._owed = 1, 1
        return self._command("AT", State.WAKE, now, self._options.command / 4)

    def _awake(self, _result: Result, now: float) -> Actions:
        self._owed -= 1
        if self._owed > 0:  # the answers to earlier attempts would be taken for answers to the next commands
            return (self._timer(now, self._options.command / 10),)
        return self._next(now)

    def _asleep(self, _result: Result, now: float) -> Actions:
        if self._owed < self._attempts:
            return self._next(now)
        if self._attempts < WAKE_ATTEMPTS:
            self._attempts, self._owed = self._attempts + 1, self._owed + 1
            return self._command("AT", State.WAKE, now, self._options.command / 4)
        if not self._rescued:  # left in a call by a process that was killed
            self._rescued = True
            return self._quiet(now)
        return self._fail(CallResult.MODEM, "does not answer AT")

    def _next(self, now: float) -> Actions:
        """The next thing of the set-up."""
        if now >= self._deadline:
            return self._late()
        if self._ringing:
            self._ringing = False
            return self._command("ATH", State.REFUSE, now, self._options.command)
        if not self._todo:
            self.state = State.READY
            return SetTimer(None), Ready()
        what, command = self._todo.popleft(), self._options.command
        match what:
            case Step():
                self._step = what
                return self._command(what.command, State.STEP, now, command)
            case State.SIM:
                self._sim_said = ""
                return self._command("AT+CPIN?", State.SIM, now, command)
            case State.REGISTRATION:
                self._registration = None
                return self._command("AT+CREG?", State.REGISTRATION, now, command)
            case State.SIGNAL:
                return self._command("AT+CSQ", State.SIGNAL, now, command)
            case _:
                assert self._number is not None
                self._dialling = self._dialled = True
                dial = f"ATD{self._options.dialling.value}"
                rest = self._deadline - now
                shown = dial + self._number.masked
                return Dialled(), *self._command(dial + self._number.digits, State.DIAL, now, rest, shown)

    def _again(self, what: State, now: float, state: State) -> Actions:
        """The same question after a pause."""
        self._todo.appendleft(what)
        self.state = state
        return (self._timer(now, self._options.poll),)

    def _continue(self, _result: Result, now: float) -> Actions:
        return self._next(now)

    def _late(self) -> Actions:
        return self._fail(*LATE[self.state])

    def _noise(self, _result: Result, _now: float) -> Actions:
        return self._fail(CallResult.MODEM, "sends noise")

    def _answered(self, _result: Result, _now: float) -> Actions:
        self._connected = True
        return self._fail(CallResult.MODEM, "connected without having dialled; ATS0=0 keeps it from answering")

    def _rejected(self, result: Result, now: float) -> Actions:
        if self._step.required:
            return self._fail(CallResult.MODEM, f"rejects {self._step.command} ({reason(result)})")
        self._note_rejected()
        return self._next(now)

    def _unanswered(self, _result: Result, now: float) -> Actions:
        if self._step.required:
            return self._fail(CallResult.MODEM, f"does not answer {self._step.command}")
        self._note_rejected()
        return self._wake(now)  # an answer that comes late must not be taken for that of the next command

    def _note_rejected(self) -> None:
        self.status = replace(self.status, rejected=(*self.status.rejected, self._step.command))

    def _ring(self, _result: Result, _now: float) -> Actions:
        """Refused as soon as the command under way is answered."""
        self._ringing = True
        return self._rang(dialling=False)

    def _ring_idle(self, result: Result, now: float) -> Actions:
        return (*self._rang(dialling=False), Send(b"ATH\r", "ATH"))

    def _ring_waiting(self, result: Result, now: float) -> Actions:
        return self._ring(result, now) + self._next(now)

    def _ring_dialling(self, _result: Result, _now: float) -> Actions:
        return self._rang(dialling=True)

    def _rang(self, *, dialling: bool) -> Actions:
        self.status = replace(self.status, rings=self.status.rings + 1)
        return (Rang(dialling),)

    # -- SIM, registration, signal -----------------------------------------------------------------------------------

    def _information(self, result: Result, _now: float) -> Actions:
        if (found := _CPIN.fullmatch(result.text)) is not None:
            self._sim_said = found[1].strip()
        elif (found := _CREG.match(result.text)) is not None:
            # Asked: <n>,<stat>; unsolicited: <stat> and perhaps a location, which is longer than two digits or quoted.
            self._registration = _registration(int(found[2] or found[1]))
            self.status = replace(self.status, registration=self._registration)
        elif (found := _CSQ.match(result.text)) is not None:
            level = int(found[1])
            self.status = replace(self.status, signal=level if level <= 31 else None)
        return ()

    def _sim_answered(self, _result: Result, now: float) -> Actions:
        self.status = replace(self.status, sim=self._sim_said)
        if self._sim_said in _SIM_READY or not self._sim_said:
            return self._next(now)
        if self._sim_said != "SIM PIN":
            return self._fail(CallResult.SIM, f"has a SIM in state {self._sim_said}")
        use, pin = self._sim.use, self._sim.spend()
        if pin is None:
            return self._fail(CallResult.SIM, f"asks for the PIN ({use.value}); it is sent once at most")
        return self._command(f'AT+CPIN="{pin}"', State.PIN, now, 3 * self._options.command, 'AT+CPIN="****"')

    def _sim_failed(self, result: Result, now: float) -> Actions:
        if result.code == _SIM_BUSY or result.text == "SIM BUSY":
            return self._again(State.SIM, now, State.SIM_WAIT)
        if not result.text:  # a disturbed command as well: to ask again costs nothing, and nobody need come for it
            return self._fail(CallResult.MODEM, "answers AT+CPIN? with ERROR; network: pstn is for modems without SIM")
        return self._fail(CallResult.SIM, f"cannot use its SIM ({reason(result)})")

    def _sim_unanswered(self, _result: Result, _now: float) -> Actions:
        return self._fail(CallResult.MODEM, "does not answer AT+CPIN?")

    def _pin_accepted(self, _result: Result, now: float) -> Actions:
        self._sim.judged(accepted=True)
        return self._next(now)

    def _pin_refused(self, result: Result, _now: float) -> Actions:
        self._sim.judged(accepted=False)
        return self._fail(CallResult.SIM, f"refuses the PIN ({reason(result)}), which is not sent again")

    def _pin_unanswered(self, _result: Result, _now: float) -> Actions:
        return self._fail(*LATE[State.PIN])

    def _registration_answered(self, _result: Result, now: float) -> Actions:
        if self._registration is Registration.DENIED:
            return self._fail(CallResult.NOT_REGISTERED, "is denied registration by the network")
        if self._registration is not None and self._registration.usable:
            return self._next(now)
        return self._again(State.REGISTRATION, now, State.REGISTRATION_WAIT)

    def _registration_failed(self, result: Result, now: float) -> Actions:
        if result.code == _SIM_BUSY:
            return self._again(State.REGISTRATION, now, State.REGISTRATION_WAIT)
        return self._fail(CallResult.NOT_REGISTERED, f"does not tell its registration ({reason(result)})")

    def _registration_unanswered(self, _result: Result, _now: float) -> Actions:
        return self._fail(CallResult.MODEM, "does not answer AT+CREG?")

    def _signal_unanswered(self, _result: Result, now: float) -> Actions:
        return self._wake(now)

    def _dial_failed(self, result: Result, _now: float) -> Actions:
        self._dialling = False
        number = self._number.masked if self._number else ""
        return self._fail(_RESULT_OF[result.event], f"dialled {number}: {reason(result)}")


def _registration(number: int) -> Registration:
    return Registration(number) if 0 <= number <= 5 else Registration.OTHER
