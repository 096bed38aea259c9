"""What doctor makes of what a gateway, systemd and sinks say, without any of them."""

from pathlib import Path
from typing import Any

import pytest

from gatewayd.doctor import (
    gateway,
    processes,
    service,
    sinks,
)
from gatewayd.doctor.findings import AREAS, Level
from gatewayd.doctor.processes import Resources
from gatewayd.sink import check
from tests.gatewayd.doctor.samples import ERROR, NOTE, OK, WARNING, only, scene, status, told

# -- the gateway and its unit ------------------------------------------------------------------------------------------


def test_whether_it_runs() -> None:
    only(
        gateway.judged_running(scene(running=False), ""), WARNING, "nothing is read", "systemctl start gatewayd.service"
    )
    (found,) = gateway.judged_running(scene(running=None), "not permitted")
    assert found.unseen and "not permitted" in found.text


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"version": "1.0"}, WARNING, "version 1.0 runs, and 1.1 is installed"),
        ({"archive": {"fault": "disk full"}}, ERROR, "the archive takes nothing: disk full"),
        ({"configuration": {"file": None, "loaded_at": "", "fault": "line 3"}}, ERROR, "former configuration"),
        ({"configuration": {"file": "/other.yaml", "loaded_at": "", "fault": None}}, NOTE, "/other.yaml"),
    ],
)
def test_a_running_gateway(changed: dict[str, Any], level: Level, words: str) -> None:
    first, *rest = gateway.judged_running(scene(running=True, status=status(**changed)), "")
    assert first.level is OK
    only(rest, level, words)


def test_meters_that_are_not_read() -> None:
    faults = [{"meter": f"em-{n}", "line": "a", "fault": "silent"} for n in range(12)]
    found = gateway.judged_meters(status(faults=faults, alarms=[{"meter": "em-1", "alarm": "another serial number"}]))
    assert [one.level for one in found] == [WARNING] * 12
    assert found[10].text == "2 more cannot be read" and found[11].text == "another serial number"
    only(gateway.judged_meters(status(meters=[{}, {}])), OK, "meters: 2")


@pytest.mark.parametrize(
    ("has", "level", "words"),
    [
        (Resources(rss=50 << 20), OK, "50 MiB"),
        (Resources(rss=50 << 20, memory_limit=100 << 20), OK, "of 100 MiB"),
        (Resources(rss=90 << 20, memory_limit=100 << 20), WARNING, "90 MiB of memory of 100 MiB"),
        (Resources(files=64), WARNING, "64 files"),
        (Resources(core=1 << 62), WARNING, "passwords and keys"),
        (Resources(core=0), OK, "off"),
    ],
)
def test_what_it_has(has: Resources, level: Level, words: str) -> None:
    only(gateway.judged_resources(has, 10), level, words)


@pytest.mark.parametrize(("told_", "levels"), [("yes", []), ("no", [WARNING]), ("unknown", [WARNING])])
def test_the_clock_as_the_gateway_sees_it(told_: str, levels: list[Level]) -> None:
    found = gateway.judged_clock({"clock": {"synchronised": told_, "source": "no witness"}})
    assert [one.level for one in found] == levels


ACTIVE = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}


@pytest.mark.parametrize(
    ("changed", "running", "level", "words"),
    [
        ({}, True, OK, "active (running)"),
        ({"LoadState": "not-found"}, False, NOTE, "no such unit"),
        ({"ActiveState": "failed", "Result": "watchdog"}, False, ERROR, "has failed (watchdog)"),
        ({"ActiveState": "inactive", "SubState": "dead"}, False, WARNING, "inactive (dead)"),
        ({"ActiveState": "inactive", "SubState": "dead"}, True, WARNING, "systemd did not start"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, False, WARNING, "again and again"),
    ],
)
def test_the_unit(changed: dict[str, str], running: bool, level: Level, words: str) -> None:
    only(service.judged_unit("gatewayd.service", {**ACTIVE, **changed}, running), level, words)


def test_a_unit_that_works_and_could_do_better() -> None:
    has = service.parsed(
        "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=disabled\nNRestarts=3\n"
    )
    found = service.judged_unit("gatewayd.service", {**has, "WatchdogUSec": "0"}, True)
    assert [one.level for one in found] == [OK, WARNING, WARNING, NOTE]
    assert service.unit_of(Path("/etc/gatewayd/brno.yaml")) == "gatewayd@brno.service"


# -- sinks and processes -----------------------------------------------------------------------------------------------


def test_remarks_of_a_sink() -> None:
    found = sinks.judged_remarks("m", [check.fine("a"), check.error("lost", "keep it"), check.fine("b")])
    assert told(found) == [(OK, "a; b"), (ERROR, "lost")]
    never = sinks.sink("m", lambda _name: pytest.fail("it is not to be connected"), reachable=False)
    assert never[0].unseen
    well = {"fault": None, "waiting": 0, "derived": None}
    waiting = {"sinks": [{**well, "id": "m", "fault": "refused", "waiting": 7}, {**well, "id": "n"}]}
    only(sinks.judged_state(waiting), WARNING, "7 readings wait")
    second = {"sinks": [{**well, "id": "m", "derived": {"fault": "not permitted", "waiting": 9}}]}
    only(sinks.judged_state(second), WARNING, "derived values: not permitted; 9 of them wait")
    both = {"sinks": [{**well, "id": "m", "fault": "refused", "derived": {"fault": "refused", "waiting": 9}}]}
    only(sinks.judged_state(both), WARNING, "0 readings wait")


def test_locks_of_the_kernel() -> None:
    text = (
        "1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF\n"
        "1: -> FLOCK  ADVISORY  WRITE 99 08:01:131 0 EOF\n"
        "2: POSIX  ADVISORY  READ -1 00:2a:7 128 128\n"
        "3: LEASE  ACTIVE    READ  5 08:01:9 0 EOF\n"
    )
    assert processes.parsed_locks(text) == [
        processes.Lock("FLOCK", 1234, 8, 1, 131),
        processes.Lock("POSIX", -1, 0, 0x2A, 7),
    ]


def test_the_page_names_every_area() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [area for area in AREAS if f"\n| `{area}` |" not in page] == []
