"""A scripted modem: it answers AT commands, fails as it is told, and joins a call to another simulator.

Rules: the modem speaks when spoken to, but for RING and what `--unsolicited` asks for; echo and result format follow
ATE and ATV unless the script says otherwise; a call is a connection to `--connect-to`, made when the script says
connect and broken on every way out; `+++` counts only between two guard times. Written from ITU-T V.250 and 3GPP 27.007
alone. What was heard is written to a journal, one line each, so that a test can see what a modem was told.
"""

from __future__ import annotations

import logging
import os
import re
import select
import socket
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from simulators.transport import Disconnected, Transport

NUMBERS = {
    "OK": 0,
    "CONNECT": 1,
    "RING": 2,
    "NO CARRIER": 3,
    "ERROR": 4,
    "NO DIALTONE": 6,
    "BUSY": 7,
    "NO ANSWER": 8,
    "CONNECT 2400": 10,
    "CONNECT 9600": 12,
    "DELAYED": 24,
    "BLACKLISTED": 32,
    "CONNECT 9600/RLP": 49,
}
RESULTS = {
    "connect": "",
    "busy": "BUSY",
    "no-answer": "NO ANSWER",
    "no-carrier": "NO CARRIER",
    "no-dialtone": "NO DIALTONE",
    "delayed": "DELAYED",
    "blacklisted": "BLACKLISTED",
    "error": "ERROR",
    "silence": "",
}
SIM_STATES = ("ready", "pin", "puk", "absent", "busy", "none")
LOSSES = ("words", "silence", "hang-up")
PIN_ATTEMPTS = 3
COMMAND_LIMIT = 256
PEER_S = 5.0

log = logging.getLogger("simulators.modem")


@dataclass(frozen=True, slots=True)
class Script:
    """What the modem does. Lists are worked off one by one; their last item holds. Times in seconds."""

    target: str | None
    results: tuple[str, ...] = ("connect",)
    connect_text: str = "CONNECT 9600"
    delay_s: float = 0.0
    echo: str = "on"
    codes: str = "words"
    fail: tuple[tuple[int, str], ...] = ()
    """(n, result): the n-th command line, counted from 1, is answered with this."""
    mute: tuple[int, ...] = ()
    """Command lines that are not answered at all."""
    sim: str = "ready"
    pin: str = "1234"
    registration: tuple[int, ...] = (1,)
    signal: int = 17
    drop_after: int | None = None
    drop_how: str = "words"
    rings: tuple[int, ...] = ()
    """RING comes before the answer to these command lines; 0 is while dialling."""
    unsolicited: tuple[str, ...] = ()
    """Lines that come before every answer."""
    guard_s: float = 1.0
    stuck: bool = False
    """The modem starts in a call that somebody left."""


class Answered(Exception):
    """The answer to a command line, final result code included."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


@dataclass(slots=True)
class _Session:
    """What a reader's connection has set up."""

    echo: bool = True
    words: bool = True
    line: bytearray = field(default_factory=bytearray)


class Modem:
    """One modem on one transport."""

    def __init__(self, script: Script, transport: Transport, journal: Path | None = None) -> None:
        self._script = script
        self._transport = transport
        self._journal = journal
        self._session = self._fresh()
        self._commands = self._calls = self._asked = 0
        self._sim = script.sim
        self._attempts = PIN_ATTEMPTS
        self._peer: _Peer | None = None
        self._stuck = script.stuck

    def run(self) -> NoReturn:
        """Serve one reader after the other for ever."""
        while True:
            self._transport.connect()
            self._session = self._fresh()
            try:
                if self._stuck:
                    self._stuck = False
                    self._online()
                    self._result("OK")
                self._command_state()
            except Disconnected as gone:
                # DTR goes with the reader: a modem with AT&D2 hangs up.
                self._note(f"reader gone: {gone}")
            finally:
                self.close()

    def close(self) -> None:
        """Break the call, if there is one."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    # -- command state -----------------------------------------------------------------------------------------------

    def _command_state(self) -> NoReturn:
        while True:
            select.select([self._transport], [], [])
            for byte in self._transport.read():
                self._character(bytes([byte]))

    def _character(self, character: bytes) -> None:
        session = self._session
        if session.echo:
            self._write(character)
        if character != b"\r":
            if character != b"\n" and len(session.line) < COMMAND_LIMIT:
                session.line += character
            return
        text = session.line.decode("latin-1")
        session.line.clear()
        if text[:2].upper() != "AT":
            return
        self._commands += 1
        self._note(text)
        try:
            self._before_answer()
            self._obey(text[2:])
        except Answered as answer:
            if self._commands not in self._script.mute:
                self._result(answer.result)

    def _before_answer(self) -> None:
        for line in self._script.unsolicited:
            self._information(line)
        if self._commands in self._script.rings:
            self._result("RING")
        for number, result in self._script.fail:
            if number == self._commands:
                raise Answered(result)

    def _obey(self, command: str) -> NoReturn:
        upper = command.upper()
        match upper[:1]:
            case "D":
                self._dial()
            case "H":
                self.close()
                self._note("on hook")
            case "Z":
                self._session = self._fresh()
            case "E" if self._script.echo != "always":
                self._session.echo = upper == "E1"
            case "V" if self._script.codes != "always-numbers":
                self._session.words = upper == "V1"
            case "+":
                self._extended(upper)
        raise Answered("OK")

    def _extended(self, command: str) -> None:
        match re.split(r"[=?]", command)[0]:
            case "+CPIN":
                self._card(command)
            case "+CREG":
                self._needs_card()
                states = self._script.registration
                state = states[min(self._asked, len(states) - 1)]
                self._asked += 1
                self._information(f"+CREG: 0,{state}")
            case "+CSQ":
                self._needs_card()
                self._information(f"+CSQ: {self._script.signal},99")

    def _needs_card(self) -> None:
        if self._sim == "none":
            raise Answered("ERROR")  # a telephone modem
        if self._sim != "ready":
            raise Answered("+CME ERROR: 11")

    def _card(self, command: str) -> None:
        if self._sim == "none":
            raise Answered("ERROR")
        if self._sim == "absent":
            raise Answered("+CME ERROR: 10")
        if self._sim == "busy":
            self._sim = "ready"
            raise Answered("+CME ERROR: 14")
        if command == "+CPIN?":
            self._information(f"+CPIN: {'READY' if self._sim == 'ready' else f'SIM {self._sim.upper()}'}")
            return
        if self._sim != "pin":
            raise Answered("+CME ERROR: 3")
        if command == f'+CPIN="{self._script.pin}"':
            self._sim, self._attempts = "ready", PIN_ATTEMPTS
            return
        self._attempts -= 1
        self._sim = "pin" if self._attempts else "puk"
        raise Answered("+CME ERROR: 16")

    # -- the call ----------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        results = self._script.results
        kind = results[min(self._calls, len(results) - 1)]
        self._calls += 1
        if 0 in self._script.rings:
            self._result("RING")
        if self._aborted(self._script.delay_s, for_ever=kind == "silence"):
            raise Answered("NO CARRIER")
        if kind.startswith("cme:"):
            raise Answered(f"+CME ERROR: {kind[4:]}")
        if kind != "connect":
            raise Answered(RESULTS[kind])
        try:
            self._peer = _Peer(self._script.target)
        except OSError as error:
            self._note(f"cannot connect: {error}")
            raise Answered("NO CARRIER") from error
        self._note("connected")
        self._result(self._script.connect_text)
        self._online()
        raise Answered("OK")

    def _aborted(self, seconds: float, *, for_ever: bool) -> bool:
        """Whether a character ends the dialling (V.250 5.6.1) before the time is over."""
        if not seconds and not for_ever:
            return False
        if not select.select([self._transport], [], [], None if for_ever else seconds)[0]:
            return False
        self._transport.read()
        self._note("dialling aborted")
        return True

    def _online(self) -> None:
        """Until `+++` between guard times, or until the carrier is lost."""
        given = 0
        escape = _Escape(self._script.guard_s)
        while True:
            ends: list[Transport | _Peer] = [self._transport]
            if self._peer is not None:
                ends.append(self._peer)
            ready = select.select(ends, [], [], escape.due())[0]
            if not ready and escape.complete():
                self._note("escaped")
                return
            if self._transport in ready:
                data = self._transport.read()
                escape.heard(data)
                if self._peer is not None:
                    self._peer.send(data)
            if self._peer is not None and self._peer in ready:
                data = self._peer.read()
                limit = self._script.drop_after
                if limit is not None:
                    data, ends_here = data[: limit - given], len(data) >= limit - given
                else:
                    ends_here = not data
                self._write(data)
                given += len(data)
                if ends_here:
                    self._lose()

    def _lose(self) -> NoReturn:
        self.close()
        self._note("carrier lost")
        if self._script.drop_how == "hang-up":
            self._transport.hang_up()
            raise Disconnected("as the script says")
        raise Answered("NO CARRIER" if self._script.drop_how == "words" else "")

    # -- speaking ----------------------------------------------------------------------------------------------------

    def _fresh(self) -> _Session:
        return _Session(echo=self._script.echo != "off", words=self._script.codes == "words")

    def _information(self, text: str) -> None:
        self._write(f"\r\n{text}\r\n".encode() if self._session.words else f"{text}\r\n".encode())

    def _result(self, text: str) -> None:
        if text:
            number = NUMBERS.get(text)
            short = number is not None and not self._session.words
            self._write(f"{number}\r".encode() if short else f"\r\n{text}\r\n".encode())

    def _write(self, data: bytes) -> None:
        while data:
            select.select([], [self._transport], [], PEER_S)
            written = self._transport.write(data)
            if not written:
                raise Disconnected("the reader takes nothing any more")
            data = data[written:]

    def _note(self, text: str) -> None:
        log.info("%s", text)
        if self._journal is not None:
            with self._journal.open("a", encoding="latin-1") as journal:
                journal.write(f"{text}\n")


class _Escape:
    """`+++` with nothing before it and nothing after it for the guard time (S12)."""

    def __init__(self, guard_s: float) -> None:
        self._guard = guard_s
        self._last = time.monotonic()
        self._pluses = 0

    def heard(self, data: bytes) -> None:
        now = time.monotonic()
        quiet, self._last = now - self._last >= self._guard, now
        begun = 0 if quiet else self._pluses
        self._pluses = begun + len(data) if (quiet or begun) and not data.strip(b"+") else 0

    def due(self) -> float | None:
        """How long to wait before `complete` can become true; None when it cannot."""
        return max(0.0, self._last + self._guard - time.monotonic()) if self._pluses == 3 else None

    def complete(self) -> bool:
        return self._pluses == 3 and time.monotonic() - self._last >= self._guard


class _Peer:
    """The far end: `tcp:HOST:PORT` or `pty:DEVICE`; None is a subscriber who says nothing."""

    def __init__(self, target: str | None) -> None:
        self._socket: socket.socket | None = None
        if target is None:
            self._descriptor, self._far = os.pipe()
            return
        self._far = -1
        kind, _, rest = target.partition(":")
        if kind == "tcp":
            host, _, port = rest.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), timeout=PEER_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._descriptor = self._socket.fileno()
        else:
            self._descriptor = os.open(rest, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> bytes:
        """Empty at the end."""
        try:
            return os.read(self._descriptor, 4096)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        if self._far >= 0:
            return
        try:
            if self._socket is not None:
                self._socket.sendall(data)
            else:
                os.write(self._descriptor, data)
        except OSError as error:
            log.info("the far end takes nothing: %s", error)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            return
        os.close(self._descriptor)
        if self._far >= 0:
            os.close(self._far)
