"""The way of readings into the tables: the stage, COPY, and from the stage what is new.

Rules: a batch is one transaction. Storing it again changes nothing.
"""

from collections.abc import Sequence

from gatewayd.model import Archived
from gatewayd.sink.postgresql.migrations import migrate
from gatewayd.sink.postgresql.rows import COPY, STAGE, CopyText, insert, insert_ratios
from gatewayd.sink.postgresql.session import Session


class Writer:
    """Puts readings into the tables. Blocking; used in the thread of its session."""

    def __init__(self, session: Session, gateway: str) -> None:
        self.gateway = gateway
        self._session = session
        self._insert = insert(gateway)
        self._text = CopyText()
        self._ratios: set[int] = set()

    def prepare(self) -> None:
        """Make what a batch needs. Raises SinkError."""
        migrate(self._session)
        self.make_stage()

    def make_stage(self) -> None:
        """Once for each connection. Raises SinkError."""
        self._session.query(STAGE, remedy=self._session.target.grant_temporary)

    def store(self, readings: Sequence[Archived]) -> None:
        """One transaction; returns after its COMMIT. Raises SinkError, BatchRefused."""
        with self._session.transaction():
            self.put(readings)
        self._ratios.update(reading.ratio_id for reading in readings)

    def put(self, readings: Sequence[Archived]) -> None:
        """The way of readings into the table, inside a transaction. Raises SinkError, BatchRefused."""
        new = {reading.ratio_id: reading.ratio for reading in readings if reading.ratio_id not in self._ratios}
        if new:
            self._session.store(insert_ratios(self.gateway, new))
        self._session.copy(COPY, self._text.lines(readings))
        self._session.store(self._insert)
