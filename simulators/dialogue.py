"""A session in programming mode on the line: it waits, answers after the reaction time, and misbehaves as ordered.

Rules: commands are numbered from 1 in a session, the password among them, and so are data blocks, repetitions not
counted; a session ends with a break of either side, after the inactivity time (IEC 62056-21 6.3.5: 60 s to 120 s), or
with the connection.
"""

from __future__ import annotations

import random
import time

from simulators import faults
from simulators.faults import Misbehaviour, SessionFaults
from simulators.journal import Journal
from simulators.port import Port
from simulators.programming import BREAK, NAK, Answer, Programming
from simulators.requests import Break, Command, ProgrammingRequest
from simulators.transport import Disconnected


class Dialogue:
    """The sessions of one meter, one after the other."""

    def __init__(
        self,
        programming: Programming,
        port: Port,
        journal: Journal,
        misbehaviours: SessionFaults,
        *,
        reaction_s: float,
        inactivity_s: float,
        randomness: random.Random,
    ) -> None:
        self._programming = programming
        self._port = port
        self._journal = journal
        self._faults = misbehaviours
        self._reaction_s = reaction_s
        self._inactivity_s = inactivity_s
        self._random = randomness

    def converse(self, body: bytes) -> None:
        """One session over these data lines, at the line's present rate, until it has ended."""
        self._send(self._programming.begin(body))
        commands = 0
        while (request := self._await()) is not None:
            match request:
                case Break():
                    self._journal.note("break")
                    return
                case Command(intact=True):
                    commands += 1
                    answer = self._misbehaved(request, commands)
                case _:
                    answer = self._programming.answer(request)
            if answer is not None:
                self._send(answer)
                if answer.ends:
                    return

    def _await(self) -> ProgrammingRequest | None:
        """The next request; None after the inactivity time."""
        line, inbox = self._port.line, self._port.inbox
        while (request := inbox.take_programming()) is None:
            deadline = max(line.heard_until, line.spoken_until) + self._inactivity_s
            if data := line.receive(deadline):
                inbox.add(data)
            elif time.monotonic() >= deadline:
                self._journal.note("timeout")
                return None
        return request

    def _misbehaved(self, command: Command, number: int) -> Answer | None:
        if self._faults.strikes(Misbehaviour.COMMAND_NAK, number):
            self._journal.note(f"answers NAK to {command.name}")
            return Answer(NAK)
        if self._faults.strikes(Misbehaviour.COMMAND_BREAK, number):
            self._journal.note(f"answers B0 to {command.name}")
            return Answer(BREAK, ends=True)
        answer = self._programming.answer(command)
        if self._faults.strikes(Misbehaviour.COMMAND_SILENCE, number):
            # It was understood, a password was counted: only the answer is missing.
            self._journal.note(f"silent after {command.name}")
            return None
        return answer

    def _send(self, answer: Answer) -> None:
        port, message, number = self._port, answer.message, answer.block
        after = port.line.heard_until + self._reaction_s
        if number and self._faults.strikes(Misbehaviour.BLOCK_NOISE, number):
            port.send_raw(faults.noise(self._random), after)
        if number and self._faults.strikes(Misbehaviour.BLOCK_BAD_BCC, number):
            message = faults.spoiled(message)
        if number and self._faults.strikes(Misbehaviour.BLOCK_TRUNCATE, number):
            message = message[: len(message) // 2]
        if number and self._faults.strikes(Misbehaviour.BLOCK_HANG_UP, number):
            port.send(message[: len(message) // 2], after)
            port.line.transport.hang_up()
            raise Disconnected("hung up in the middle of a block")
        port.send(message, after)
        # Half-duplex: a meter hears nothing while it sends.
        port.inbox.clear()
