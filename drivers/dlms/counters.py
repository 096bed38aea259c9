"""Invocation counters: never the same number twice with one key, over restarts, crashes and cut power.

AES-GCM breaks down when one number is used twice with the same key and system title, so numbers are reserved in blocks
on the disk before the first of them is used.

    counter/<key id>   of the gateway: the end of the reserved block, the first number that is certainly unused
    received/<key id>  of the meter: the newest counter that its tag proved. Decimal digits
    received/meters/<key id>  the same for each meter that was behind one address: lines of system title and counter

Rules: every start begins at the end of the reserved block; what was left of it is lost. Numbers only rise. The key id
changes with the block cipher key and with the title, and with nothing else: these two make the vector of GCM. A new key
begins at 1, since some meters take 0 for "not above the last one". Meters with the same block cipher key and the same
client title share the numbers of that key; two gateways must not have the same of both.
What a meter says of its counter is read without security: it can push ours upward only, by no more than a cap.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Mapping

from drivers.dlms.wire.gcm import MAX_COUNTER
from drivers.dlms.wire.keys import Keys
from gatewayd.driver import Memory
from gatewayd.errors import ArchiveDamaged, GatewayError, MeterDiffers

BLOCK = 1000
"""Numbers that are reserved at a time."""
_END = MAX_COUNTER + 1
_FIRST = 1
_ALARM = _END // 100
_DOMAIN = b"gatewayd invocation counter 1"
_METERS = re.compile(rb"(?:[0-9a-f]{16} [0-9]{1,10}\n)+")
_METERS_MOST = 16
"""A meter that was exchanged so many times ago does not come back."""
_NEW_KEY = "the meter needs new keys (key change by its operator), and the new ones have to be configured"


class CounterExhausted(GatewayError):
    """The numbers of a key are used up: nothing can be sent with it any more."""


class CounterUnreserved(GatewayError):
    """More numbers were taken than reserved: a fault of gatewayd, before anything was sent."""


class CounterJump(MeterDiffers):
    """The meter names a counter that is too far above ours to be believed."""


def key_id(keys: Keys, title: bytes) -> str:
    """Under which name the counters of a key and a system title are kept: 32 hexadecimal digits that tell nothing."""
    return hmac.new(keys.block_cipher, _DOMAIN + title, hashlib.sha256).hexdigest()[:32]


class InvocationCounter:
    """The counter of what we send with one key. `ready` before each request, then `take` for each APDU of it."""

    def __init__(self, memory: Memory, key_id: str, block: int = BLOCK) -> None:
        if block < 1:
            raise ValueError(f"a block of {block} numbers")
        self._memory = memory
        self._entry = f"counter/{key_id}"
        self._block = block
        self._next = _FIRST
        self._end = _FIRST  # nothing is reserved: take() gives numbers from _next up to here
        self._loaded = False
        self._known = False
        self._one_at_a_time = asyncio.Lock()
        self.doubted = False
        """Whether a meter was sent a number and said nothing: some do that where the number is too low."""

    @property
    def remaining(self) -> int:
        """Numbers that the key has left."""
        return _END - self._next

    @property
    def alarm(self) -> bool:
        """True when less than one per cent of the numbers remain: the meter needs new keys soon."""
        return self.remaining < _ALARM

    async def known(self) -> bool:
        """Whether this key has been used before, as far as the memory goes. ArchiveError."""
        await self._load()
        return self._known

    async def ready(self, spare: int = 64) -> None:
        """Afterwards `spare` numbers can be taken. CounterExhausted where there are not so many left; ArchiveError
        where they cannot be reserved: then nothing more can be taken than before."""
        await self._load()
        async with self._one_at_a_time:
            while self._end - self._next < spare:
                await self._reserve(spare)

    def take(self) -> int:
        """A number that was never given before. CounterExhausted, CounterUnreserved."""
        if self._next >= self._end:
            if self._next >= _END:
                raise CounterExhausted(f"uses a key whose invocation counter is at its end: {_NEW_KEY}")
            raise CounterUnreserved(
                "would be sent an invocation counter that is not reserved: please report this fault"
            )
        taken = self._next
        self._next = taken + 1
        return taken

    async def raise_to(self, value: int, cap: int) -> int:
        """Continue above `value`, the meter's word on its counter. How many numbers that skips: 0 for a lower value.

        A whole block is left out above `value`: after a loss of our memory, requests that never arrived may have used
        those numbers. CounterJump where `value` is more than `cap` above what we know; CounterExhausted.
        """
        await self._load()
        if value < self._next:
            return 0
        if value - self._next > cap:
            message = (
                f"says that its invocation counter is {value}, more than {cap} above {self._next}, the next of ours"
            )
            remedy = "that is not authenticated: if it is right, raise counter_cap; else look who answers there"
            raise CounterJump(f"{message}; {remedy}")
        before = self._next
        reached = value + self._block
        if reached >= _END:
            raise CounterExhausted(f"says that its invocation counter is {value}, which is at its end: {_NEW_KEY}")
        self._next = reached
        self._end = max(self._end, reached)
        await self.ready(1)
        return self._next - before

    async def _load(self) -> None:
        async with self._one_at_a_time:
            if self._loaded:
                return
            stored = await self._memory.counted(self._entry)
            self._known = stored is not None
            self._next = self._end = max(_FIRST, stored or 0)
            self._loaded = True

    async def _reserve(self, spare: int) -> None:
        stored = await self._memory.counted(self._entry) or 0
        if stored > self._end:  # reserved for another meter, or by us in a write that seemed to fail: not ours to use
            self._next = self._end = stored
        wanted = min(self._next + max(self._block, spare), _END) - self._end
        if self._end + wanted - self._next < spare:
            raise CounterExhausted(f"uses a key whose invocation counter is at its end: {_NEW_KEY}")
        begin = await self._memory.count(self._entry, self._end, wanted)
        if begin > self._end:  # somebody was quicker
            self._next = begin
        self._end = begin + wanted
        self._known = True


class ReceivedCounter:
    """The newest counter that the meter has proved, so that nothing of an earlier session is accepted again."""

    def __init__(self, memory: Memory, key_id: str) -> None:
        self._memory = memory
        self._entry = f"received/{key_id}"

    async def recall(self) -> int:
        """For Opener: -1 where nothing is known. ArchiveError."""
        stored = await _recalled(self._memory, self._entry)
        return -1 if stored is None else stored

    async def remember(self, received: int) -> None:
        """Upward only, so that sessions that end in another order than they began do no harm. ArchiveError."""
        if received > await self.recall():
            await self._memory.remember(self._entry, b"%d" % received)


class ReceivedCounters:
    """The newest counters that meters with this key have proved, by system title: a meter that takes the place of
    another one begins where it is itself, and what the other one said is still not accepted again."""

    def __init__(self, memory: Memory, key_id: str) -> None:
        self._memory = memory
        self._entry = f"received/meters/{key_id}"

    async def recall(self) -> Mapping[bytes, int]:
        """ArchiveError."""
        stored = await self._memory.recall(self._entry)
        if stored is None:
            return {}
        if not _METERS.fullmatch(stored):
            raise _unusable(self._entry)
        pairs = (line.split() for line in stored.splitlines())
        known = {bytes.fromhex(title.decode()): int(counter) for title, counter in pairs}
        if max(known.values()) > MAX_COUNTER:
            raise _unusable(self._entry)
        return known

    async def remember(self, title: bytes, received: int) -> None:
        """Upward only, as ReceivedCounter; the meter that was heard last stands last. ArchiveError."""
        known = dict(await self.recall())
        if received <= known.get(title, -1):
            return
        known.pop(title, None)
        latest = [*known.items(), (title, received)][-_METERS_MOST:]
        lines = "".join(f"{name.hex()} {counter}\n" for name, counter in latest)
        await self._memory.remember(self._entry, lines.encode())


async def _recalled(memory: Memory, entry: str) -> int | None:
    stored = await memory.recall(entry)
    if stored is None:
        return None
    if not (stored.isdigit() and len(stored) <= 10 and int(stored) <= _END):
        raise _unusable(entry)
    return int(stored)


def _unusable(entry: str) -> ArchiveDamaged:
    return ArchiveDamaged(
        f"has no usable memory of its invocation counter ({entry}): restore state.sqlite, or remove that entry "
        "so that the counter is taken from the meter"
    )
