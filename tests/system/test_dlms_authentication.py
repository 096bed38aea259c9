"""Every authentication and protection over both framings, whole processes: a register and a day of the load profile."""

from datetime import date
from pathlib import Path

import pytest

from tests.system.dlms_rig import (
    LOAD_PROFILE,
    Manner,
    all_of,
    cells,
    dlms_meter,
    gateway,
    is_total_now,
    one_meter,
    totals_of,
)
from tests.system.rig import eventually

DAY = date(2026, 5, 4)
NOW = ("--now", "2026-05-06T12:00:00", "--profile-days", "4")
_BOTH = "authenticated-encrypted"
PLAIN = [
    Manner(framing, authentication)
    for authentication in ("none", "low", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256")
    for framing in ("hdlc", "wrapper")
]
CIPHERED = [
    Manner("hdlc", "none", "authenticated"),
    Manner("wrapper", "none", "encrypted"),
    Manner("hdlc", "low", _BOTH),
    Manner("wrapper", "low", _BOTH, ciphering="dedicated"),
    Manner("wrapper", "hls-md5", "encrypted", general=True),
    Manner("hdlc", "hls-sha1", _BOTH, suite=1),
    Manner("hdlc", "hls-sha256", _BOTH, suite=2),
    Manner("wrapper", "hls-sha256", "authenticated", suite=1, general=True),
    Manner("hdlc", "hls-gmac", _BOTH),
    Manner("wrapper", "hls-gmac", _BOTH),
    Manner("hdlc", "hls-gmac", "authenticated"),
    Manner("wrapper", "hls-gmac", "encrypted"),
    Manner("hdlc", "hls-gmac", _BOTH, ciphering="dedicated", general=True),
    Manner("wrapper", "hls-gmac", _BOTH, suite=2, ciphering="dedicated"),
    Manner("hdlc", "hls-gmac", _BOTH, suite=2, general=True),
]


@pytest.mark.parametrize("manner", [*PLAIN, *CIPHERED], ids=lambda manner: manner.name)
def test_a_register_and_a_day(tmp_path: Path, manner: Manner) -> None:
    with one_meter(tmp_path, manner, *NOW) as (site, meter):
        readings = site.json("read", "em-1", "1-0:1.8.0")["readings"]
        profile = site.json("profile", "em-1", LOAD_PROFILE, "--from", str(DAY), "--to", str(DAY))["readings"]
    assert [one["obis"] for one in readings] == ["0-0:1.0.0*255", "1-0:1.8.0*255"]
    assert is_total_now(readings)
    assert cells(profile) == totals_of(DAY, DAY)
    assert {one["status"] for one in profile} == {"true"}
    assert bool(meter.heard("associated")) == manner.authentication.startswith("hls")
    counters = [int(line.split()[-1]) for line in meter.heard("counter ") if line.startswith("counter ")]
    assert bool(counters) == manner.counted
    assert counters == sorted(set(counters))


CLOCK_ALARM = "alarm raised: the clock is more than 9 s off"


def test_all_of_them_by_one_gateway(tmp_path: Path) -> None:
    """`gatewayd run` with a line for each: nobody's keys, counters or answers get to another."""
    parts = [dlms_meter(tmp_path, manner.name, manner, *NOW) for manner in (*PLAIN, *CIPHERED)]
    with all_of(parts) as meters:
        site = gateway(tmp_path, [meter.entry(every="2s") for meter in meters], *meters)
        with site.site.daemon() as daemon:
            asked = "get 3 1.0.1.8.0.255 2"
            eventually(lambda: all(meter.heard(asked) for meter in meters), "everyone is asked")
            eventually(lambda: daemon.messages.count(CLOCK_ALARM) >= len(meters), "everyone's clock is told of")
            assert daemon.terminate() == 0
        messages = daemon.messages
        read = site.json("archive", "show")["readings"]
    told = [line for line in messages.splitlines() if "ERROR" in line or "WARNING" in line]
    assert all(CLOCK_ALARM in line for line in told), messages  # theirs begins at NOW
    assert len(told) == len(meters), messages
    for meter in meters:
        own = [one for one in read if one["meter"] == meter.name]
        assert len(own) >= 2 and is_total_now(own), meter.name
    assert site.json("archive", "verify")["ok"]
