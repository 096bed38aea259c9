"""The derived layer as an operator has it: a daemon that is killed in the middle, a broker, the command line.

Rules: the raw archive is filled before the daemon begins, as meters would have filled it; everything else is what
`gatewayd run` does. The meters themselves cannot be reached.
"""

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.archive.head import read_head
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.record import derived_of
from gatewayd.model import Archived, Reading
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.metering_world import brought, day_of, quarter
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.rig import Site, eventually

MONTH = list(days(date(2025, 10, 1), date(2025, 10, 31)))
LINES = "  office: {type: tcp, host: 127.0.0.1, port: 9}\n"
JOB = '{profile: P.01, at: "03:00", backfill_months: 1}'
METERS = "".join(
    f"  - {{id: em-{n}, driver: iec62056_21, line: office, metering_type: C, jobs: [{JOB}]}}\n" for n in (1, 2)
)
POINTS = """points:
  - {id: north, meter: em-1, eic: 27ZG600Z0424987D}
  - {id: south, meter: em-2}
  - {id: total, sum: {north: 1, south: -1}}
"""
VALUES = 3 * (2980 + 31 + 2)
"""Of each point: quarter-hours, days, and of the month its sum and its maximum."""


def site_of(folder: Path, sinks: str = "") -> Site:
    site = Site(folder)
    site.configure(LINES, METERS, sinks)
    before = site.config.read_text(encoding="utf-8")
    site.config.write_text(f"{POINTS}policies: {{C: {{evaluation: 15m}}}}\n{before}", encoding="utf-8")
    return site


def fill(site: Site, pieces: Iterable[list[Reading]]) -> None:
    """As if meters had been read while no gateway ran."""
    with opened(site.archive) as store:
        for piece in pieces:
            store.submit(brought(piece)).result(20)


def month() -> Iterable[list[Reading]]:
    for meter, amount in (("em-1", "0.250"), ("em-2", "0.100")):
        for day in MONTH:
            yield day_of(meter, day, amount)


def derived(site: Site) -> list[Archived]:
    return Follower(derived_folder(site.archive)).after(0, 1_000_000)


def derived_head(site: Site) -> int:
    found = read_head(derived_folder(site.archive)) if derived_folder(site.archive).is_dir() else None
    return 0 if found is None else found.seq


@pytest.mark.timeout(180)
def test_killed_again_and_again_nothing_is_lost_nothing_written_twice_and_all_is_published(tmp_path: Path) -> None:
    topics = "gatewayd/gw-test/points/#"
    with Mosquitto(tmp_path) as broker, Subscriber(broker, topics, qos=1) as subscriber:
        site = site_of(tmp_path, f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n")
        fill(site, month())
        for least in (1, VALUES // 2, VALUES):
            with site.daemon() as daemon:
                eventually(lambda least=least: derived_head(site) >= least, "it computes", 60)  # type: ignore[misc]
                daemon.kill()
        late = interval_ends(MONTH[25])[30]
        fill(site, [[quarter("em-1", late, "0.260")]])
        with site.daemon() as daemon:
            eventually(lambda: derived_head(site) >= VALUES + 8, "it goes on to the end", 60)
            eventually(lambda: len(arrived(subscriber)) >= VALUES + 8, "all is published", 60)
            assert daemon.terminate() == 0, daemon.messages
    values = derived(site)
    assert len(values) == VALUES + 8, "of two points: a quarter-hour, its day, its month, and the maximum of that"
    keys = [(one.reading.meter, one.reading.code, one.reading.obis_raw, one.reading.at) for one in values]
    assert len(set(keys)) == VALUES
    second = [derived_of(one.reading) for one in values if derived_of(one.reading).version == 2]
    assert len(second) == 8
    assert set(arrived(subscriber)) == {one.seq for one in values}
    assert verify(derived_folder(site.archive)).ok
    assert site.json("archive", "verify")["ok"]
    found = site.json("archive", "verify", "--derived")
    assert (found["ok"], found["readings"]) == (True, VALUES + 8)

    (day,) = site.json("explain", "total", "1.29.0", MONTH[25].isoformat())["values"]
    assert (day["layer"], day["value"], day["status"], day["version"]) == ("day", "15.010", "distorted", 2)
    assert len(day["readings"]) == 201, "of two meters on the day of 100 quarter-hours, one of them twice"
    assert {one["request"] for one in day["readings"]} == {"profile"}
    assert [one["version"] for one in day["versions"]] == [1, 2]
    at = day_bounds(MONTH[25])[1].isoformat()
    (quarter_hour,) = site.json("explain", "north", "1.29.0", at, "--layer", "interval")["values"]
    assert (quarter_hour["value"], quarter_hour["method"], quarter_hour["author"]) == ("0.250", "primary", "gateway")
    (channel,) = site.json("point", "north", "--month", "2025-10")["channels"]
    assert (channel["total"], channel["have"], channel["completeness"]) == ("745.010", 2980, "100.0")
    shown = site.run("point", "north", "--day", MONTH[25].isoformat(), "--plot").stdout
    assert "█" in shown and "100.0 % (100 / 100)" in shown
    table = {words[0]: " ".join(words[1:]) for line in shown.splitlines() if (words := line.split())}
    assert (table["true"], table["distorted"]) == ("99 (99.0 %)", "1 (1.0 %)")
    nobody = site.run("explain", "nort", "1.29.0", "2025-10-26")
    assert nobody.returncode == 1 and "north, south, total" in nobody.stderr


def arrived(subscriber: Subscriber) -> list[int]:
    return [one["seq"] for message in subscriber.received for one in json.loads(message.payload)["values"]]
