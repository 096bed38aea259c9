"""Which meter answers: whether it was exchanged for another one.

Rules: pure. A meter is known by the texts by which it names itself; two lists of them mean the same meter when they
have one in common, spellings aside. One that names none says nothing about that. What it was called before is put down
and outlives the process; an exchange is told once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from gatewayd.verdicts import plain_serial

_MOST = 16
"""Names of one meter that are kept: some write their number in several ways."""
TOLD_FOR = timedelta(days=1)
"""How long an exchange stays an alarm where no serial number is configured that could end it."""


class Known(msgspec.Struct, frozen=True):
    """What is known of the meter at a place: `names` as it wrote them, the newest first, and the exchange by which it
    came there, from `old` to `new`, None where none was seen."""

    names: tuple[str, ...] = ()
    exchanged_at: datetime | None = None
    old: str = ""
    new: str = ""


def seen(known: Known, configured: str, named: Sequence[str], now: datetime) -> tuple[Known, bool]:
    """The meter has named itself: what is known now, and whether it is another one than before.

    `configured`: the serial number that the configuration says, "" for none; it counts until one was named.
    """
    names = [name.strip() for name in named if plain_serial(name)]
    if not names:
        return known, False
    before = known.names or ((configured.strip(),) if plain_serial(configured) else ())
    if before and not same(before, names):
        return Known(_once(names), now, before[0], names[0]), True
    return msgspec.structs.replace(known, names=_once((*names, *known.names))), False


def same(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists of names are of one meter."""
    return not set(map(plain_serial, one)).isdisjoint(map(plain_serial, other))


def alarm_text(known: Known, configured: str, now: datetime) -> str:
    """The alarm that stands, "" for none: where a serial number is configured, as long as it is not the one that
    answers; else for a day behind the exchange."""
    if plain_serial(configured):
        wrong = bool(known.names) and not same((configured,), known.names)
        return _alarm(known.names[0], configured) if wrong else ""
    if known.exchanged_at is not None and timedelta() <= now - known.exchanged_at < TOLD_FOR:
        return _alarm(known.new, known.old)
    return ""


def written(known: Known) -> bytes:
    """For the memory."""
    return msgspec.json.encode(known)


def read(stored: bytes | None) -> Known:
    """What was written; what cannot be understood is as if nothing were known."""
    try:
        return Known() if stored is None else msgspec.json.decode(stored, type=Known)
    except msgspec.MsgspecError:
        return Known()


def _alarm(new: str, old: str) -> str:
    return f"another meter answers: serial number {new}, before {old}"


def _once(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(plain_serial(name), name)
    return tuple(found.values())[:_MOST]
