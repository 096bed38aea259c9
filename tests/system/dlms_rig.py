"""Simulated DLMS meters and the gateway that reads them, each as a process; and what the meters hold, computed apart.

Rules: values come from the formula that simulators/dlms_profile.py states, written here a second time, never from a
decoder; secrets are the same in all tests, so that a search for them finds every place.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.system.forked import Forked, QuickSite, running
from tests.system.rig import Site

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
TOTALS = ("1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:5.8.0*255", "1-0:8.8.0*255")
"""The columns of the load profile, channels from 1."""
LOAD_PROFILE = "1-0:99.1.0"

PASSWORD = "Kanarek-73914628"
BLOCK_KEY = "8A3DB64FC1E29570D10B5E7728F3C496"
AUTHENTICATION_KEY = "E76B10A9D25F83C40417BE936ACD2F58"
LONG_BLOCK_KEY = BLOCK_KEY + "2B91F06DE8475A3CB4C7180F953E6DA2"
LONG_AUTHENTICATION_KEY = AUTHENTICATION_KEY + "5D60CE71938AF42B46B20D9EF718C357"
CLIENT_TITLE = "4757440000000001"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a meter and its gateway speak."""

    framing: str = "hdlc"
    authentication: str = "none"
    security: str = "none"
    suite: int = 0
    ciphering: str = "global"
    general: bool = False

    @property
    def name(self) -> str:
        words = [self.framing, self.authentication, self.security.replace("authenticated-encrypted", "both")]
        words += [f"suite{self.suite}"] if self.suite else []
        words += ["dedicated"] if self.ciphering == "dedicated" else []
        return "-".join([*words, "general"] if self.general else words)

    @property
    def public(self) -> bool:
        """Whether nothing is asked of a client."""
        return self.authentication == self.security == "none"

    @property
    def counted(self) -> bool:
        return self.authentication == "hls-gmac" or self.security != "none"

    @property
    def wants_password(self) -> bool:
        return self.authentication not in ("none", "hls-gmac")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The files with what is secret, in a folder of their own."""

    folder: Path
    password: str = field(default=PASSWORD, repr=False)
    block_key: str = field(default=BLOCK_KEY, repr=False)
    authentication_key: str = field(default=AUTHENTICATION_KEY, repr=False)

    def written(self) -> "Secrets":
        self.folder.mkdir(exist_ok=True)
        for name, text in (("password", self.password), ("gek", self.block_key), ("gak", self.authentication_key)):
            (self.folder / name).write_text(text + "\n")
        return self

    def of_suite(self, suite: int) -> "Secrets":
        if suite < 2:
            return self
        return replace(self, block_key=LONG_BLOCK_KEY, authentication_key=LONG_AUTHENTICATION_KEY)

    @property
    def all(self) -> tuple[str, ...]:
        return self.password, self.block_key, self.authentication_key


@dataclass(frozen=True, slots=True)
class DlmsMeter:
    """A simulated meter that is ready, and how to read it."""

    name: str
    manner: Manner
    process: Forked
    journal: Path
    device: str
    port: int
    secrets: Secrets

    @property
    def line(self) -> str:
        where = (
            f"type: serial, device: {self.device}" if self.device else f"type: tcp, host: 127.0.0.1, port: {self.port}"
        )
        return f"  {self.name}-line: {{{where}}}\n"

    def entry(self, *more: str, every: str = "1h", secrets: Secrets | None = None, registers: str = "1-0:1.8.0") -> str:
        """The meter in a configuration. `secrets`: those that the gateway has, where they are not the meter's."""
        manner, files = self.manner, (secrets or self.secrets).folder
        optical = bool(self.device)
        options = ["transport: optical" if optical else f"transport: {manner.framing}"]
        options += ["physical: 17"] if manner.framing == "hdlc" else []
        options += [] if manner.public else ["client: 1", f"authentication: {manner.authentication}"]
        options += [f"password_file: {files}/password"] if manner.wants_password else []
        if manner.counted:
            options += [f"block_cipher_key_file: {files}/gek", f"authentication_key_file: {files}/gak"]
            options += [f"suite: {manner.suite}"]
        if manner.security != "none":
            options += [f"security: {manner.security}", f"ciphering: {manner.ciphering}"]
            options += ["general: true"] if manner.general else []
        options += (
            [f"system_title: '{CLIENT_TITLE}'"] if manner.counted or manner.authentication == "hls-sha256" else []
        )
        options += more
        jobs = f"jobs: [{{registers: [{registers}], every: {every}}}]"
        return (
            f"  - {{id: {self.name}, driver: dlms, line: {self.name}-line, {jobs}, dlms: {{{', '.join(options)}}}}}\n"
        )

    def heard(self, what: str = "") -> list[str]:
        """The lines of the journal with `what` in them."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line for line in lines if what in line]


@contextmanager
def dlms_meter(
    folder: Path, name: str, manner: Manner, *options: str, secrets: Secrets | None = None, pty: bool = False
) -> Iterator[DlmsMeter]:
    """`python -m simulators dlms` on a free port, or on a pseudo-terminal in `folder`."""
    has = (secrets or Secrets(folder / f"{name}-secrets")).of_suite(manner.suite).written()
    journal, device = folder / f"{name}.journal", folder / f"{name}.tty"
    command = ["dlms", *(("--pty", str(device)) if pty else ("--tcp", "0")), "--journal", str(journal)]
    command += ["--framing", manner.framing, "--authentication", manner.authentication, "--suite", str(manner.suite)]
    command += [] if manner.public else ["--client", "1"]
    command += ["--security", manner.security]
    command += ["--password", has.password] if manner.wants_password else []
    command += ["--key-file", f"{has.folder}/gek", "--auth-key-file", f"{has.folder}/gak"] if manner.counted else []
    with running(folder, "simulators", *command, *options) as process:
        ready = process.line()
        assert ready.startswith("ready "), f"the simulator said {ready!r}"
        port = 0 if pty else int(ready.rsplit(":", 1)[1])
        yield DlmsMeter(name, manner, process, journal, str(device) if pty else "", port, has)


@contextmanager
def one_meter(
    folder: Path, manner: Manner, *options: str, more: tuple[str, ...] = (), secrets: Secrets | None = None
) -> Iterator[tuple[QuickSite, DlmsMeter]]:
    """Meter em-1 and a gateway that knows it. `secrets`: those of the gateway, where the meter has others."""
    with dlms_meter(folder, "em-1", manner, *options) as meter:
        yield gateway(folder, [meter.entry(*more, secrets=secrets)], meter), meter


def gateway(folder: Path, entries: list[str], *meters: DlmsMeter) -> QuickSite:
    """A configuration with the lines of `meters` and these entries."""
    site = Site(folder)
    site.configure("".join(meter.line for meter in meters), "".join(entries))
    return QuickSite(site)


@contextmanager
def all_of(parts: list[Any]) -> Iterator[list[Any]]:
    """Several context managers at once."""
    with ExitStack() as stack:
        yield [stack.enter_context(part) for part in parts]


# -- what the meter holds ----------------------------------------------------------------------------------------------


def total(at: datetime, channel: int, seed: int = 1) -> int:
    """(m - 26,000,000) * (c + 1) + (m * 7919 + c * 104729 + seed * 1299709) mod (c + 1) at Unix minute m."""
    minute, spread = int(at.timestamp()) // 60, channel + 1
    return (minute - 26_000_000) * spread + (minute * 7919 + channel * 104729 + seed * 1299709) % spread


def interval(end: datetime, channel: int, seed: int = 1) -> int:
    """(m * 7919 + c * 104729 + seed * 1299709) mod 100000 for the interval that ends at Unix minute m."""
    return (int(end.timestamp()) // 60 * 7919 + channel * 104729 + seed * 1299709) % 100_000


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PRAGUE).astimezone(UTC)


def ends(first: date, last: date, step: timedelta = QUARTER) -> list[datetime]:
    """The ends of all intervals of these days of legal time, in UTC."""
    at, until, found = midnight(first), midnight(last + timedelta(days=1)), []
    while (at := at + step) <= until:
        found.append(at)
    return found


def totals_of(first: date, last: date) -> list[tuple[str, str, str]]:
    """OBIS code, instant and raw value of every cell of the load profile."""
    return [
        (code, f"{end:%Y-%m-%dT%H:%M:%SZ}", str(total(end, channel)))
        for end in ends(first, last)
        for channel, code in enumerate(TOTALS, 1)
    ]


Read = list[dict[str, Any]]  # readings as the command prints them


def cells(readings: Read) -> list[tuple[str, str, str]]:
    """The same of what was read; no clock among it."""
    return [(one["obis"], one["at"], one["raw"]) for one in readings if one["obis"] in TOTALS]


def is_total_now(readings: Read, seed: int = 1) -> bool:
    """Whether 1.8.0 was what the register held when the clock was read, or in the minute behind it."""
    found = {one["obis"]: one for one in readings}
    shown = datetime.fromisoformat(found["0-0:1.0.0*255"]["raw"])
    one = found[TOTALS[0]]
    possible = {str(total(shown + timedelta(minutes=more), 1, seed)) for more in (0, 1)}
    return one["raw"] in possible and one["status"] == "true"
