"""`gatewayd explain`: findings with what they stand on, and exactly why a value is not validated."""

import asyncio
import io
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import explain_findings, explain_view, gatewayd
from gatewayd.cli.explain_findings import why_validated
from gatewayd.cli.output import Screen, local_time
from gatewayd.daemon.derived import Written
from gatewayd.legal_time import day_bounds, interval_ends
from gatewayd.metering.findings import Rule
from gatewayd.metering.points import MeteringPoint, Rated
from gatewayd.metering.record import Derived
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Channel, Layer, Value
from gatewayd.model import Kind, MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, NORTH, NOW, SOUTH, day_of, quarter, world
from tests.gatewayd.points_site import configured, filled

START, END = day_bounds(DAY)
ENDS = interval_ends(DAY)


def explain(site: Path, *arguments: str) -> Result:
    done = CliRunner().invoke(gatewayd, ["-c", str(site / "points.yaml"), "explain", *arguments])
    assert done.exit_code == 0, done.output
    return done


def value(site: Path, *arguments: str) -> dict[str, Any]:
    (found,) = json.loads(explain(site, *arguments, "--json").stdout)["values"]
    assert isinstance(found, dict)
    return found


def state(at: datetime, text: str) -> Reading:
    return Reading("em-1", Obis.parse("1-0:1.8.0"), "1.8.0", Kind.REGISTER, at, text.encode(), text, "kWh")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 kWh in intervals and 30 on the register of `north`; nothing at all of an hour of `south`."""
    folder = tmp_path_factory.mktemp("explain")
    configured(folder)
    off = {rule.value: {"enabled": False} for rule in Rule}
    points = [NORTH, replace(SOUTH, validation=off)]
    states = [state(START, "100.000"), state(END, "130.000")]
    filled(folder, [states, day_of("em-1"), day_of("em-2")], points)
    return folder


def test_a_day_that_fails_lists_its_registers(site: Path) -> None:
    day = value(site, "north", "1.29.0", DAY.isoformat())
    (found,) = day["findings"]
    assert (found["rule"], found["severity"], found["amount"], found["limit"]) == (
        "register_advance",
        "error",
        "24.000",
        "30.000",
    )
    assert [(one["seq"], one["raw"], one["obis"]) for one in found["registers"]] == [
        (1, "100.000", "1-0:1.8.0*255"),
        (2, "130.000", "1-0:1.8.0*255"),
    ]
    assert (found["inputs"], found["not_in_the_archive"]) == ("1-2", 0)
    assert (day["validated"], day["validated_because"]) == (False, "found by register_advance")
    assert [one["type"] for one in day["events"]] == ["validation.register_advance"]


def test_so_does_one_of_its_intervals_and_people_see_it(site: Path) -> None:
    (found,) = value(site, "north", "1.29.0", f"{DAY} 12:00")["findings"]
    assert len(found["registers"]) == 2
    shown = explain(site, "north", "1.29.0", DAY.isoformat()).stdout
    assert "error register_advance, 2026-11-20 00:00+01:00 to 2026-11-20 24:00+01:00" in shown
    assert "amount 24.000 kWh, limit 30.000 kWh" in shown
    for text in ("100.000", "130.000"):
        assert text in shown
    assert "no: found by register_advance" in shown and "events" not in shown, "it is told already"
    czech = explain(site, "north", "1.29.0", DAY.isoformat(), "--lang", "cs").stdout
    assert "nálezy" in czech and "ne: našla pravidla register_advance" in czech and "mez 30.000 kWh" in czech


def test_a_point_without_rules_says_so(site: Path) -> None:
    day = value(site, "south", "1.29.0", DAY.isoformat())
    assert day["validated_because"] == "no validation rules are configured for the point"
    assert (day["findings"], day["events"], day["remarks"]) == ([], [], [])


CHANNEL = Channel("north", IMPORT, "kWh")
SOUND = Value(END, 900, Decimal(1), RawStatus.TRUE)


def why(one: Value, layer: Layer = Layer.INTERVAL, *, sound: bool = False, **document: Any) -> str:
    derived = Derived(one, validated=sound)
    template, names = why_validated(Written(1, 1, END, CHANNEL, layer, derived, "", {**document}))
    return template.format(**names)


def test_each_reason_by_itself() -> None:
    ruled: dict[str, Any] = {"parameters": {"rules": ["zero"]}, "checked": True}
    assert why(SOUND, sound=True, **ruled) == "yes"
    assert why(replace_value(SOUND, RawStatus.MISSING), **ruled) == "no: the value is missing"
    assert why(replace_value(SOUND, RawStatus.PROVISIONAL), **ruled) == "no: the value is provisional"
    assert why(replace_value(SOUND, RawStatus.DISTORTED), **ruled) == "no: the value is distorted"
    assert why(replace_value(SOUND, RawStatus.DISTORTED, "zero", "control"), **ruled) == "no: found by zero, control"
    assert why(SOUND, checked=False, parameters={"rules": []}) == "no: no validation rules are configured for the point"
    assert why(SOUND, Layer.MONTH, checked=False, parameters=ruled["parameters"]) == (
        "no: not all of its days are validated"
    )
    assert why(SOUND, Layer.LOSS, checked=False, parameters={"rules": []}) == (
        "no: no validation rules are configured for the point"
    )
    assert why(SOUND, Layer.LOSS_MONTH, checked=False, parameters=ruled["parameters"]) == (
        "no: not all of its days are validated"
    )
    assert why(SOUND) == "no: no rules were applied, or the value is not sound", "written by an older version"


def replace_value(one: Value, status: RawStatus, *rules: str) -> Value:
    amount = None if status is RawStatus.MISSING else one.amount
    return Value(one.at, one.seconds, amount, status, rules=rules)


def test_reasons_of_values_that_the_engine_made(tmp_path: Path) -> None:
    configured(tmp_path)
    terms = SubstitutionTerms(enabled=True, scale=False, longest_gap=2)
    rated = Rated(Decimal(100), Decimal(400))
    point = replace(NORTH, metering_type=MeteringType.A, substitution=terms, rated=rated)
    readings = [*day_of("em-1")[:40], quarter("em-1", ENDS[40], ""), *day_of("em-1")[41:]]
    filled(tmp_path, [readings, [*day_of("em-2")[:95], quarter("em-2", ENDS[95], "")]], [point, SOUTH])
    one = value(tmp_path, "north", "1.29.0", ENDS[40].isoformat())
    assert one["validated_because"] == "the value is provisional"
    assert [event["type"] for event in one["events"]] == ["substitution.used"]
    assert value(tmp_path, "south", "1.29.0", ENDS[95].isoformat(), "--layer", "interval")["validated_because"] == (
        "the value is missing"
    )
    assert value(tmp_path, "north", "1.29.0", ENDS[3].isoformat())["validated"] is True
    shown = explain(tmp_path, "north", "1.29.0", ENDS[40].isoformat()).stdout
    assert "substitution.used: 1 of 96 values are substitutes: 1 interpolated; 1 of them provisional" in shown


@pytest.mark.parametrize("width", [80, 100])
def test_times_stay_whole_on_a_narrow_terminal(site: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal may break a row; the table breaks no time."""
    screen = Screen(file=io.StringIO(), force_terminal=True, width=width, highlight=False, color_system=None)
    for module in (explain_view, explain_findings):
        monkeypatch.setattr(module, "console", lambda: screen)
    shown = ""
    for words in (("north", "1.29.0", DAY.isoformat()), ("north", "1.29.0", f"{DAY.isoformat()} 12:00")):
        shown += explain(site, *words).stdout
    assert isinstance(screen.file, io.StringIO)
    shown += screen.file.getvalue()
    received = local_time(NOW, ZoneInfo("Europe/Prague"))
    rows = [line for line in shown.splitlines() if re.match(r" *\d+ +em-1 ", line)]
    assert len(rows) > 3 and all((received[:19] if width < 100 else received) in row for row in rows), rows
    assert any(f"{DAY.isoformat()} 00:00:00" in row for row in rows)


def test_a_point_that_there_is_not_is_told_as_everywhere(site: Path) -> None:
    config = site / "many.yaml"
    text = (site / "points.yaml").read_text(encoding="utf-8")
    config.write_text(text + "".join(f"  - {{id: p{n}, sum: {{north: 1}}}}\n" for n in range(9)), encoding="utf-8")
    for command in (["explain", "NOPE", "1.29.0", DAY.isoformat()], ["point", "NOPE"]):
        done = CliRunner().invoke(gatewayd, ["-c", str(config), *command])
        assert done.exit_code != 0 and "p6 and 2 more" in done.output, done.output


def test_a_month_that_there_is_not_is_told_with_what_is_expected(site: Path) -> None:
    done = CliRunner().invoke(gatewayd, ["-c", str(site / "points.yaml"), "explain", "north", "1.29.0", "2026-13"])
    assert done.exit_code == 2 and "'2026-13' is no month; expected 2026-11" in done.output


def test_what_was_provisional_when_it_was_told_is_not_said_of_what_is_settled(tmp_path: Path) -> None:
    configured(tmp_path)
    substituted = replace(NORTH, metering_type=MeteringType.A, substitution=SubstitutionTerms(enabled=True))
    readings = [one if one.at != ENDS[40] else quarter("em-1", one.at, "") for one in day_of("em-1")]
    asyncio.run(_provisional_then_settled(tmp_path, substituted, readings))
    at = f"{DAY.isoformat()} {ENDS[40].astimezone(ZoneInfo('Europe/Prague')):%H:%M}"
    found = value(tmp_path, "north", "1.29.0", at)
    assert found["status"] == "substitute" and "1 of them provisional" in found["events"][0]["text"]
    shown = explain(tmp_path, "north", "1.29.0", at).stdout
    assert "1 of them provisional (when it was told; this value is not any more)" in shown


async def _provisional_then_settled(folder: Path, point: MeteringPoint, readings: list[Reading]) -> None:
    async with world(folder / "archive", [point]) as here:
        await here.bring(readings)
        here.now += timedelta(days=3)
        await here.engine.catch_up()
