"""Every secret that a gateway may have, at work at once, and in nothing that it says or leaves behind: of broker,
InfluxDB and PostgreSQL, a password of IEC 62056-21, keys of DLMS, the PIN of a SIM.

Rules: each was really used, which the other side tells; the search is that of test_dlms_canary.py, which tests it. What
a process shows of itself (command line, environment, memory on the disk) counts as said.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from click.testing import CliRunner

from gatewayd.cli import gatewayd
from gatewayd.daemon.no_dump import forbid_dumps
from tests.system.dlms_rig import AUTHENTICATION_KEY, BLOCK_KEY, PASSWORD, Manner, dlms_meter
from tests.system.forked import QuickSite, running
from tests.system.rig import QUICK, ROOT, Site, end, eventually, simulator
from tests.system.test_dlms_canary import files, leaks, wire

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
SECRETS = {
    "mqtt": "Makler-Kanarek-5512",
    "token": "Zeton-Kanarek-8841-xyzzy",
    "sql": "Tabulka-Kanarek-3379",
    "iec": "Hlava-Kanarek-9024",
    "pin": "73190486",
}
DLMS = [PASSWORD.encode(), bytes.fromhex(BLOCK_KEY), bytes.fromhex(AUTHENTICATION_KEY)]
ASKED = (
    ("status",),
    ("status", "--json"),
    ("doctor", "--no-network"),
    ("sink", "check", "i", "p"),
    ("check",),
    ("read", "em-1"),
    ("read", "em-2"),
    ("archive", "export", "--format", "jsonl"),
)
GMAC = Manner("wrapper", "hls-gmac", "authenticated-encrypted")


@contextlib.contextmanager
def server(converse: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server of a few bytes, one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()
        listening.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    client, _ = listening.accept()
                    with client:
                        client.settimeout(5)
                        converse(client)

        thread = threading.Thread(target=serve, name="server", daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            thread.join(10)


def influx(heard: bytearray) -> Callable[[socket.socket], None]:
    """Lets nobody in."""

    def converse(client: socket.socket) -> None:
        heard.extend(client.recv(65536))
        client.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    return converse


def postgresql(heard: bytearray) -> Callable[[socket.socket], None]:
    """Wants the password as it is (PostgreSQL manual, 55.7), and refuses it."""

    def converse(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
        heard.extend(client.recv(65536))
        fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"
        client.sendall(b"E" + (4 + len(fields)).to_bytes(4) + fields)

    return converse


def shown(pid: int) -> dict[str, bytes]:
    """Command line and environment of a process and of its children, as every user, or its own, may read them."""
    found: dict[str, bytes] = {}
    for each in (pid, *children(pid)):
        for name in ("cmdline", "environ"):
            found[f"/proc/{each}/{name}"] = Path(f"/proc/{each}/{name}").read_bytes()
    return found


def children(pid: int) -> list[int]:
    return [
        int(text) for task in Path(f"/proc/{pid}/task").iterdir() for text in (task / "children").read_text().split()
    ]


def unlimited() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def ends_with_a_dump(process: "subprocess.Popen[bytes]") -> bool:
    """Whether the kernel has written its memory down."""
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGABRT
    return os.WCOREDUMP(status)


def test_no_secret_is_shown_by_a_gateway_at_work(tmp_path: Path) -> None:
    secrets = tmp_path / "site-secrets"
    secrets.mkdir()
    for name, text in SECRETS.items():
        (secrets / name).write_text(text + "\n")
        (secrets / name).chmod(0o400)
    said: dict[str, bytes] = {}
    heard: dict[str, bytearray] = {"token": bytearray(), "sql": bytearray()}
    sim, head = tmp_path / "modem-secrets", tmp_path / "head-secrets"
    for folder in (sim, head):
        folder.mkdir()
    modem = (
        "--pty",
        str(tmp_path / "modem"),
        "--journal",
        str(sim / "journal"),
        "--sim",
        "pin",
        "--pin",
        SECRETS["pin"],
    )
    optical = (*QUICK, "--password", SECRETS["iec"], "--misbehave", "echo", "--journal", str(head / "journal"))
    with (
        dlms_meter(tmp_path, "em-2", GMAC) as keys,
        dlms_meter(tmp_path, "em-3", Manner("hdlc", "low")) as low,
        simulator(HOUSEHOLD, *optical, pty=tmp_path / "head"),
        running(tmp_path, "simulators", "modem", *modem) as called,
        running(tmp_path, "simulators", "broker", "--port", "0") as broker,
        wire(int(broker.line().rsplit(":", 1)[1])) as relay,
        server(influx(heard["token"])) as influx_port,
        server(postgresql(heard["sql"])) as sql_port,
    ):
        assert called.line().startswith("ready")
        site = QuickSite(Site(tmp_path))
        login = f"access: R5, vendor: generic, password_file: {secrets}/iec"
        site.site.configure(
            f"  optical: {{type: serial, device: {tmp_path}/head}}\n{keys.line}{low.line}"
            f"  gsm: {{type: modem, device: {tmp_path}/modem, pin_file: {secrets}/pin}}\n",
            f"  - {{id: em-1, driver: iec62056_21, line: optical, jobs: [{{registers: [1-0:1.8.0], every: 2s}}], "
            f"iec62056_21: {{{login}}}}}\n"
            f"  - {{id: em-4, driver: iec62056_21, line: gsm, phone: '+420601123489', "
            f"jobs: [{{registers: all, every: 1h}}]}}\n{keys.entry(every='2s')}{low.entry(every='2s')}",
            f"  - {{id: m, type: mqtt, host: 127.0.0.1, port: {relay.port}, username: u, "
            f"password_file: {secrets}/mqtt}}\n"
            f"  - {{id: i, type: line_protocol, dialect: influx2, url: 'http://127.0.0.1:{influx_port}', org: o, "
            f"bucket: b, token_file: {secrets}/token}}\n"
            f"  - {{id: p, type: postgresql, host: 127.0.0.1, port: {sql_port}, database: d, username: u, "
            f"password_file: {secrets}/sql}}\n",
        )
        command = [sys.executable, "-m", "gatewayd", "-c", str(site.site.config), "run", "-v"]
        with (tmp_path / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen(command, stderr=log, cwd=tmp_path, preexec_fn=unlimited)
        try:
            used = {
                "mqtt": lambda: SECRETS["mqtt"].encode() in relay.sent,
                "token": lambda: SECRETS["token"].encode() in heard["token"],
                "sql": lambda: SECRETS["sql"].encode() in heard["sql"],
                "iec": lambda: (head / "journal").exists() and "password ok" in (head / "journal").read_text(),
                "pin": lambda: (sim / "journal").exists() and SECRETS["pin"] in (sim / "journal").read_text(),
                "keys": lambda: b'"meter":"em-2"' in relay.sent,
                "password": lambda: b'"meter":"em-3"' in relay.sent,
            }
            for name, condition in used.items():
                eventually(condition, f"{name} is used")
            processes = shown(daemon.pid)
            with running(site.said, "gatewayd", "-c", str(site.site.config), "trace", "optical") as trace:
                eventually(
                    lambda: trace.output.exists() and "->" in trace.output.read_text(), "there is something to be seen"
                )
                for asked in ASKED:
                    done = site.run(*asked)
                    said[" ".join(asked)] = (done.stdout + done.stderr).encode()
            limits = Path(f"/proc/{daemon.pid}/limits").read_text()
            daemon.send_signal(signal.SIGABRT)
            dumped = ends_with_a_dump(daemon)
        finally:
            end(daemon, signal.SIGKILL)  # type: ignore[arg-type]  # of bytes, of which nothing is read
    outputs = files(tmp_path) | processes | said
    assert all(said.values()) and len(said) == len(ASKED)
    assert any(name.startswith("archive/segment") for name in outputs)
    whole = [text.encode() for name, text in SECRETS.items() if name != "pin"]
    assert leaks(outputs, [*whole, *DLMS]) == []
    assert [name for name, content in outputs.items() if SECRETS["pin"].encode() in content] == [], (
        "half of it is chance"
    )
    assert "Max core file size        0                    0 " in limits
    assert not dumped, "a core dump would hold all of them"
    assert not list(tmp_path.glob("core*"))


def test_a_process_that_nobody_looks_into(tmp_path: Path) -> None:
    """The same process would be dumped without it, where this machine dumps at all; and `run` forbids it first."""
    context = multiprocessing.get_context("forkserver")
    for before, expected in ((_nothing, 1), (forbid_dumps, 0), (_run, 0)):
        mine, theirs = context.Pipe()
        process = context.Process(target=_dumpable, args=(theirs, before, str(tmp_path)))
        process.start()
        assert mine.poll(30)
        assert mine.recv() == (expected, (0, 0) if expected == 0 else mine_limits()), before.__name__
        process.join()


def mine_limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_CORE)


def _nothing() -> None:
    pass


def _run() -> None:
    """A configuration that cannot be read: that comes behind it."""
    assert CliRunner().invoke(gatewayd, ["-c", "/nowhere/gatewayd.yaml", "run"]).exit_code != 0


def _dumpable(answers: "multiprocessing.connection.Connection", before: Callable[[], None], folder: str) -> None:
    import ctypes

    os.chdir(folder)
    before()
    pr_get_dumpable = 3
    answers.send((ctypes.CDLL(None).prctl(pr_get_dumpable, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)))
