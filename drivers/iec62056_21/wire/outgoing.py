"""What may leave in programming mode: R1 to R6, the password, and writes that the configuration names one by one.

Rules: every command message is made here, and what is not allowed raises PermissionError before there are bytes of it.
Characters that could begin or end a message are never part of one.
"""

from dataclasses import dataclass, field

from drivers.iec62056_21.wire import framing

_READS = frozenset(f"R{number}" for number in range(1, 7))
_PASSWORDS = frozenset({"P1", "P2"})


@dataclass(frozen=True, slots=True)
class Login:
    """How the meter is asked in: the command that carries the password, and its text in brackets; None without one."""

    command: str = "P1"
    data: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`writes` are the only commands besides R1 to R6 that may leave, as pairs of command and address."""

    writes: frozenset[tuple[str, str]] = frozenset()

    def command(self, name: str, data: str) -> bytes:
        """The message for a command; `data` is `address(arguments)`."""
        address = data.partition("(")[0]
        if name not in _READS and (name, address) not in self.writes:
            raise PermissionError(
                f"command {name} may change the meter and is not sent: the option `writes` does not name it "
                "with this address"
            )
        return _framed(name, data)

    def password(self, login: Login) -> bytes:
        """The message that carries the password."""
        if login.command not in _PASSWORDS:
            raise PermissionError(f"command {login.command} carries no password")
        return _framed(login.command, login.data or "")


def _framed(name: str, data: str) -> bytes:
    if not all(" " <= character <= "~" for character in data):
        raise PermissionError(f"command {name} takes printable characters of ASCII and no others")
    return framing.command(name, data.encode("ascii"))
