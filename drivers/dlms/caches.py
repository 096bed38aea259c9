"""What is remembered of a meter so that it is not asked again: its view, its scalers, what it does not have.

Rules: an entry belongs to one device with one firmware and configuration, seen through one association; of another one
nothing is recalled, and its entry takes the place of the old one, so that nothing piles up. Losing an entry costs one
question.
"""

import hashlib
from typing import Protocol

from gatewayd.driver import Memory

_MARK = 16


class Cache(Protocol):
    """What whoever asks sees of it."""

    async def recall(self, key: str) -> bytes | None:
        """What was remembered under this key of this device. ArchiveError."""

    async def remember(self, key: str, value: bytes) -> None:
        """Returns when it is on the disk. ArchiveError."""


class DeviceCache:
    """Entries in `memory` that belong to `owner`: any text that says which device, firmware and association it is."""

    def __init__(self, memory: Memory, owner: str) -> None:
        self._memory = memory
        self._mark = hashlib.sha256(f"gatewayd dlms cache 1 {owner}".encode()).digest()[:_MARK]

    async def recall(self, key: str) -> bytes | None:
        stored = await self._memory.recall(_entry(key))
        if stored is None or stored[:_MARK] != self._mark:
            return None
        return stored[_MARK:]

    async def remember(self, key: str, value: bytes) -> None:
        await self._memory.remember(_entry(key), self._mark + value)


def _entry(key: str) -> str:
    return f"cache/{key}"
