"""A wrong password is sent once: not again by the daemon, not after kills, not by commands, until its file changes.

The simulated meter locks after three wrong ones and writes down what it heard.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.rig import QUICK, ROOT, Daemon, Site, eventually, simulator

INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"


@pytest.mark.timeout(180)
def test_a_wrong_password_never_locks_the_meter(tmp_path: Path) -> None:
    password, journal = tmp_path / "em-1.pw", tmp_path / "journal"
    password.write_text("11111111\n")

    def heard(what: str) -> int:
        lines = journal.read_text().splitlines() if journal.exists() else []
        return len([line for line in lines if what in line])

    with simulator(INDUSTRIAL, *QUICK, "--password", "24681357", "--journal", str(journal)) as meter:
        site = Site(tmp_path)
        options = f"iec62056_21: {{access: R1, password_file: {password}}}"
        jobs = "jobs: [{registers: [1-0:1.8.0], every: 1s}, {registers: [1-0:2.8.0], every: 1s}]"
        site.configure(meter.line("a"), f"  - {{id: em-1, driver: iec62056_21, line: a, {options}, {jobs}}}\n")
        with site.daemon() as daemon:
            eventually(lambda: "password_file" in daemon.messages, "the refusal is told, with what to do")
            daemon.kill()
        assert heard("password wrong") == 1
        signs = heard("sign-on")
        for told in (2, 3):
            with site.daemon() as daemon:
                eventually(_told(daemon, told), "it is told after each start")
                daemon.kill()
        for _ in range(3):
            done = site.run("read", "em-1", "1-0:1.8.0")
            assert done.returncode == 1
            assert "em-1" in done.stderr and "left alone" in done.stderr and "password_file" in done.stderr
        assert (heard("password wrong"), heard("locked"), heard("sign-on")) == (1, 0, signs), "nobody has called on it"

        password.write_text("24681357\n")
        os.utime(password, ns=(1_800_000_000_000_000_000,) * 2)
        with site.daemon() as daemon:
            eventually(lambda: heard("password ok") >= 1, "the right one is tried without being asked")
            assert daemon.terminate() == 0
        assert [item["obis"] for item in site.json("read", "em-1", "1-0:1.8.0")["readings"]] == ["1-0:1.8.0*255"]
        assert "11111111" not in daemon.messages and "24681357" not in daemon.messages
        state = (tmp_path / "archive" / "state.sqlite").read_bytes()
        assert b"11111111" not in state and b"24681357" not in state


def _told(daemon: Daemon, times: int) -> Callable[[], bool]:
    return lambda: daemon.messages.count("password_file") >= times
