"""What is said of readings, and where: the topics and the composer of one archive.

Rules: a connection has a voice of its own; it lends its window to another one, for what is asked for again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gatewayd.model import Archived
from gatewayd.sink.payload import Message
from gatewayd.sink.topics import Topics


class Messages(Protocol):
    """Composer and DerivedComposer."""

    def messages(self, batch: Sequence[Archived], limit: int, replay: str = "") -> Iterator[Message]:
        """Messages of up to `limit` bytes, in the order of each series."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Topics and messages of readings of one archive."""

    topics: Topics
    composer: Messages
