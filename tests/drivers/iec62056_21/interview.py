"""A programming session and a meter on a simulated line: what tests of programming mode share.

Rules: messages are put together here, from the standard (IEC 62056-21:2002 6.3.4 to 6.3.6, annex A), and not by the
package. A meter answers each message from a list, one entry after the other; the last entry is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from drivers.iec62056_21.wire.framing import Identification
from drivers.iec62056_21.wire.outgoing import Login
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.session import Action, Event, Send, SessionSettings
from tests.drivers.iec62056_21.conversation import IDENTIFICATION, SIGN_ON, Conversation, Hears, Said, in_pieces

ACK, NAK = b"\x06", b"\x15"
OPTION_P = b"\x06051\r\n"
BREAK = bytes.fromhex("01 42 30 03 71")
P0 = bytes.fromhex("01 50 30 02 28 30 30 30 30 30 30 30 30 29 03 60")
PASSWORD = "(00000000)"
P1 = bytes.fromhex("01 50 31 02 28 30 30 30 30 30 30 30 30 29 03 61")
ERROR = bytes.fromhex("02 28 45 52 52 4F 52 29 03 5A")
"""STX (ERROR) ETX BCC: 28 ^ 45 ^ 52 ^ 52 ^ 4F ^ 52 ^ 29 ^ 03 = 5A."""


def checked(body: bytes) -> bytes:
    """The body and its check character."""
    return body + bytes([reduce(xor, body) & 0x7F])


def command(name: str, data: str | None = None) -> bytes:
    """SOH C D [STX data] ETX BCC."""
    return b"\x01" + checked(name.encode() + (b"" if data is None else b"\x02" + data.encode()) + b"\x03")


def reply(data: bytes, last: bool = True) -> bytes:
    """STX data ETX BCC, or EOT for a partial block."""
    return b"\x02" + checked(data + (b"\x03" if last else b"\x04"))


def spoilt(message: bytes) -> bytes:
    """The same with a wrong check character."""
    return message[:-1] + bytes([message[-1] ^ 0x40])


ENTER: dict[bytes, Sequence[bytes]] = {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0], P1: [ACK]}
"""Sign-on, programming mode and the password 00000000."""


def plays(
    table: dict[bytes, Sequence[bytes]],
    *,
    delay: float = 0.3,
    echo: Callable[[bytes], bytes] | None = None,
    cuts: Sequence[int] = (),
) -> Hears:
    """A meter that says the next entry of the list for each message; `echo` is what comes back of ours before."""
    heard: dict[bytes, int] = {}

    def hear(message: bytes, at: float, baud: int) -> Iterable[Said]:
        said: list[Said] = []
        if echo is not None:
            said += [Said(at, echo(message))]
        if table.get(message):
            entries = table[message]
            turn = heard.get(message, 0)
            heard[message] = turn + 1
            said += in_pieces(entries[min(turn, len(entries) - 1)], cuts, at + delay, pause=0.001)
        return [one for one in said if one.data]

    return hear


def knows(_: Identification) -> Login:
    """The password 00000000 by P1."""
    return Login("P1", PASSWORD)


@dataclass
class Interview(Conversation):
    """Commands one after the other; `events` are what the session said."""

    commands: Sequence[tuple[str, str]] = ()
    login: Callable[[Identification], Login] = knows
    writes: frozenset[tuple[str, str]] = frozenset()
    events: list[Event] = field(default_factory=list)

    def hold(self) -> list[Event]:
        """All events, with the session closed at the end, whatever happened; raises what the session raises."""
        asked = iter(self.commands)
        self.programming = ProgrammingSession(self.settings, self.login, self.writes)

        def next_one(event: Event) -> tuple[Action, ...] | None:
            self.events.append(event)
            for name, data in asked:
                return self.programming.command(name, data, self.now)
            return None

        try:
            self.converse(self.programming, next_one)
        finally:
            self.leave()
        return self.events

    @property
    def sent(self) -> list[bytes]:
        """What we sent, in order."""
        return [action.data for _, action in self.log if isinstance(action, Send)]


def interview(
    table: dict[bytes, Sequence[bytes]], *commands: tuple[str, str], **options: object
) -> tuple[Interview, list[Event]]:
    """Hold an interview with a meter that plays this table."""
    meter_options = {name: options.pop(name) for name in ("delay", "echo", "cuts") if name in options}
    login = options.pop("login", knows)
    writes = options.pop("writes", frozenset())
    held = Interview(
        SessionSettings(**options),  # type: ignore[arg-type]  # by keyword
        plays(table, **meter_options),  # type: ignore[arg-type]  # by keyword
        commands=commands,
        login=login,  # type: ignore[arg-type]
        writes=writes,  # type: ignore[arg-type]
    )
    return held, held.hold()
