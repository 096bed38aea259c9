"""Events of metering points as their receivers get them: a daemon that is killed in the middle, and a real broker.

Rules: as in test_metering.py: the raw archive is filled before the daemon begins, and the meters cannot be reached.
"""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.events import event_of
from gatewayd.model import Archived, Kind, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import day_of, quarter
from tests.interop.contract import check_message
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.rig import Site, eventually
from tests.system.test_metering import LINES, derived, fill

MONTH = list(days(date(2025, 10, 1), date(2025, 10, 31)))
HOLES, PEAKS = MONTH[3:23:4], MONTH[4:24:5]
"""Days of `north` with a quarter-hour that is missing, and with one that no connection carries."""
METERS = "".join(
    f"  - {{id: em-{n}, driver: iec62056_21, line: office, metering_type: A, "
    f'jobs: [{{profile: P.01, at: "03:00", backfill_months: 1}}]}}\n'
    for n in (1, 2)
)
POINTS = """points:
  - {id: north, meter: em-1, eic: 27ZG600Z0424987D, rated: {current_a: 100, voltage_v: 400},
     substitution: {enabled: true, scale: false}}
  - {id: south, meter: em-2}
  - {id: total, sum: {north: 1, south: -1}}
"""


def site_of(folder: Path, port: int) -> Site:
    site = Site(folder)
    site.configure(LINES, METERS, f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {port}}}\n")
    before = site.config.read_text(encoding="utf-8")
    site.config.write_text(f"{POINTS}policies: {{A: {{evaluation: 15m}}}}\n{before}", encoding="utf-8")
    return site


def month() -> Iterable[list[Reading]]:
    for day in MONTH:
        ends = interval_ends(day)
        texts = {ends[40]: "" if day in HOLES else "0.250", ends[50]: "18.000" if day in PEAKS else "0.250"}
        yield [quarter("em-1", at, texts.get(at, "0.250")) for at in ends]
        yield day_of("em-2", day, "0.100")
    at = day_bounds(MONTH[-1])[1]
    yield [Reading("em-1", Obis.parse("1-0:0.4.2"), "0.4.2", Kind.REGISTER, at, b"80", "80")]


def expected() -> Counter[tuple[str, str, str, str]]:
    """Point, type, state and day. A quarter-hour above the maximum is replaced as well."""
    found: list[tuple[str, str, str, str]] = [("north", "ratio.mismatch", "found", str(MONTH[-1]))]
    found += [("north", "validation.above_maximum", "found", str(day)) for day in PEAKS]
    found += [("north", "substitution.used", "found", str(day)) for day in sorted({*HOLES, *PEAKS})]
    found += [("north", "substitution.used", "over", str(HOLES[0]))]
    return Counter(found)


def events(site: Site) -> list[Archived]:
    return [one for one in derived(site) if one.reading.kind is Kind.EVENT]


def arrived(subscriber: Subscriber) -> dict[int, dict[str, Any]]:
    """The first of each number, as a consumer keeps it."""
    found: dict[int, dict[str, Any]] = {}
    for message in subscriber.received:
        if "/event/" in message.topic:
            document = json.loads(message.payload)
            found.setdefault(document["seq"], document)
    return found


def told(documents: Iterable[dict[str, Any]]) -> Counter[tuple[str, str, str, str]]:
    return Counter((one["point"]["id"], one["type"], one["state"], one["day"]) for one in documents)


@pytest.mark.timeout(240)
def test_killed_again_and_again_each_event_comes_and_none_is_told_twice(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker, "gatewayd/gw-test/points/#", qos=1) as subscriber,
    ):
        site = site_of(tmp_path, broker.port)
        fill(site, month())
        for least in (1, 3, 7):
            with site.daemon() as daemon:
                eventually(lambda least=least: len(heads(site)) >= least, "it tells", 60)  # type: ignore[misc]
                daemon.kill()
        with site.daemon() as daemon:
            count = expected().total() - 1
            eventually(lambda: len(heads(site)) >= count, "it goes on to the end", 90)
            daemon.kill()
        fill(site, [[quarter("em-1", interval_ends(HOLES[0])[40], "0.260")]])  # true data replace a substitute
        with site.daemon() as daemon:
            eventually(lambda: len(heads(site)) >= count + 1, "the late value takes its place", 60)
            last = max(one.seq for one in events(site))
            eventually(lambda: last in arrived(subscriber), "all is published", 60)
            eventually(lambda: len(arrived(subscriber)) >= count + 1, "all is published", 60)
            assert daemon.terminate() == 0, daemon.messages
    for message in subscriber.received:
        check_message(message.topic, message.payload.encode())
    archived = events(site)
    assert told(arrived(subscriber).values()) == expected()
    assert set(arrived(subscriber)) == {one.seq for one in archived}
    found = [event_of(one.reading) for one in archived]
    assert len({(one.key, one.state) for one in found}) == len(found), "none twice"
    topics = {message.topic for message in subscriber.received}
    assert {topic for topic in topics if "/event/" in topic} == {
        f"gatewayd/gw-test/points/north/event/{name}"
        for name in ("ratio.mismatch", "substitution.used", "validation.above_maximum")
    }
    assert verify(derived_folder(site.archive)).ok

    day = site.json("explain", "north", "1.29.0", str(PEAKS[0]))["values"][0]
    assert [one["rule"] for one in day["findings"]] == ["above_maximum"]
    assert {"ratio.mismatch", "substitution.used"} <= {one["type"] for one in day["events"]}
    findings = json.loads(site.run("doctor", "--json").stdout)["findings"]
    (ratio,) = [one for one in findings if one["area"] == "metering" and "CT ratio" in one["text"]]
    assert (ratio["level"], ratio["subject"]) == ("warning", "point north")


def heads(site: Site) -> list[Archived]:
    """What is told so far; nothing before there is an archive."""
    return events(site) if any(derived_folder(site.archive).glob("*.sqlite")) else []
