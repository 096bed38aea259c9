"""What real DLMS meters pushed, from every kind of line to what `gatewayd archive show` says of it."""

import socket
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gatewayd.model import Outcome
from tests.drivers.dlms.hdlc_bytes import CAPTURES
from tests.drivers.dlms.push_bytes import CIPHERED, NAMES, capture
from tests.drivers.dlms.test_push_captures import NUMBER_OF_READINGS, SERIALS, TIMES, expected
from tests.gatewayd.archive.samples import reading_from
from tests.gatewayd.channel.pseudo_terminal import PseudoTerminal
from tests.system.rig import DEADLINE_S, Daemon, Site, captures, eventually
from tests.system.test_listening import HERE, call, free_port

pytestmark = pytest.mark.capture

VALUES = {
    "hdlc_norway_han_3phase": {"1-0:1.7.0*255": ("1122", "W"), "1-0:32.7.0*255": ("230.7", "V")},
    "hdlc_landis_gyr_e450": {},
    "hdlc_kamstrup_omnipower": {},
    "raw_energomera": {"0-0:96.1.0*255": ("12415173608710", "None")},
    "raw_salzburg_netz": {"1-0:1.8.0*255": ("1327456", "Wh"), "1-0:32.7.0*255": ("229.2", "V")},
}
"""By hand from the octets: 0462 W; 0903 x 10^-1 V; 00144160 Wh; 08F4 x 10^-1 V. All numbers: see expected()."""


def keys(name: str) -> str:
    if name not in CIPHERED:
        return ""
    files = {"block_cipher_key_file": f"{name}.key", "authentication_key_file": f"{name}.gak"}
    return "".join(f", {key}: {CAPTURES / file}" for key, file in files.items())


def address(name: str) -> str:
    return f"127.0.0.{NAMES.index(name) + 2}"


def configure(site: Site, tcp: int, udp: int, terminals: dict[str, PseudoTerminal]) -> None:
    lines = f"  tcp: {{type: tcp_listen, bind: {HERE}, port: {tcp}}}\n"
    lines += f"  udp: {{type: udp_listen, bind: {HERE}, port: {udp}}}\n"
    lines += "".join(f"  {name}: {{type: serial, device: {one.device}}}\n" for name, one in terminals.items())
    meters = ""
    for name in NAMES:
        for kind, line, peer in (
            ("tcp", "tcp", f"peer: {address(name)}, "),
            ("udp", "udp", f"peer: {address(name)}, "),
            ("pty", name, ""),
        ):
            driver = f"driver: dlms, dlms: {{push: {{}}{keys(name)}}}"
            meters += f"  - {{id: {kind}-{name}, line: {line}, {peer}{driver}, jobs: [{{listen: true}}]}}\n"
    site.configure(lines, meters)


def all_heard(daemon: Daemon, kind: str) -> None:
    for name in NAMES:
        eventually(lambda name=name: f"meter {kind}-{name} on line " in daemon.messages, f"{kind}-{name}")  # type: ignore[misc]


def test_every_capture_on_every_kind_of_line(tmp_path: Path) -> None:
    captures()
    site, tcp, udp = Site(tmp_path), free_port(), free_port(socket.SOCK_DGRAM)
    terminals = {name: PseudoTerminal() for name in NAMES}
    configure(site, tcp, udp, terminals)
    with site.daemon() as daemon:
        streams = []
        for name in NAMES:
            streams.append(call(tcp, address(name)))
            streams[-1].sendall(capture(name) * (1 if name in CIPHERED else 2))  # two messages in one segment
        all_heard(daemon, "tcp")
        for name in NAMES:
            terminals[name].write(capture(name))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as meter:
                meter.bind((address(name), 0))
                meter.sendto(capture(name), (HERE, udp))
        all_heard(daemon, "udp")
        all_heard(daemon, "pty")
        eventually(lambda: exchanges_of(site) >= len(NAMES) * 3 + 3, "every message is archived")
        assert site.json("status")["faults"] == []
        begun = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - begun < 10
        for stream in streams:
            stream.close()
    assert " not heard" not in daemon.messages
    everything = site.json("archive", "show")["readings"]
    for name in NAMES:
        for kind in ("tcp", "udp", "pty"):
            messages = 2 if kind == "tcp" and name not in CIPHERED else 1
            shown = [reading for reading in everything if reading["meter"] == f"{kind}-{name}"]
            assert len(shown) == NUMBER_OF_READINGS[name] * messages
            for begin in range(0, len(shown), NUMBER_OF_READINGS[name]):
                right(name, shown[begin : begin + NUMBER_OF_READINGS[name]])
    with reading_from(site.archive, DEADLINE_S) as reader:
        # Each session ends with an exchange that is cancelled, and has nothing in it.
        found = [exchange for exchange in reader.exchanges() if exchange.outcome is not Outcome.CANCELLED]
    for exchange in found:
        name = exchange.meter.partition("-")[2]
        assert (exchange.outcome, exchange.received) == (Outcome.DONE, capture(name)), exchange.meter
    assert len(found) == len(NAMES) * 3 + 3
    assert site.json("archive", "verify")["ok"]


def exchanges_of(site: Site) -> int:
    with reading_from(site.archive, DEADLINE_S) as reader:
        return len(reader.exchanges())


def right(name: str, shown: list[dict[str, Any]]) -> None:
    """What is shown of one message is what the decoding says that is published beside the capture."""
    by_code = {reading["obis"]: reading for reading in shown}
    assert len(by_code) == len(shown)
    assert {reading["status"] for reading in shown} == {"true"}
    for code, number, scale in expected(name) if name != "raw_energomera" else ():
        reading = by_code[code]
        assert reading["raw"] == number
        if scale is not None:
            value, unit = Decimal(number).scaleb(scale[0]), scale[1]
            assert (Decimal(str(reading["value"])), reading["unit"]) == (value, unit), code
    for code, (text, unit) in VALUES[name].items():
        assert (str(by_code[code]["value"]), str(by_code[code]["unit"])) == (text, unit)
    times = {reading["at"] for code, reading in by_code.items() if ":1.0.0*" not in code}
    assert times == {TIMES[name].replace("+00:00", "Z")}
    assert {reading["serial"] for reading in shown} == {SERIALS.get(name, (None,))[0]}
