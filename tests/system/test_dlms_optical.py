"""Mode E: a sign-on of IEC 62056-21 at 300 Bd, then HDLC, through a simulated optical head on a pseudo-terminal."""

from datetime import date
from pathlib import Path

import pytest

from gatewayd.archive.query import Reader
from gatewayd.model import Outcome
from tests.system.dlms_rig import LOAD_PROFILE, Manner, cells, dlms_meter, gateway, is_total_now, totals_of

DAY = date(2026, 5, 4)
NOW = ("--now", "2026-05-05T12:00:00", "--profile-days", "2")
GMAC = Manner("hdlc", "hls-gmac", "authenticated-encrypted")
OPTICAL = ("--optical", "--baud", "19200", "--reaction-ms", "20", "--max-info", "1024")


@pytest.mark.parametrize(
    ("manner", "head"),
    [(Manner(), ()), (Manner("hdlc", "low"), ("--local-echo",)), (GMAC, ("--local-echo",))],
    ids=["plain", "low, echo", "gmac, echo"],
)
def test_a_meter_behind_an_optical_head(tmp_path: Path, manner: Manner, head: tuple[str, ...]) -> None:
    with dlms_meter(tmp_path, "em-1", manner, *OPTICAL, *head, *NOW, pty=True) as meter:
        site = gateway(tmp_path, [meter.entry()], meter)
        readings = site.json("read", "em-1", "1-0:1.8.0")["readings"]
        clock = site.run("clock", "em-1")
    assert is_total_now(readings)
    assert clock.returncode == 0, clock.stderr
    # Whoever asks for the counter first takes down a link for it, and signs on once more.
    assert len(meter.heard("snrm")) == len(meter.heard("hdlc over")) == (3 if manner.counted else 2)


def test_a_day_through_the_head(tmp_path: Path) -> None:
    with dlms_meter(tmp_path, "em-1", Manner("hdlc", "low"), *OPTICAL, *NOW, pty=True) as meter:
        site = gateway(tmp_path, [meter.entry()], meter)
        read = site.json("profile", "em-1", LOAD_PROFILE, "--from", str(DAY), "--to", str(DAY))["readings"]
    assert cells(read) == totals_of(DAY, DAY)


def test_a_wrong_password_through_the_head_is_sent_once(tmp_path: Path) -> None:
    with dlms_meter(tmp_path, "em-1", Manner("hdlc", "low"), *OPTICAL, *NOW, pty=True) as meter:
        site = gateway(tmp_path, [meter.entry()], meter)
        (meter.secrets.folder / "password").write_text("Verkehrt-5188\n")
        refused = site.run("read", "em-1", "1-0:1.8.0")
        heard = meter.heard()
        alone = site.run("read", "em-1", "1-0:1.8.0")
        assert meter.heard() == heard
        (exchange,) = Reader(site.site.archive).exchanges()
    assert (refused.returncode, alone.returncode) == (1, 1)
    assert "meter em-1 on line em-1-line refuses" in refused.stderr
    assert "left alone" in alone.stderr
    assert exchange.outcome is Outcome.REFUSED


def test_nobody_in_front_of_the_head(tmp_path: Path) -> None:
    options = (*OPTICAL, "--fault", "silent")
    with dlms_meter(tmp_path, "em-1", Manner("hdlc"), *options, *NOW, pty=True) as meter:
        site = gateway(tmp_path, [meter.entry("device_address: '4711'", "response_timeout_s: 1", "attempts: 1")], meter)
        done = site.run("read", "em-1", "1-0:1.8.0")
    assert done.returncode == 1
    assert done.stderr.startswith("meter em-1 on line em-1-line ") and len(done.stderr.splitlines()) == 1, done.stderr
