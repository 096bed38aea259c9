"""One segment, open for writing: records become numbered rows, rows become a batch, a batch one COMMIT.

Rules: numbers are given only by a commit that succeeds; a batch is all there or not at all; after any failure this
object is thrown away and the segment opened anew, which derives everything from what is really on the disk.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from gatewayd.archive import chain, rows, segments
from gatewayd.archive.head import Head
from gatewayd.archive.records import Audit, Bundle, CarriedRatios, Entry, RatioVersion, Receipt, Record
from gatewayd.archive.signing import Checkpoint, Signer, due

_INSERT = {
    "exchange": "INSERT INTO exchange VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "device": "INSERT INTO device VALUES (?, ?, ?, ?, ?, ?)",
    "ratio": "INSERT INTO ratio VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "series": "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "reading": "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "audit": "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
}


@dataclass(slots=True)
class _Numbers:
    """The last number of each table."""

    exchange: int
    device: int
    ratio: int
    series: int
    seq: int
    audit: int


@dataclass(slots=True)
class _Draft:
    """A batch in the making, on copies of the numbers."""

    now_us: int
    numbers: _Numbers
    tables: dict[str, list[chain.Row]] = field(default_factory=lambda: {name: [] for name in chain.TABLES})
    devices: dict[rows.DeviceKey, int] = field(default_factory=dict)
    ratios: dict[rows.RatioKey, int] = field(default_factory=dict)
    series: dict[rows.SeriesKey, int] = field(default_factory=dict)
    new_ratios: list[rows.RatioRow] = field(default_factory=list)


class OpenSegment:
    """The segment that is being written. `head` is its last batch; apsw.Error and OSError pass through."""

    def __init__(self, path: Path, signer: Signer) -> None:
        self.path = path
        self._file, self._journal = str(path), f"{path}-wal"
        self._signer = signer
        self._connection = segments.open_for_writing(path)
        try:
            self._derive()
        except BaseException:
            self._connection.close(True)
            raise

    def _derive(self) -> None:
        """Everything that is known of the segment, from what is on the disk."""
        (row,) = rows.typed(self._connection.execute("SELECT * FROM segment"), rows.SegmentRow)
        self.number, self.gateway, self.opened_at, self.first_seq = row.number, row.gateway, row.opened_at, row.last_seq
        last = rows.typed(self._connection.execute("SELECT * FROM batch ORDER BY id DESC LIMIT 1"), rows.BatchRow)
        if last:
            self._numbers = _Numbers(*last[0][2:8])
            self.head = Head(row.number, last[0].id, last[0].last_seq, last[0].last_exchange, last[0].hash)
        else:
            self._numbers = _Numbers(row.last_exchange, 0, 0, 0, row.last_seq, 0)
            link = chain.segment_hash(row[1:])
            self.head = Head(row.number, row.last_batch, row.last_seq, row.last_exchange, link)
        signed = rows.typed(
            self._connection.execute("SELECT batch, signed_at FROM checkpoint ORDER BY batch DESC LIMIT 1"),
            tuple[int, int],
        )
        self.signed = bool(signed) and signed[0][0] == self.head.batch
        self.signed_at = signed[0][1] if signed else None
        self.sealed = bool(self._connection.execute("SELECT count(*) FROM seal").get)
        self.ratios = rows.typed(self._connection.execute("SELECT * FROM ratio ORDER BY id"), rows.RatioRow)
        self._ratios: dict[rows.RatioKey, int] = {found[1:7]: found[0] for found in self.ratios}
        self._devices: dict[rows.DeviceKey, int] = {
            found[1:]: found[0]
            for found in rows.typed(self._connection.execute("SELECT * FROM device"), rows.DeviceRow)
        }
        self._series: dict[rows.SeriesKey, int] = {
            found[1:]: found[0]
            for found in rows.typed(self._connection.execute("SELECT * FROM series"), rows.SeriesRow)
        }

    def hash_of(self, batch: int) -> bytes | None:
        """The hash of one of its batches; None when it is not there."""
        found = rows.typed(self._connection.execute("SELECT * FROM batch WHERE id = ?", (batch,)), rows.BatchRow)
        return found[0].hash if found else None

    @property
    def holds_readings(self) -> bool:
        return self.head.seq > self.first_seq

    def size(self) -> int:
        """Bytes on disk, journal included."""
        return os.stat(self._file).st_size + os.stat(self._journal).st_size  # noqa: PTH116 - for every batch

    def accept(self) -> None:
        """It fits the head: from now on its journal may be folded in."""
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)

    def commit(
        self, records: Sequence[Record], now_us: int, *, sign: bool = False, seal: bool = False
    ) -> list[Receipt]:
        """Write records as one batch, with a checkpoint when `sign` or when one is due; with `seal` nothing follows."""
        sign = sign or seal or due(self.signed_at, now_us)
        draft = _Draft(now_us, _Numbers(*_astuple(self._numbers)))
        receipts = [self._draft(draft, record) for record in records]
        batch = self.head.batch + 1
        tables = [draft.tables[name] for name in chain.TABLES]
        digest = chain.batch_hash(self.number, batch, self.head.hash, now_us, tables)
        numbers = draft.numbers
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for name in chain.TABLES:
            if draft.tables[name]:
                connection.executemany(_INSERT[name], draft.tables[name])
        connection.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (batch, now_us, *_astuple(numbers), digest)
        )
        if sign:
            checkpoint = Checkpoint(self.gateway, self.number, batch, numbers.seq, digest, now_us)
            connection.execute(
                "INSERT INTO checkpoint VALUES (?, ?, ?)", (batch, now_us, self._signer.sign(checkpoint))
            )
        if seal:
            connection.execute(
                "INSERT INTO seal VALUES (1, ?, ?, (SELECT min(at) FROM reading), (SELECT max(at) FROM reading))",
                (batch, now_us),
            )
        connection.execute("COMMIT")
        self._numbers = numbers
        self._devices |= draft.devices
        self._ratios |= draft.ratios
        self._series |= draft.series
        self.ratios += draft.new_ratios
        self.sealed, self.signed = seal, sign
        self.signed_at = now_us if sign else self.signed_at
        self.head = Head(self.number, batch, numbers.seq, numbers.exchange, digest)
        return receipts

    def close(self) -> None:
        """Close without waiting for anything."""
        self._connection.close(True)

    # -- records to rows ----------------------------------------------------------------------------------------------

    def _draft(self, draft: _Draft, record: Record) -> Receipt:
        match record:
            case Entry():
                return self._draft_entry(draft, record)
            case Bundle(entries):
                return Receipt(parts=tuple([self._draft_entry(draft, entry) for entry in entries]))
            case RatioVersion(meter, ratio):
                return Receipt(ratio_ids=(self._ratio_id(draft, rows.ratio_key(meter, ratio)),))
            case CarriedRatios(carried):
                for row in carried:
                    draft.ratios[row[1:7]] = draft.numbers.ratio = row.id
                    draft.new_ratios.append(row)
                    draft.tables["ratio"].append(row)
                return Receipt()
            case Audit():
                draft.numbers.audit += 1
                draft.tables["audit"].append((draft.numbers.audit, *record.row))
                return Receipt()

    def _draft_entry(self, draft: _Draft, entry: Entry) -> Receipt:
        numbers = draft.numbers
        numbers.exchange += 1
        exchange = numbers.exchange
        draft.tables["exchange"].append((exchange, self._device_id(draft, entry.device), *entry.exchange_row))
        first_seq = numbers.seq + 1
        numbers.seq += len(entry.readings)
        ratios = {key: self._ratio_id(draft, key) for key in dict.fromkeys(entry.ratio_keys)}
        ratio_ids = tuple(map(ratios.__getitem__, entry.ratio_keys))
        series = list(map(self._series.get, entry.series_keys))
        if None in series:
            series = [self._series_id(draft, key) for key in entry.series_keys]
        numbered = zip(range(first_seq, numbers.seq + 1), series, ratio_ids, entry.reading_rows, strict=True)
        draft.tables["reading"] += [(seq, exchange, place, ratio, *row) for seq, place, ratio, row in numbered]
        return Receipt(exchange, first_seq, ratio_ids)

    def _device_id(self, draft: _Draft, key: rows.DeviceKey) -> int:
        found = self._devices.get(key) or draft.devices.get(key)
        if found is None:
            draft.numbers.device += 1
            found = draft.devices[key] = draft.numbers.device
            draft.tables["device"].append((found, *key))
        return found

    def _series_id(self, draft: _Draft, key: rows.SeriesKey) -> int:
        found = self._series.get(key) or draft.series.get(key)
        if found is None:
            draft.numbers.series += 1
            found = draft.series[key] = draft.numbers.series
            draft.tables["series"].append((found, *key))
        return found

    def _ratio_id(self, draft: _Draft, key: rows.RatioKey) -> int:
        found = self._ratios.get(key) or draft.ratios.get(key)
        if found is None:
            draft.numbers.ratio += 1
            found = draft.ratios[key] = draft.numbers.ratio
            row = rows.RatioRow(found, *key, draft.now_us)
            draft.new_ratios.append(row)
            draft.tables["ratio"].append(row)
        return found


def _astuple(numbers: _Numbers) -> tuple[int, int, int, int, int, int]:
    return numbers.exchange, numbers.device, numbers.ratio, numbers.series, numbers.seq, numbers.audit
