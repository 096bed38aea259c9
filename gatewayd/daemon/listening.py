"""Lines on which meters push, and the workers that hear them, from their configuration.

Rules: nothing is opened here. A worker's port waits for its meters as long as the gateway runs; that of a command takes
one of them, waits as long as is configured, and goes with it.
"""

import random
from collections.abc import Sequence

from gatewayd.acquire import Acquisition
from gatewayd.channel import Channel, Framing
from gatewayd.channel.listening import Port, TcpPort
from gatewayd.channel.tracing import Tap
from gatewayd.channel.udp import UdpPort
from gatewayd.config import ListeningLine, TcpListenLine, UdpListenLine
from gatewayd.daemon.trace import traced
from gatewayd.driver import Clock
from gatewayd.listener import ListenWorker, Pushing
from gatewayd.station import Line, OnCall, Station


def build_listening_line(settings: ListeningLine) -> Line:
    """For a command: each opening waits for the meter to call, and leaves nothing behind."""
    patience = float(settings.connect_timeout_s)

    async def wait(station: Station, _on_call: OnCall) -> Channel:
        port = _port(settings, single=True)
        try:
            return await port.next(station.peer, patience)
        except BaseException:
            await port.close()
            raise

    return Line(settings.id, wait)


def build_port_worker(
    settings: ListeningLine, meters: Sequence[Pushing], acquisition: Acquisition, clock: Clock, tap: Tap | None
) -> ListenWorker:
    """Hears the meters that call at a port."""
    port = _port(settings, single=False)

    async def wait(station: Station, _on_call: OnCall) -> Channel:
        return await port.next(station.peer)

    line = Line(settings.id, wait)
    jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
    return ListenWorker(line if tap is None else traced(line, tap), meters, acquisition, clock, jitter, port)


def build_line_worker(line: Line, meter: Pushing, acquisition: Acquisition, clock: Clock) -> ListenWorker:
    """Hears the one meter of a line that we open ourselves."""
    jitter = random.Random()  # noqa: S311 - as above
    return ListenWorker(line, (meter,), acquisition, clock, jitter)


def _port(settings: ListeningLine, *, single: bool) -> Port:
    match settings:
        case TcpListenLine():
            return TcpPort(
                settings.id,
                settings.bind,
                settings.port,
                framing=Framing(settings.framing) if settings.framing else None,
                idle=float(settings.idle_s),
                single=single,
            )
        case UdpListenLine():
            return UdpPort(settings.id, settings.bind, settings.port, single=single)
