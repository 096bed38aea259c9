"""`gatewayd check`: is the configuration right: every finding with file, line, key and what was expected."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.output import console, print_json, print_lines
from gatewayd.cli.plural import counted
from gatewayd.config import Config
from gatewayd.errors import ConfigError, Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(config_path: Path, as_json: bool) -> None:
    """Check the configuration: every fault with file, line, key and what was expected."""
    found = judged(str(config_path), lambda: daemon.load_config(config_path))
    if as_json:
        print_json(found.document)
    else:
        found.tell()
    if not found.ok:
        raise click.exceptions.Exit(ExitCode.USAGE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say of one file; `summary` is empty where it cannot be used."""

    file: str
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    summary: str = ""

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def document(self) -> dict[str, object]:
        """For programs."""
        findings = [("error", one) for one in self.errors] + [("warning", one) for one in self.warnings]
        return {
            "ok": self.ok,
            "file": self.file,
            "findings": [
                {"severity": severity, "line": one.line, "key": one.key, "message": one.message}
                for severity, one in findings
            ],
        }

    def tell(self) -> None:
        """For people: findings on standard error, what is in it on standard output."""
        for finding in self.errors:
            click.echo(finding.text(self.file), err=True)
        for finding in self.warnings:
            click.echo(f"warning: {finding.text(self.file)}", err=True)
        if self.summary:
            print_lines(console(), f"{self.file}: {self.summary}")


def judged(file: str, load: Callable[[], Config], *, here: bool = True) -> Verdict:
    """What `load` makes of a file of this name. `here`: also whether the files that it names are on this machine."""
    try:
        config = load()
    except ConfigError as error:
        return Verdict(file, errors=error.findings)
    warnings = config.warnings + (daemon.doubts(config) if here else ())
    return Verdict(file, warnings=warnings, summary=f"gateway {config.gateway.id}: {summary_of(config)}")


def summary_of(config: Config) -> str:
    """`2 lines, 3 meters, 5 jobs, 1 sink`, with points behind registrars and load profiles where there are any."""
    jobs = [job for meter in config.meters for _, job in meter.all_jobs]
    points = len(config.metered) - len(config.meters)
    profiles = sum(job.profile is not None for job in jobs)
    behind = f" with {counted(points, 'metering point')} behind registrars" if points else ""
    return ", ".join(
        (
            counted(len(config.lines), "line"),
            counted(len(config.meters), "meter") + behind,
            counted(len(jobs), "job") + (f" ({counted(profiles, 'load profile')})" if profiles else ""),
            counted(len(config.sinks), "sink"),
        )
    )
