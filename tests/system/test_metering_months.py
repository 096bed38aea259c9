"""Type C as an operator has it: readings by hand into a running gateway, kill -9, an estimate, the command line.

Rules: nothing is put into an archive beside the commands: every reading comes by `gatewayd reading add`.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gatewayd.archive.head import read_head
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from tests.system.rig import Site, eventually

PRAGUE = ZoneInfo("Europe/Prague")
LINES = "  office: {type: tcp, host: 127.0.0.1, port: 9}\n"
METERS = "  - {id: em-1, driver: iec62056_21, line: office, metering_type: C, ratio: [{ct: 100/5}]}\n"
POINTS = "points: [{id: shop, meter: em-1, channels: [1.8.0], substitution: {enabled: true}}]\n"


def month_back(ago: int) -> date:
    """The first day of the month so many months ago."""
    today = datetime.now(UTC).astimezone(PRAGUE).date().replace(day=1)
    number = today.year * 12 + today.month - 1 - ago
    return date(number // 12, number % 12 + 1, 1)


def last_day(ago: int) -> str:
    """The last day of the month so many months ago, as one writes it."""
    return f"{month_back(ago - 1) - timedelta(days=1)}"


def add(site: Site, state: str, day: str) -> None:
    done = site.run("reading", "add", "em-1", "1.8.0", state, "--at", day, "--author", "Jan", "--yes")
    assert done.returncode == 0, done.stderr


def versions(site: Site) -> int:
    folder = derived_folder(site.archive)
    found = read_head(folder) if folder.is_dir() else None
    return 0 if found is None else found.seq


def serves(site: Site) -> bool:
    """Whether the gateway answers: it has the lock before that."""
    return bool(json.loads(site.run("status", "--json").stdout)["running"])


def shown(site: Site) -> dict[str, tuple[str, str, str]]:
    """By month: value, status, method."""
    start = f"{month_back(7)}"
    channels = site.json("point", "shop", "--from", start)["channels"]
    values = channels[0]["values"] if channels else []
    names = [datetime.fromisoformat(one["at"]).astimezone(PRAGUE) - timedelta(days=1) for one in values]
    found = [(str(one["value"]), one["status"], one["method"]) for one in values]
    return {f"{name:%Y-%m}": one for name, one in zip(names, found, strict=True)}


@pytest.mark.timeout(180)
def test_readings_by_hand_become_months_through_kills_and_an_estimate_gives_way(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(LINES, METERS)
    site.config.write_text(POINTS + site.config.read_text(encoding="utf-8"), encoding="utf-8")
    assert site.run("check").returncode == 0
    five, four, three, two = (f"{month_back(ago):%Y-%m}" for ago in (5, 4, 3, 2))
    with site.daemon() as daemon:
        eventually(lambda: serves(site), "it runs")
        low = site.run("substitute", "estimate", "shop", "1.8.0", "x", "--month", five, "--lang", "cs")
        assert low.returncode == 1 and "estimate-number: Neplatný odhad" in low.stderr and "author: " in low.stderr
        done = site.run(
            "substitute", "estimate", "shop", "1.8.0", "120,5", "--month", five, "--author", "eva", "--note", "boiler"
        )
        assert done.returncode == 0 and f"shop 1.8.0 {five}: 120.5 kWh, entered (eva)" in done.stdout, done.stderr
        eventually(lambda: shown(site).get(five) == ("120.5", "provisional", "estimate"), "the estimate counts", 60)
        assert site.json("explain", "shop", "1.8.0", five)["values"][0]["author"] == "eva"
        daemon.kill()
    with site.daemon() as daemon:
        eventually(lambda: serves(site), "it runs again")  # the socket of the killed one is there too
        add(site, "1000", last_day(5))
        daemon.kill()
    add(site, "1010", last_day(4))
    with site.daemon() as daemon:
        eventually(lambda: shown(site).get(four) == ("200", "true", "primary"), "10 kWh at the meter, times 20", 60)
        add(site, "1040", last_day(2))
        eventually(lambda: shown(site).get(two, ("None",))[0] != "None", "the later months come", 60)
        daemon.kill()
    with site.daemon() as daemon:
        eventually(lambda: shown(site).get(three, ("",))[1:] == ("substitute", "comparable"), "by days of another", 60)
        before = versions(site)
        add(site, "1025", last_day(3))
        eventually(lambda: shown(site).get(three) == ("300", "true", "primary"), "the truth", 60)
        assert shown(site)[two] == ("300", "true", "primary")
        assert shown(site)[five][1:] == ("substitute", "comparable"), (
            "metering that came later, in place of an estimate"
        )
        assert versions(site) > before
        withdrawn = site.run("substitute", "mark", "1", "sent")
        assert withdrawn.returncode == 1 and "possible: superseded" in withdrawn.stderr
        assert site.run("substitute", "mark", "1", "withdrawn").returncode == 0
        assert daemon.terminate() == 0, daemon.messages
    (listed,) = site.json("substitute", "list")["substitutes"]
    assert (listed["month"], listed["day"], str(listed["value"])) == (five, None, "120.5")
    assert [step["state"] for step in listed["history"]] == ["entered", "superseded"]
    assert five in site.run("substitute", "list").stdout
    text = site.run("point", "shop").stdout
    assert "readings that it is made of" in text and three in text and "300" in text and "manual" in text
    one = site.json("point", "shop", "--month", three)
    assert [value["value"] for value in one["channels"][0]["values"]] == [300] and len(one["readings"]) == 2
    (explained,) = site.json("explain", "shop", "1.8.0", three)["values"]
    assert (explained["layer"], explained["value"], len(explained["readings"])) == ("month", 300, 2)
    exported = site.run("export", "points", "shop", "--layout", "csv", "--layer", "month", "--from", f"{month_back(6)}")
    assert exported.returncode == 0 and "300" in exported.stdout, exported.stderr
    assert site.run("point", "shop", "--plot").returncode == 2
    audit = site.json("archive", "audit", "--category", "operator")["audit"]
    assert [(one["type"], one["result"]) for one in audit if one["type"] == "substitute"] == [
        ("substitute", result) for result in ("refused", "done", "refused", "done")
    ]
    assert verify(derived_folder(site.archive)).ok and verify(site.archive).ok
