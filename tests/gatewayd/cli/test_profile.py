"""What is said of a profile whose time is not over."""

import re
from datetime import timedelta

import click
import pytest

from gatewayd.cli import profile
from gatewayd.cli.profile_view import pivot
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Flag
from tests.gatewayd.cli.test_profile_view import archived, at, interval


@pytest.mark.parametrize("plot", [False, True])
def test_what_has_not_ended_yet_is_not_missing(
    plot: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--to today` in the middle of the day: the rest of it is no gap."""
    monkeypatch.setattr("gatewayd.cli.profile.daemon.now", lambda: at(8) + timedelta(minutes=7))
    shown = pivot(archived(*(interval(n, "1") for n in range(1, 8))))
    profile._print(shown, at(0), at(96), PRAGUE, plot=plot)
    told = capsys.readouterr().out
    assert "7 of 8 intervals" in told
    if plot:
        assert told.count("·") <= 4, "one gap: the eighth"


@pytest.mark.parametrize("minutes", [0, 7, 15, 60])
def test_today_has_begun_in_its_first_quarter_hour(minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.cli.profile.daemon.now", lambda: at(0) + timedelta(minutes=minutes, seconds=1))
    begun, ended = profile._span("today", "now", PRAGUE)
    assert (begun, ended) == (at(0), at(max(minutes // 15, 1)))
    with pytest.raises(click.UsageError, match="is not after --from today"):
        profile._span("today", "yesterday", PRAGUE)


@pytest.mark.parametrize(("columns", "whole"), [(78, True), (50, False)])
def test_a_flag_is_folded_only_where_codes_are_not_enough(
    columns: int, whole: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(columns))):
        monkeypatch.setenv(name, value)
    cells = [interval(1, "1234.5", f"{n}.5.0", flags=Flag.PARTIAL_INTERVAL) for n in (1, 2)]
    profile._print(pivot(archived(*cells)), at(0), at(1), PRAGUE, plot=False)
    assert ("partial_interval" in capsys.readouterr().out) == whole


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 120])
def test_no_number_is_folded_or_left_out(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve channels on a terminal that is too narrow for them."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    values = [f"{n:02}4567.891" for n in range(10, 22)]
    cells = [interval(1, value, f"{n + 1}.5.0") for n, value in enumerate(values)]
    profile._print(pivot(archived(*cells)), at(0), at(1), PRAGUE, plot=False)
    told = capsys.readouterr().out
    assert all(value in told for value in values)
    if columns >= 60:
        assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", told).splitlines()[:-1])) <= columns
