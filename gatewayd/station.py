"""Who is read and over what: a meter with its driver, and the line on which it is reached."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gatewayd.channel import Channel
from gatewayd.channel.modem_options import CallRecord
from gatewayd.dialling import PhoneNumber
from gatewayd.driver import Driver
from gatewayd.model import Meter
from gatewayd.policy import POLICY, Policy
from gatewayd.refusals import Sim


@dataclass(frozen=True, slots=True)
class Station:
    """A meter with the driver that speaks to it, its number where it is called, and the address or name of the host
    from which it calls, "" where that may be anybody; and how it is acquired."""

    meter: Meter
    driver: Driver
    phone: PhoneNumber | None = None
    peer: str = ""
    policy: Policy = POLICY


OnCall = Callable[[CallRecord], None]
"""Gets the record of every attempt to call, once, after the hang-up."""


@dataclass(frozen=True, slots=True)
class Line:
    """An exclusive communication resource and how to open it for a station. `open` raises ChannelError.

    A line that `calls` costs money while it is open: `open` calls the station's number and tells what that has cost.
    `session_seconds` is the longest session on it, None: that of the acquisition. `free` ends a call that a process
    before this one has left, or that could not be hung up on; ChannelError.
    """

    id: str
    open: Callable[[Station, OnCall], Awaitable[Channel]]
    calls: bool = False
    session_seconds: float | None = None
    sim: Sim | None = None
    free: Callable[[], Awaitable[None]] | None = None
