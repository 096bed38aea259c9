"""What of derived values concerns sinks: who gets them, with which sink, and what is handed out again on request.

Rules: as in build.py: nothing is opened here, and libraries that only some sinks need are loaded when such a sink is
built. A sink gets derived values where the configuration has metering points, unless it says `derived: false`.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gatewayd import __version__
from gatewayd.archive.head import read_head
from gatewayd.archive.selection import Chooser
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.derived import derived_folder
from gatewayd.errors import ArchiveError
from gatewayd.sink import Head, Sink
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.postgresql.options import PostgresqlOptions

if TYPE_CHECKING:
    from gatewayd.sink.mqtt.replay import DerivedHistory


def receivers(config: Config) -> tuple[SinkSettings, ...]:
    """The sinks that get derived values."""
    return tuple(sink for sink in config.sinks if sink.derived) if config.points else ()


def build_points_sink(
    config: Config, settings: SinkSettings, head: Head, clock: Callable[[], datetime], *, quiet: bool = False
) -> Sink:
    """The sink of derived values of a configured sink, not yet connected; `head` is the end of the derived archive. A
    `quiet` one stands beside that of a running gateway."""
    gateway = config.gateway.id
    match settings.options:
        case MqttOptions() as options:
            from gatewayd.sink.mqtt.points import PointsSink

            sink = PointsSink(settings.id, options, gateway, head, clock, __version__)
            if quiet:
                sink.beside = f"{sink.beside}-beside"
            return sink
        case LineProtocolOptions() as options:
            from gatewayd.sink.line_protocol.points import LinePointsSink

            return LinePointsSink(settings.id, options, gateway, clock)
        case PostgresqlOptions() as options:
            from gatewayd.sink.postgresql.points import PostgresqlPointsSink

            return PostgresqlPointsSink(settings.id, options, gateway)
        case options:
            raise TypeError(f"sink {settings.id}: no sink takes {type(options).__name__}")


def derived_history(archive: Path) -> "DerivedHistory":
    """The derived archive beside a raw one, for replay requests; it may come into being later."""
    from gatewayd.sink.mqtt.replay import DerivedHistory

    folder = derived_folder(archive)

    def head() -> tuple[int, str | None]:
        found = read_head(folder)
        return (0, None) if found is None else (found.seq, found.hash.hex())

    return DerivedHistory(lambda: chooser(archive), head)


def chooser(archive: Path) -> Chooser:
    """The derived archive beside a raw one. ArchiveError where there is none."""
    folder = derived_folder(archive)
    if not folder.is_dir():
        raise ArchiveError("there are no derived values: the configuration has had no points yet")
    return Chooser(folder)
