"""`gatewayd reading import` and `template`: tables of readings by hand, as the gas operator's portal takes them.

Rules: a file with a critical fault is not loaded: nothing of it is archived. Else rows with an error are left out, and
so are doubtful ones unless somebody stands by them or has them wait; the others are archived. Done again, nothing is
archived twice.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from gatewayd import daemon
from gatewayd.cli.aside import aside
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.language import lang_option, said, said_count
from gatewayd.cli.output import print_json
from gatewayd.cli.plural import counted
from gatewayd.cli.progress import progress
from gatewayd.cli.reading_view import check_texts, finding_line, finding_object, handled_object
from gatewayd.cli.session import register_code
from gatewayd.config import Config, ManualSettings
from gatewayd.errors import ConfigError
from gatewayd.manual.files import read_table, refusal, submission_of, twice
from gatewayd.manual.findings import Finding
from gatewayd.manual.submission import Found, Handled, Outcome, Submission
from gatewayd.manual.table import LONGEST_CELL, FileRefused, Row
from gatewayd.obis import Obis

_NAME = "odecet.xlsx"


maximum_option = click.option(
    "--maximum",
    type=click.IntRange(min=1),
    metavar="TIMES",
    help="More than so many times the comparable consumption is an error.  [default: manual.maximum, or 20]",
)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only look: archive nothing.")
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.xlsx", help="What became of each row."
)
@click.option(
    "--obis", type=register_code, metavar="CODE", help="The register.  [default: the one that the meter is settled by]"
)
@click.option("--unit", default="", help="Unit of the states.  [default: what the meters show]")
@maximum_option
@click.option("--author", default="", help="Who has read.  [default: the user]")
@click.option("--note", default="", help="A remark that is archived with each.")
@click.option("--yes", is_flag=True, help="Archive doubtful readings as well.")
@click.option(
    "--hold/--no-hold",
    default=None,
    help="Have doubtful readings wait until another person releases them.  [default: manual.hold, or not]",
)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def import_(
    config_path: Path,
    file: Path,
    dry_run: bool,
    report: Path | None,
    obis: Obis | None,
    unit: str,
    maximum: int | None,
    author: str,
    note: str,
    yes: bool,
    hold: bool | None,
    as_json: bool,
) -> None:
    """Archive the readings of FILE, XLSX or CSV (`gatewayd reading template` writes an empty one).

    Exit code 1 when one of them is not archived and does not wait, or would not."""
    config = daemon.load_config(config_path)
    if yes and hold:
        raise click.UsageError("--yes and --hold: either you stand by what is doubtful, or it waits")
    waits = (config.manual.hold if hold is None else hold) and not yes
    check_texts({"--note": note, "--author": author})
    check_texts({"--unit": unit}, LONGEST_CELL)
    if report is not None:
        _check_place(report, "--report")
        if report.exists() and report.samefile(file):
            raise click.BadParameter("is the file that is imported; name another one", param_hint="--report")
    try:
        rows = read_table(file, config.manual.most_rows)
    except FileRefused as error:
        _not_loaded(file, error, report, as_json)
        raise click.exceptions.Exit(ExitCode.FAULT) from None
    code = str(obis) if obis is not None else ""
    handing = daemon.Handing(author=author, file=file.name, hold=waits)
    job = _Import(config, rows, [submission_of(row, code, unit, note, maximum or 0) for row in rows], handing)
    seen = asyncio.run(job.handed_in())
    if not as_json:
        _tell(seen)
    asked = not as_json and not waits and sys.stdin.isatty()
    done = seen if dry_run else _archived(job, seen, yes=yes, asked=asked, hold=waits)
    if report is not None:
        _write_report(report, rows, done, None)
    if as_json:
        print_json({"file": str(file), "loaded": True, **_counts(done), "readings": [*map(handled_object, done)]})
    else:
        click.echo(_summary(file, done, dry_run=dry_run, yes=yes or waits))
    looked = (Outcome.SOUND, *((Outcome.DOUBTFUL,) if yes or waits else ()))
    good = looked if dry_run else (Outcome.ARCHIVED, Outcome.HELD)
    if any(one.outcome not in good for one in done):
        raise click.exceptions.Exit(ExitCode.FAULT)


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), default=_NAME)
@click.pass_obj
def template(config_path: Path, out: Path) -> None:
    """Write an empty table for `gatewayd reading import`.  [default: odecet.xlsx]

    What belongs into a column is shown when one of its cells is selected."""
    from gatewayd.manual.report import PROMPTS, write_template
    from gatewayd.manual.table import COLUMNS

    _check_place(out, "OUT")
    most = _most_rows(config_path)
    try:
        write_template(out, most)
    except FileExistsError as error:
        raise click.BadParameter(str(error), param_hint="OUT") from None
    except OSError as error:
        raise click.FileError(str(out), error.strerror or str(error)) from error
    click.echo(f"{out}: row 1 has the headings and stays as it is; one reading in each row below, at most {most}")
    for name, prompt in zip(COLUMNS, PROMPTS, strict=True):
        click.echo(f"  {name:14} {prompt}")


class _Import:
    """The rows of a file, which are handed in twice: to be looked at, and to be archived."""

    def __init__(
        self, config: Config, rows: Sequence[Row], submissions: Sequence[Submission], handing: "daemon.Handing"
    ) -> None:
        self._config = config
        self._handing = handing
        self._refused: dict[int, Handled] = {}
        same = twice(rows)
        for row in rows:
            findings = [*row.findings, *([same[row.place]] if row.place in same else [])]
            if findings:
                self._refused[row.place] = refusal(row, findings)
        self._rows = rows
        self._submissions = [one for one in submissions if one.row not in self._refused]

    async def handed_in(self, *, enter: bool = False, stand_by: bool = False) -> list[Handled]:
        """What came of each row, in their order."""
        handing = msgspec.structs.replace(self._handing, enter=enter, stand_by=stand_by)
        with progress("archiving" if enter else "looking", len(self._submissions)) as show:
            done = await daemon.hand_in(self._config, self._submissions, handing, show, aside)
        found = {one.row: one for one in done}
        return [found.get(row.place) or self._refused[row.place] for row in self._rows]


def _archived(job: _Import, seen: Sequence[Handled], *, yes: bool, asked: bool, hold: bool) -> Sequence[Handled]:
    doubtful = sum(one.outcome is Outcome.DOUBTFUL for one in seen)
    sound = sum(one.outcome is Outcome.SOUND for one in seen)
    if doubtful and not yes and asked:
        yes = click.confirm(f"Archive the {counted(doubtful, 'doubtful reading')} as well?", err=True)
    if not sound and not (doubtful and (yes or hold)):
        return seen
    return asyncio.run(job.handed_in(enter=True, stand_by=yes))


def _tell(seen: Sequence[Handled]) -> None:
    for one in seen:
        for finding in one.findings:
            click.echo(f"{said('row')} {one.row}: {finding_line(finding)}", err=True)


def _counts(done: Sequence[Handled]) -> dict[str, object]:
    kinds = {kind.value: sum(one.outcome is kind for one in done) for kind in Outcome if kind is not Outcome.REJECTED}
    return {"rows": len(done), "faulty": sum(bool(one.findings) for one in done), **kinds}


def _summary(file: Path, done: Sequence[Handled], *, dry_run: bool, yes: bool) -> str:
    """`jan.xlsx: 12 readings loaded, 3 with findings: 9 archived, 1 doubtful and left out, 2 refused`."""
    parts = []
    for kind, text in (
        (Outcome.ARCHIVED, "archived"),
        (Outcome.SOUND, "sound"),
        (Outcome.DOUBTFUL, "doubtful" if dry_run or yes else "doubtful and left out (--yes archives them)"),
        (Outcome.HELD, "held until another person releases them (gatewayd reading waiting)"),
        (Outcome.REFUSED, "refused"),
    ):
        count = sum(one.outcome is kind for one in done)
        if count:
            parts.append(f"{count} {said(text)}")
    faulty = sum(bool(one.findings) for one in done)
    loaded = said("{file}: {readings} loaded, {faulty} with findings").format(
        file=file, readings=said_count(len(done), "reading"), faulty=faulty
    )
    end = f"; {said('nothing was archived (--dry-run)')}" if dry_run else ""
    return f"{loaded}: {', '.join(parts)}{end}"


def _not_loaded(file: Path, error: FileRefused, report: Path | None, as_json: bool) -> None:
    finding = error.of(file.name)
    found = Found(finding.severity.value, finding.check.text, finding.text, finding.portal)
    if report is not None:
        _write_report(report, (), (), finding)
    if as_json:
        print_json({"file": str(file), "loaded": False, "findings": [finding_object(found)]})
    click.echo(f"{file}: {finding_line(found)}", err=True)
    click.echo(said("the file is not loaded, nothing of it is archived"), err=True)


def _most_rows(config_path: Path) -> int:
    """As configured; a template may be had without a configuration."""
    try:
        return daemon.load_config(config_path).manual.most_rows
    except ConfigError:
        return ManualSettings().most_rows


def _check_place(out: Path, option: str) -> None:
    """A usage error where no workbook may be written."""
    from gatewayd.manual.report import workbook_path

    try:
        workbook_path(out)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _write_report(path: Path, rows: Sequence[Row], done: Sequence[Handled], critical: Finding | None) -> None:
    from gatewayd.manual.report import write_report

    try:
        write_report(path, rows, done, critical)
    except OSError as fault:
        click.echo(f"the report {path} cannot be written: {fault.strerror or fault}", err=True)
