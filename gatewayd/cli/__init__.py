"""The command line: `gatewayd -c FILE COMMAND`. One module for each group of commands, loaded when it is used.

Rules: data go to standard output, messages to standard error; `--json` prints one JSON document; the exit
codes are in exit_codes.py and nowhere else.
SIGTERM and the end of the terminal interrupt as Ctrl-C does: a meter is told, a call hung up, what came is archived.
`run` ends with 0 on SIGTERM, also before it serves. Nothing heavy is imported before a command is known: `--help` stays
quick.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import click

from gatewayd.cli import streams
from gatewayd.cli.exit_codes import ExitCode

# Command -> module of gatewayd.cli that has a click command of that name, and the line of help for the overview.
_COMMANDS = {
    "run": ("run", "Run the gateway until it is stopped."),
    "check": ("check", "Check the configuration."),
    "read": ("read", "Read a meter now, print and archive what it sends."),
    "profile": ("profile", "Read a load profile or event log now, as a table or a chart."),
    "scan": ("scan", "List the objects of a meter, or find the Modbus units on a line."),
    "clock": ("clock", "Read a meter's clock, or put it right."),
    "probe": ("probe", "Find out what is on a line and how it talks."),
    "trace": ("trace", "Every byte on a line, with its time."),
    "tail": ("tail", "Readings as they are archived, live."),
    "modem": ("modem", "How a modem line is doing: SIM, network, signal."),
    "status": ("status", "How the gateway, its lines, meters and sinks are doing."),
    "doctor": ("doctor", "What is wrong with machine, configuration and gateway, and the remedy."),
    "reload": ("reload", "Have the running gateway take its configuration file as it is now."),
    "sink": ("sink", "Check brokers and databases; what they did not get."),
    "archive": ("archive", "Look into the archive."),
    "point": ("point", "A metering point by the day or month: table, statistics, completeness, chart."),
    "explain": ("explain", "Why a derived value is what it is, down to the exchanges it came from."),
    "compare": ("compare", "The main metering of a point against its control metering."),
    "losses": ("losses", "What the supply transformer of a point has lost, by which formula."),
    "export": ("export_points", "Derived values of points, or the list of their meters, as a file."),
    "reading": ("reading", "Readings that a person has taken: enter, import, list."),
    "substitute": ("substitute", "Substitute values by hand, type A: enter, list, tell what became of one."),
    "config": ("config", "The definition of the configuration, examples, lint."),
    "witness": ("witness", "Tell gateways that may not ask whether the clock is right."),
    "demo": ("demo", "Simulated meters, a broker and the real gateway, live."),
    "completion": ("completion", "Completion for bash, zsh and fish."),
}
DEFAULT_CONFIG = Path("/etc/gatewayd/gatewayd.yaml")


class _NobodyReads(Exception):
    """The reader of our output has gone (`gatewayd ... | head`)."""


@contextlib.contextmanager
def _read_to_the_end() -> Iterator[None]:
    """_NobodyReads in place of the fault of which click would make the exit code of a fault."""
    try:
        yield
    except BrokenPipeError as error:
        raise _NobodyReads from error


class LazyGroup(click.Group):
    """Imports the module of a command when the command is used."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # as click has it
        """`--help` and `--version` are printed here."""
        with _read_to_the_end():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _read_to_the_end():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(_loaded(cmd_name), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in _COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar="GATEWAYD_CONFIG",
    help="Configuration file.",
)
@click.version_option(package_name="gatewayd", message="gatewayd %(version)s")
@click.pass_context
def gatewayd(ctx: click.Context, config_path: Path) -> None:
    """Reads electricity, heat and gas meters, archives what they send, and publishes it."""
    ctx.obj = config_path


def main() -> None:
    """Entry point: run a command and turn the project's errors into messages and exit codes."""
    streams.provide()
    from gatewayd.errors import ConfigError, GatewayError, NotPermitted

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup stays what it is
            signal.signal(number, _remember)  # what it means depends on the command
    try:
        code = gatewayd(prog_name="gatewayd", standalone_mode=False)  # the code of click's Exit, None without one
        sys.exit(code if isinstance(code, int) else ExitCode.DONE)
    except click.Abort:
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.FAULT)
    except ConfigError as error:
        click.echo(error, err=True)
        sys.exit(ExitCode.USAGE)
    except (PermissionError, NotPermitted) as error:
        click.echo(f"not permitted: {error}", err=True)
        sys.exit(ExitCode.NOT_PERMITTED)
    except GatewayError as error:
        click.echo(error, err=True)
        sys.exit(ExitCode.FAULT)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except _NobodyReads:
        streams.discard()
        sys.exit(ExitCode.DONE)
    except OSError as error:
        if not streams.is_full(error):
            raise
        streams.tell_full(error)
        sys.exit(ExitCode.FAULT)


_came: list[int] = []
"""Signals from before the command was known."""


def _remember(number: int, _frame: FrameType | None) -> None:
    _came.append(number)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Do what Ctrl-C does. In the background of a shell that is nothing, but whoever sends this signal means it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(ExitCode.INTERRUPTED)


def _stop(_number: int, _frame: FrameType | None) -> None:
    os._exit(ExitCode.DONE)


def _loaded(command: str) -> ModuleType:
    """The module of a command. Who is interrupted while that loads ends there and then, as nothing is begun: an
    exception in the middle of an import may come out as another one. For `run` and SIGTERM that stays so until the
    gateway heeds the signal itself."""
    name = f"gatewayd.cli.{_COMMANDS[command][0]}"
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if _remember not in found.values():  # not under `main`: the signals are somebody else's
        return import_module(name)
    on_sigterm = _stop if command == "run" else _leave
    ours = [number for number, one in found.items() if one in (_remember, signal.default_int_handler)]  # see nohup
    for number in ours:
        signal.signal(number, on_sigterm if number == signal.SIGTERM else _leave)
    for came in _came:
        signal.raise_signal(came)
    try:
        return import_module(name)
    finally:
        for number in ours:
            if (number, command) != (signal.SIGTERM, "run"):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _interrupt)
