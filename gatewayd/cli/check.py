"""`gatewayd check` and `gatewayd config schema`: is the configuration right, and what may stand in it."""

from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.output import print_json
from gatewayd.config import Config, json_schema
from gatewayd.errors import ConfigError, Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(config_path: Path, as_json: bool) -> None:
    """Check the configuration: every fault with file, line, key and what was expected."""
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    summary = ""
    try:
        config = daemon.load_config(config_path)
    except ConfigError as error:
        errors = error.findings
    else:
        warnings = config.warnings + daemon.doubts(config)
        summary = f"{config_path}: gateway {config.gateway.id}: {summary_of(config)}"
    if as_json:
        findings = [("error", finding) for finding in errors] + [("warning", finding) for finding in warnings]
        print_json(
            {
                "ok": not errors,
                "file": str(config_path),
                "findings": [
                    {"severity": severity, "line": found.line, "key": found.key, "message": found.message}
                    for severity, found in findings
                ],
            }
        )
    else:
        for finding in errors:
            click.echo(finding.text(str(config_path)), err=True)
        for finding in warnings:
            click.echo(f"warning: {finding.text(str(config_path))}", err=True)
        if summary:
            click.echo(summary)
    if errors:
        raise click.exceptions.Exit(2)


def summary_of(config: Config) -> str:
    """`2 lines, 3 meters, 5 jobs, 1 sinks`, with points behind registrars and load profiles where there are any."""
    jobs = [job for meter in config.meters for _, job in meter.all_jobs]
    points = len(config.metered) - len(config.meters)
    profiles = sum(job.profile is not None for job in jobs)
    return ", ".join(
        (
            f"{len(config.lines)} lines",
            f"{len(config.meters)} meters" + (f" with {points} metering points behind registrars" if points else ""),
            f"{len(jobs)} jobs" + (f" ({profiles} of load profiles)" if profiles else ""),
            f"{len(config.sinks)} sinks",
        )
    )


@click.group()
def config() -> None:
    """The definition of the configuration."""


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors and validators."""
    print_json(json_schema(daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS))
