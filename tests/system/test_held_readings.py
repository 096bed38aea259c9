"""Doubtful readings by hand wait for another person, as processes: with and without a running gateway, over kill -9."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gatewayd import daemon
from gatewayd.archive.neighbours import Neighbours
from gatewayd.archive.verify import verify
from gatewayd.cli.reading_view import facts_of
from gatewayd.control import NAME
from gatewayd.errors import GatewayError
from gatewayd.manual.held import State
from gatewayd.manual.queue import Queue
from gatewayd.manual.submission import Submission
from tests.gatewayd.manual.books import EIC, data
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.rig import ROOT, Site, eventually
from tests.system.test_manual_readings import ME, TOTAL, at, audits, in_a_terminal, readings, row

METERS = f"  - {{id: gm-1, driver: iec62056_21, line: a, serial: '00123', point: {{eic: {EIC}}}}}\n" + "".join(
    f"  - {{id: em-{n}, driver: iec62056_21, line: a}}\n" for n in range(1, 31)
)


def made(folder: Path, manual: str = "", sinks: str = "") -> Site:
    site = Site(folder)
    site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", METERS, sinks)
    if manual:
        site.config.write_text(f"manual: {manual}\n{site.config.read_text(encoding='utf-8')}", encoding="utf-8")
    return site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return made(tmp_path)


def waiting(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.json("reading", "waiting")["waiting"]
    return found


def test_one_person_reads_and_another_one_releases(site: Site) -> None:
    assert site.run("reading", "release", "1").returncode == 1 and not site.archive.exists()
    assert site.run("reading", "add", "gm-1", TOTAL, "1000", "--at", at(3), "--hold").returncode == 0
    done = site.run(
        "reading", "add", "gm-1", TOTAL, "900", "--at", at(1), "--hold", "--author", "Jan", "--note", "cellar"
    )
    assert (done.returncode, "held until another person releases it, number 1: gm-1" in done.stdout) == (0, True)
    assert "lower than 1000 m3" in done.stderr and len(readings(site)) == 1
    (one,) = waiting(site)
    assert (one["number"], one["meter"], one["value"], one["author"], one["user"]) == (1, "gm-1", "900", "Jan", ME)
    assert (one["days"], one["note"], one["findings"][0]["check"]) == (0, "cellar", "lower")
    assert "lower than 1000 m3" in site.run("reading", "waiting", "gm-1").stdout
    assert site.run("reading", "waiting", "em-1").stdout == "no reading waits for its release\n"
    assert site.run("reading", "waiting", "nobody").returncode == 2
    own = site.run("reading", "release", "1", "--author", "JAN")
    assert own.returncode == 1 and "another person releases it" in own.stderr and len(waiting(site)) == 1
    released = site.run("reading", "release", "1", "--author", "Petra", "--note", "seen")
    assert released.returncode == 0, released.stderr
    assert "number 1: archived as seq 2: gm-1" in released.stdout and "distorted (manual, backward)" in released.stdout
    assert waiting(site) == [] and [one["raw"] for one in readings(site)] == ["1000", "900"]
    again = site.json("reading", "release", "1", "--author", "Petra", code=1)["readings"][0]
    assert again["outcome"] == "refused" and "released already, by Petra" in again["findings"][0]["text"]
    entered = site.json("reading", "list", "gm-1")["readings"][1]["entered"]
    assert (entered["author"], entered["released_by"], entered["held"]) == ("Jan", "Petra", 1)
    assert "number 1, released by Petra" in site.run("reading", "list").stdout.replace("\n", " ")
    history = site.json("reading", "list", "--history", "1")["reading"]
    assert [(one["state"], one["author"], one["note"]) for one in history["history"]] == [
        ("held", "Jan", ""), ("released", "Petra", "seen")
    ]  # fmt: skip
    assert (history["state"], history["seq"]) == ("released", 2)
    czech = site.run("reading", "list", "--history", "1", "--lang", "cs").stdout
    assert "Čeká na potvrzení" in czech and "Vyřízen" in czech
    assert [one["type"] for one in audits(site)] == [
        "reading",
        "reading",
        "reading-release",
        "reading-release",
        "reading-release",
    ]
    assert verify(site.archive).ok


def test_one_is_rejected_with_the_reason(site: Site) -> None:
    assert site.run("reading", "add", "em-1", "1.8.0", "0", "--at", at(1), "--hold").returncode == 0
    assert site.run("reading", "reject", "1").returncode == 2
    assert site.run("reading", "reject", "1", "--note", " ").returncode == 2
    done = site.run("reading", "reject", "1", "--note", "the meter is not new", "--lang", "cs")
    assert (done.returncode, done.stderr) == (0, "") and "číslo 1: Zamítnuto" in done.stdout
    assert waiting(site) == [] and readings(site) == []
    assert "the meter is not new" in site.run("reading", "list", "--history", "1").stdout
    assert site.run("reading", "list", "--history", "2").returncode == 1
    assert site.run("reading", "list", "em-1", "--history", "1").returncode == 2


def test_a_terminal_is_not_asked_about_what_waits(site: Site) -> None:
    code, said = in_a_terminal(site, "", "reading", "add", "em-1", "1.8.0", "0", "--at", at(1), "--hold")
    assert code == 0 and "held until" in said and "all the same?" not in said


def test_of_a_table_what_is_doubtful_waits(site: Site) -> None:
    table = site.folder / "jan.xlsx"
    table.write_bytes(data(row(1000, 9), row(1010, 8), row(1010, 6), row("x", 5)))
    looked = site.run("reading", "import", str(table), "--hold", "--dry-run")
    assert "2 sound, 1 doubtful, 1 refused; nothing was archived" in looked.stdout and not site.archive.exists()
    done = site.run("reading", "import", str(table), "--hold", "--author", "Jan")
    assert done.returncode == 1, "one is refused"
    assert "2 archived, 1 held until another person releases them (gatewayd reading waiting), 1 refused" in done.stdout
    (one,) = waiting(site)
    assert (one["file"], one["row"], one["type"], one["findings"][0]["check"]) == ("jan.xlsx", 4, "K", "zero")
    assert "jan.xlsx, row 4: warning: nothing was consumed" in site.run("reading", "waiting").stdout.replace("\n", " ")
    again = site.json("reading", "import", str(table), "--hold", code=1)
    assert (again["archived"], again["held"], again["refused"]) == (0, 0, 4)
    assert "waits for its release already (number 1)" in str(again["readings"][2]["findings"])
    (audit,) = audits(site)
    assert audit["detail"] == {
        "archived": 2, "held": 1, "not_archived": 1, "first_seq": 1, "last_seq": 2, "first_number": 1, "last_number": 1,
        "author": "Jan",
    }  # fmt: skip


def test_a_table_that_is_sound_or_waits_ends_well(site: Site) -> None:
    table = site.folder / "jan.xlsx"
    table.write_bytes(data(row(1000, 9), row(1000, 6)))
    assert site.run("reading", "import", str(table), "--yes", "--hold").returncode == 2
    assert site.run("reading", "add", "em-1", "1.8.0", "0", "--at", "now", "--yes", "--hold").returncode == 2
    done = site.run("reading", "import", str(table), "--hold")
    assert done.returncode == 0 and "1 archived, 1 held" in done.stdout


def test_the_configuration_says_what_is_held_how_many_rows_and_how_far_from_the_usual(tmp_path: Path) -> None:
    site = made(tmp_path, "{most_rows: 3, tolerance: 1.5, maximum: 2, hold: true}")
    table = site.folder / "jan.xlsx"
    for state, ago in (("1000", 30), ("3000", 10)):
        assert site.run("reading", "add", "gm-1", TOTAL, state, "--at", at(ago)).returncode == 0
    doubtful = site.run("reading", "add", "gm-1", TOTAL, "4300", "--at", at(2))
    assert doubtful.returncode == 1 and "warning: 1300 m3 since" in doubtful.stderr
    assert "more than 1.5 times as much" in doubtful.stderr
    refused = site.run("reading", "add", "gm-1", TOTAL, "4700", "--at", at(2))
    assert refused.returncode == 1 and "error: 1700 m3 since" in refused.stderr
    assert "more than 2 times as much" in refused.stderr
    lifted = site.run("reading", "add", "gm-1", TOTAL, "4700", "--at", at(2), "--maximum", "20", "--hold")
    assert lifted.returncode == 0 and "more than 1.5 times as much" in lifted.stderr
    table.write_bytes(data(row(3800, 2), row(3800, 1)))
    assert site.run("reading", "import", str(table), "--dry-run").returncode == 0
    assert "1 archived, 1 doubtful and left out" in site.run("reading", "import", str(table), "--no-hold").stdout
    held_by_default = site.run("reading", "import", str(table))
    assert held_by_default.returncode == 1 and "1 held until another" in held_by_default.stdout
    assert [one["value"] for one in waiting(site)] == ["4700", "3800"]
    table.write_bytes(data(row(3900, 0), row(3900, 3)))
    assert "2 archived" in site.run("reading", "import", str(table), "--yes").stdout
    table.write_bytes(data(*[row(1000, ago) for ago in range(4)]))
    many = site.run("reading", "import", str(table), "--lang", "cs")
    assert many.returncode == 1
    assert "než je povolený počet pro jednu dávku (3 odečtů)." in many.stderr
    assert "there are more than 3 readings; split the file" in many.stderr
    assert "at most 3" in site.run("reading", "template", str(site.folder / "t.xlsx")).stdout


def test_nothing_of_it_is_published_before_its_release(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "gatewayd/#", qos=1) as subscriber:
        site = made(tmp_path, sinks=f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n")

        def heard() -> list[str]:
            batches = [json.loads(one.payload) for one in subscriber.received if "/gm-1/register/" in one.topic]
            return [one["raw"] for batch in batches for one in batch["readings"]]

        with site.daemon() as gateway:
            eventually(lambda: (site.archive / NAME).exists(), "the gateway listens")
            assert site.run("reading", "add", "gm-1", TOTAL, "1000", "--at", at(5)).returncode == 0
            assert site.run("reading", "add", "gm-1", TOTAL, "900", "--at", at(3), "--hold").returncode == 0
            assert site.run("reading", "add", "gm-1", TOTAL, "1010", "--at", at(1)).returncode == 0
            eventually(lambda: len(heard()) >= 2, "what is archived is published")
            assert heard() == ["1000", "1010"]
            done = site.run("reading", "release", "1", "--author", "Petra")
            assert done.returncode == 0, done.stderr
            eventually(lambda: heard() == ["1000", "1010", "900"], "what is released is published")
            assert gateway.terminate() == 0
    assert [one["raw"] for one in readings(site)] == ["1000", "1010", "900"]


def becomes(site: Site) -> tuple[set[int], list[int]]:
    """The numbers that wait, and those that were archived."""
    with Neighbours(site.archive) as neighbours:
        entered = [facts_of(detail).get("held") for _, detail in neighbours.entered(None)]
    return {one.number for one in Queue(site.archive).waiting()}, [int(str(one)) for one in entered if one]


def held(site: Site, count: int) -> None:
    config = daemon.load_config(site.config)
    at_once = daemon.now()
    table = [Submission("0", meter=f"em-{n}", obis="1-0:1.8.0*255", at=at_once) for n in range(1, count + 1)]
    done = asyncio.run(daemon.hand_in(config, table, daemon.Handing(enter=True, author="Jan", hold=True)))
    assert [one.number for one in done] == list(range(1, count + 1))


def test_killed_in_the_middle_of_releases_each_waits_or_is_archived(site: Site) -> None:
    """Never both, never neither; what was told to be archived is."""
    count, chance, told = 30, random.Random("release"), set[int]()
    held(site, count)
    config = daemon.load_config(site.config)

    async def releases(numbers: list[int]) -> None:
        for number in numbers:
            (one,) = await daemon.settle(config, daemon.Decision((number,), State.RELEASED, "Petra"))
            assert one.seq, one
            told.add(number)

    for turn in range(6):
        with site.daemon() as gateway:
            eventually(lambda: (site.archive / NAME).exists() and "gw-test" in gateway.messages, "it runs")
            waits, archived = becomes(site)
            timer = threading.Timer(0.01 + chance.random() * 0.1, gateway.kill)
            timer.start()
            with contextlib.suppress(GatewayError, OSError):  # it is killed
                asyncio.run(releases(sorted(waits)))
            timer.join()
        waits, archived = becomes(site)
        assert len(archived) == len(set(archived)) and not waits & set(archived), f"turn {turn}"
        assert waits | set(archived) == set(range(1, count + 1)) and told <= set(archived), f"turn {turn}"
    assert told, "some were released"
    asyncio.run(releases(sorted(becomes(site)[0])))
    assert becomes(site)[0] == set() and len(readings(site)) == count
    assert verify(site.archive).ok


KILLED = """
import os, signal, sys
from gatewayd.archive.store import Store
from gatewayd.cli import gatewayd
append = Store.append
async def killed(self, record):
    if {after}:
        await append(self, record)
    os.kill(os.getpid(), signal.SIGKILL)
Store.append = killed
gatewayd(sys.argv[1:])
"""


@pytest.mark.parametrize("after", [False, True])
def test_killed_just_before_and_just_after_it_is_written(after: bool, site: Site) -> None:
    held(site, 1)
    command = ["-c", str(site.config), "reading", "release", "1", "--author", "Petra"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(after=after), *command], cwd=ROOT, env=os.environ, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert becomes(site) == ((set(), [1]) if after else ({1}, []))
    assert site.run("reading", "release", "1", "--author", "Petra").returncode == int(after)
    assert becomes(site) == (set(), [1])
