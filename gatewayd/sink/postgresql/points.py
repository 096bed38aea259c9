"""The derived values of metering points to PostgreSQL: a second connection, with its own outbox.

Rules: as for readings: done after the COMMIT; every version is kept, and the view `derived_newest` shows the newest.
What is told of points goes into `point_event`.
"""

from typing import TYPE_CHECKING

from gatewayd.sink.postgresql.sink import Batches, PostgresqlSink

if TYPE_CHECKING:
    from gatewayd.sink.postgresql.session import Session


class PostgresqlPointsSink(PostgresqlSink):
    """One database, for what is in the derived archive."""

    def writer(self, session: "Session") -> Batches:
        """See PostgresqlSink.writer."""
        from gatewayd.sink.postgresql.derived_writer import DerivedWriter  # needs pg8000

        return DerivedWriter(session, self.gateway)
