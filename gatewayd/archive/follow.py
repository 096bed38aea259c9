"""Following the archive by sequence number: what the outboxes read, a batch at a time and quickly.

Rules: a connection is open for one query only, so that sealing never waits for a reader. A batch is one step of SQLite,
which makes one JSON text of it: rows fetched one by one would ask for Python's global lock after each row, and wait up
to 5 ms for it every time while another thread computes. Dictionaries (series, ratios, devices) stay for one segment.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.rows import DeviceRow, RatioRow, SeriesRow
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import Archived, Flag, Kind, Point, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

QUERY_SECONDS = 60.0
_STEPS = 10_000

_COLUMNS = (
    "seq, exchange, series, ratio, at, hex(raw), raw_text, scaler, status, flags, more, meter_time, ended_at, device"
)
_NARROW = """
SELECT r.*, e.ended_at, e.device FROM reading AS r JOIN exchange AS e ON e.id = r.exchange
WHERE r.seq > ? AND r.seq <= ? ORDER BY r.seq LIMIT ?
"""
_BATCH = f"SELECT json_group_array(json_array({_COLUMNS})) FROM ({_NARROW})"  # noqa: S608 - our own texts
_BEFORE = """
SELECT coalesce((SELECT last_seq FROM batch WHERE id < first ORDER BY id DESC LIMIT 1), (SELECT last_seq FROM segment))
FROM (SELECT min(id) AS first FROM batch WHERE committed_at >= ?) WHERE first IS NOT NULL
"""


class _Row(msgspec.Struct, array_like=True, gc=False):
    """One row of _BATCH. Not a tuple: the garbage collector would look at a hundred thousand of them each second."""

    seq: int
    exchange: int
    series: int
    ratio: int
    at: int
    raw: str
    raw_text: str
    scaler: int
    status: int
    flags: int
    more: str | None
    meter_time: str | None
    ended_at: int
    device: int


_DECODER = msgspec.json.Decoder(list[_Row])
_MORE = msgspec.json.Decoder(tuple[str, ...])
_STATUS = {int(status): status for status in RawStatus}
_LAST = (1 << 63) - 1
_DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError)
"""What will be the same next time: pages, and a schema or values that our statements do not fit."""
_Series = tuple[str, Obis | None, str, Kind, str, int | None]


@dataclass(slots=True)
class _Dictionaries:
    """What the numbers in the rows of one segment mean. Rows are only ever added to it."""

    segment: int
    series: dict[int, _Series] = field(default_factory=dict)
    ratios: dict[int, Ratio] = field(default_factory=dict)
    devices: dict[int, tuple[str, Point]] = field(default_factory=dict)

    def learn(self, connection: apsw.Connection) -> None:
        """Read what was added since the last time."""

        def new(table: str, known: dict[int, object]) -> apsw.Cursor:
            return connection.execute(f"SELECT * FROM {table} WHERE id > ?", (max(known, default=0),))  # noqa: S608

        for series in rows.typed(new("series", {**self.series}), SeriesRow):
            obis = Obis.parse(series.obis) if series.is_obis else None
            self.series[series.id] = (
                series.meter,
                obis,
                series.obis_raw,
                Kind(series.kind),
                series.unit,
                series.interval_s,
            )
        for ratio in rows.typed(new("ratio", {**self.ratios}), RatioRow):
            self.ratios[ratio.id] = rows.ratio(*ratio[2:7])
        for device in rows.typed(new("device", {**self.devices}), DeviceRow):
            self.devices[device.id] = device.serial, Point(device.eic, device.ean)


class Follower:
    """Reads what comes behind a sequence number. Used by one thread at a time."""

    def __init__(self, folder: Path, limit_seconds: float = QUERY_SECONDS) -> None:
        """ArchiveError when there is no archive."""
        self._folder = folder
        self._limit = limit_seconds
        self._starts: dict[int, int | None] = {}
        self._known = _Dictionaries(0)  # of no segment yet
        self._flags: dict[int, Flag] = {}
        if not segments.segment_numbers(folder):
            raise ArchiveError(f"there is no archive at {folder}; has the gateway ever run?")

    def after(self, seq: int, limit: int, last: int = _LAST) -> list[Archived]:
        """Up to `limit` readings with numbers above `seq`, up to `last`.

        ArchiveDamaged when the first of them cannot be read because its segment is damaged, ArchiveError when nothing
        can be read at present."""
        found: list[Archived] = []
        for number in self._from(seq):
            try:
                found += self._batch(number, seq, last, limit - len(found))
            except ArchiveDamaged:
                if found:  # what comes before the damage is handed out first
                    break
                raise
            if len(found) >= limit:
                break
        return found

    def before(self, instant_us: int) -> int | None:
        """The number behind which everything comes that was archived at or after an instant; None when there is nothing
        yet. ArchiveError."""
        for number in segments.segment_numbers(self._folder):
            value = self._ask(number, _BEFORE, (instant_us,))
            if isinstance(value, int):
                return value
        return None

    def first(self) -> int:
        """The first number that may still be there; 1 where the oldest segment does not tell. ArchiveError."""
        numbers = segments.segment_numbers(self._folder)
        start = self._start(numbers[0]) if numbers else None
        return 1 if start is None else start + 1

    def end(self) -> int:
        """The last sequence number that there is; 0 for none. ArchiveError."""
        number = segments.segment_numbers(self._folder)[-1]
        value = self._ask(number, "SELECT coalesce((SELECT max(seq) FROM reading), last_seq) FROM segment", ())
        return value if isinstance(value, int) else 0

    def lost_until(self, seq: int, head: int) -> int:
        """Where the segment behind `seq` cannot be read at all, the last number that it can have held, `head` for the
        newest; else `seq`. ArchiveError."""
        numbers = self._from(seq)
        for place, number in enumerate(numbers):
            if self._start(number) is None:
                starts = [start for later in numbers[place + 1 :] if (start := self._start(later)) is not None]
                return max(starts[0] if starts else head, seq)
            try:
                if self._batch(number, seq, _LAST, 1):
                    return seq
            except ArchiveDamaged:
                return seq  # only a part of it is damaged
        return seq

    def _from(self, seq: int) -> list[int]:
        """The segments that may hold readings after `seq`."""
        numbers = segments.segment_numbers(self._folder)
        first = 0
        for place, number in enumerate(numbers):
            start = self._start(number)
            if start is not None and start <= seq:
                first = place
        return numbers[first:]

    def _start(self, number: int) -> int | None:
        """The number behind which a segment begins; None when it cannot even tell that. ArchiveError."""
        if number not in self._starts:
            try:
                value = self._ask(number, "SELECT last_seq FROM segment", ())
            except ArchiveDamaged:
                value = None
            self._starts[number] = value if isinstance(value, int) else None
        return self._starts[number]

    def _batch(self, number: int, seq: int, last: int, limit: int) -> list[Archived]:
        if self._known.segment != number:
            self._known = _Dictionaries(number)
        path = segments.segment_path(self._folder, number)
        connection = self._open(path)
        try:
            text = connection.execute(_BATCH, (seq, last, limit)).get
            batch = _DECODER.decode(str(text))
            _check_order([row.seq for row in batch], seq, last)
            try:
                return self._archived(batch)
            except KeyError:  # something new
                self._known.learn(connection)
                return self._archived(batch)
        except apsw.InterruptError as error:
            raise ArchiveError(f"{path}: a query took longer than {self._limit:.0f} s") from error
        except (*_DAMAGE, msgspec.MsgspecError, ValueError, ArithmeticError, LookupError) as error:
            raise ArchiveDamaged(f"{path} cannot be read behind reading {seq}: {error}; see archive verify") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)

    def _archived(self, batch: Sequence[_Row]) -> list[Archived]:
        series, ratios, devices, flags_of = self._known.series, self._known.ratios, self._known.devices, self._flags
        instants: dict[int, datetime] = {}
        found = []
        for row in batch:
            meter, obis, obis_raw, kind, unit, interval_s = series[row.series]
            serial, point = devices[row.device]
            at = instants.get(row.at)
            if at is None:
                at = instants[row.at] = rows.from_us(row.at)
            ended_at = instants.get(row.ended_at)
            if ended_at is None:
                ended_at = instants[row.ended_at] = rows.from_us(row.ended_at)
            flags = flags_of.get(row.flags)
            if flags is None:
                flags = flags_of[row.flags] = Flag(row.flags)
            reading = Reading(
                meter,
                obis,
                obis_raw,
                kind,
                at,
                bytes.fromhex(row.raw),
                row.raw_text,
                unit,
                row.scaler,
                _STATUS[row.status],
                flags,
                _MORE.decode(row.more) if row.more is not None else (),
                interval_s,
                row.meter_time or "",
            )
            found.append(
                Archived(row.seq, reading, ended_at, serial, row.ratio, ratios[row.ratio], row.exchange, point)
            )
        return found

    def _ask(self, number: int, sql: str, values: tuple[int, ...]) -> object:
        """One value. ArchiveDamaged, ArchiveError."""
        path = segments.segment_path(self._folder, number)
        connection = self._open(path)
        try:
            return connection.execute(sql, values).get
        except _DAMAGE as error:
            raise ArchiveDamaged(f"{path} is damaged: {error}; see gatewayd archive verify") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)

    def _open(self, path: Path) -> apsw.Connection:
        until = time.monotonic() + self._limit
        connection = segments.open_for_reading(path)
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        return connection


def _check_order(numbers: list[int], after: int, last: int) -> None:
    """ValueError unless the numbers ascend and lie behind `after`, up to `last`: a damaged one may be anything."""
    if not numbers or (numbers == list(range(after + 1, after + len(numbers) + 1)) and numbers[-1] <= last):
        return  # nearly always
    if numbers[0] <= after or numbers[-1] > last or any(a >= b for a, b in pairwise(numbers)):
        raise ValueError("numbers out of order")
