"""The password of programming mode and what the meter says to it: IEC 62056-21:2002 6.3.5, P1 and P2.

Rules: a password is sent once in a session. After NAK, silence or garbage nobody knows whether it was garbled or
counted as a wrong one, and meters lock: that is PasswordUnclear. Nothing of it is in an error.
"""

from drivers.iec62056_21.wire.dialogue import Dialogue
from drivers.iec62056_21.wire.framing import STX
from drivers.iec62056_21.wire.message import Mark, Message
from drivers.iec62056_21.wire.outgoing import Login, Outgoing
from drivers.iec62056_21.wire.profile import error_text
from drivers.iec62056_21.wire.session import Action, Send
from gatewayd.errors import GatewayError, MeterRefused, PasswordUnclear

_QUIET = 0.3
"""A NAK to a password is one only when nothing comes behind it: our echo, garbled, may hold one."""
_AGAIN = "it is not sent again by itself"
_COUNTED = "the meter may have counted it as a wrong one"


class Password:
    """One password, sent once."""

    def __init__(self, talk: Dialogue, outgoing: Outgoing) -> None:
        self._talk = talk
        self._outgoing = outgoing
        self._nak = False  # the meter said NAK, if nothing follows

    def send(self, login: Login, now: float) -> tuple[Action, ...]:
        """Send it."""
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
                raise MeterRefused(f"refused the password and ended the session; {_AGAIN}")
            return
        if self._talk.own(message):
            return
        # Where ACK is due, a sound text is the meter's error (annex C), if it is not our own message garbled.
        if message.sound and message.last and STX not in message.data:
            text = error_text(message.data) or "a text of its own"  # not shown: it may hold what was sent
            raise MeterRefused(f"refused the password with {text}; {_AGAIN}")
        raise PasswordUnclear(f"answered the password with something that is no answer to one; {_COUNTED}")

    def missing(self) -> PasswordUnclear:
        """Silence, as long as may be waited for."""
        if self._nak and not self._talk.garbage:
            return PasswordUnclear(f"answers NAK to the password: it is wrong, or was garbled on its way; {_COUNTED}")
        what = "answered the password garbled" if self._talk.garbage else "did not answer the password"
        return PasswordUnclear(f"{what}; {_COUNTED}")


def unclear(error: GatewayError) -> PasswordUnclear:
    """The error for a session that broke off behind the password. Its echo may be in the bytes of the first error:
    they are left out, the exchange has them masked."""
    return PasswordUnclear(f"{error}; the password had been sent, and {_COUNTED}")
