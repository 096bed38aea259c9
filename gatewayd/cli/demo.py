"""`gatewayd demo`: simulated meters, a broker and the real gateway as processes, and what a subscriber sees.

Rules: nothing of the gateway is faked: the daemon runs as an operator would run it, with a configuration file; the
table shows what arrives over MQTT, the summary what is in the archive. Everything is on loopback and in a temporary
folder.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click
from rich.live import Live

from gatewayd.archive.query import Counts, Reader
from gatewayd.archive.verify import verify
from gatewayd.cli.demo_view import View
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.output import console, print_json
from gatewayd.cli.plural import counted
from gatewayd.errors import ArchiveError, GatewayError

READY_SECONDS = 30.0
STOP_SECONDS = 12.0
REFRESH_SECONDS = 0.5


class DemoFailed(GatewayError):
    """A part of the demonstration did not start or died."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One process of the demonstration."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


@click.command()
@click.option("--seconds", type=click.IntRange(min=5), help="End after this time; without it, end with Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end, and no table.")
def demo(seconds: int | None, as_json: bool) -> None:
    """Show the gateway at work: four simulated meters, an embedded broker, the real daemon and a subscriber."""
    if not asyncio.run(_demo(seconds, as_json=as_json)):
        raise click.exceptions.Exit(ExitCode.FAULT)


async def _demo(seconds: int | None, *, as_json: bool) -> bool:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="gatewayd-demo-") as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            port = await _start_broker(stack, folder)
            await _start_meters(stack, folder)
            config = _write_config(folder, port)
            view = View()
            subscriber = asyncio.create_task(view.subscribe("127.0.0.1", port), name="subscriber")
            stack.push_async_callback(_cancelled, subscriber)
            await view.subscribed(READY_SECONDS)
            gateway = await _start(stack, folder, "gateway", ["-m", "gatewayd", "-c", str(config), "run"])
            await _show(view, folder, gateway, subscriber, stop, seconds, silent=as_json)
            await _terminate(gateway)
            counts = _counts(folder)
            with contextlib.suppress(TimeoutError):
                await view.received_all(counts.head, 5.0)
            return _summary(view, folder, as_json=as_json)


async def _start_broker(stack: contextlib.AsyncExitStack, folder: Path) -> int:
    ready = await _simulator(stack, folder, "broker", ["broker", "--port", "0"])
    return int(ready.rsplit(":", 1)[1])


async def _start_meters(stack: contextlib.AsyncExitStack, folder: Path) -> None:
    readouts = resources.files("simulators") / "readouts"
    common = ["iec62056_21", "--readout"]
    for name, arguments in {
        "house": [str(readouts / "household.txt"), "--advance", "1.8.0=0.013", "--advance", "1.8.1=0.013"],
        "worn": [str(readouts / "household.txt"), "--misbehave", "echo", "--misbehave", "bad-bcc:2"],
        "push": [str(readouts / "push.txt"), "--mode", "D", "--advance", "1-0:1.8.1=0.021"],
    }.items():
        await _simulator(stack, folder, name, [*common, *arguments, "--pty", str(folder / name)])
    ready = await _simulator(
        stack,
        folder,
        "plant",
        [*common, str(readouts / "industrial.txt"), "--advance", "1-0:1.8.0=0.105", "--tcp", "0"],
    )
    (folder / "plant.port").write_text(ready.rsplit(":", 1)[1])


def _write_config(folder: Path, broker_port: int) -> Path:
    template = (resources.files("gatewayd.cli") / "demo.yaml").read_text(encoding="utf-8")
    plant_port = (folder / "plant.port").read_text().strip()
    text = (
        template.replace("{folder}", str(folder)).replace("{broker}", str(broker_port)).replace("{plant}", plant_port)
    )
    path = folder / "gatewayd.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def _simulator(stack: contextlib.AsyncExitStack, folder: Path, name: str, arguments: Sequence[str]) -> str:
    """Start a simulator and wait until it says that it is ready."""
    part = await _start(stack, folder, name, ["-m", "simulators", *arguments])
    assert part.process.stdout is not None
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = (await part.process.stdout.readline()).decode().strip()
    except TimeoutError:
        line = ""
    if not line.startswith("ready "):
        raise DemoFailed(f"the simulated {name} did not start: {part.log.read_text(errors='replace')[-500:]}")
    return line


async def _start(stack: contextlib.AsyncExitStack, folder: Path, name: str, arguments: Sequence[str]) -> _Part:
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C is for this process; it ends the others in order
        )
    part = _Part(name, process, log)
    stack.push_async_callback(_terminate, part)
    return part


async def _terminate(part: _Part) -> None:
    if part.process.returncode is not None:
        return
    part.process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await part.process.wait()
    except TimeoutError:
        part.process.kill()
        await part.process.wait()


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _show(
    view: View,
    folder: Path,
    gateway: _Part,
    subscriber: "asyncio.Task[None]",
    stop: asyncio.Event,
    seconds: int | None,
    *,
    silent: bool,
) -> None:
    """The live table, until the time is over, Ctrl-C, or gateway or subscriber end by themselves (DemoFailed)."""
    end = None if seconds is None else asyncio.get_running_loop().time() + seconds
    screen = console()
    async with _live(view, screen.is_terminal, silent=silent) as refresh:
        while not stop.is_set() and (end is None or asyncio.get_running_loop().time() < end):
            if gateway.process.returncode is not None:
                raise DemoFailed(f"the gateway ended by itself: {gateway.log.read_text(errors='replace')[-800:]}")
            if subscriber.done():
                raise DemoFailed(f"the subscriber ended: {subscriber.exception()!r}")
            refresh(_counts(folder))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):
                    await stop.wait()
        refresh(_counts(folder))


@contextlib.asynccontextmanager
async def _live(view: View, terminal: bool, *, silent: bool) -> AsyncIterator[Callable[[Counts], None]]:
    """In a terminal a table that changes in place; in a pipe the table once, at the end."""
    screen = console()
    if silent:
        yield lambda _counts: None
        return
    if terminal:
        with Live(view.table(Counts(0, 0, 0), screen.width), console=screen, auto_refresh=False) as live:
            yield lambda counts: live.update(view.table(counts, screen.width), refresh=True)
        return
    last = Counts(0, 0, 0)

    def remember(counts: Counts) -> None:
        nonlocal last
        last = counts

    yield remember
    screen.print(view.table(last, screen.width))


def _counts(folder: Path) -> Counts:
    try:
        reader = Reader(folder / "archive")
    except ArchiveError:
        return Counts(0, 0, 0)  # the gateway has not made it yet
    try:
        return reader.counts()
    finally:
        reader.close()


def _summary(view: View, folder: Path, *, as_json: bool) -> bool:
    """The last words: archived, delivered, verified. True when all is well."""
    verdict = verify(folder / "archive")
    delivered = view.delivered
    complete = delivered == verdict.readings > 0
    if as_json:
        print_json(
            {
                "ok": verdict.ok and complete,
                "readings": verdict.readings,
                "exchanges": verdict.exchanges,
                "delivered": delivered,
                "repeated": view.repeated,
                "statuses": dict(sorted(view.statuses.items())),
                "findings": [finding.text for finding in verdict.findings],
            }
        )
        return verdict.ok and complete
    click.echo(f"readings archived:  {verdict.readings} from {counted(verdict.exchanges, 'exchange')}")
    click.echo(f"messages delivered: {delivered} of {counted(verdict.readings, 'reading')}, {view.repeated} repeated")
    click.echo(f"status:             {view.status_counts()}")
    click.echo(
        f"archive verified:   {'sound' if verdict.ok else '; '.join(finding.text for finding in verdict.findings)}"
    )
    return verdict.ok and complete
