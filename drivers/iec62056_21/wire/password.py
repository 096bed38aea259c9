"""The password of programming mode and what the meter says to it: IEC 62056-21:2002 6.3.5, P1 and P2.

Rules: a password is sent again only when the meter says NAK, never after silence or garbage: it may have been counted,
and meters lock. Nothing of it is in an error.
"""

import re

from drivers.iec62056_21.wire.dialogue import Dialogue
from drivers.iec62056_21.wire.message import Mark, Message
from drivers.iec62056_21.wire.outgoing import Login, Outgoing
from drivers.iec62056_21.wire.profile import error_text
from drivers.iec62056_21.wire.session import Action, Send, SessionSettings
from gatewayd.errors import MeterRefused, ProtocolError

_QUIET = 0.3
"""A NAK to a password is one only when nothing comes behind it: our echo, garbled, may hold one."""
_PRINTABLE = re.compile(rb"[ -~]")
_COUNTED = "it is not sent again by itself, because the meter may have counted it"


class Password:
    """One password, sent once, and once more where the meter asks for that."""

    def __init__(self, settings: SessionSettings, talk: Dialogue, outgoing: Outgoing) -> None:
        self._settings = settings
        self._talk = talk
        self._outgoing = outgoing
        self._nak = False  # the meter said NAK, if nothing follows

    def send(self, login: Login, now: float) -> tuple[Action, ...]:
        """Send it."""
        self._talk.repeats = 0
        return self._talk.say(Send(self._outgoing.password(login), secret=True), now)

    def nak(self, message: Message, now: float) -> None:
        """A NAK came; wait whether something follows."""
        if self._nak:
            self._talk.pass_over(message)  # one that is followed by another was none
        self._nak = True
        self._talk.quiet(now + _QUIET)

    def answer(self, message: Message) -> None:
        """A message came that is neither ACK nor NAK. Raises MeterRefused or ProtocolError, unless it is our own."""
        if message.mark is Mark.COMMAND:
            if message.command == "B0":
                raise MeterRefused(f"refused the password and ended the session; {_COUNTED}")
            return
        if self._talk.own(message):
            return
        text = error_text(message.data)
        if text is not None and message.sound:
            raise MeterRefused(f"refused the password with {text}; {_COUNTED}")
        raise ProtocolError(f"answered the password with something that is no answer to one; {_COUNTED}")

    def missing(self, now: float) -> tuple[Action, ...]:
        """Silence, as long as may be waited for."""
        if self._nak and not self._talk.garbage:
            self._nak = False
            if self._talk.repeats < self._settings.password_repeats:
                return self._talk.again(now)
            raise MeterRefused(f"answers NAK to the password; {_COUNTED}")
        what = "answered the password garbled" if self._talk.garbage else "did not answer the password"
        raise ProtocolError(f"{what}; {_COUNTED}", self._talk.raw)


def without_password(error: ProtocolError) -> ProtocolError:
    """The error of a session whose last message was the password: its echo may be in the bytes, in pieces."""
    text = str(error)
    return ProtocolError(text if _COUNTED in text else f"{text}; {_COUNTED}", _PRINTABLE.sub(b"*", error.raw))
