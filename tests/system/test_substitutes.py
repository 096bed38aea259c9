"""A substitute value by hand while a gateway runs: it archives it, under the name of whoever asked, and goes on."""

import getpass
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.entered import Entered
from tests.gatewayd.points_site import configured, morning_zone
from tests.system.rig import Site, eventually


def test_the_running_gateway_takes_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    configured(tmp_path, morning_zone(datetime.now(UTC))).rename(site.config)
    with site.daemon() as daemon:
        eventually(lambda: "gateway gw-1" in daemon.messages, "it runs")
        taken = site.json("substitute", "set", "north", "1.8.0", "100", "--day", "yesterday", "--author", "eva")
        assert taken["substitute"]["number"] == 1, "the archive is locked: it was the gateway"
        low = site.run("substitute", "set", "north", "1.8.0", "100", "--day", "today")
        assert low.returncode == 1 and "day: the substitute value for 27ZG600Z0424987D" in low.stderr
        again = site.json("substitute", "set", "north", "1.8.0", "110", "--day", "yesterday")
        assert again["substitute"]["author"] == getpass.getuser()
        audit = site.json("archive", "audit", "--category", "operator")["audit"]
        assert [(one["source"], one["result"]) for one in audit] == [
            (getpass.getuser(), result) for result in ("done", "refused", "done")
        ]
        assert daemon.terminate() == 0, daemon.messages
    known = Entered(derived_folder(site.archive)).known().values()
    assert [(int(one.amount), one.state.value, one.history[0].author) for one in known] == [
        (100, "superseded", "eva"),
        (110, "entered", getpass.getuser()),
    ]
    assert verify(derived_folder(site.archive)).ok


def test_two_commands_at_once_without_a_gateway_wait_for_each_other(tmp_path: Path) -> None:
    site = Site(tmp_path)
    configured(tmp_path, morning_zone(datetime.now(UTC))).rename(site.config)

    def enter(value: int) -> int:
        words = ("substitute", "set", "north", "1.8.0", str(value), "--day", "yesterday")
        return int(site.json(*words)["substitute"]["number"])

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(enter, (100, 101, 102))) == [1, 2, 3]
    states = sorted(one.state.value for one in Entered(derived_folder(site.archive)).known().values())
    assert states == ["entered", "superseded", "superseded"]
