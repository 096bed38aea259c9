"""What databases keep of a reading of the derived archive: its fields, taken out of the texts that are archived.

Rules: pure. Amounts have exactly the digits that were archived; no float appears. A value that is missing has no
number; the sum of what is there stands beside it, as `partial`. What is no value, such as an event, is told apart by
its kind and layer, so that something new in the archive never stops what is behind it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from gatewayd.metering.record import VALIDATED, layer_of, more_of
from gatewayd.model import Archived, Kind, RawStatus
from gatewayd.sink.division import BatchRefused

_LONGEST = 100_000
"""Digits of an amount: far below what a database refuses by itself, and no text that fills the memory."""


class Facts(NamedTuple):
    """One version of a value. `value` and `partial` are plain digits, "" for none, and never both; `rules` are names;
    `supersedes` is a sequence number, or None."""

    layer: str
    value: str
    partial: str
    validated: bool
    method: str
    inputs: str
    have: int
    want: int
    rules: tuple[str, ...]
    instant: datetime | None
    version: int
    supersedes: int | None
    reason: str


def is_value(archived: Archived) -> bool:
    """Whether it is a value of a layer; everything else is for those who know it."""
    reading = archived.reading
    if reading.kind is Kind.EVENT or reading.obis is None:
        return False
    try:
        layer_of(reading)
    except ValueError:
        return False
    return True


def values_of(batch: Iterable[Archived]) -> tuple[list[Archived], list[Archived]]:
    """The values among these, and the others."""
    values: list[Archived] = []
    others: list[Archived] = []
    for archived in batch:
        (values if is_value(archived) else others).append(archived)
    return values, others


def facts_of(archived: Archived) -> Facts:
    """What there is to say of a value. BatchRefused where it is not written as one."""
    reading = archived.reading
    try:
        more = more_of(reading.more)
        have, _, want = more.coverage.partition("/")
        amount = reading.value
        if len(reading.raw_text) > _LONGEST:
            raise ValueError(f"an amount of {len(reading.raw_text)} characters")
        digits = "" if amount is None else format(amount, "f")
        gone = reading.status is RawStatus.MISSING
        instant = datetime.fromisoformat(more.instant) if more.instant else None
        if instant is not None and instant.tzinfo is None:
            raise ValueError(f"the instant {more.instant} has no offset")
        return Facts(
            reading.obis_raw,
            "" if gone else digits,
            digits if gone else "",
            more.validated == VALIDATED,
            more.method,
            more.inputs,
            int(have),
            int(want),
            tuple(more.rules.split(",")) if more.rules else (),
            None if instant is None else instant.astimezone(UTC),
            int(more.version),
            int(more.supersedes) if more.supersedes else None,
            more.reason,
        )
    except (ValueError, ArithmeticError) as error:
        raise BatchRefused(f"it is not written as a derived value: {error}") from error
