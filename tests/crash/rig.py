"""What the tests of a damaged archive share: an archive with a bit of everything, its rows, and hands that tamper.

Rules: rows are read and changed with the sqlite3 of the standard library, so that nothing of the archive's own code is
between a test and the file; the chain is computed from docs/adr/0006-archive-format-1.md and the schema alone.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from gatewayd.archive import segments
from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.archive.verify import Finding, verify
from gatewayd.model import DIRECT, Kind, MeteringType, Point, Ratio, ValueSide
from tests.gatewayd.archive.samples import append, exchange, opened, reading

FULL = os.environ.get("GATEWAYD_TEST_FULL") == "1"
ROOT = Path(__file__).parents[2]
NOBODY = 65534

CHAINED = ("exchange", "device", "ratio", "series", "reading", "audit")
"""The tables of a batch, in the order in which the chain holds them."""
KEYS = {"reading": "seq", "checkpoint": "batch"}

Value = int | str | bytes | None
Row = tuple[Value, ...]
Content = dict[str, list[Row]]


def rounds(short: int, full: int) -> int:
    return full if FULL else short


def run_as_root(*command: str, package: str) -> None:
    """A command that needs root, or a package; a failure says what is missing."""
    assert os.geteuid() == 0, f"this test needs root: sudo ./dev test (it runs {command[0]})"
    found = shutil.which(command[0])
    assert found, f"{command[0]} is missing: apt-get install --yes {package}"
    done = asyncio.run(_run(found, *command[1:]))
    assert done[0] == 0, f"{' '.join(command)}: {done[1]}"


async def _run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, said.decode("utf-8", "replace")


class Clock:
    """Microseconds since 1970, as far as a test lets them go on."""

    def __init__(self, start: datetime = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)) -> None:
        self.now = start

    def __call__(self) -> int:
        return (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    def go_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


# -- an archive --------------------------------------------------------------------------------------------------------

OLD_RATIO = Ratio(ct="200/5", vt="22000/100", since=date(2024, 5, 1))
NEW_RATIO = Ratio(ct="300/5", multiplier=Decimal("10.0"), value_side=ValueSide.PRIMARY, since=date(2026, 11, 1))


def varied(number: int) -> Entry:
    """An exchange with one reading of each kind; ratio, meter, serial and point differ from one to the next."""
    meter = f"em-100{number % 3}"
    ones = (
        reading(number, meter=meter),
        replace(
            reading(number, meter=meter, code="1.29.0", kind=Kind.INTERVAL),
            meter_time=f"26112120{number:02d}",
            scaler=-3,
        ),
        replace(
            reading(number, meter=meter, code="1.6.0", kind=Kind.MAXIMUM), more=("1703100930", "x"), raw=b"\x00\xff"
        ),
    )
    ratios = (DIRECT, OLD_RATIO if number % 2 else NEW_RATIO, DIRECT)
    point = Point("859182400100366666"[:16], "859182400100366666") if number % 3 else Point()
    return Entry(
        exchange(f"/ISk5 {number}".encode(), meter=meter),
        ones,
        ratios,
        f"3503123{number % 3}",
        point,
        MeteringType.A if number % 3 else MeteringType.C,
    )


def seal(store: Store) -> None:
    asyncio.run(store.seal())


def build(folder: Path, *, per_segment: int = 4, segment_count: int = 2) -> Path:
    """An archive of several segments, a batch for each exchange, every half minute; the last segment is not sealed."""
    clock = Clock()
    with opened(folder, now_us=clock) as store:
        for number in range(1, per_segment * segment_count + 1):
            append(store, varied(number))
            clock.go_on(31)
            if number % per_segment == 0 and number < per_segment * segment_count:
                seal(store)
    return folder


def copied(folder: Path, to: Path) -> Path:
    """A copy of an archive, as it lies on the disk now."""
    if to.exists():
        shutil.rmtree(to)
    return Path(shutil.copytree(folder, to))


# -- rows --------------------------------------------------------------------------------------------------------------


def content(path: Path) -> Content:
    """All rows of all tables; sqlite3.Error when they cannot be read."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = ("segment", *CHAINED, "batch", "checkpoint", "seal")
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables}


def columns(path: Path, table: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def tamper(path: Path, *statements: str | tuple[str, Sequence[Value]]) -> None:
    """Change a segment as somebody would who has the file: past the triggers, which stand there again afterwards."""
    path.chmod(0o644)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            sql, values = (statement, ()) if isinstance(statement, str) else statement
            connection.execute(sql, values)
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")


def found(folder: Path) -> tuple[Finding, ...]:
    return verify(folder).findings


def audits(folder: Path, kind: str) -> list[Row]:
    """The entries of a type in the audit log of the whole archive."""
    return [
        row
        for number in segments.segment_numbers(folder)
        for row in content(segments.segment_path(folder, number))["audit"]
        if row[4] == kind
    ]


def spans(rows: Content) -> Iterator[tuple[Row, dict[str, list[Row]]]]:
    """The batches of a segment, each with its rows: those above the last numbers of the batch before."""
    segment = rows["segment"][0]
    last = dict.fromkeys(CHAINED, 0) | {"exchange": segment[7], "reading": segment[8]}
    for batch in rows["batch"]:
        ends = dict(zip(("exchange", "device", "ratio", "series", "reading", "audit"), batch[2:8], strict=True))
        yield (
            batch,
            {
                table: [row for row in rows[table] if _number(last[table]) < _number(row[0]) <= _number(ends[table])]
                for table in CHAINED
            },
        )
        last = ends


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value


# -- the chain, from the format's description --------------------------------------------------------------------------

Packable = Value | Sequence["Packable"]


def packed(value: Packable) -> bytes:
    """MessagePack in the shortest form (https://github.com/msgpack/msgpack/blob/master/spec.md)."""
    match value:
        case None:
            return b"\xc0"
        case int():
            return _packed_int(value)
        case str():
            text = value.encode("utf-8")
            return _length(len(text), ((31, 0xA0), (0xFF, 0xD9), (0xFFFF, 0xDA), (2**32 - 1, 0xDB))) + text
        case bytes():
            return _length(len(value), ((-1, 0), (0xFF, 0xC4), (0xFFFF, 0xC5), (2**32 - 1, 0xC6))) + value
        case _:
            head = _length(len(value), ((15, 0x90), (-1, 0), (0xFFFF, 0xDC), (2**32 - 1, 0xDD)))
            return head + b"".join(map(packed, value))


def _length(length: int, forms: Sequence[tuple[int, int]]) -> bytes:
    """The shortest of: in the tag itself, or behind it in 8, 16 or 32 bits."""
    for (limit, tag), layout in zip(forms, ("fix", ">B", ">H", ">I"), strict=True):
        if length <= limit:
            return bytes([tag | length]) if layout == "fix" else bytes([tag]) + struct.pack(layout, length)
    raise AssertionError(f"no form for {length}")


def _packed_int(value: int) -> bytes:
    if -32 <= value < 128:
        return struct.pack("b", value)
    if value >= 0:
        forms = ((0xCC, ">B", 2**8), (0xCD, ">H", 2**16), (0xCE, ">I", 2**32), (0xCF, ">Q", 2**64))
        return next(bytes([tag]) + struct.pack(layout, value) for tag, layout, end in forms if value < end)
    signed = ((0xD0, ">b", 2**7), (0xD1, ">h", 2**15), (0xD2, ">i", 2**31), (0xD3, ">q", 2**63))
    return next(bytes([tag]) + struct.pack(layout, value) for tag, layout, end in signed if value >= -end)


def sha256(value: Packable) -> bytes:
    return hashlib.sha256(packed(value)).digest()


def chain_of(rows: Content) -> list[bytes]:
    """The hashes that the batches of a segment ought to have."""
    segment = rows["segment"][0]
    before = sha256(("gatewayd/archive/segment/1", *segment[1:]))
    hashes: list[bytes] = []
    for batch, added in spans(rows):
        tables = tuple((table, tuple(added[table])) for table in CHAINED)
        before = sha256(("gatewayd/archive/batch/1", segment[1], batch[0], before, batch[1], tables))
        hashes.append(before)
    return hashes


def checkpoint_message(rows: Content, checkpoint: Row) -> bytes:
    """What an Ed25519 signature covers: gateway, segment, batch, sequence number, hash and time."""
    segment = rows["segment"][0]
    batch = next(row for row in rows["batch"] if row[0] == checkpoint[0])
    domain = "gatewayd/archive/checkpoint/1"
    return packed((domain, segment[3], segment[1], batch[0], batch[6], batch[8], checkpoint[1]))


def written_anew(path: Path, sign: Callable[[bytes], bytes] | None, keep: Iterable[int] = ()) -> bytes:
    """Chain a changed segment again without a hole, as a careful forger would: the hashes, and the checkpoints with
    `sign`, or none of them but `keep`. The last hash."""
    rows = content(path)
    hashes = chain_of(rows)
    tamper(
        path,
        *(
            ("UPDATE batch SET hash = ? WHERE id = ?", (digest, batch[0]))
            for digest, batch in zip(hashes, rows["batch"], strict=True)
        ),
    )
    rows = content(path)
    if sign is None:
        marks = ", ".join(map(str, keep)) or "-1"
        tamper(path, f"DELETE FROM checkpoint WHERE batch NOT IN ({marks})")
    else:
        signatures = [(sign(checkpoint_message(rows, row)), row[0]) for row in rows["checkpoint"]]
        tamper(path, *(("UPDATE checkpoint SET signature = ? WHERE batch = ?", pair) for pair in signatures))
    return hashes[-1]
