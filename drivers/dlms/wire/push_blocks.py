"""General block transfer, unconfirmed: the blocks of a pushed message put together (IEC 62056-5-3).

Rules: nothing is acknowledged, as a meter that pushes does not wait for it. Blocks are numbered from 1, each once and
in order; a repeated block is passed over when it is the same octet for octet. Anything else spoils the message, and so
does more than 1 MiB in all. What the blocks carry is ciphered as a whole, and nothing of it is proved here.
"""

from drivers.dlms.wire.block_transfer import TRANSFER_LIMIT
from drivers.dlms.wire.general_block_transfer import Block, parse_block
from drivers.dlms.wire.push_event import Damage, Event, Pushed, Spoilt
from gatewayd.errors import ProtocolError


class BlockJoiner:
    """Blocks in, messages out."""

    __slots__ = ("_before", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._before: Block | None = None

    @property
    def waiting(self) -> bool:
        return self._before is not None

    def feed(self, apdu: bytes) -> tuple[Event, ...]:
        """What one APDU with a block completes or spoils."""
        try:
            block = parse_block(apdu)
        except ProtocolError as error:
            return (*self.finish(), Spoilt(Damage.FORM, f"sends a block that is none ({error})", apdu))
        if block == self._before:
            return ()
        spoilt: tuple[Event, ...] = ()
        before = self._before.number if self._before is not None else 0
        if block.number != before + 1:
            reason = f"sends block {block.number} of a message " + (f"behind block {before}" if before else "first")
            spoilt = (Spoilt(Damage.CUT, reason, b"".join(self._parts) + apdu),)
            self._forget()
            if block.number != 1:
                return spoilt
        self._parts.append(block.content)
        self._size += len(block.content)
        self._before = block
        if self._size > TRANSFER_LIMIT:
            return (*spoilt, *self._given_up(Damage.FORM, f"sends more than {TRANSFER_LIMIT} octets in blocks"))
        if not block.last:
            return spoilt
        whole = b"".join(self._parts)
        self._forget()
        return (*spoilt, Pushed(whole) if whole else Spoilt(Damage.FORM, "sends blocks with nothing in them", apdu))

    def finish(self) -> tuple[Event, ...]:
        """No more blocks come."""
        return self._given_up(Damage.CUT, "sends a message in blocks whose rest did not come")

    def _given_up(self, damage: Damage, reason: str) -> tuple[Event, ...]:
        if self._before is None:
            return ()
        raw = b"".join(self._parts)
        self._forget()
        return (Spoilt(damage, reason, raw),)

    def _forget(self) -> None:
        self._parts.clear()
        self._size = 0
        self._before = None
