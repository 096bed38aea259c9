"""Exchanges and readings for the tests of the archive, and an archive that is open as long as a test needs it."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gatewayd.archive.follow import Follower
from gatewayd.archive.query import Reader
from gatewayd.archive.records import Entry, Receipt
from gatewayd.archive.store import Store
from gatewayd.model import DIRECT, Archived, Exchange, Kind, Outcome, Ratio, RawStatus, Reading
from gatewayd.obis import Obis

START = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
PATIENCE = 20.0
"""Seconds after which a test gives up."""


def reading(
    number: int = 1,
    *,
    meter: str = "em-1001",
    code: str = "1.8.0",
    raw: str | None = None,
    kind: Kind = Kind.REGISTER,
    status: RawStatus = RawStatus.TRUE,
    at: datetime | None = None,
) -> Reading:
    """A reading that can be told from others by its `number`."""
    text = raw if raw is not None else f"{number:07d}.375"
    return Reading(
        meter=meter,
        obis=Obis.parse(code),
        obis_raw=code,
        kind=kind,
        at=at or START + timedelta(seconds=number),
        raw=text.encode("utf-8", "surrogatepass"),
        raw_text=text,
        unit="kWh",
        status=status,
        interval_s=900 if kind is Kind.INTERVAL else None,
    )


def exchange(received: bytes = b"/ISk5", meter: str = "em-1001", detail: str = "") -> Exchange:
    return Exchange(
        meter=meter,
        line="optical",
        request="registers all",
        started_at=START,
        ended_at=START + timedelta(seconds=3, microseconds=141592),
        received=received,
        outcome=Outcome.DONE,
        detail=detail,
    )


def entry(*readings: Reading, ratio: Ratio = DIRECT, received: bytes = b"/ISk5", detail: str = "") -> Entry:
    return Entry(exchange(received, detail=detail), readings, (ratio,) * len(readings), "35031234")


POISON = reading(raw="\ud800")
"""A lone surrogate is no text that SQLite takes."""


@contextlib.contextmanager
def opened(
    folder: Path, *, group_seconds: float = 0.0, now_us: Callable[[], int] = lambda: 1_800_000_000_000_000
) -> Iterator[Store]:
    store = Store(folder, "gw-1", now_us, group_seconds=group_seconds)
    store.open()
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def reading_from(folder: Path, limit_seconds: float = 60.0) -> Iterator[Reader]:
    reader = Reader(folder, limit_seconds)
    try:
        yield reader
    finally:
        reader.close()


def everything(folder: Path) -> list[Archived]:
    """All readings of an archive, as somebody sees them who opens it."""
    return Follower(folder).after(0, 1_000_000)


def written(future: "Future[tuple[Archived, ...]]") -> tuple[Archived, ...]:
    """What the archive acknowledged; raises what it did not."""
    return future.result(PATIENCE)


def submit(store: Store, one: Entry) -> "Future[tuple[Archived, ...]]":
    """Queue an entry; the future brings its readings with their places."""
    places: Future[tuple[Archived, ...]] = Future()

    def tell(done: "Future[Receipt]") -> None:
        error = done.exception()
        if error is not None:
            places.set_exception(error)
        else:
            places.set_result(one.archived(done.result()))

    store.submit(one).add_done_callback(tell)
    return places


def append(store: Store, one: Entry) -> tuple[Archived, ...]:
    return written(submit(store, one))
