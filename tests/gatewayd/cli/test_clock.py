"""What is said of a meter's clock, by `clock`, `read` and `profile`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from msgspec.structs import replace as with_fields

from gatewayd.acquire import Result
from gatewayd.cli.clock import clock
from gatewayd.cli.clock_text import clock_line, deviation, is_clock, printable
from gatewayd.cli.profile import _print, profile
from gatewayd.cli.profile_view import pivot
from gatewayd.cli.read import read
from gatewayd.errors import MeterDiffers
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Clock, Flag, Kind, RawStatus, Reading
from tests.gatewayd.cli.test_profile_view import archived, at, interval
from tests.gatewayd.cli.test_scan import CONFIG
from tests.gatewayd.doubles import reading

SHOWN = "2026-11-21T01:00:00+01:00"


def seen(off: str = "-3.2", text: str = SHOWN) -> Reading:
    """A reading of the clock object as the driver of DLMS makes it."""
    made = reading(text, "0-0:1.0.0", at=at(4))
    return with_fields(made, more=(off,) if off else (), meter_time=text if off else "")


@pytest.mark.parametrize(
    ("off", "text"),
    [("-3.2", "3.2 s behind"), ("0.1", "0.1 s ahead"), ("0.0", "right"), ("", "no time"), ("12.0", "12.0 s ahead")],
)
def test_how_far_it_is_off(off: str, text: str) -> None:
    assert deviation(seen(off)) == text
    assert clock_line(seen(off)) == f"{SHOWN}, {text}"


def test_a_doubtful_clock_says_so() -> None:
    doubtful = with_fields(seen("", "\x07"), status=RawStatus.DISTORTED, flags=Flag.CLOCK_INVALID)
    assert clock_line(doubtful) == "\\x07, no time, distorted clock_invalid"
    assert clock_line(seen("", "")) == "nothing, no time"


def test_a_clock_in_a_log_is_an_entry() -> None:
    assert is_clock(seen())
    assert not is_clock(with_fields(seen(), kind=Kind.EVENT))
    assert not is_clock(reading("1", "1-0:1.8.0"))


def ran(
    command: click.Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    result: Result,
    *arguments: str,
    asked: list[object] | None = None,
) -> tuple[str, str, BaseException | None]:
    """Standard output, standard error and what was raised, when the session brings this."""

    async def session(_config: object, _settings: object, request: object) -> Result:
        if asked is not None:
            asked.append(request)
        return result

    monkeypatch.setattr(f"gatewayd.cli.{command.name}.session", session)
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    done = CliRunner().invoke(command, ["em-1", *arguments], obj=tmp_path / "c.yaml")
    return done.stdout, done.stderr, done.exception


def of(*readings: Reading, remarks: tuple[str, ...] = ()) -> Result:
    return Result("em-1", tuple(archived(*readings)), None, (), remarks)


def test_the_clock_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []
    out, err, fault = ran(clock, monkeypatch, tmp_path, of(seen(), remarks=("the clock is 3.2 s behind",)), asked=asked)
    assert out == f"{SHOWN}, 3.2 s behind   (read 2026-11-21 01:00:00+0100)\n"
    assert (err, fault, asked) == ("", None, [Clock()])


def test_what_setting_it_came_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before and behind it, and what was done; what was going to be done is in the archive."""
    asked: list[object] = []
    remarks = ("shift_time(+3) follows", "the clock was shifted by +3 s")
    result = of(seen(), seen("-0.2"), remarks=remarks)
    out, _, fault = ran(clock, monkeypatch, tmp_path, result, "--set", asked=asked)
    assert [line.split("   ")[0] for line in out.splitlines()] == [
        f"{SHOWN}, 3.2 s behind",
        f"{SHOWN}, 0.2 s behind",
        "the clock was shifted by +3 s",
    ]
    assert (fault, asked) == (None, [Clock(set=True)])
    out, err, _ = ran(clock, monkeypatch, tmp_path, result, "--set", "--json")
    assert len(json.loads(out)["readings"]) == 2
    assert err == "the clock was shifted by +3 s\n"


def test_a_clock_that_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reason is told once."""
    fault = MeterDiffers("meter em-1 on line cabin has a clock that is not set: set_clock is not configured")
    out, _, raised = ran(clock, monkeypatch, tmp_path, replace(of(seen(), remarks=("not set",)), fault=fault), "--set")
    assert raised is fault
    assert out.count("\n") == 1


def test_time_and_date_of_a_readout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """IEC 62056-21: no zone, no deviation."""
    readout = of(reading("144512", "0.9.1"), reading("261121", "0.9.2"))
    out, _, _ = ran(clock, monkeypatch, tmp_path, readout)
    assert [line.split("   ")[0] for line in out.splitlines()] == ["1-0:0.9.1*255  144512", "1-0:0.9.2*255  261121"]


def test_a_row_of_the_clock_says_what_the_number_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out, _, _ = ran(read, monkeypatch, tmp_path, of(seen(), reading("5", "1-0:1.8.0")))
    assert f"{SHOWN} (3.2 s behind)" in out
    document, _, _ = ran(read, monkeypatch, tmp_path, of(seen()), "--json")
    assert json.loads(document)["readings"][0]["more"] == ["-3.2"]


def test_nothing_but_the_fault_when_nothing_came(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fault = MeterDiffers("meter em-1 on line cabin refuses the association")
    out, _, raised = ran(read, monkeypatch, tmp_path, Result("em-1", (), fault))
    assert (out, raised) == ("", fault)
    out, _, _ = ran(read, monkeypatch, tmp_path, Result("em-1", (), fault), "--json")
    assert json.loads(out) == {"readings": []}


def test_a_profile_has_the_clock_in_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    shown = pivot(archived(seen(), interval(1, "7")))
    assert (shown.others, shown.clock) == ((), seen())
    _print(shown, at(0), at(1), PRAGUE, plot=False)
    assert capsys.readouterr().out.splitlines()[-1] == f"clock: {SHOWN}, 3.2 s behind"


def test_an_event_log_does_not_count_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    event = with_fields(reading("19", "0-0:99.98.0", at=at(1)), kind=Kind.EVENT)
    _print(pivot(archived(seen(), event)), at(0), at(1), PRAGUE, plot=False)
    assert capsys.readouterr().out.splitlines()[-2:] == ["1 entry", f"clock: {SHOWN}, 3.2 s behind"]


def test_nothing_is_said_of_a_profile_that_the_meter_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The clock had come before; that does not make it a profile without rows."""
    fault = MeterDiffers("meter em-1 on line cabin refuses the capture objects")
    out, _, raised = ran(profile, monkeypatch, tmp_path, replace(of(seen()), fault=fault), "1-0:99.7.0")
    assert (out, raised) == ("", fault)
    out, _, _ = ran(profile, monkeypatch, tmp_path, of(seen()), "1-0:99.7.0")
    assert out.splitlines() == ["nothing in this time", f"clock: {SHOWN}, 3.2 s behind"]


def test_the_document_of_a_profile_has_the_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out, _, _ = ran(profile, monkeypatch, tmp_path, of(seen(), interval(1, "7")), "1-0:99.1.0", "--json")
    assert [one["obis"] for one in json.loads(out)["readings"]] == ["0-0:1.0.0*255", "1-0:1.5.0*255"]


@pytest.mark.parametrize("columns", [80, 120])
def test_readings_fit_into_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of 80 columns: what people can do without is left out, and no number is folded."""
    for name, value in (("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(columns))):
        monkeypatch.setenv(name, value)
    twice = reading("0004711.25", "1-0:2.8.0", at=at(10).replace(month=10, day=25, hour=0, minute=30))
    out, _, _ = ran(read, monkeypatch, tmp_path, of(seen(), reading("0004711.23", "1-0:1.8.0", at=at(4)), twice))
    narrow = columns == 80
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert max(map(len, out.splitlines())) <= columns
    assert ("seq" in out, "1-0:1.8.0*255" in out) == (not narrow, not narrow)
    assert "0004711.23" in out
    assert ("2026-11-21 01:00:00+0100" in out) == (not narrow)
    assert "2026-10-25 02:30:00+0200" in out, "an hour that happens twice keeps its offset"


def test_control_characters_are_shown() -> None:
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
