"""The way of derived values and events of points into their tables: the stages, COPY, and from there what is new.

Rules: as for readings: a batch is one transaction, and storing it again changes nothing. What is neither a value nor an
event, of a gatewayd that knows more, is passed over.
"""

from collections.abc import Sequence

from gatewayd.model import Archived, Kind
from gatewayd.sink.derived_values import values_of
from gatewayd.sink.postgresql.derived_rows import (
    DERIVED_COPY,
    DERIVED_STAGE,
    EVENT_COPY,
    EVENT_STAGE,
    derived_lines,
    event_lines,
    insert_derived,
    insert_events,
)
from gatewayd.sink.postgresql.migrations import migrate
from gatewayd.sink.postgresql.session import Session


class DerivedWriter:
    """Puts derived values into their table. Blocking; used in the thread of its session."""

    def __init__(self, session: Session, gateway: str) -> None:
        self.gateway = gateway
        self._session = session
        self._insert = insert_derived(gateway)
        self._insert_events = insert_events(gateway)

    def prepare(self) -> None:
        """Make what a batch needs. Raises SinkError."""
        migrate(self._session)
        self.make_stage()

    def make_stage(self) -> None:
        """Once for each connection. Raises SinkError."""
        for stage in (DERIVED_STAGE, EVENT_STAGE):
            self._session.query(stage, remedy=self._session.target.grant_temporary)

    def store(self, readings: Sequence[Archived]) -> None:
        """One transaction; returns after its COMMIT. Raises SinkError, BatchRefused."""
        with self._session.transaction():
            self.put(readings)

    def put(self, readings: Sequence[Archived]) -> None:
        """The way into the tables, inside a transaction. Raises SinkError, BatchRefused."""
        values, others = values_of(readings)
        events = [one for one in others if one.reading.kind is Kind.EVENT]
        if values:
            self._session.copy(DERIVED_COPY, derived_lines(values))
            self._session.store(self._insert)
        if events:
            self._session.copy(EVENT_COPY, event_lines(events))
            self._session.store(self._insert_events)
