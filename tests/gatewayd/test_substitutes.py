"""Substitute values by hand, from the command line into the derived archive: checks, states, history, audit."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd import daemon
from gatewayd.archive.follow import Follower
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.verify import verify
from gatewayd.cli import gatewayd
from gatewayd.config import Config
from gatewayd.daemon import substitutes
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.entered import Entered
from gatewayd.legal_time import day_bounds
from gatewayd.metering.manual_history import State
from tests.gatewayd.points_site import DAY, IMPORT, configured, filled

MORNING = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
"""09:00 of legal time on the morning after."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`north` has 95 of 96 quarter-hours, 23.75 kWh."""
    configured(tmp_path)
    filled(tmp_path)
    at(monkeypatch, MORNING)
    return tmp_path


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(substitutes, "now", lambda: now)


def command(site: Path, *arguments: str) -> Result:
    words: Sequence[str] = ["-c", str(site / "points.yaml"), "substitute", *arguments]
    return CliRunner().invoke(gatewayd, words)


def enter(site: Path, value: str, *more: str, point: str = "north") -> Result:
    return command(site, "set", point, "1.8.0", value, "--day", DAY.isoformat(), *more)


def entries(site: Path) -> Entered:
    return Entered(derived_folder(site / "archive"))


def test_a_value_its_states_and_its_history(site: Path) -> None:
    first = enter(site, "24", "--author", "eva", "--note", "read at the meter")
    assert first.exit_code == 0, first.output
    assert first.stdout == "number 1: north 1.29.0 2026-11-20: 24 kWh, entered (eva)\n"
    second = enter(site, " 25 ", "--json")
    document = json.loads(second.stdout)["substitute"]
    assert (document["archived"], document["number"], document["value"], document["unit"]) == (True, 2, "25", "kWh")
    assert command(site, "mark", "2", "sent").exit_code == 0
    assert command(site, "mark", "2", "rejected", "--note", "too late").exit_code == 0
    shown = json.loads(command(site, "list", "north", "--json").stdout)["substitutes"]
    assert [(one["number"], one["state"]) for one in shown] == [(1, "superseded"), (2, "rejected")]
    assert [(step["state"], step["note"]) for step in shown[1]["history"]] == [
        ("entered", ""),
        ("sent", ""),
        ("rejected", "too late"),
    ]
    assert next((step["author"], step["at"]) for step in shown[0]["history"]) == ("eva", "2026-11-21T08:00:00Z")
    table = command(site, "list", "--lang", "cs").stdout
    assert "Anulováno" in table and "Odmítnuto OTE" in table and "read at the meter" in table
    assert command(site, "list", "south").stdout == "no substitute values by hand\n"


def test_it_is_an_exchange_without_readings_in_a_sound_archive(site: Path) -> None:
    folder = derived_folder(site / "archive")
    values = Follower(folder).after(0, 100_000)
    assert enter(site, "24").exit_code == 0
    assert Follower(folder).after(0, 100_000) == values, "nothing to publish, nothing to take for a computed value"
    assert verify(folder).ok
    reader = DerivedReader(folder)
    assert {one[2] for one in reader.channels()} <= {"interval", "day", "month", "maximum"}
    assert reader.history("north", IMPORT, day_bounds(DAY)[1])[-1].derived.value.amount is None
    found = entries(site)
    assert list(found.known()) == [1]
    (kept,) = found.kept
    assert (kept.entry.state, kept.unit) == (State.ENTERED, "kWh")


def test_refused_with_all_that_is_wrong_in_both_languages(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    low = enter(site, "23", "--lang", "cs")
    assert low.exit_code == 1
    assert (
        "Zadaná hodnota je menší než součet naměřených hodnot 23,750 na EIC OM 27ZG600Z0424987D." in low.stderr
        and "není archivováno" in low.stderr
    )
    at(monkeypatch, datetime(2026, 11, 21, 10, 0, 1, tzinfo=UTC))
    late = enter(site, "24.5")
    assert late.exit_code == 1 and late.stderr.splitlines()[:2] == [
        "number: the value is a positive whole number of at most 8 digits",
        "deadline: the substitute value for 27ZG600Z0424987D could be entered until 11:00:00 of the day after",
    ]
    document = json.loads(enter(site, "25", "--json").stdout)["substitute"]
    assert document["archived"] is False and [one["check"] for one in document["refused"]] == ["deadline"]
    assert document["refused"][0]["text_cs"].endswith("Zadání bylo možné do 11:00:00.")
    nameless = enter(site, "25", point="south")
    assert "expected exactly 16" in nameless.stderr and "point south has no EIC" in nameless.stderr
    assert not entries(site).known()


def test_a_day_with_a_true_value_gets_none(site: Path) -> None:
    done = command(site, "set", "north", "2.29.0", "5", "--day", DAY.isoformat())
    assert done.exit_code == 1 and "there is a valid measured value" in done.stderr


def test_steps_that_the_table_does_not_allow(site: Path) -> None:
    assert enter(site, "24").exit_code == 0
    wrong = command(site, "mark", "1", "accepted")
    assert wrong.exit_code == 1 and "number 1 is entered and cannot be accepted" in wrong.stderr
    assert command(site, "mark", "1", "withdrawn").exit_code == 0
    assert entries(site).known()[1].state is State.SUPERSEDED
    gone = command(site, "mark", "1", "sent")
    assert gone.exit_code == 1 and "superseded and cannot be sent" in gone.stderr
    assert "there is no value with the number 7" in command(site, "mark", "7", "sent").stderr


def test_mistakes_on_the_command_line(site: Path) -> None:
    for arguments, why in (
        (("set", "nord", "1.8.0", "1", "--day", "2026-11-20"), "the configuration has: north, south, total"),
        (("set", "north", "5.8.0", "1", "--day", "2026-11-20"), "it has 1.29.0, 2.29.0, 3.29.0"),
        (("set", "north", "1.8.0", "1", "--day", "20.11."), "is no day"),
        (("set", "north", "1.8.0", "1", "--day", "2026-11-20", "--note", "x" * 300), "more than 200"),
        (("mark", "0", "sent"), "0"),
        (("set", "north", "1.8.0", "-x", "--day", "2026-11-20"), "No such option '-x'"),
        (("list", "nord"), "no metering point nord"),
    ):
        done = command(site, *arguments)
        assert done.exit_code == 2 and why in done.output, done.output


def test_a_value_below_zero_is_a_value_that_is_refused(site: Path) -> None:
    refused = command(site, "set", "north", "1.8.0", "-5", "--day", "2026-11-20")
    assert refused.exit_code == 1 and "number: the value is a positive whole number" in refused.output


def test_marking_before_anything_was_derived_makes_no_archive(tmp_path: Path) -> None:
    configured(tmp_path)
    assert command(tmp_path, "mark", "1", "sent").exit_code == 1
    assert not (tmp_path / "archive").exists()


def test_everything_is_in_the_audit_log(site: Path) -> None:
    enter(site, "23"), enter(site, "24"), command(site, "mark", "1", "sent")
    words = ["-c", str(site / "points.yaml"), "archive", "audit", "--category", "operator", "--json"]
    found = json.loads(CliRunner().invoke(gatewayd, words).stdout)["audit"]
    told = [(one["type"], one["subject"], one["result"], one["detail"]) for one in found]
    assert [one[:3] for one in told] == [
        ("substitute", "north", "refused"),
        ("substitute", "north", "done"),
        ("substitute", "north", "done"),
    ]
    assert told[0][3]["checks"] == ["below-measured"] and told[1][3]["number"] == 1 and told[2][3]["state"] == "sent"


def test_what_the_engine_has_to_compute_again_is_told_once(site: Path) -> None:
    reader = entries(site)
    days, upto = reader.after(0)
    assert not days and upto > 0
    enter(site, "24")
    assert reader.after(upto)[0] == {("north", DAY)}
    _, now = reader.after(upto)
    assert reader.after(now) == (frozenset(), now)
    command(site, "mark", "1", "withdrawn")
    assert reader.after(now)[0] == {("north", DAY)}, "also what is taken back"
    assert Entered(derived_folder(site / "archive")).after(0)[0] == {("north", DAY)}, "after a restart"


def test_many_at_once_get_numbers_of_their_own(site: Path) -> None:
    """As in the running gateway: one lock, one reader."""
    config = daemon.load_config(site / "points.yaml")

    async def body(config: Config) -> list[int]:
        async with daemon.opened(daemon.build_store(config)) as raw:
            store = substitutes.derived_store(config)
            async with daemon.opened(store) as derived:
                desk = substitutes.Desk(lambda: config, raw, lambda: derived)
                orders = [
                    daemon.Order("north", str(IMPORT), DAY, str(value), author=f"a{value}") for value in range(30, 40)
                ]
                return [one.number for one in await asyncio.gather(*(desk.carry_out(one, "root") for one in orders))]

    assert sorted(asyncio.run(body(config))) == list(range(1, 11))
    known = entries(site).known()
    assert [one.state for one in known.values()].count(State.ENTERED) == 1
    assert {one.subject.day for one in known.values()} == {date(2026, 11, 20)}
    assert BY_HAND == "by hand"
