"""A real PostgreSQL of one's own, on a free port, that can be killed, stopped and brought back; and psql to look into
it.

Rules: the server listens on the loopback interface alone; only processes started here are signalled; waits have
deadlines; a missing program is a failure that says how to install it. initdb runs once for a session of tests; every
server starts from a copy. PostgreSQL refuses to run as root; root starts it as user postgres, in a directory which that
user may enter: pytest's own ones are closed to others.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.interop.server import free_port

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
NULL = r"\N"
"""What `PostgreSQL.query` gives for NULL."""
DEADLINE_S = 20.0
_FIELD, _RECORD = "\x1f", "\x1e"
_HBA = """\
local   all          all                                trust
hostssl certificates all             127.0.0.1/32       cert
host    nopassword   all             127.0.0.1/32       trust
host    forbidden    all             127.0.0.1/32       reject
host    all          all             127.0.0.1/32       scram-sha-256
"""
_SETTINGS = {
    "logging_collector": "off",
    "log_min_messages": "warning",
    "shared_buffers": "64MB",
    "timezone": "Asia/Tokyo",
}
"""A time zone far from UTC and from the legal time, to show who relies on it."""


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs."""
    path = PROGRAMS / name
    if not path.exists():
        pytest.fail(f"{path} is not there; run: apt-get install postgresql-15")
    return str(path)


def _account() -> dict[str, Any]:
    """How to start a program of the server: as user postgres for root, else as oneself."""
    if os.getuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


def give(path: Path, mode: int) -> None:
    """Make a file or directory the server's own."""
    if os.getuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)
    path.chmod(mode)


def assert_no_threads(prefix: str) -> None:
    """All threads with such names have ended, or do so soon: one that has been told so still needs a moment."""
    deadline = time.monotonic() + DEADLINE_S
    while left := [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


class Template:
    """A database cluster fresh from initdb, to be copied; its superuser is `postgres`."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="gatewayd-initdb-"))
        give(self._home, 0o700)
        self.path = self._home / "template"
        command = ["-D", str(self.path), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run([program("initdb"), *command], check=True, capture_output=True, timeout=60, **_account())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._home)


class PostgreSQL:
    """One server, from a copy of `template` or fresh from initdb. `settings` go into its configuration; `tls` are the
    files of its certificate, its key, and the CA of its clients. There is role `gw` with password `pa55`, which owns
    database `meters`; tests make more through `query`.

    Who comes in how: _HBA. The socket file is for `query`, and trusts everybody."""

    host = "127.0.0.1"
    user = "gw"
    password = "pa55"
    database = "meters"

    def __init__(
        self,
        template: Template | None = None,
        settings: Mapping[str, str] | None = None,
        tls: tuple[Path, Path, Path] | None = None,
    ) -> None:
        self._template = template
        self._settings = {**_SETTINGS, **(settings or {})}
        self._tls = tls
        self._home = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="gatewayd-pg-"))
        try:
            give(self._home, 0o700)
            self._configure()
            self.start()
            self.query(f"CREATE ROLE {self.user} LOGIN PASSWORD '{self.password}'", "postgres")
            self.query(f"CREATE DATABASE {self.database} OWNER {self.user}", "postgres")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def start(self) -> None:
        """Start and wait until it takes connections."""
        command = [program("postgres"), "-D", str(self._data)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **_account())
        ready = [program("pg_isready"), "-q", "-h", str(self._home), "-p", str(self.port)]
        deadline = time.monotonic() + DEADLINE_S
        while subprocess.run(ready, timeout=DEADLINE_S).returncode != 0:
            if self._process.poll() is not None:
                pytest.fail(f"postgres ended at once:\n{self.log}")
            if time.monotonic() > deadline:
                pytest.fail(f"postgres took no connections within {DEADLINE_S:g} s:\n{self.log}")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL for the server and all its processes: no goodbye, nothing saved."""
        if self._process is None:
            return
        self.stop()  # so that no new ones come
        processes = self._processes()
        for pid in processes:
            _signal(pid, signal.SIGKILL)
        self._wait()
        deadline = time.monotonic() + DEADLINE_S
        while not all(map(_is_dead, processes)):  # before, their shared memory would stop a new server
            if time.monotonic() > deadline:
                pytest.fail("processes of postgres outlived SIGKILL")
            time.sleep(0.01)

    def terminate(self) -> None:
        """SIGINT, "fast shutdown": connections are told, transactions are rolled back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._wait()

    def restart(self) -> None:
        """Again on the same port, after a kill if need be."""
        self.kill()
        self.start()

    def demote(self) -> None:
        """Come back as a standby (of nobody), which answers questions and stores nothing."""
        self.terminate()
        signal_file = self._data / "standby.signal"
        signal_file.touch()
        give(signal_file, 0o600)
        self.start()

    def stop(self) -> None:
        """SIGSTOP for the server and all its processes: connections stay open and nobody answers."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGSTOP)
        # Looked at and left: a second stop would find nothing to wait for.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        for pid in self._processes()[1:]:
            _signal(pid, signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT: go on as if nothing had happened."""
        for pid in self._processes():
            _signal(pid, signal.SIGCONT)

    def query(self, sql: str, database: str | None = None) -> list[tuple[str, ...]]:
        """What psql prints for it, as superuser: texts, NULL as `\\N`. Statements run one by one, with no
        transaction around them; one of them may return rows."""
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", _FIELD, "-R", _RECORD, "-P", f"null={NULL}"]
        place = ["-h", str(self._home), "-p", str(self.port), "-U", "postgres", "-d", database or self.database]
        done = subprocess.run(
            [program("psql"), *options, *place, "-f", "-"],
            input=sql.encode(),
            capture_output=True,
            timeout=DEADLINE_S,
            env={"PATH": os.environ.get("PATH", ""), "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"},
        )
        if done.returncode != 0:
            pytest.fail(f"psql: {done.stderr.decode(errors='replace')}")
        text = done.stdout.decode().removesuffix("\n")
        return [tuple(record.split(_FIELD)) for record in text.split(_RECORD)] if text else []

    @property
    def log(self) -> str:
        return (self._home / "log").read_text(errors="replace")

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _configure(self) -> None:
        with nullcontext(self._template) if self._template is not None else Template() as template:
            subprocess.run(["cp", "-a", str(template.path), str(self._data)], check=True, timeout=60)
        settings = {
            **self._settings,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self._home),
        }
        if self._tls is not None:
            for name, source, mode in zip(
                ("ssl_cert_file", "ssl_key_file", "ssl_ca_file"), self._tls, (0o644, 0o600, 0o644), strict=True
            ):
                target = self._home / name
                shutil.copyfile(source, target)
                give(target, mode)
                settings[name] = str(target)
            settings["ssl"] = "on"
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (self._data / "pg_hba.conf").write_text(_HBA)

    def _processes(self) -> list[int]:
        """The server, and then those that it has started for connections and chores."""
        if self._process is None or self._process.poll() is not None:
            return []
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [pid, *(int(child) for child in children.read_text().split())]

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(DEADLINE_S)
            self._process = None

    def _end(self) -> None:
        try:
            if self._process is not None:
                self.cont()
                self._process.send_signal(signal.SIGQUIT)  # "immediate shutdown": it sees to its own processes
                self._wait()
        finally:
            shutil.rmtree(self._home, ignore_errors=True)


def _is_dead(pid: int) -> bool:
    """Whether a process is gone, or waits for nothing but that somebody asks for its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # children come and go
        os.kill(pid, number)
