"""The exit codes: what leaves a command as what, and the page that tells them."""

import click
import pytest

from gatewayd import cli
from gatewayd.cli import main
from gatewayd.cli.exit_codes import MEANINGS, ExitCode
from gatewayd.cli.tree import nodes
from gatewayd.errors import ArchiveNotPermitted, ConfigError, DeviceNotPermitted, Finding, MeterSilent
from tests.system.rig import ROOT

PAGE = ROOT / "docs" / "exit-codes.md"
OUTCOMES: list[tuple[BaseException | None, ExitCode]] = [
    (None, ExitCode.DONE),
    (click.exceptions.Exit(ExitCode.FAULT), ExitCode.FAULT),
    (MeterSilent("meter em-1 on line bus: no answer"), ExitCode.FAULT),
    (click.ClickException("x.csv cannot be written"), ExitCode.FAULT),
    (click.UsageError("no such meter"), ExitCode.USAGE),
    (ConfigError("g.yaml", (Finding(1, "lines", "no"),)), ExitCode.USAGE),
    (PermissionError("/var/lib/gatewayd"), ExitCode.NOT_PERMITTED),
    (ArchiveNotPermitted("archive /a cannot be written"), ExitCode.NOT_PERMITTED),
    (DeviceNotPermitted("line bus: no permission for /dev/ttyS1"), ExitCode.NOT_PERMITTED),
    (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    (click.Abort(), ExitCode.INTERRUPTED),
    (BrokenPipeError(), ExitCode.DONE),
]


@pytest.mark.parametrize(("raised", "code"), OUTCOMES, ids=lambda one: type(one).__name__)
def test_what_ends_a_command(raised: BaseException | None, code: ExitCode, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def check() -> None:
        if raised is not None:
            raise raised

    monkeypatch.setattr(cli, "_loaded", lambda _: type("module", (), {"check": check}))
    monkeypatch.setattr("sys.argv", ["gatewayd", "check"])
    monkeypatch.setattr("os.dup2", lambda *_: None)  # the output of the tests goes on
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code


def test_the_page_has_the_table_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert f"| {int(code)} | {meaning} |\n" in text
    assert MEANINGS.keys() == set(ExitCode)


def test_the_page_names_only_commands_that_there_are() -> None:
    known = {" ".join(one.path) for one in nodes(cli.gatewayd)}
    rows = PAGE.read_text(encoding="utf-8").partition("## When it is 1")[2].partition("## ")[0]
    for row in rows.splitlines()[4:]:
        for name in row.split("|")[1].split(",") if row.startswith("|") else ():
            words = name.strip(" `").removesuffix(" METER").removesuffix(" LINE").removesuffix(" --strict")
            assert words in known, words
