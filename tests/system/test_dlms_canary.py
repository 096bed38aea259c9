"""Secrets are in no output: a search for password, keys, HLS secret and dedicated key through everything that a gateway
writes or says, also of sessions that fail.

Rules: the search itself is tested by what has to be found; each secret is looked for as it is, in hexadecimal, in
base64, and by its halves.
"""

import base64
import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from simulators import dlms_acse
from simulators.dlms_security import AUTHENTICATED, ENCRYPTED, Keys, Unsound, unseal
from tests.crash.rig import FULL
from tests.system.dlms_rig import (
    AUTHENTICATION_KEY,
    BLOCK_KEY,
    CLIENT_TITLE,
    LOAD_PROFILE,
    PASSWORD,
    DlmsMeter,
    Manner,
    Secrets,
    dlms_meter,
    gateway,
)
from tests.system.forked import running
from tests.system.rig import eventually

BOTH = "authenticated-encrypted"
WRONG_PASSWORD, WRONG_KEY = "Verkehrt-5188", "51" + BLOCK_KEY[2:30] + "00"


def forms(secret: bytes) -> set[bytes]:
    """What a secret looks like in texts and files."""
    whole = (secret, secret[: len(secret) // 2], secret[len(secret) // 2 :])
    found: set[bytes] = {base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}
    for part in whole:
        digits = part.hex()
        spaced = part.hex(" ")
        found |= {part, digits.encode(), digits.upper().encode(), spaced.encode(), spaced.upper().encode()}
        found.add(repr(part)[2:-1].encode())
    return found


ALL = [PASSWORD.encode(), WRONG_PASSWORD.encode(), *map(bytes.fromhex, (BLOCK_KEY, AUTHENTICATION_KEY, WRONG_KEY))]


def leaks(outputs: dict[str, bytes], secrets: list[bytes]) -> list[tuple[str, bytes]]:
    """Where which form of a secret is."""
    looked_for = {form for secret in secrets for form in forms(secret)}
    return [(name, form) for name, content in outputs.items() for form in looked_for if form in content]


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, but the files with the secrets and what only the simulated meter has written."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {"secrets", "wrong"} & {path.parent.name, path.parent.name.rpartition("-")[2]}
    }


@dataclass
class Wire:
    """What a gateway sent to a meter, through a relay of ours."""

    port: int
    sent: bytearray = field(default_factory=bytearray)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """One connection after the other to 127.0.0.1:`port`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made, stop = Wire(server.getsockname()[1]), threading.Event()
        server.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = server.accept()
                    with client, socket.create_connection(("127.0.0.1", port)) as meter:
                        relay(client, meter)

        def relay(client: socket.socket, meter: socket.socket) -> None:
            while not stop.is_set():
                for ready in select.select([client, meter], [], [], 0.05)[0]:
                    data = ready.recv(4096)
                    if not data:
                        return
                    if ready is client:
                        made.sent += data
                    (meter if ready is client else client).sendall(data)

        thread = threading.Thread(target=serve, name="wire", daemon=True)
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join(10)


def dedicated_keys(sent: bytes) -> list[bytes]:
    """Those that the associations of a wrapper stream have agreed, deciphered by the simulator's side."""
    found: list[bytes] = []
    at = 0
    while at < len(sent):
        size = int.from_bytes(sent[at + 6 : at + 8])
        apdu, at = bytes(sent[at + 8 : at + 8 + size]), at + 8 + size
        if apdu[0] != dlms_acse.AARQ:
            continue
        asked = dlms_acse.parse_aarq(apdu)
        if asked.context != dlms_acse.LN_CIPHERED:
            continue
        sealed = asked.user_information[2:]  # tag and one octet of length
        for key in (BLOCK_KEY, WRONG_KEY):
            keys = Keys(bytes.fromhex(key), bytes.fromhex(AUTHENTICATION_KEY))
            with contextlib.suppress(Unsound):
                plain, _ = unseal(sealed, keys, required=AUTHENTICATED | ENCRYPTED, title=bytes.fromhex(CLIENT_TITLE))
                found.append(dlms_acse.parse_initiate(plain).dedicated_key)
    return found


COMMANDS = (
    ("read", "em-1", "--json"),
    ("trace", "em-1-line", "1-0:1.8.0", "--read", "em-1"),
    ("trace", "em-1-line", "1-0:1.8.0", "--read", "em-1", "--json"),
    ("archive", "export", "--format", "jsonl"),
    ("clock", "em-1", "--set"),
    ("scan", "em-1"),
    ("profile", "em-1", LOAD_PROFILE),
    ("check",),
)
FAILING = COMMANDS[:4]
GMAC = Manner("wrapper", "hls-gmac", BOTH, ciphering="dedicated")
MANNERS = [
    Manner("hdlc", "low"),
    Manner("hdlc", "hls-sha256", BOTH),
    Manner("wrapper", "low", BOTH, ciphering="dedicated", general=True),
]
if FULL:
    MANNERS += [Manner("wrapper", "hls-md5"), Manner("wrapper", "hls-sha1", "encrypted"), GMAC]


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    key = bytes.fromhex(BLOCK_KEY)
    for planted in (b"%s", b'{"k": "%s"}', b"\0\1%s\2"):
        for form in (
            PASSWORD.encode(),
            PASSWORD.encode().hex().encode(),
            key,
            BLOCK_KEY.encode(),
            key.hex(" ").encode(),
        ):
            assert leaks({"file": planted % form}, ALL)
        assert leaks({"file": planted % base64.b64encode(key)}, ALL)
        assert leaks({"file": planted % repr(key).encode()}, ALL)
    assert not leaks({"file": b"nothing"}, ALL)
    (tmp_path / "other").write_text(PASSWORD)
    Secrets(tmp_path / "em-1-secrets").written()
    assert list(files(tmp_path)) == ["other"]


@pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.name)
def test_no_command_shows_a_secret(tmp_path: Path, manner: Manner) -> None:
    """Sound sessions, wrong secrets, and answers that were tampered with."""
    faults = ("tampered-tag:9", "wrong-hls-answer:13") if manner.security != "none" else ("truncated:9", "hang-up:13")
    options = ("--profile-days", "2", *(word for fault in faults for word in ("--fault", fault)))
    with dlms_meter(tmp_path, "em-1", manner, *options) as meter, wire(meter.port) as relay:
        through = replace(meter, port=relay.port)
        site = gateway(tmp_path, [through.entry("response_timeout_s: 1", "set_clock: {}")], through)
        codes = [site.run(*command).returncode for command in COMMANDS]
        spoil(meter)
        failed = [site.run(*command) for command in FAILING]
        agreed = dedicated_keys(bytes(relay.sent)) if manner.ciphering == "dedicated" else []
    assert codes.count(0) >= 5, codes
    assert sum(done.returncode for done in failed) == 3
    assert bool(agreed) == (manner.ciphering == "dedicated") and all(map(len, agreed))
    outputs = files(tmp_path)
    assert any("segment" in name for name in outputs) and sum("stderr" in name for name in outputs) > len(codes)
    assert leaks(outputs, [*ALL, *agreed]) == []


def spoil(meter: DlmsMeter) -> None:
    """The gateway has wrong secrets from here on."""
    files = meter.secrets.folder
    (files / "password").write_text(WRONG_PASSWORD + "\n")
    (files / "gek").write_text(WRONG_KEY + "\n")


def test_a_daemon_with_a_broker_shows_none(tmp_path: Path) -> None:
    """The log, and all that the broker was told; a meter that is refused among the others."""
    with (
        dlms_meter(tmp_path, "em-1", Manner("hdlc", "low")) as one,
        dlms_meter(tmp_path, "em-2", GMAC) as two,
        dlms_meter(tmp_path, "em-3", Manner("wrapper", "hls-sha1")) as refused,
        running(tmp_path, "simulators", "broker", "--port", "0") as broker,
        wire(int(broker.line().rsplit(":", 1)[1])) as relay,
    ):
        spoil(refused)
        site = gateway(tmp_path, [each.entry(every="1s") for each in (one, two, refused)], one, two, refused)
        sink = f"sinks:\n  - {{id: m, type: mqtt, host: 127.0.0.1, port: {relay.port}}}\n"
        site.site.config.write_text(site.site.config.read_text() + sink)
        with site.site.daemon() as daemon:
            eventually(lambda: "em-3 on line em-3-line refuses" in daemon.messages, "the refusal is told")
            published = [f'"meter":"{name}"'.encode() for name in ("em-1", "em-2")]
            eventually(lambda: all(name in relay.sent for name in published), "readings are published")
            assert daemon.terminate() == 0
    assert leaks({"to the broker": bytes(relay.sent)} | files(tmp_path), ALL) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("gek", BLOCK_KEY[:-2]), ("gek", BLOCK_KEY + "xyz"), ("password", "0x" + PASSWORD), ("gak", ""), ("password", "")],
)
def test_a_file_that_is_no_secret_is_named_and_not_shown(tmp_path: Path, name: str, content: str) -> None:
    manner = Manner("wrapper", "low", BOTH)
    with dlms_meter(tmp_path, "em-1", manner) as meter:
        site = gateway(tmp_path, [meter.entry()], meter)
        (meter.secrets.folder / name).write_text(content)
        done = site.run("read", "em-1", "1-0:1.8.0")
        assert set(meter.heard()) <= {"disconnected"}, "nothing was sent"
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "em-1" in line and str(meter.secrets.folder / name) in line
    assert leaks(files(tmp_path), ALL) == []
