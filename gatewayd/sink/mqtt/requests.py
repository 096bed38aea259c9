"""A consumer's request for what is in an archive: gatewayd.replay/1, understood or refused in words.

Rules: pure. Nothing is believed: a request is bounded in length, read against its schema, and whatever is wrong with it
becomes a reason. Readings are asked for by number; derived values by number, by metering point, layer and code, by the
time at which they end, or by several of these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from aiomqtt import Message

from gatewayd.archive.selection import Selection
from gatewayd.model import Archived
from gatewayd.obis import Obis

_LONGEST_CORRELATION = 64
"""Longer correlation data do not come back."""
_LONGEST = 4096
"""No request is longer."""
_QUOTED = 64

_Number = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Wanted(msgspec.Struct):
    """docs/mqtt/replay-1.schema.json"""

    schema: Literal["gatewayd.replay/1"]
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    first: _Number | None = msgspec.field(default=None, name="from")
    last: _Number | None = msgspec.field(default=None, name="to")
    derived: bool = False
    point: _Text | None = None
    layer: _Text | None = None
    obis: _Text | None = None
    after: _Instant | None = None
    until: _Instant | None = None


_DECODER = msgspec.json.Decoder(_Wanted)


@dataclass(slots=True)
class Request:
    """A request on its way: accepted, or refused with a reason. `id` is None when it could not be read; `wanted`: of
    derived values, what of them. A ledger as well: what the broker refuses is told in the answer, and the rest goes
    on."""

    id: str | None = None
    first: int | None = None
    last: int | None = None
    reason: str | None = None
    count: int = 0
    correlation: bytes | None = None
    refused: int = 0
    wanted: Selection | None = None
    numbers: Sequence[int] = ()
    """Of derived values: which."""
    head: tuple[int, str | None] = (0, None)
    """Of derived values: the end of their archive."""

    def done(self, readings: Sequence[Archived]) -> None:
        self.count += len(readings)

    async def set_aside(self, reading: Archived, reason: str) -> None:
        self.refused += 1
        self.reason = f"{self.refused} readings are refused by the broker, for instance {reading.seq}: {reason}"


def understood(message: Message) -> Request:
    """What a message asks for, as far as that can be said without looking into an archive."""
    correlation = getattr(message.properties, "CorrelationData", None)
    is_short = isinstance(correlation, bytes) and len(correlation) <= _LONGEST_CORRELATION
    request = Request(correlation=correlation if is_short else None)
    payload = message.payload
    if message.retain:
        request.reason = "a retained request is not answered: publish it without the retain flag"
        return request
    try:
        wanted = _DECODER.decode(payload if len(payload) <= _LONGEST else b"")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # no UTF-8, nested without end
        request.reason = f"is no request of schema gatewayd.replay/1: {error}"
        return request
    request.id, request.first, request.last = wanted.id, wanted.first, wanted.last
    request.reason = _fault(wanted)
    if request.reason is None and (wanted.derived or wanted.point is not None):
        request.wanted = _selection(wanted)
    return request


def quoted(text: str) -> str:
    """What a consumer wrote, as it stands in a reason."""
    return f"'{text if len(text) <= _QUOTED else text[: _QUOTED - 1] + '…'}'"


def _fault(wanted: _Wanted) -> str | None:
    """What is wrong with it; None for nothing."""
    of_values = {"layer": wanted.layer, "obis": wanted.obis, "after": wanted.after, "until": wanted.until}
    given = [name for name, value in of_values.items() if value is not None]
    if wanted.first is not None and wanted.last is not None and wanted.last < wanted.first:
        return f"ends at {wanted.last}, before it begins at {wanted.first}"
    if not wanted.derived and wanted.point is None:
        if given:
            return f"{', '.join(given)}: only of derived values; add a point, or derived: true"
        return "says not where to begin: from is missing" if wanted.first is None else None
    if wanted.first is None and wanted.after is None and wanted.point is None:
        return "is not limited: it needs a point, from or after"
    if wanted.after is not None and wanted.until is not None and wanted.until <= wanted.after:
        return f"ends at {wanted.until.isoformat()}, not after it begins at {wanted.after.isoformat()}"
    if wanted.obis is not None:
        try:
            Obis.parse(wanted.obis)
        except ValueError:
            return f"obis {quoted(wanted.obis)} is no OBIS code"
    return None


def _selection(wanted: _Wanted) -> Selection:
    return Selection(
        meter=wanted.point,
        obis_raw=wanted.layer,
        obis=None if wanted.obis is None else str(Obis.parse(wanted.obis)),
        first=wanted.first or 1,
        last=wanted.last or (1 << 63) - 1,
        begin=wanted.after,
        end=wanted.until,
    )
