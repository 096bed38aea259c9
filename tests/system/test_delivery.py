"""Stops, kills and a broker that is not there: what is archived arrives, once the broker does."""

import json
import signal
from pathlib import Path

import pytest

from gatewayd.publish import LONGEST_PAUSE_S
from tests.interop.mosquitto import Mosquitto, Subscriber
from tests.system.rig import QUICK, ROOT, Daemon, Site, end, eventually, simulator

INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
TOPICS = "gatewayd/gw-test/+/+/+"


def sequence(subscriber: Subscriber) -> list[int]:
    """All sequence numbers that arrived, in the order of arrival."""
    return [reading["seq"] for message in subscriber.received for reading in json.loads(message.payload)["readings"]]


def site_with(broker: Mosquitto, line: str, folder: Path, every: str) -> Site:
    site = Site(folder)
    site.configure(
        line,
        f"  - {{id: em-1, driver: iec62056_21, line: a, jobs: [{{registers: all, every: {every}}}]}}\n",
        f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n",
    )
    return site


def starts(daemon: Daemon) -> int:
    """How often a daemon has said that it runs, in the log of the whole test."""
    return daemon.messages.count("gatewayd.daemon: gatewayd 0")


def head(site: Site) -> int:
    if not (site.archive / "segment-000001.sqlite").exists():
        return 0
    return int(site.json("archive", "verify")["readings"])


@pytest.mark.timeout(480)
def test_a_broker_that_comes_late_gets_everything_in_order(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with simulator(INDUSTRIAL, *QUICK) as meter:
        site = site_with(broker, meter.line("a"), tmp_path, "2s")
        with site.daemon() as daemon:
            eventually(lambda: head(site) > 100, "acquisition does not wait for the broker")
            assert "m: broken" in daemon.messages and str(broker.port) in daemon.messages
            with broker, Subscriber(broker, TOPICS, qos=1) as subscriber:
                # Where acquisition took its time the sink has waited for long, and the next pause may be a long one.
                keeps_up = lambda: len(subscriber.received) >= head(site)  # noqa: E731
                eventually(keeps_up, "the subscriber keeps up with the archive", LONGEST_PAUSE_S + 30)
                assert daemon.terminate() == 0
                archived = head(site)
                subscriber.wait_for(lambda received: len(received) >= archived, 10)
                assert sequence(subscriber) == list(range(1, archived + 1))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_lost_when_the_daemon_goes(number: signal.Signals, tmp_path: Path) -> None:
    """Stopped or killed five times in full flight: at the end the subscriber has every archived reading."""
    with Mosquitto(tmp_path) as broker, Subscriber(broker, TOPICS, qos=1) as subscriber:
        with simulator(INDUSTRIAL, *QUICK) as meter:
            site = site_with(broker, meter.line("a"), tmp_path, "1s")
            for number_of_starts in range(1, 6):
                before = len(subscriber.received)
                with site.daemon() as daemon:
                    # What arrives may still be of the one before.
                    eventually(lambda n=number_of_starts: starts(daemon) == n, "the daemon runs")  # type: ignore[misc]
                    subscriber.wait_for(lambda received, before=before: len(received) > before + 20, 30)  # type: ignore[misc]
                    code = end(daemon.process, number, 10.0)
                    assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL), daemon.messages
        archived = head(site)
        with site.daemon() as daemon:
            eventually(lambda: starts(daemon) == 6, "the daemon runs again")
            eventually(lambda: set(sequence(subscriber)) >= set(range(1, archived + 1)), "all have arrived", 30)
            assert daemon.terminate() == 0
    verified = site.json("archive", "verify")
    assert verified["ok"], verified
    arrived = sequence(subscriber)
    if number is signal.SIGTERM:
        assert len(arrived) == len(set(arrived)), "an orderly stop repeats nothing"


@pytest.mark.timeout(60)
def test_a_stop_in_the_middle_of_a_paced_session_takes_less_than_ten_seconds(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    with simulator(INDUSTRIAL, pty=tmp_path / "slow") as meter:
        site = site_with(broker, meter.line("a"), tmp_path, "1h")
        with site.daemon() as daemon:
            eventually(lambda: "m: broken" in daemon.messages, "the daemon runs")
            assert daemon.terminate() == 0
    assert "Traceback" not in daemon.messages
    (exchange,) = [line for line in daemon.messages.splitlines() if "gatewayd stopped" in line]
    assert "archive at seq 0" in exchange
