"""The AT dialogue of one call as a table of states: set-up (at_set_up.py), pipe, hang-up (at_hang_up.py).

    IDLE -> WAKE -> STEP... -> SIM (-> PIN) -> REGISTRATION (<-> _WAIT) -> SIGNAL -> STEP (bearer) -> DIAL -> ONLINE
    ONLINE, DIAL -> DROP (DTR) -> ABORT | QUIET -> ESCAPE (+++) -> HOOK (ATH) -> OVER; a stuck modem: WAKE -> QUIET

Rules: no I/O and no clock; `start`, `feed`, `expired`, `hang_up` and `carrier_gone` take the present time in seconds
and return what to do, in order (at_dialogue.py). Nothing is raised, whatever arrives: a failure is the action Failed.
How the bytes are cut never changes what comes out. What a line means is said in at_results.py. Sources: ITU-T V.250 5.7
and 6.2, 3GPP 27.007.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from gatewayd.channel.at_dialogue import (
    Action,
    Actions,
    Connected,
    Dialled,
    Failed,
    HungUp,
    Lost,
    Rang,
    Ready,
    Received,
    Send,
    SetDtr,
    SetTimer,
    State,
)
from gatewayd.channel.at_results import UNPRINTABLE, Event, Result, classify
from gatewayd.channel.at_set_up import LATE, SetUp

__all__ = [
    "LINE_LIMIT",
    "TABLE",
    "Action",
    "Actions",
    "AtDialogue",
    "Connected",
    "Dialled",
    "Event",
    "Failed",
    "HungUp",
    "Lost",
    "Rang",
    "Ready",
    "Received",
    "Result",
    "Send",
    "SetDtr",
    "SetTimer",
    "State",
    "classify",
]

LINE_LIMIT = 1024
"""Longest run of bytes without a line end; more is noise."""
_LINE_END = re.compile(rb"[\r\n]")
_TAIL = 32
_LOST_IN_WORDS = re.compile(rb"[\r\n]NO CARRIER[\r\n]+\Z")
_LOST_IN_NUMBERS = re.compile(rb"[\r\n]3\r\Z")


class AtDialogue(SetUp):
    """One set-up, call and hang-up. `number` None: status only, ends with Ready."""

    def start(self, now: float, deadline: float) -> Actions:
        """Begin. The set-up has until `deadline`; the hang-up has times of its own."""
        self._deadline = deadline
        return self._wake(now)

    def feed(self, data: bytes, now: float) -> Actions:
        """Bytes came."""
        actions: list[Action] = []
        self._buffer += data
        while self._buffer:
            if self.state is State.ONLINE:
                actions += self._pipe(now)
                break
            end = _LINE_END.search(self._buffer, 0, LINE_LIMIT + 1)
            if end is None:
                if len(self._buffer) <= LINE_LIMIT:
                    break
                del self._buffer[: LINE_LIMIT + 1]
                actions += self._step_table(Result(Event.FLOOD), now)
                continue
            line, terminator = bytes(self._buffer[: end.start()]), end[0]
            del self._buffer[: end.end()]
            if self.state is State.ESCAPE:
                line = line.removeprefix(b"+++")  # its echo has no line end
            if not line.strip(UNPRINTABLE):
                continue
            result = classify(line, self._options.network, numbers=self._numbers)
            # In words a line feed after it belongs to the result code, in numbers there is none (V.250 5.7.1).
            self._drop_line_feed = terminator == b"\r" and not result.numeric
            actions += self._step_table(result, now)
        return tuple(actions)

    def expired(self, now: float) -> Actions:
        """The time of the last SetTimer has come."""
        if self.state in LATE and now >= self._deadline and not self._ending:
            return self._late()
        return self._step_table(Result(Event.TIMER), now)

    def hang_up(self, now: float) -> Actions:
        """End the call, or the attempt at it, from any state."""
        return self._step_table(Result(Event.HANG_UP), now)

    def carrier_gone(self, now: float) -> Actions:
        """The control line DCD went off."""
        return self._step_table(Result(Event.CARRIER_GONE), now)

    def _step_table(self, result: Result, now: float) -> Actions:
        return TABLE[self.state][result.event](self, result, now)

    # -- the call ----------------------------------------------------------------------------------------------------

    def _connect(self, result: Result, _now: float) -> Actions:
        self.state = State.ONLINE
        self._dialling, self._connected = False, True
        self._numbers = result.numeric
        self.status = replace(self.status, connect=result.text)
        self._tail = b"\n"
        return SetTimer(None), Connected()

    def _pipe(self, now: float) -> Actions:
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._drop_line_feed:
            self._drop_line_feed = False
            data = data.removeprefix(b"\n")
        if not data:
            return ()
        self._tail = (self._tail + data)[-_TAIL:]
        # The meter may send these words; only a modem falls silent after them. Bytes are handed on in any case.
        pattern = _LOST_IN_NUMBERS if self._numbers else _LOST_IN_WORDS
        self._suspect = pattern.search(self._tail) is not None
        return Received(data), SetTimer(now + self._options.carrier_guard if self._suspect else None)

    def _guard_passed(self, _result: Result, _now: float) -> Actions:
        return self._lose() if self._suspect else ()

    def _carrier_lost(self, _result: Result, _now: float) -> Actions:
        return self._lose()

    def _lose(self) -> Actions:
        self.state = State.LOST
        return SetTimer(None), Lost()


Move = Callable[[AtDialogue, Result, float], Actions]
_D = AtDialogue
_CALL_RESULTS = (
    Event.NO_CARRIER,
    Event.NO_DIALTONE,
    Event.BUSY,
    Event.NO_ANSWER,
    Event.DELAYED,
    Event.BLACKLISTED,
)
# What belongs to an earlier call, comes late or is not for us changes nothing.
_NOTHING: dict[Event, Move] = dict.fromkeys(Event, _D._ignore)
_SET_UP: dict[Event, Move] = _NOTHING | {
    Event.CONNECT: _D._answered,
    Event.RING: _D._ring,
    Event.INFORMATION: _D._information,
    Event.FLOOD: _D._noise,
    Event.HANG_UP: _D._leave,
}
_ENDING: dict[Event, Move] = _NOTHING | {Event.HANG_UP: _D._leave_later}
TABLE: Mapping[State, Mapping[Event, Move]] = {
    State.IDLE: _NOTHING | {Event.RING: _D._ring_idle, Event.HANG_UP: _D._leave},
    State.WAKE: _SET_UP
    | {Event.OK: _D._awake, Event.ERROR: _D._awake, Event.TIMER: _D._asleep}
    | {Event.FLOOD: _D._ignore, Event.CONNECT: _D._ignore},
    State.STEP: _SET_UP | {Event.OK: _D._continue, Event.ERROR: _D._rejected, Event.TIMER: _D._unanswered},
    State.SIM: _SET_UP | {Event.OK: _D._sim_answered, Event.ERROR: _D._sim_failed, Event.TIMER: _D._sim_unanswered},
    State.SIM_WAIT: _SET_UP | {Event.TIMER: _D._continue, Event.RING: _D._ring_waiting},
    State.PIN: _SET_UP | {Event.OK: _D._pin_accepted, Event.ERROR: _D._pin_refused, Event.TIMER: _D._pin_unanswered},
    State.REGISTRATION: _SET_UP
    | {Event.OK: _D._registration_answered, Event.ERROR: _D._registration_failed}
    | {Event.TIMER: _D._registration_unanswered},
    State.REGISTRATION_WAIT: _SET_UP | {Event.TIMER: _D._continue, Event.RING: _D._ring_waiting},
    State.SIGNAL: _SET_UP | {Event.OK: _D._continue, Event.ERROR: _D._continue, Event.TIMER: _D._signal_unanswered},
    State.REFUSE: _SET_UP
    | {Event.OK: _D._continue, Event.ERROR: _D._continue, Event.NO_CARRIER: _D._continue, Event.TIMER: _D._continue},
    State.DIAL: _SET_UP
    | dict.fromkeys((*_CALL_RESULTS, Event.ERROR), _D._dial_failed)
    | {Event.CONNECT: _D._connect, Event.RING: _D._ring_dialling},
    State.READY: _NOTHING | {Event.RING: _D._ring_idle, Event.HANG_UP: _D._leave, Event.INFORMATION: _D._information},
    State.FAILED: _NOTHING | {Event.HANG_UP: _D._leave},
    State.ONLINE: _NOTHING
    | {Event.TIMER: _D._guard_passed, Event.CARRIER_GONE: _D._carrier_lost, Event.HANG_UP: _D._leave},
    State.LOST: _NOTHING | {Event.HANG_UP: _D._leave},
    State.DROP: _ENDING
    | dict.fromkeys((*_CALL_RESULTS, Event.OK, Event.ERROR), _D._dropped)
    | {Event.TIMER: _D._drop_unanswered, Event.CARRIER_GONE: _D._dropped, Event.CONNECT: _D._drop_late_connect},
    State.ABORT: _ENDING
    | dict.fromkeys((*_CALL_RESULTS, Event.OK, Event.ERROR), _D._escaped)
    | {Event.TIMER: _D._abort_unanswered, Event.CONNECT: _D._late_connect},
    State.QUIET: _ENDING | {Event.TIMER: _D._guard_kept, Event.NO_CARRIER: _D._escaped},
    State.ESCAPE: _ENDING
    | {Event.OK: _D._escaped, Event.NO_CARRIER: _D._escaped, Event.ERROR: _D._escaped}
    | {Event.TIMER: _D._escape_unanswered},
    State.HOOK: _ENDING
    | {Event.OK: _D._on_hook, Event.NO_CARRIER: _D._on_hook}
    | {Event.ERROR: _D._hook_failed, Event.TIMER: _D._hook_failed},
    State.OVER: _NOTHING | {Event.HANG_UP: _D._leave_again},
}
"""Every event in every state."""
