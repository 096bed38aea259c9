"""A registrar from end to end: one simulated device, several metering points, each with its own data."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatewayd.archive.head import read_head
from gatewayd.archive.query import Reader
from gatewayd.model import Exchange, Outcome
from tests.system.dlms_rig import Manner, dlms_meter
from tests.system.rig import QUICK, Site, eventually, simulator

READOUT = """/SIM5REGISTRAR
C.1.0(48120077)
1-0:1.8.0(0000001.5*kWh)
1-1:1.8.0(0021874.316*kWh)
1-1:2.8.0(0000000.250*kWh)
1-2:1.8.0(0015302.774*kWh)
1-2:1.6.0(02.468*kW)(2611210945)
1-3:1.8.0(0000009.000*kWh)
!
"""
POINTS = """
    points:
      - {id: reg-1-a, channels: [1-1], point: {eic: 27ZG600Z0424987D}, metering_type: C, ratio: [{ct: 200/5}]}
      - {id: reg-1-b, channels: [1-2, 1-3:1.8.0], metering_type: C, ratio: [{multiplier: 10}]}
"""
OWN = {"reg-1": {"0-0:96.1.0*255", "1-0:1.8.0*255"}, "reg-1-a": {"1-1:1.8.0*255", "1-1:2.8.0*255"}}
OWN["reg-1-b"] = {"1-2:1.8.0*255", "1-2:1.6.0*255", "1-3:1.8.0*255"}


@contextmanager
def registrar(folder: Path, every: str = "1h", points: str = POINTS) -> Iterator[Site]:
    readout = folder / "readout.txt"
    readout.write_text(READOUT.replace("\n", "\r\n"))
    with simulator(readout, *QUICK, "--journal", str(folder / "journal")) as meter:
        site = Site(folder)
        entry = (
            "  - id: reg-1\n    driver: iec62056_21\n    line: l\n    metering_type: C\n"
            f"    jobs: [{{registers: all, every: {every}}}]\n    iec62056_21: {{mode: C}}{points}"
        )
        site.configure(meter.line("l"), entry)
        yield site


def shown(site: Site, meter: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = site.json("archive", "show", meter)["readings"]
    return found


def exchanges(site: Site) -> list[Exchange]:
    reader = Reader(site.archive)
    try:
        return reader.exchanges()
    finally:
        reader.close()


def test_a_readout_is_archived_at_each_metering_point(tmp_path: Path) -> None:
    with registrar(tmp_path) as site:
        read = site.json("read", "reg-1")["readings"]
        assert {(one["meter"], one["obis"]) for one in read} == {
            (meter, code) for meter, codes in OWN.items() for code in codes
        }
        assert [one["obis_raw"] for one in read][:3] == ["C.1.0", "1-0:1.8.0", "1-1:1.8.0"], "as they came"
        for meter, codes in OWN.items():
            kept = shown(site, meter)
            assert {one["obis"] for one in kept} == codes
            assert {one["serial"] for one in kept} == {"48120077"}
        by_code = {one["obis"]: one for meter in OWN for one in shown(site, meter)}
        first = by_code["1-1:1.8.0*255"]
        assert first["primary"] == "874972.640"
        of_point = site.json("archive", "show", "--point", "27ZG600Z0424987D")["readings"]
        assert {one["meter"] for one in of_point} == {"reg-1-a"}
        assert len(of_point) == 2
        assert by_code["1-3:1.8.0*255"]["primary"] == "90.000"
        assert by_code["1-0:1.8.0*255"]["primary"] == "1.5"
        assert site.json("archive", "verify")["ok"]
        found = exchanges(site)
        assert [(one.meter, bool(one.received), one.detail) for one in found if one.received or one.detail] == [
            ("reg-1", True, ""),
            ("reg-1-a", False, "bytes: exchange of reg-1"),
            ("reg-1-b", False, "bytes: exchange of reg-1"),
        ]
        assert b"".join(one.received for one in found).count(b"1-2:1.8.0(") == 1


def test_dlms_registers_and_a_profile(tmp_path: Path) -> None:
    """Its columns belong to different metering points as well."""
    points = """
    points:
      - {id: em-1-feed, channels: [1-0:2.8.0, 1-0:5.8.0], point: {eic: 27ZG600Z0424987D}, ratio: [{ct: 100/5}]}
      - {id: em-1-gas, channels: [0-1]}
"""
    with dlms_meter(tmp_path, "em-1", Manner("wrapper"), "--profile-days", "2") as meter:
        site = Site(tmp_path)
        entry = (
            "  - id: em-1\n    driver: dlms\n    line: em-1-line\n    metering_type: C\n"
            f"    jobs: [{{registers: all, every: 1h}}]\n    dlms: {{transport: wrapper}}{points}"
        )
        site.configure(meter.line, entry)
        read = site.json("read", "em-1", "1-0:1.8.0", "1-0:2.8.0", "0-1:24.2.1")["readings"]
        owners = {one["obis"]: one["meter"] for one in read}
        assert owners["1-0:1.8.0*255"] == "em-1"
        assert owners["1-0:2.8.0*255"] == "em-1-feed"
        assert owners["0-1:24.2.1*255"] == "em-1-gas"
        now = time.time() - 7200
        span = [time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(at)) for at in (now - 3600, now)]
        rows = site.json("profile", "em-1", "1-0:99.1.0", "--from", span[0], "--to", span[1])["readings"]
        quarters = Counter((one["meter"], one["obis"]) for one in rows if one["obis"] != "0-0:1.0.0*255")
        assert quarters == {("em-1", "1-0:1.8.0*255"): 4, ("em-1", "1-0:8.8.0*255"): 4} | {
            ("em-1-feed", code): 4 for code in ("1-0:2.8.0*255", "1-0:5.8.0*255")
        }
        assert site.json("archive", "verify")["ok"]


def test_a_kill_leaves_all_metering_points_of_an_answer_or_none(tmp_path: Path) -> None:
    """It comes when the meter has been asked, or when the archive has grown, which is in the middle of something."""
    with registrar(tmp_path, every="1s") as site:
        journal = tmp_path / "journal"
        for turn in range(6):
            with site.daemon() as daemon:
                before = archived(site)
                eventually(lambda before=before: archived(site) >= before + 3, "a session")  # type: ignore[misc]
                asked, kept = journal.stat().st_size, archived(site)
                if turn % 2:
                    eventually(lambda asked=asked: journal.stat().st_size > asked, "a sign-on")  # type: ignore[misc]
                else:
                    eventually(lambda kept=kept: archived(site) > kept, "an exchange")  # type: ignore[misc]
                daemon.kill()
            found = exchanges(site)
            told = [place for place, one in enumerate(found) if b"1-1:1.8.0" in one.received]
            for place in told:
                if found[place].outcome is Outcome.DONE:
                    assert [one.meter for one in found[place : place + 3]] == ["reg-1", "reg-1-a", "reg-1-b"]
            parts = Counter(one.meter for one in found)
            assert parts["reg-1-a"] == parts["reg-1-b"] > 0
        assert site.json("archive", "verify")["ok"]


def archived(site: Site) -> int:
    """How many exchanges are safely in the archive."""
    head = read_head(site.archive)
    return 0 if head is None else head.exchange
