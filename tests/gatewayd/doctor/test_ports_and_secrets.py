"""What doctor makes of devices, rights, secrets and endpoints that it has seen, without any of them."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.daemon.fitness import judge_secrets
from gatewayd.doctor import (
    account,
    network,
    secret_files,
    serial_ports,
)
from gatewayd.doctor.account import Account, allows
from gatewayd.doctor.findings import Level, Unseen
from gatewayd.doctor.processes import Holder
from gatewayd.doctor.scene import Scene
from tests.gatewayd.doctor.samples import ACCOUNT, CHARACTER, ERROR, FOLDER, NOTE, OK, REGULAR, WARNING, only, scene

# -- serial ports ------------------------------------------------------------------------------------------------------

USB = Path("/dev/ttyUSB0")
PORT = serial_ports.Port(Path("/dev/gatewayd/optical"), mode=CHARACTER | 0o660, group="dialout")
ME, MODEM_MANAGER = Holder(7, "gatewayd", True), Holder(8, "ModemManager", False)


@pytest.mark.parametrize(
    ("changed", "level", "words", "remedy"),
    [
        ({}, OK, "free; user gatewayd may use it", ""),
        ({"holders": (ME,)}, OK, "in use by the running gateway", ""),
        ({"there": False}, ERROR, "does not exist", "plug"),
        ({"character": False}, ERROR, "no serial device", "device"),
        ({"doubt": "a list"}, NOTE, "not seen", "sudo gatewayd doctor"),
        ({"blocked": PORT.device}, ERROR, "mode 0660, group dialout", "usermod -aG dialout gatewayd"),
        ({"blocked": PORT.device, "mode": CHARACTER | 0o600, "group": "root"}, ERROR, "mode 0600", "udev"),
        ({"blocked": Path("/dev/gatewayd")}, ERROR, "may not enter /dev/gatewayd", "chmod"),
        ({"holders": (Holder(9, "minicom", True),)}, ERROR, "locked by process 9 (minicom)", "fuser -v"),
        ({"holders": (Holder(0, "?", True),)}, ERROR, "outside of this container", "fuser"),
        ({"holders": (MODEM_MANAGER,)}, WARNING, "open in process 8 (ModemManager)", "disable --now ModemManager"),
        ({"holders": (Holder(9, "agetty", False),)}, WARNING, "agetty", "serial-getty@optical.service"),
    ],
)
def test_a_port(changed: dict[str, Any], level: Level, words: str, remedy: str) -> None:
    port = serial_ports.Port(**{name: getattr(PORT, name) for name in PORT.__slots__} | changed)
    only(serial_ports.judged_port("optical", port, ACCOUNT, 7), level, words, remedy)


def test_a_gateway_that_may_not_be_asked_is_no_stranger() -> None:
    """Somebody outside its group looks: nobody is told to end it."""
    port = serial_ports.Port(PORT.device, mode=PORT.mode, group="dialout", holders=(ME,))
    found = serial_ports.judged_port("optical", port, ACCOUNT, None, [7])
    only(found, NOTE, "not seen: is process 7 (gatewayd), which uses it, the gateway", "sudo gatewayd doctor")
    assert found[0].unseen


def test_a_name_that_changes() -> None:
    port = serial_ports.Port(USB, mode=CHARACTER | 0o660, stable=("/dev/serial/by-id/usb-FTDI",))
    fine, note = serial_ports.judged_port("optical", port, ACCOUNT, None)
    assert (fine.level, note.level) == (OK, NOTE)
    assert note.remedy == "use /dev/serial/by-id/usb-FTDI"


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "owner", "group", "want", "may"),
    [
        (0o600, 990, 0, 4, True),
        (0o600, 0, 990, 4, False),
        (0o060, 990, 20, 4, False),  # the owner's rights count for the owner, also where the group has more
        (0o060, 0, 20, 6, True),
        (0o006, 0, 20, 4, False),
        (0o006, 0, 0, 6, True),
        (0o640, 0, 20, 6, False),
    ],
)
def test_owner_group_and_mode(mode: int, owner: int, group: int, want: int, may: bool) -> None:
    assert allows(mode, owner, group, ACCOUNT, want) is may
    assert allows(mode, owner, group, Account("root", 0, frozenset()), want)


@pytest.mark.parametrize(("owner", "seen"), [(990, True), (0, False)])
def test_an_access_list_says_nothing_of_the_owner(
    owner: int, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights of an owner with a list are those of the mode (acl(5))."""
    tmp_path.chmod(0o700)
    os.chown(tmp_path, owner, 0)
    monkeypatch.setattr(account, "_above", lambda _path: iter(()))
    monkeypatch.setattr(account, "has_access_list", lambda _path: True)
    if seen:
        assert account.obstacle(tmp_path, ACCOUNT, account.READ | account.WRITE) is None
    else:
        with pytest.raises(Unseen, match="access list"):
            account.obstacle(tmp_path, ACCOUNT, account.READ)


# -- secrets -----------------------------------------------------------------------------------------------------------

PASSWORD = secret_files.Reference("meter em-1", "file", "/etc/gatewayd/pw")
FILE = secret_files.SecretFile(Path("/etc/gatewayd/pw"), mode=REGULAR | 0o400)


@pytest.mark.parametrize(
    ("changed", "level", "words", "remedy"),
    [
        ({}, OK, "mode 0400", ""),
        ({"there": False}, ERROR, "does not exist", "write it"),
        ({"mode": FOLDER | 0o700, "regular": False}, ERROR, "is no file", ""),
        ({"mode": 0, "doubt": "denied"}, NOTE, "not seen: denied", "sudo gatewayd doctor"),
        ({"mode": REGULAR | 0o404}, ERROR, "everybody on this machine", "chmod o= /etc/gatewayd/pw"),
        ({"mode": REGULAR | 0o420}, WARNING, "may change it", "chmod go-w"),
        ({"blocked": FILE.path}, ERROR, "gatewayd may not read it", "chown gatewayd"),
        ({"blocked": Path("/etc/gatewayd")}, ERROR, "may not read it", "chgrp dialout /etc/gatewayd"),
        ({"empty": True}, ERROR, "is empty", ""),
        ({"doubt": "an access list"}, NOTE, "access list", "sudo"),
    ],
)
def test_a_secret(changed: dict[str, Any], level: Level, words: str, remedy: str) -> None:
    file = secret_files.SecretFile(**{name: getattr(FILE, name) for name in FILE.__slots__} | changed)
    only(secret_files.judged_file(PASSWORD, file, ACCOUNT, "dialout"), level, words, remedy)


def test_certificates_are_for_everybody() -> None:
    public = secret_files.Reference("sink m", "file", "/etc/gatewayd/ca.pem", public=True)
    file = secret_files.SecretFile(Path("/etc/gatewayd/ca.pem"), mode=REGULAR | 0o444)
    only(secret_files.judged_file(public, file, ACCOUNT, "dialout"), OK, "mode 0444")


@pytest.mark.parametrize(("there", "level"), [(True, OK), (False, ERROR), (None, NOTE)])
def test_a_credential(there: bool | None, level: Level) -> None:
    reference = secret_files.Reference("sink m", "credential", "broker")
    found = secret_files.judged_elsewhere(reference, ACCOUNT, there)
    assert (found.level, found.unseen) == (level, there is None)


def test_what_the_service_alone_has_is_no_error_while_it_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential that two sinks share, and a variable: nobody else can look, root neither."""
    text = (
        f"gateway: {{id: gw-1}}\narchive: {{path: {tmp_path}}}\nlines: {{}}\nmeters: []\nsinks:\n"
        "  - {id: a, type: mqtt, host: localhost, username: u, password_file: 'credential:x'}\n"
        "  - {id: b, type: mqtt, host: localhost, username: u, password_credential: x}\n"
        "  - {id: c, type: mqtt, host: localhost, username: u, password_env: NO_SUCH_VARIABLE}\n"
    )
    config = parse(text, "f.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(secret_files, "_CREDENTIALS", tmp_path)
    (tmp_path / "gatewayd.service").mkdir()  # some versions of systemd leave it behind
    assert secret_files.out_of_reach(config) == {"sink a", "sink b", "sink c"}
    root = Account("root", 0, frozenset({0}))
    found = secret_files.secret_files(Scene(config, Path("f.yaml"), root, ACCOUNT), partial(judge_secrets, config))
    assert {(one.level, "known to the service alone" in one.text) for one in found} == {(NOTE, True)}
    assert {one.subject for one in found} == {
        "sink a: credential x", "sink c: env NO_SUCH_VARIABLE", "sink a", "sink c",
    }  # fmt: skip
    assert all("sudo" not in one.remedy for one in found)


# -- network -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told_", "level", "words"),
    [
        ("ok", OK, "takes a connection"),
        ("up", OK, "connected at this moment"),
        ("connection refused", ERROR, "refuses the connection"),
        ("no answer within 2 s", ERROR, "no answer"),
        (None, NOTE, "not tried in time"),
    ],
)
def test_an_endpoint(told_: str | None, level: Level, words: str) -> None:
    only(network.judged_endpoint(("192.0.2.1", 4059), ["cabin", "cellar"], told_), level, words)


def test_rows_of_the_kernel() -> None:
    """proc_pid_net(5): addresses as words of a little-endian machine."""
    text = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:9E8F 00000000:0000 0A 00000000:00000000 00:00000000 00000000   990        0 1234 1\n"
        "   1: 0100007F:C350 0A0200C0:0FDB 01 00000000:00000000 00:00000000 00000000     0        0 1235 1\n"
        "   2: 0000000000000000FFFF00000100007F:0FDB 0000000000000000FFFF00000A0200C0:0050 01 0:0 0:0 0 0 0 1236 1\n"
        "   3: 00000000000000000000000001000000:0FDB B80D01200000000000000000010000C0:0050 01 0:0 0:0 0 0 0 1237 1\n"
    )
    listening, connected, mapped, six = network.parsed_sockets(text)
    assert (listening.state, listening.local_port, listening.uid) == ("0A", 40591, 990)
    assert connected.remote == ("192.0.2.10", 4059)
    assert mapped.remote == ("192.0.2.10", 80)
    assert six.remote == ("2001:db8::c000:1", 80)


@pytest.mark.parametrize(
    ("running", "owner", "port", "level", "words"),
    [
        (False, None, 4059, OK, "is free"),
        (False, 0, 4059, ERROR, "taken by a program of user root"),
        (True, 990, 4059, OK, "the running gateway listens"),
        (True, None, 4059, ERROR, "does not listen"),
        (True, 0, 4059, ERROR, "taken by a program of user root"),
        (False, None, 502, WARNING, "below 1024"),
    ],
)
def test_a_port_on_which_meters_call(running: bool, owner: int | None, port: int, level: Level, words: str) -> None:
    only(network.judged_bound("head-end", f"TCP port {port}", owner, scene(running=running), 1024), level, words)


def test_of_a_great_many_there_are_the_first_with_a_fault() -> None:
    many = [network.judged_endpoint(("h", n), [f"l{n}"], "ok" if n % 2 else "dead") for n in range(100)]
    found = network.gathered(many)
    assert len(found) == 22
    assert [one.level for one in found] == [ERROR] * 20 + [OK, ERROR]
    assert found[-2].text == "50 of 100 are all right" and "30 more" in found[-1].text
    assert network.gathered(many[:20]) == many[:20]
