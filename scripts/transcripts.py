"""Runs the commands of docs/technician.md and writes down what they say: `python -m scripts.transcripts`.

The page is the source: between `<!-- transcript: SCENE -->` and `<!-- end of transcript -->` stands a block with lines
that begin with `$ `. Each of these commands is run (`| head -N` is understood as well), has to end with 0, and what it
says is put under it. SCENE is `laptop` (no gateway runs, the commands open the lines themselves) or `gateway`.
`--check` writes nothing, shows the differences, and ends with 1 when there are any but those of time.

Rules: real processes, with what a technician types, against simulated meters; they are forked, because each would
import for a second. None but our own are ended. The clock of all begins at one instant (libfaketime, which is loaded by
starting anew), so that the days of profiles are the same every time. `alike` says what need not be the same.
"""

import difflib
import importlib
import json
import multiprocessing
import os
import pkgutil
import pwd
import re
import runpy
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.context import ForkProcess
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "technician.md"
HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
NOW = datetime(2026, 11, 26, 8, 40, 30, tzinfo=UTC)
"""When the technician comes: 9:40 in Prague, between two quarter-hours."""
WIDTH = 110
DEADLINE_S = 60.0

_MARKED = re.compile(r"(<!-- transcript: (\w+) -->\n```console\n)(.*?)(```\n<!-- end of transcript -->\n)", re.DOTALL)
_FORK = multiprocessing.get_context("fork")
_METERS = {
    "optical": (
        *("iec62056_21", "--readout", "{folder}/readout", "--no-pace", "--reaction-ms", "0", "--no-check-baud"),
        *("--pty", "{dev}/ttyUSB0", "--generate-profile", "P.01:15:2:2026-11-20:2026-11-30", "--password", "12345678"),
        *("--incident", "missing=0261125081500;0261125083000"),
    ),
    "cabinet": (
        *("dlms", "--tcp", "0", "--framing", "wrapper", "--profile-days", "6", "--clock-offset", "6"),
        *("--profile-values", "intervals", "--incident", "missing=0261125100000"),
    ),
    "rs485": ("modbus", "--pty", "{dev}/ttyS6", "--map", "eastron-sdm630", "--unit", "1", "--unit", "4"),
    "gsm": ("modem", "--pty", "{dev}/ttyS2", "--signal", "17"),
}
_CONFIGURATION = """\
gateway: {{id: gw-1, clock: trusted}}
archive: {{path: {archive}}}
lines:
  optical: {{type: serial, device: {dev}/ttyUSB0}}
  cabinet: {{type: tcp, host: 127.0.0.1, port: {cabinet}}}
  rs485: {{type: serial, device: {dev}/ttyS6, baud: 9600, framing: 8N1}}
  gsm: {{type: modem, device: {dev}/ttyS2}}
meters:
  - id: em-1001
    driver: iec62056_21
    line: optical
    iec62056_21: {{password_file: {home}/em-1001.pw}}
    jobs: [{{registers: all, every: 15m}}]
  - id: em-2001
    driver: dlms
    line: cabinet
    metering_type: B
    point: {{ean: "859182400123456789"}}
    policy: {{backfill_months: 1}}
    dlms: {{transport: wrapper, client: 16, set_clock: {{max_shift_s: 30, min_deviation_s: 3}}}}
    jobs: [{{profile: 1-0:99.1.0, every: 15m}}, {{registers: [1-0:1.8.0], every: 15m}}]
"""


def main(arguments: Sequence[str]) -> int:
    """Write the page anew, or check it."""
    if "faketime" not in os.environ.get("LD_PRELOAD", ""):
        os.execve(sys.executable, [sys.executable, "-m", "scripts.transcripts", *arguments], environment())  # noqa: S606
    _import_all()
    before = PAGE.read_text(encoding="utf-8")
    after = written(before)
    if list(arguments) != ["--check"]:
        PAGE.write_text(after, encoding="utf-8")
        return 0
    old, new = alike(before), alike(after)
    print(*difflib.unified_diff(old, new, "page", "now", lineterm="", n=1), sep="\n")
    return int(old != new)


def environment() -> dict[str, str]:
    """Ours, with a clock that begins at NOW, a terminal of a known width, and no language."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "GATEWAYD"))},
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{NOW.timestamp() - time.time():+.3f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": str(WIDTH),
    }


def _import_all() -> None:
    """What the processes need, once for all: modules, and the definition of the configuration."""
    commands = importlib.import_module("gatewayd.cli")
    for found in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"gatewayd.cli.{found.name}")
    for name in ("gatewayd.daemon.run", "simulators.__main__"):
        importlib.import_module(name)
    for name in ("dlms", "iec62056_21", "modbus"):
        importlib.import_module(f"drivers.{name}.driver")
    daemon, config = importlib.import_module("gatewayd.daemon"), importlib.import_module("gatewayd.config")
    text = "gateway: {id: gw-1}\narchive: {path: none}\nlines: {}\nmeters: []\n"
    config.parse(text, "-", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)


def written(text: str) -> str:
    """The text of the page with what the commands say now."""
    said: dict[str, str] = {}
    blocks = [(scene, block) for _, scene, block, _ in _MARKED.findall(text)]
    with TemporaryDirectory(prefix="gatewayd-transcripts-") as folder, ExitStack() as stack:
        world = World(Path(folder))
        stack.enter_context(world.meters())
        said |= {block: world.said(block) for scene, block in blocks if scene == "laptop"}
        stack.enter_context(world.gateway())
        said |= {block: world.said(block) for scene, block in blocks if scene == "gateway"}
    return _MARKED.sub(lambda found: found[1] + said[found[3]] + found[4], text)


def commands(text: str) -> list[str]:
    """Those in all transcripts of the page."""
    return [line[2:] for found in _MARKED.finditer(text) for line in found[3].splitlines() if line.startswith("$ ")]


def alike(text: str) -> list[str]:
    """The lines of all transcripts without what differs from run to run: times, counts, bytes with times in them."""
    lines = list[str]()
    for found in _MARKED.finditer(text):
        for line in found[3].splitlines():
            line = re.sub(r"^\S+  (->|<-)  .*", r"\1", line)
            line = re.sub(r"\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d)?|[+-]?\d+(\.\d+)? s\b", "#", line)
            line = re.sub(r"^ *\d+  |(?<=process )\d+|(?<=proces )\d+|\d+ (?=readings|odečt)|09:4\d(?!:)", "#", line)
            line = re.sub(r"# (ahead|behind)|\bright(?= +\(read )", "# off", line)
            line = re.sub(r"[ ]+", " ", line).rstrip()
            if " .. # without anything" not in line and (not line.startswith(("->", "<-")) or line != lines[-1]):
                lines.append(line)
    return lines


def library() -> Path:
    """That which gives a process a clock of its own."""
    for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"):
        return path
    raise FileNotFoundError("libfaketime is not installed; run: apt-get install faketime")


@dataclass(frozen=True, slots=True)
class World:
    """A folder with devices, a configuration, an archive; and the processes that are at work in it."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def dev(self) -> Path:
        return self.folder / "dev"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @contextmanager
    def meters(self) -> Iterator[None]:
        """The simulated ones and the configuration for them, until the `with` ends."""
        self.dev.mkdir()
        self.home.mkdir()
        lines = HOUSEHOLD.read_text(encoding="utf-8").splitlines()  # its clock stands still
        (self.folder / "readout").write_text("\n".join(line for line in lines if not line.startswith("0.9.")) + "\n")
        started = {name: self._start(name, "simulators", *options) for name, options in _METERS.items()}
        try:
            for name, process in started.items():
                ready = self._first_line(name, process)
                self.ports[name] = int(port[1]) if (port := re.search(r"tcp \S+:(\d+)$", ready)) else 0
            places = {"dev": self.dev, "home": self.home, "archive": self.folder / "archive"}
            text = _CONFIGURATION.format(**places, cabinet=self.ports["cabinet"])
            (self.home / "gatewayd.yaml").write_text(text, encoding="utf-8")
            (self.home / "em-1001.pw").write_text("12345678\n", encoding="utf-8")
            (self.home / "em-1001.pw").chmod(0o600)
            yield
        finally:
            for process in started.values():
                _end(process)

    @contextmanager
    def gateway(self) -> Iterator[None]:
        """A running one, once it has read all meters and their profiles."""
        process = self._start("gateway", "gatewayd", "run")
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not self._settled():
                if process.exitcode is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        "the gateway did not come to rest:\n" + self._run("status", "--meters", code=None)
                    )
                process.join(0.5)
            yield
        finally:
            _end(process)

    def said(self, block: str) -> str:
        """The commands of a block, each with what it says."""
        lines = [line for line in block.splitlines() if line.startswith("$ ")]
        return "\n".join(f"{line}\n{self.shown(line[2:])}" for line in lines)

    def shown(self, command: str) -> str:
        """What a reader of the page is shown of it: names of devices, addresses and users as they are elsewhere."""
        plain, _, lines = command.partition(" | head -")
        (name, *words) = shlex.split(plain)
        if name != "gatewayd":
            raise ValueError(f"'{command}' is no command of gatewayd")
        text = "".join(self._run(*words).splitlines(keepends=True)[: int(lines) if lines else None])
        user = pwd.getpwuid(os.getuid()).pw_name
        for there, here in (
            (str(self.folder / "archive"), "/var/lib/gatewayd"),
            (str(self.home), "/etc/gatewayd"),
            (str(self.dev), "/dev"),
            (f"127.0.0.1:{self.ports['cabinet']}", "192.0.2.12:4059"),
            (f"  {user}  ", "  " + "jan".ljust(len(user)) + "  "),
        ):
            text = text.replace(there, here)
        return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())

    def _settled(self) -> bool:
        """Every meter was read, and nothing is asked for any more."""
        try:
            status = json.loads(self._run("status", "--json", code=None))
        except ValueError:  # it starts
            return False
        meters = status["meters"]
        read = meters and all(meter["last_success_at"] and not meter["left"] for meter in meters)
        return bool(read) and not any(line["queue"] or line["under_way"] for line in status["lines"])

    def _run(self, *words: str, code: int | None = 0) -> str:
        """Both outputs of a command of gatewayd, as a terminal shows them. `code`: with which it has to end."""
        process = self._start("command", "gatewayd", *words)
        process.join(DEADLINE_S)
        _end(process)
        text = (self.folder / "command.said").read_text(encoding="utf-8")
        if code not in (None, process.exitcode) or "Traceback" in text:
            raise RuntimeError(f"gatewayd {' '.join(words)} ended with {process.exitcode}:\n{text}")
        return text

    def _start(self, name: str, module: str, *options: str) -> ForkProcess:
        """`python -m MODULE OPTIONS`, without the second of imports. What it says goes into NAME.said."""
        words = [option.format(folder=self.folder, dev=self.dev) for option in options]
        process = _FORK.Process(target=_as_module, args=(module, words, self.home, self.folder / f"{name}.said"))
        process.start()
        return process

    def _first_line(self, name: str, process: ForkProcess) -> str:
        deadline = time.monotonic() + DEADLINE_S
        while "\n" not in (said := _text(self.folder / f"{name}.said")):
            if process.exitcode is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {said}")
            process.join(0.02)  # not time.sleep: libfaketime makes a time of its own of it
        return said.partition("\n")[0]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _as_module(module: str, words: list[str], home: Path, output: Path) -> None:
    """This process becomes `python -m MODULE WORDS`."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.chdir(home)
    os.environ["GATEWAYD_CONFIG"] = str(home / "gatewayd.yaml")
    sys.argv = [module, *words]
    sys.modules.pop(f"{module}.__main__", None)  # imported before, for what it imports
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end(process: ForkProcess) -> None:
    if process.exitcode is None:
        process.terminate()
        process.join(15)
    if process.exitcode is None:
        process.kill()
        process.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
