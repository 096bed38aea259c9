"""Every recording of a real meter goes the whole way: simulator, line, driver, archive, Mosquitto, subscriber."""

import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.mosquitto import Mosquitto, Received, Subscriber
from tests.system.rig import QUICK, Site, captures, data_sets, simulator

pytestmark = pytest.mark.capture

# name -> (options of the simulator, mode, data sets, flag that every value must carry)
RECORDINGS: dict[str, tuple[tuple[str, ...], str, int, str | None]] = {
    "iskra_mt174_15months_echo": (("--identification", "ISK5MT174-0001"), "C", 343, None),
    "itron_em214": (("--identification", "ITR5EM214"), "C", 21, "truncated"),
    "itron_ace3000_modeE": (("--identification", "ACE5\\2ACE3000"), "C", 5, "truncated"),
    "lg_ultraheat_uh50": (("--identification", "LUGCUH50", "--mode", "B"), "C", 50, "bcc_failed"),
    "lg_d0end": (("--identification", "LGZ4ZMD"), "C", 51, "bcc_failed"),
    "easymeter_q3da_modeD": (("--mode", "D"), "D", 5, None),
    "emh_ehz_modeD": (("--mode", "D"), "D", 4, None),
    "dsmr_parser_telegram_v4_2": (("--mode", "D"), "D", 33, None),
    "dsmr_parser_telegram_v5": (("--mode", "D"), "D", 37, None),
    "dsmr_parser_telegram_v5_eon_hu": (("--mode", "D"), "D", 45, None),
    "dsmr_parser_telegram_fluvius_v171": (("--mode", "D"), "D", 36, None),
    "dsmr_parser_telegram_unpadded_crc": (("--mode", "D"), "D", 8, None),
}


def test_every_recording_is_used() -> None:
    assert set(RECORDINGS) == {path.stem for path in captures().glob("*.bin")}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("on", ["pty", "tcp"])
def test_raw_texts_order_and_duplicates_arrive_unchanged(on: str, tmp_path: Path) -> None:
    site = Site(tmp_path)
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path))
        lines = meters = ""
        for number, (name, (options, mode, _, _)) in enumerate(RECORDINGS.items()):
            place = tmp_path / f"line{number}" if on == "pty" else None
            meter = stack.enter_context(simulator(captures() / f"{name}.bin", *QUICK, *options, pty=place))
            lines += meter.line(name)
            meters += (
                f"  - {{id: {name}, driver: iec62056_21, line: {name}, iec62056_21: {{mode: {mode}}},\n"
                "     jobs: [{registers: all, every: 1h}]}\n"
            )
        site.configure(lines, meters, f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {broker.port}}}\n")
        subscriber = stack.enter_context(Subscriber(broker, "gatewayd/gw-test/+/+/+", qos=1))
        daemon = stack.enter_context(site.daemon())
        expected = sum(count for _, _, count, _ in RECORDINGS.values())
        subscriber.wait_for(lambda received: _counted(received) >= expected, 90)
        assert daemon.terminate() == 0
        arrived = _by_meter([message.payload for message in subscriber.received])
    verified = site.json("archive", "verify")
    assert verified["ok"]
    assert verified["readings"] >= expected  # a meter that sent something unsound is asked once more
    for name, (_, _, count, flag) in RECORDINGS.items():
        telegram = (captures() / f"{name}.bin").read_bytes()
        wanted = data_sets(telegram)
        first = arrived[name][:count]
        assert len(wanted) == count, name
        assert [(code, values) for code, values, _ in first] == [(code, sorted(values)) for code, values in wanted], (
            name
        )
        # A recording shows the clock of the day on which it was made: its maxima are flagged for that.
        statuses = {
            (reading["status"], tuple(text for text in reading["flags"] if text != "clock_deviation"))
            for _, _, reading in first
        }
        if flag is None:
            assert statuses <= {("true", ()), ("missing", ("no_value",))}, (name, statuses)
        else:
            assert statuses == {("distorted", (flag,))}, (name, statuses)


def _counted(received: list[Received]) -> int:
    """Readings of the first round only: none of a meter counts twice."""
    meters = Counter(message.topic.split("/")[2] for message in received)
    return sum(min(count, RECORDINGS[meter][2]) for meter, count in meters.items())


def _by_meter(payloads: list[str]) -> dict[str, list[tuple[str, list[str], dict[str, Any]]]]:
    """meter -> (code as the meter wrote it, sorted brackets, reading), in the order of the sequence numbers."""
    found: dict[str, dict[int, tuple[str, list[str], dict[str, Any]]]] = {}
    for payload in payloads:
        message = json.loads(payload, parse_float=str)
        for reading in message["readings"]:
            first = f"{reading['raw']}*{message['unit']}" if message["unit"] else reading["raw"]
            clock = message["obis"] == "0-0:1.0.0*255"  # behind it stands how far it is off, which no meter has sent
            values = sorted([first, *([] if clock else reading.get("more", []))])
            found.setdefault(message["meter"], {})[reading["seq"]] = (message["obis_raw"], values, reading)
    return {meter: [readings[seq] for seq in sorted(readings)] for meter, readings in found.items()}


@pytest.mark.timeout(120)
def test_what_the_mt174_says_is_read_printed_and_archived(tmp_path: Path) -> None:
    """The command of a technician, on a line with the echo and the real speed of a fast port."""
    site = Site(tmp_path)
    path = captures() / "iskra_mt174_15months_echo.bin"
    with simulator(path, *QUICK, "--misbehave", "echo", pty=tmp_path / "head") as meter:
        site.configure(meter.line("head"), "  - {id: mt174, driver: iec62056_21, line: head}\n")
        document = site.json("read", "mt174")
        table = site.run("read", "mt174", "1-0:1.8.0", "1.6.0")
    readings = document["readings"]
    assert len(readings) == 343 + 1  # and the clock, of time and date together
    clock = readings[-1]
    assert (clock["obis"], clock["obis_raw"]) == ("0-0:1.0.0*255", "1-0:0.9.1*255 1-0:0.9.2*255")
    assert float(clock["more"][0]) < -86400 * 365
    assert clock["flags"] == ["clock_deviation"]
    total = next(reading for reading in readings if reading["obis_raw"] == "1-0:1.8.0*255")
    assert (total["raw"], total["value"], total["unit"], total["status"]) == ("0008048.375", "8048.375", "kWh", "true")
    maximum = next(reading for reading in readings if reading["obis_raw"] == "1-0:1.6.0*255")
    assert (maximum["kind"], maximum["raw"], maximum["more"]) == ("maximum", "02.468", ["1703100930"])
    assert maximum["at"] == "2017-03-10T08:30:00Z"
    assert table.returncode == 0
    assert re.search(r"1-0:1\.8\.0\*255\s+8048\.375\s+kWh\s+true\s+0008048\.375", table.stdout)
    # The maximum is the one that the archive has already.
    assert len(site.json("archive", "show", "mt174")["readings"]) == 344 + 2
