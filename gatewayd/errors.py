"""What can go wrong, sorted by who has to act.

Rules: foreign exceptions (termios, sockets, apsw, paho) are translated into these once, where they appear.
A message names the meter or the line, what happened and the remedy; a ProtocolError carries the bytes that caused it,
because they are evidence and are archived.
"""

from dataclasses import dataclass


class GatewayError(Exception):
    """Any fault that gatewayd knows by name."""


class NotPermitted(GatewayError):
    """This user may not: the file or the device belongs to somebody else. Never raised by itself, only as one of the
    kinds below."""


class ChannelError(GatewayError):
    """The line failed: the port vanished, the peer hung up, the device is in use. The meter is not to blame."""


class DeviceNotPermitted(ChannelError, NotPermitted):
    """This user may not use the device."""


class DeviceInUse(ChannelError):
    """Another process has locked the device."""


class ChannelTimeout(ChannelError):
    """Nothing arrived before the deadline of one wait."""


class ProtocolError(GatewayError):
    """The meter answered something that its protocol does not allow.

    `raw` holds the offending bytes as far as the parser saw them; the whole exchange is archived in any case.
    """

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


class MeterSilent(GatewayError):
    """The line works, the meter did not answer."""


class SessionDeadline(GatewayError):
    """A session was not finished in the time that it may take in all."""


class MeterDiffers(GatewayError):
    """The meter answered soundly, and is not what the configuration says: other serial number, registers that it does
    not have. Asking again would bring the same."""


class MeterRefused(GatewayError):
    """The meter understood and said no (password, access right). Never retried automatically."""


class PasswordUnclear(MeterRefused):
    """The password was sent, and what the meter made of it is not known: it may have counted it as a wrong one. Not
    repeated at once; the second time in a row it is a refusal like any other (gatewayd.refusals)."""


class ArchiveError(GatewayError):
    """The archive cannot take or give data: disk full, read-only, damaged, in use by another process."""


class ArchiveNotPermitted(ArchiveError, NotPermitted):
    """This user may not read or write a file of the archive."""


class ArchiveLocked(ArchiveError):
    """Another process writes the archive. `text` is the message without its remedy; `gateway`: a running gateway has
    it, and not a command that is over in a moment."""

    def __init__(self, text: str, remedy: str = "", gateway: bool = False) -> None:
        super().__init__(f"{text}; {remedy}" if remedy else text)
        self.text = text
        self.gateway = gateway


class ArchiveElsewhere(GatewayError):
    """A gateway runs with this configuration file and writes another archive than the file names."""


class ArchiveDamaged(ArchiveError):
    """What is asked for is there and cannot be read: asking again brings the same."""


class SinkError(GatewayError):
    """A broker or database did not take the readings; they stay in the outbox.

    `retry_after_s` is what the other side asked for, if it did."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a configuration: where it is and what would be right.

    `line` counts from 1; 0 means that the fault belongs to the whole file. `key` is the path of the entry, e.g.
    `meters[0].ratio[1].ct`.
    """

    line: int
    key: str
    message: str

    def text(self, path: str) -> str:
        place = f"{path}:{self.line}" if self.line else path
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(GatewayError):
    """The configuration cannot be used; every finding names file, line, key and what was expected."""

    def __init__(self, path: str, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(finding.text(path) for finding in findings))
        self.path = path
        self.findings = findings
