"""`gatewayd archive`: look into the archive, while the gateway runs or not."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.verify import verify as verify_archive
from gatewayd.cli.output import print_json, print_readings
from gatewayd.cli.read import obis_code
from gatewayd.model import Kind
from gatewayd.obis import Obis


@click.group()
def archive() -> None:
    """Look into the archive."""


@archive.command()
@click.argument("meter", required=False)
@click.option("--obis", type=obis_code, help="Only this code.")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only this kind of reading.")
@click.option("--since", metavar="TIME", help="From this time on, legal time: 2026-11-21 or 2026-11-21T08:15.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--last", type=click.IntRange(min=1), help="Only this many of the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def show(
    config_path: Path,
    meter: str | None,
    obis: Obis | None,
    kind: str | None,
    since: str | None,
    until: str | None,
    last: int | None,
    as_json: bool,
) -> None:
    """Print archived readings, of METER or of all."""
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    selection = Selection(
        meter=meter,
        obis=str(obis) if obis is not None else None,
        kind=Kind(kind) if kind is not None else None,
        since=_instant(since, zone, "--since"),
        until=_instant(until, zone, "--until"),
        last=last,
    )
    reader = Reader(config.archive.path)
    try:
        readings = reader.select(selection)
    finally:
        reader.close()
    print_readings(readings, zone, as_json=as_json, with_meter=meter is None)


@archive.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def verify(config_path: Path, as_json: bool) -> None:
    """Check that the archive is whole: structure, references, sequence. Exit code 1 on any damage."""
    config = daemon.load_config(config_path)
    verdict = verify_archive(config.archive.path)
    if as_json:
        print_json(
            {
                "ok": verdict.ok,
                "segments": verdict.segments,
                "readings": verdict.readings,
                "exchanges": verdict.exchanges,
                "findings": [
                    {"segment": f.segment, "batch": f.batch, "rows": f.rows, "message": f.message}
                    for f in verdict.findings
                ],
            }
        )
    else:
        for finding in verdict.findings:
            click.echo(finding.text, err=True)
        state = "sound" if verdict.ok else "DAMAGED"
        click.echo(
            f"archive {config.archive.path}: {state}; {verdict.segments} segment, {verdict.readings} readings, "
            f"{verdict.exchanges} exchanges"
        )
    if not verdict.ok:
        raise click.exceptions.Exit(1)


def _instant(text: str | None, zone: ZoneInfo, option: str) -> datetime | None:
    """A time on the command line: legal time unless it has an offset of its own."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"'{text}' is no time; expected 2026-11-21 or 2026-11-21T08:15", param_hint=option
        ) from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
