"""`gatewayd archive`: look into the archive and prove it, while the gateway runs or not."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from gatewayd import daemon
from gatewayd.archive import head, signing
from gatewayd.archive.extract import extents
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.verify import Anchor, Finding
from gatewayd.archive.verify import verify as verify_archive
from gatewayd.cli.archive_audit import audit
from gatewayd.cli.archive_export import export
from gatewayd.cli.archive_gaps import gaps
from gatewayd.cli.archive_selection import selection, selection_options
from gatewayd.cli.archive_stats import stats
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.groups import Group
from gatewayd.cli.language import lang_option
from gatewayd.cli.output import print_json, print_readings
from gatewayd.cli.plural import counted
from gatewayd.cli.progress import patience, progress
from gatewayd.config import Config
from gatewayd.daemon.derived import derived_folder

_ANCHOR = re.compile(r"(\d{1,19}):([0-9A-Fa-f]{64})", re.ASCII)


@click.group(cls=Group)
def archive() -> None:
    """Look into the archive."""


@archive.command()
@selection_options
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def show(config_path: Path, /, as_json: bool, **options: Any) -> None:  # Any: the options of `selection`, from click
    """Print archived readings, of METER or of all."""
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    wanted = selection(zone, **options)
    reader = Reader(config.archive.path)
    try:
        with patience("reading the archive"):
            readings = reader.select(wanted)
            if not readings and wanted.meter is not None:
                _check_known(config, reader, wanted.meter)
    finally:
        reader.close()
    print_readings(readings, zone, as_json=as_json, with_meter=wanted.meter is None)


@archive.command()
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Check the signatures with this key, kept elsewhere, and not with the one beside the archive.",
)
@click.option(
    "--anchor",
    metavar="SEQ:HASH|FILE",
    help="A head that is known from elsewhere, as in a published batch, or a copy of the archive's file `head`: "
    "whatever it covers must still be there.",
)
@click.option("--derived", is_flag=True, help="The archive of derived values instead of that of readings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def verify(config_path: Path, public_key: Path | None, anchor: str | None, derived: bool, as_json: bool) -> None:
    """Prove that the archive is what the gateway wrote: hash chain, signatures, seals, head, structure of the files.

    One line for each finding on standard error; exit code 1 on any damage.
    """
    config = daemon.load_config(config_path)
    folder = derived_folder(config.archive.path) if derived else config.archive.path
    known = _anchor(anchor) if anchor is not None else None
    total = sum(extent.ends[1] - extent.ends[0] + 1 for extent in extents(folder) if extent.ends is not None)
    with progress("verifying", total) as show_progress:
        verdict = verify_archive(folder, public_key, known, show_progress)
    for finding in verdict.findings:
        click.echo(finding.text, err=True)
    if as_json:
        print_json(
            {
                "ok": verdict.ok,
                "segments": verdict.segments,
                "readings": verdict.readings,
                "exchanges": verdict.exchanges,
                "findings": [_finding_object(finding) for finding in verdict.findings],
            }
        )
    else:
        click.echo(
            f"archive {folder}: {'sound' if verdict.ok else 'DAMAGED'}; {counted(verdict.segments, 'segment')}, "
            f"{counted(verdict.readings, 'reading')}, {counted(verdict.exchanges, 'exchange')}"
        )
    if not verdict.ok:
        raise click.exceptions.Exit(ExitCode.FAULT)


@archive.command("public-key")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def public_key(config_path: Path, as_json: bool) -> None:
    """Print the key that proves the signatures, as PEM; it may be given to anybody."""
    path = daemon.load_config(config_path).archive.path / signing.PUBLIC
    signing.public_key(path)  # a fault rather than something that is no key
    text = path.read_text(encoding="ascii")
    if as_json:
        print_json({"public_key": text})
    else:
        click.echo(text, nl=False)


archive.add_command(audit)
archive.add_command(export)
archive.add_command(gaps)
archive.add_command(stats)


def _check_known(config: Config, reader: Reader, meter: str) -> None:
    """A usage error for a meter that is not in the configuration, and of which the archive has nothing either."""
    ids = [one.id for one in config.metered]
    if meter not in ids and not reader.select(Selection(meter=meter, last=1)):
        raise click.UsageError(
            f"there is nothing of a meter '{meter}' in the archive, and it is not configured; "
            f"configured: {', '.join(ids[:20]) or 'none'}"
        )


def _finding_object(finding: Finding) -> dict[str, object]:
    return {
        "segment": finding.segment,
        "batch": finding.batch,
        "rows": finding.rows,
        "message": finding.message,
    }


def _anchor(text: str) -> Anchor:
    """`SEQ:HASH`, or the head in a copy of the file `head`."""
    match = _ANCHOR.fullmatch(text)
    if match is not None:
        return Anchor(int(match[1]), bytes.fromhex(match[2]))
    if not Path(text).is_file():
        raise click.BadParameter(
            f"'{text}' is neither SEQ:HASH with 64 hexadecimal digits nor a file", param_hint="--anchor"
        )
    with tempfile.TemporaryDirectory() as folder:  # a head is read under its own name, whatever the copy is called
        shutil.copyfile(text, Path(folder) / head.NAME)
        found = head.read_head(Path(folder))
    if found is None:
        raise click.BadParameter(f"the file '{text}' holds no head", param_hint="--anchor")
    return Anchor(found.seq, found.hash)
