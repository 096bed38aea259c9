"""The service: how long an operator waits for `gatewayd status`, and systemd for the daemon.

Rules: the real daemon and the real command line; the meters are never reached, as after a power cut of the town: what
is measured is the gateway, when all of them have been tried once. The bounds are seconds, so that the ratio is against
them.

GATEWAYD_BENCH_METERS makes it smaller.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.headend_site import ROOT, configuration, daemon
from benchmarks.result import Result

METERS = int(os.environ.get("GATEWAYD_BENCH_METERS", "2000"))
STARTED = 200
STATUS_BOUND_S, READY_BOUND_S = 0.5, 2.0
SETTLED_S = 5.0
_REPEATS = 5
_PATIENCE_S = 60.0
_METER = (
    "driver: dlms, metering_type: A, point: {eic: 27ZG600Z0424987D}, "
    "dlms: {transport: wrapper, client: 16, server: 1}, "
    'jobs: [{profile: 1-0:99.1.0, at: "00:20"}, {registers: [1-0:1.8.0], every: 15m}]'
)


def run() -> list[Result]:
    """`gatewayd status` beside a daemon with many meters; a start until READY=1."""
    with TemporaryDirectory() as name:
        asked = _status(Path(name))
    with TemporaryDirectory() as name:
        ready = _ready(Path(name))
    return [
        _result(f"gatewayd status, {METERS} meters: the slowest of {_REPEATS}", asked, STATUS_BOUND_S),
        _result(f"start to READY=1, {STARTED} meters: the slowest of {_REPEATS}", ready, READY_BOUND_S),
    ]


def _status(folder: Path) -> float:
    """Seconds of the slowest one, from outside."""
    with _nobody(METERS) as ports, daemon(folder, configuration(folder, ports, _METER, 256, "5m")):
        found = []
        time.sleep(SETTLED_S)
        for _ in range(_REPEATS):
            began = time.perf_counter()
            told = subprocess.run(
                [sys.executable, "-m", "gatewayd", "-c", str(folder / "gatewayd.yaml"), "status"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            found.append(time.perf_counter() - began)
            if str(METERS) not in told.stdout:
                raise RuntimeError(f"gatewayd status: {told.stdout}{told.stderr}")
    return max(found)


def _ready(folder: Path) -> float:
    """Seconds from the start of the process to READY=1 of the slowest one."""
    found = []
    with _nobody(STARTED) as ports:
        config = folder / "gatewayd.yaml"
        config.write_text(configuration(folder, ports, _METER, 256, "5m"), encoding="utf-8")
        for number in range(_REPEATS):
            path = folder / f"notify-{number}"
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
                heard.bind(str(path))
                heard.settimeout(_PATIENCE_S)
                began = time.perf_counter()
                process = subprocess.Popen(
                    [sys.executable, "-m", "gatewayd", "-c", str(config), "run"],
                    cwd=ROOT,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "NOTIFY_SOCKET": str(path)},
                )
                try:
                    while b"READY=1" not in heard.recv(4096).split(b"\n"):
                        pass
                    found.append(time.perf_counter() - began)
                finally:
                    process.terminate()
                    process.wait(_PATIENCE_S)
    return max(found)


@contextmanager
def _nobody(count: int) -> Iterator[list[int]]:
    """Ports at which nobody answers: bound, not listening."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _result(what: str, seconds: float, bound: float) -> Result:
    return Result(what, seconds, bound, seconds / bound, f"below {bound:g} s", seconds < bound, "s")
