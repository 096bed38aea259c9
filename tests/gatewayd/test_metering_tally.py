"""What is counted of derived values: what the derived archive has taken, and nothing else."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatewayd.archive.follow import Follower
from gatewayd.archive.records import Bundle, Entry
from gatewayd.daemon.derived import DerivedArchive, derived_folder
from gatewayd.daemon.metering_tally import DerivedTally
from gatewayd.errors import ArchiveError
from gatewayd.metering.record import Derived, reading_of
from gatewayd.metering.values import Channel, Layer, Method, Value
from gatewayd.model import Kind, RawStatus
from tests.gatewayd.metering_world import DAY, IMPORT, NOW, brought, day_of, quarter, world

CHANNEL = Channel("north", IMPORT, "kWh")


def entry(*values: Value, layer: Layer = Layer.INTERVAL) -> Entry:
    return brought([reading_of(CHANNEL, layer, Derived(one)) for one in values])


def value(status: RawStatus, method: Method = Method.PRIMARY, *rules: str) -> Value:
    return Value(NOW, 900, None, status, method=method, rules=rules)


def test_versions_by_layer_status_method_and_rule() -> None:
    tally = DerivedTally()
    tally.confirmed(
        [
            entry(value(RawStatus.TRUE), value(RawStatus.DISTORTED, Method.PRIMARY, "backward", "zero")),
            entry(value(RawStatus.SUBSTITUTE, Method.MANUAL, "zero"), layer=Layer.MONTH),
        ]
    )
    assert tally.values == {
        ("interval", RawStatus.TRUE): 1,
        ("interval", RawStatus.DISTORTED): 1,
        ("month", RawStatus.SUBSTITUTE): 1,
    }
    assert tally.substitutes == {"manual": 1}
    assert tally.findings == {"backward": 1, "zero": 2}


def test_events_are_no_values() -> None:
    tally = DerivedTally()
    (reading,) = entry(value(RawStatus.TRUE)).readings
    tally.confirmed([brought([replace(reading, kind=Kind.EVENT, more=())]), brought([replace(reading, obis_raw="x")])])
    assert tally == DerivedTally()


def test_the_counters_are_those_of_the_archive(tmp_path: Path) -> None:
    """Also of a second version, and of what is missing."""

    async def body() -> Counter[tuple[str, RawStatus]]:
        async with world(tmp_path) as here:
            day = day_of("em-1")
            day[3] = quarter("em-1", day[3].at, "")
            await here.bring(day)
            await here.bring([quarter("em-1", day[3].at, "0.250")])
            assert here.engine.state.tally is here.derived.tally
            assert here.engine.state.known and here.engine.state.seq == here.raw.head
            return here.derived.tally.values

    counted = asyncio.run(body())
    found = Follower(derived_folder(tmp_path)).after(0, 10_000)
    assert counted == Counter((one.reading.obis_raw, one.reading.status) for one in found)
    assert counted["interval", RawStatus.MISSING] == 1 and counted.total() > 97, DAY


def test_what_is_not_on_the_disk_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is written in two parts, of which the second one fails."""
    monkeypatch.setattr("gatewayd.daemon.derived._MOST", 1)

    async def body() -> int:
        async with world(tmp_path) as here:
            derived = DerivedArchive(here.store)
            real, parts = here.store.queued, list[int]()

            async def queued(entry: Entry | Bundle) -> object:
                parts.append(len(parts))
                if len(parts) == 2:
                    raise ArchiveError("no room")
                return await real(entry)

            here.store.queued = queued  # type: ignore[method-assign, assignment]
            with pytest.raises(ArchiveError):
                await derived.append([entry(value(RawStatus.TRUE)), entry(value(RawStatus.DISTORTED))])
            await here.store.flush()
            for _ in range(3):
                await asyncio.sleep(0)
            assert derived.tally.values == {("interval", RawStatus.TRUE): 1}
            return here.store.head

    assert asyncio.run(body()) == 1
