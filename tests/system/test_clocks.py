"""What a meter shows of itself from session to session, in whole processes: its clock, its number, its total.

Rules: a simulated meter of IEC 62056-21 shows the time that stands in its readout, noon of a day in winter.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.crash.rig import audits
from tests.system.rig import QUICK, Site, simulator

SHOWN = datetime(2026, 1, 15, 11, 0, 0, tzinfo=UTC)
_SLACK = Decimal(30)
"""Seconds by which a test may misjudge when the meter was read."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@contextmanager
def at_the_place(site: Site, number: str, total: str, **meter: str) -> Iterator[None]:
    """A meter that stands there for the time of the `with`."""
    readout = site.folder / f"{number}.txt"
    readout.write_bytes(
        f"/SIM5CLOCK\r\nC.1.0({number})\r\n0.9.1(12:00:00)\r\n0.9.2(26-01-15)\r\n1.8.0({total}*kWh)\r\n"
        "1.6.0(02.468*kW)(2601150930)\r\n!\r\n".encode()
    )
    more = "".join(f", {key}: {value}" for key, value in meter.items())
    with simulator(readout, *QUICK) as made:
        site.configure(made.line("head"), f"  - {{id: em-1, driver: iec62056_21, line: head{more}}}\n")
        yield


def seconds(text: str) -> Decimal:
    """How far the deviation is from what it has to be."""
    passed = Decimal((datetime.now(UTC) - SHOWN).total_seconds())
    return abs(Decimal(text) + passed)


def only(readings: list[dict[str, Any]], code: str) -> dict[str, Any]:
    (found,) = (reading for reading in readings if reading["obis_raw"] == code)
    return found


@pytest.mark.timeout(120)
def test_the_clock_of_a_meter_of_iec_62056_21(site: Site) -> None:
    with at_the_place(site, "35031234", "0008048.375"):
        (clock,) = site.json("clock", "em-1")["readings"]
        said = site.run("clock", "em-1")
        refused = site.run("clock", "em-1", "--set")
        readings = site.json("read", "em-1")["readings"]
    assert (clock["obis"], clock["obis_raw"], clock["raw"]) == ("0-0:1.0.0*255", "0.9.1 0.9.2", "26-01-15 12:00:00")
    assert seconds(clock["more"][0]) < _SLACK
    assert "26-01-15 12:00:00" in said.stdout
    assert " s behind" in said.stdout
    assert refused.returncode == 1
    assert "puts no clock right; nothing was sent" in refused.stderr
    assert only(readings, "1.6.0")["flags"] == ["clock_deviation"]
    assert only(readings, "1.8.0")["flags"] == []
    assert only(readings, "1.6.0")["status"] == "true"
    assert [row[6] for row in audits(site.archive, "clock-deviation")] == ["began"]
    assert [row[7] for row in audits(site.archive, "alarm")][:1] == ["the clock is more than 9 s off"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("configured", [False, True])
def test_an_exchange_of_the_meter_is_told_once_and_its_total_begins_anew(site: Site, configured: bool) -> None:
    serial = {"serial": '"35031234"'} if configured else {}
    read: list[dict[str, Any]] = []
    for number, total in (("35031234", "0008048.375"), ("77", "0000003.000"), ("77", "0000002.000")):
        with at_the_place(site, number, total, **serial):
            site_code = 1 if configured and number == "77" else 0
            read.append(only(site.json("read", "em-1", code=site_code)["readings"], "1.8.0"))
    strange = ["serial_mismatch"] if configured else []
    assert [(one["status"], one["flags"]) for one in read] == [
        ("true", []),
        ("true", strange),
        ("distorted", [*strange, "backward"]),
    ]
    assert [row[5:] for row in audits(site.archive, "meter-exchanged")] == [
        ("em-1", "seen", "serial number 77, before 35031234")
    ]
