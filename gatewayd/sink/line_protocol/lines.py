"""Archived readings as line protocol; what it keeps of a reading and how awkward text is written.

Rules: numbers are plain decimals with the digits that the meter sent, never floats; there are no text fields, because
VictoriaMetrics turns those into 0. Tags are sorted and never empty. A backslash and whatever cannot be printed stand in
tags as %XX of their UTF-8 bytes (and so does a % that could be mistaken for that): a tag that ends in a backslash, or
holds a line feed, cannot be written otherwise. Pure, and fast: it runs a hundred thousand times a second.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gatewayd.model import Archived, Kind, RawStatus, Reading
from gatewayd.obis import Obis

TAG_LIMIT = 255
"""Characters of a tag; the databases' own limits differ, and lie above."""
CACHED = 20_000
"""Series that are remembered; with more of them the memory starts anew."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ORDINARY = re.compile(r"[A-Za-z0-9_.:*&+/()@#-]{1,255}", re.ASCII)
_USUAL = re.compile(r"0*([0-9]+(?:\.[0-9]+)?)")
"""A number as most meters send it, without its leading zeros."""
_LIKE_AN_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}", re.ASCII)


def tag(text: str) -> str:
    """Text as the value of a tag, escaped, and cut to TAG_LIMIT characters as the database sees them."""
    if _ORDINARY.fullmatch(text):
        return text
    parts: list[str] = []
    length = 0
    for place, character in enumerate(text):
        if character == "\\" or not character.isprintable() or _LIKE_AN_ESCAPE.match(text, place):
            shown = written = "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        else:
            shown = character
            written = f"\\{character}" if character in ",= " else character
        length += len(shown)
        if length > TAG_LIMIT:
            break
        parts.append(written)
    return "".join(parts)


def nanoseconds(at: datetime) -> int:
    """Since 1970, exact."""
    return (at - _EPOCH) // _MICROSECOND * 1000


class Lines:
    """Writes the lines of one gateway. To be used by one thread at a time."""

    def __init__(self, measurement: str, gateway: str) -> None:
        self._start = f"{measurement},gateway={tag(gateway)}" if gateway else measurement
        self._series: dict[tuple[str, str, str, str], tuple[Obis | None, str]] = {}
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}

    def text(self, readings: Iterable[Archived]) -> bytes:
        """One line for each, in their order; each with its line feed."""
        missing = RawStatus.MISSING._value_
        series, marks, usual = self._series, self._marks, _USUAL.fullmatch
        for memory in (series, marks):
            if len(memory) > CACHED:
                memory.clear()
        instant, at = _EPOCH, "0"
        lines: list[str] = []
        for archived in readings:
            reading = archived.reading
            # Keys of texts and plain numbers: hashing an Enum or an Obis costs more than all the rest.
            key = (reading.meter, reading.obis_raw, reading.unit, reading.kind._value_)
            known = series.get(key)
            if known is None or (known[0] is not reading.obis and known[0] != reading.obis):
                series[key] = known = (reading.obis, self._prefix(reading))
            if reading.at != instant:  # a readout has one instant
                instant = reading.at
                at = str(nanoseconds(instant))
            facts = (reading.status._value_, reading.flags._value_)
            mark = marks.get(facts)
            if mark is None:
                marks[facts] = mark = (f"status={facts[0]}i,seq=", f"i,flags={facts[1]}i ")
            number = None
            if facts[0] == missing or reading.kind is Kind.EVENT:
                text = ""
            elif not reading.scaler and (match := usual(reading.raw_text)):
                text = match[1]  # what format(reading.value, "f") gives, at a third of the time
            else:
                number = reading.value
                text = "" if number is None else format(number, "f")
            if not text:
                lines.append(f"{known[1]} {mark[0]}{archived.seq}{mark[1]}{at}")
                continue
            factor = archived.ratio.factor
            primary = text if factor == 1 else format((Decimal(text) if number is None else number) * factor, "f")
            lines.append(f"{known[1]} value={text},primary={primary},{mark[0]}{archived.seq}{mark[1]}{at}")
        lines.append("")  # the last line ends as well: pieces are put together
        return "\n".join(lines).encode()

    def _prefix(self, reading: Reading) -> str:
        tags = (("kind", reading.kind.value), ("meter", reading.meter), ("obis", reading.code), ("unit", reading.unit))
        return self._start + "".join(f",{name}={tag(text)}" for name, text in tags if text)
