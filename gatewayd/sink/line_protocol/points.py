"""The derived values of metering points to a time-series database: a second connection, with its own outbox.

Rules: as for readings: done when the database has acknowledged the request, in the order of each series. Events of the
derived archive are no values: they are passed over. Whether the newest version takes the place of the one before is the
database's affair: see point_lines.py and docs/sinks.md.
"""

from collections.abc import Sequence

from gatewayd.model import Archived
from gatewayd.sink.derived_values import values_of
from gatewayd.sink.line_protocol.options import overwrites
from gatewayd.sink.line_protocol.point_lines import PointLines
from gatewayd.sink.line_protocol.sink import LineProtocolSink


class LinePointsSink(LineProtocolSink):
    """One database, for what is in the derived archive."""

    watches = False

    def lines(self) -> PointLines:
        """See LineProtocolSink.lines."""
        return PointLines(self.options.measurement, self.gateway, versions=not overwrites(self.options))

    def parted(self, readings: Sequence[Archived]) -> tuple[Sequence[Archived], Sequence[Archived]]:
        """See LineProtocolSink.parted."""
        return values_of(readings)
