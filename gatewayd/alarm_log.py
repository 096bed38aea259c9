"""Alarms in the log and in the audit log: when one is raised, and when it is over.

Rules: one line and one entry for each, whoever has found it; nobody waits for the disk.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store

CATEGORY, TYPE = "meter", "alarm"

log = logging.getLogger("gatewayd.alarm")


class Turn(Enum):
    """What became of an alarm. The values are stored in the archive."""

    RAISED = "raised"
    OVER = "over"


def tell(store: Store, meter: str, texts: Sequence[str], turn: Turn, at: datetime, line: str = "") -> None:
    """Alarms that were raised, or are over; `line`: where a session has found that."""
    where = f"meter {meter} on line {line}" if line else f"meter {meter}"
    level = logging.WARNING if turn is Turn.RAISED else logging.INFO
    for text in texts:
        log.log(level, "%s: alarm %s: %s", where, turn.value, text)
        store.submit(Audit(at, "gateway", CATEGORY, TYPE, meter, turn.value, text))
