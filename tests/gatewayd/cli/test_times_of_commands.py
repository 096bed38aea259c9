"""One vocabulary of times: what one command takes, all take, and what is doubtful is refused by all of them alike."""

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from gatewayd.cli.tree import nodes
from gatewayd.errors import GatewayError
from tests.gatewayd.points_site import configured, filled

WORDS = {
    "archive audit": {"--since": ""},
    "archive export": {"--since": "--format jsonl", "--until": "--format jsonl"},
    "archive gaps": {"--from": "--to today", "--to": "--from 2026-10-01"},
    "archive show": {"--since": "", "--until": ""},
    "compare": {"--day": "north"},
    "export points": {"--from": "north --layout csv", "--to": "north --layout csv --from 2026-10-01"},
    "losses": {"--day": "north", "--from": "north", "--to": "north --from 2026-10-01"},
    "point": {"--day": "north", "--from": "north", "--to": "north --from 2026-10-01"},
    "profile": {"--from": "em-1 P.01", "--to": "em-1 P.01 --from 2026-10-01"},
    "reading add": {"--at": "em-1 1.8.0 1 --yes"},
    "sink replay": {"--since": "broker", "--until": "broker --since 2026-10-01"},
    "substitute set": {"--day": "north 1.29.0 5"},
    "tail": {"--since": "--for 0.1"},
}
"""Every option that takes a time or a day, and the words that the command needs besides."""
EACH = [(command, option) for command, options in WORDS.items() for option in options]
BY_DAY = {("archive gaps", "--from"), ("archive gaps", "--to"), ("compare", "--day"), ("substitute set", "--day")}
"""Those for which there are no times."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("times")
    path = configured(folder)
    text = path.read_text().replace("{id: north,", "{id: north, metering_side: secondary,")
    path.write_text(text + "sinks: [{id: broker, type: mqtt, host: 127.0.0.1, port: 9}]\n")
    filled(folder)
    return path


@pytest.fixture(autouse=True)
def that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.daemon.now", lambda: datetime(2026, 11, 21, 9, 0, tzinfo=UTC))


def said(site: Path, command: str, option: str, text: str) -> Result:
    words = [*command.split(), *WORDS[command][option].split(), option, text]
    done = CliRunner().invoke(gatewayd, ["-c", str(site), *words])
    assert done.exception is None or isinstance(done.exception, SystemExit | GatewayError | click.ClickException), done
    return done


def test_these_are_all_of_them() -> None:
    found = {
        (" ".join(one.path), option.opts[0])
        for one in nodes(gatewayd)
        for option in one.options
        if option.metavar in ("TIME", "DAY")
    }
    assert found == set(EACH)


@pytest.mark.parametrize(("command", "option"), EACH)
def test_the_day_before_is_a_time(site: Path, command: str, option: str) -> None:
    for text in ("yesterday", "2026-11-01"):
        done = said(site, command, option, text)
        assert " is no " not in done.output, done.output
        assert option not in done.output, "nothing is wrong with it"


@pytest.mark.parametrize(("command", "option"), EACH)
def test_what_is_none_is_refused_by_name(site: Path, command: str, option: str) -> None:
    done = said(site, command, option, "soon")
    assert done.exit_code == 2, done.output
    assert f"'{option}'" in done.output or f" {option}:" in done.output, done.output
    assert "'soon' is no" in done.output and "yesterday" in done.output


@pytest.mark.parametrize(("command", "option"), [one for one in EACH if one not in BY_DAY])
def test_the_hour_that_happens_twice_is_not_guessed(site: Path, command: str, option: str) -> None:
    done = said(site, command, option, "2026-10-25 02:30")
    assert done.exit_code == 2, done.output
    assert "happens twice" in done.output and "2026-10-25T02:30+01:00" in done.output
