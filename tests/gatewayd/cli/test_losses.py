"""`gatewayd losses`: the worked examples of requirements 2 out of an archive, through the engine and the command."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from gatewayd.legal_time import day_bounds, end_label, interval_ends
from gatewayd.metering.aggregate import month_bounds, months
from gatewayd.model import Reading
from gatewayd.obis import Obis
from tests.gatewayd.losses_site import HOUR, QUARTER, configured, derive, interval, loads
from tests.gatewayd.metering_world import DAY, EXPORT, IMPORT
from tests.gatewayd.months_world import state

D = Decimal
BEGIN, END = day_bounds(DAY)
LATE = END + timedelta(days=3)
"""When nothing more is waited for."""
BIG = "{sn_kva: 1000, dp0_kw: 2, dpk_kw: 10}"
LOCAL = "{sn_kva: 630, dp0_kw: 1.2, dpk_kw: 6.75}"
FOUR = [(300, 400), (400, 300), (0, 0), (300, 0)]
LOADS = [(100, 30)] * 32 + [(300, 100)] * 48 + [(400, 150)] * 16
DATE = DAY.isoformat()


def losses(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(gatewayd, ["-c", str(folder / "gatewayd.yaml"), "losses", *arguments])


def document(folder: Path, *arguments: str) -> dict[str, Any]:  # Any: JSON
    done = losses(folder, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal, parse_int=Decimal)
    return found


def part(folder: Path, *arguments: str) -> dict[str, Any]:
    (found,) = document(folder, *arguments)["parts"]
    assert isinstance(found, dict)
    return found


def check(found: dict[str, Any], **printed: str) -> None:
    """Each figure has all the digits that are printed."""
    for name, text in printed.items():
        assert format(found[name].quantize(D(text)), "f") == text, name


def table(folder: Path, *arguments: str) -> dict[str, str]:
    """The rows of the first part, by their names."""
    done = losses(folder, *arguments)
    assert done.exit_code == 0, done.output
    width = len("transformer")
    lines = done.stdout.split("\n\n")[0].splitlines()
    return {line[:width].strip(): line[width:].strip() for line in lines if line[width : width + 1] == " "}


# -- types A and B -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step, printed",
    [
        (HOUR, {"tp_h": "4", "td_h": "2.36", "wz": "13.9", "w": "1000"}),
        (QUARTER, {"tp_h": "1", "td_h": "0.59", "wz": "3.475", "w": "250"}),
    ],
)
def test_four_intervals(tmp_path: Path, step: timedelta, printed: dict[str, str]) -> None:
    config = configured(tmp_path, BIG, period=f"{round(step.total_seconds() / 60)}m")
    derive(config, [loads(BEGIN, FOUR, step)], LATE)
    until = f"{DATE} {4 * step // HOUR:02}:00"
    found = part(tmp_path, "works", "--from", DATE, "--to", until)
    check(found, sm_kva="500", pz_kw="4.5", wz_percent="1.39", **printed)
    assert found["wz"] == D(printed["wz"]) and found["wz_percent"] == D("1.39") and found["td_h"] == D(printed["td_h"])
    assert (found["status"], found["have"], found["want"], found["method"]) == ("true", 4, 4, "calculated")
    assert found["sm_at"] == (BEGIN + step).isoformat().replace("+00:00", "Z"), "of two equal ones the first"
    assert found["tm_h"] is None and found["transformer"] == {"sn_kva": 1000, "dp0_kw": 2, "dpk_kw": 10}


@pytest.mark.parametrize("step", [QUARTER, HOUR])
def test_a_day_of_630_kva(tmp_path: Path, step: timedelta) -> None:
    config = configured(tmp_path, LOCAL, period=f"{round(step.total_seconds() / 60)}m")
    derive(config, [loads(BEGIN, LOADS if step == QUARTER else LOADS[::4], step)], LATE)
    found = document(tmp_path, "works", "--day", DATE)
    check(
        found["parts"][0],
        sm_kva="427.200187",
        tp_h="24",
        td_h="11.053150685",
        pz_kw="4.303741",
        wz="63.106122",
        w="6000",
        wz_percent="1.051769",
    )
    (derived,) = found["derived"]
    assert (derived["layer"], derived["obis"], derived["status"]) == ("loss_day", "1-0:1.29.0*255", "true")
    assert abs(derived["value"] - found["parts"][0]["wz"]) < D("1e-30"), "the sum of the intervals is the formula"
    assert derived["have"] == derived["want"] == len(LOADS[:: 1 if step == QUARTER else 4])
    shown = table(tmp_path, "works", "--day", DATE)
    assert (shown["S_m"], shown["T_p"], shown["T_Δ"], shown["P_z"], shown["W_z"], shown["W"], shown["w_z"]) == (
        "427.200187 kVA",
        "24 h",
        "11.053150685 h",
        "4.303741 kW",
        "63.106122 kWh",
        "6000 kWh",
        "1.051769 %",
    )
    assert shown["S_m at"] == end_label(BEGIN + 80 * QUARTER + step)
    assert (shown["method"], shown["status"]) == ("calculated", "true")
    assert shown["coverage"] == f"{derived['have']} / {derived['want']}"


def test_derived_losses_are_shown_by_the_other_commands_as_well(tmp_path: Path) -> None:
    derive(configured(tmp_path, LOCAL), [loads(BEGIN, LOADS)], LATE)
    assert document(tmp_path, "works", "--from", f"{DATE} 12:00", "--to", f"{DATE} 24:00")["derived"] == []
    for words in (f"point works --day {DATE} --layer loss_day", f"explain works 1.29.0 {DATE} --layer loss_day"):
        done = CliRunner().invoke(gatewayd, ["-c", str(tmp_path / "gatewayd.yaml"), *words.split()])
        assert done.exit_code == 0 and "63.106122" in done.output, done.output
        assert DATE in done.output


def test_no_load_has_losses_and_no_percentage(tmp_path: Path) -> None:
    derive(configured(tmp_path, BIG), [loads(BEGIN, [(0, 0)] * 96)], LATE)
    found = part(tmp_path, "works", "--day", DATE)
    assert (found["sm_kva"], found["sm_at"], found["td_h"], found["w"]) == (0, None, 0, 0)
    assert (found["wz"], found["wz_percent"], found["pz_kw"], found["status"]) == (48, None, 2, "true")
    shown = table(tmp_path, "works", "--day", DATE)
    assert "w_z" not in shown and shown["W_z"] == "48 kWh"


def test_only_reactive_energy_has_no_percentage_either(tmp_path: Path) -> None:
    derive(configured(tmp_path, BIG), [loads(BEGIN, [(0, 500)] * 96)], LATE)
    found = part(tmp_path, "works", "--day", DATE)
    assert (found["sm_kva"], found["wz"], found["w"], found["wz_percent"]) == (500, D(24) * D("4.5"), 0, None)


def test_a_missing_interval_leaves_no_figures(tmp_path: Path) -> None:
    readings = loads(BEGIN, LOADS)
    readings[10] = interval(readings[10].at, "")
    derive(configured(tmp_path, LOCAL), [readings], LATE)
    found = document(tmp_path, "works", "--day", DATE)
    one = found["parts"][0]
    assert (one["status"], one["have"], one["want"], one["reason"]) == (
        "missing",
        95,
        96,
        "only 95 of 96 intervals are there",
    )
    assert [one[name] for name in ("sm_kva", "td_h", "pz_kw", "wz", "w", "wz_percent")] == [None] * 6
    (derived,) = found["derived"]
    assert (derived["value"], derived["status"], derived["have"], derived["want"]) == (None, "missing", 95, 96)
    shown = table(tmp_path, "works", "--day", DATE)
    assert (shown["status"], shown["coverage"], shown["W_z"]) == ("missing", "95 / 96", "no value")


def test_export_only(tmp_path: Path) -> None:
    readings = [one if one.obis != IMPORT else _as(one) for one in loads(BEGIN, LOADS)]
    derive(configured(tmp_path, LOCAL), [readings], LATE)
    found = part(tmp_path, "works", "--day", DATE)
    check(found, sm_kva="427.200187", wz="63.106122", w="6000", wz_percent="1.051769")


def _as(one: Reading) -> Reading:
    return interval(one.at, one.raw_text, EXPORT)


def test_flat_losses_of_both_directions(tmp_path: Path) -> None:
    ends = interval_ends(DAY)
    derive(
        configured(tmp_path, "{kind: vvn_vn}"),
        [[interval(at, "25") for at in ends], [interval(at, "0", EXPORT) for at in ends]],
        LATE,
    )
    found = document(tmp_path, "works", "--day", DATE)
    taken, supplied = found["parts"]
    assert (taken["method"], taken["transformer"]["percent"], taken["w"], taken["wz"]) == ("flat", 2, 2400, 48)
    assert (taken["wz_percent"], taken["sm_kva"], taken["td_h"]) == (2, None, None)
    assert (supplied["obis"], supplied["wz"], supplied["wz_percent"]) == ("1-0:2.29.0*255", 0, None)
    assert [(one["value"], one["validated"]) for one in found["derived"]] == [(48, True), (0, True)]


def test_a_month_in_which_the_transformer_changes(tmp_path: Path) -> None:
    """15 days of 4 %, 16 days by calculation with 500 kVA of 1000: two parts, and a month of both."""
    change = date(2026, 10, 16)
    works = f"[{{kind: vn_nn}}, {{sn_kva: 1000, dp0_kw: 2, dpk_kw: 10, since: {change}}}]"
    start, end = month_bounds(date(2026, 10, 1))
    quarters = (end - start) // QUARTER
    derive(configured(tmp_path, works), [loads(start, [(400, 300)] * quarters)], end + timedelta(days=3))
    found = document(tmp_path, "works", "--month", "2026-10")
    flat, calculated = found["parts"]
    hours = (15 * 24, 16 * 24 + 1)
    assert (flat["method"], flat["w"], flat["wz"]) == ("flat", 400 * hours[0], 16 * hours[0])
    assert (calculated["tp_h"], calculated["wz"], calculated["td_h"]) == (hours[1], D("4.5") * hours[1], hours[1])
    (both,) = found["together"]
    assert both["wz"] == flat["wz"] + calculated["wz"] and both["w"] == 400 * sum(hours)
    (derived,) = found["derived"]
    assert (derived["layer"], derived["value"], derived["want"]) == ("loss_month", both["wz"], quarters)
    assert "together, 1.29.0: W_z" in losses(tmp_path, "works", "--month", "2026-10").stdout


# -- type C ------------------------------------------------------------------------------------------------------------


def registers(energy: int, year: int = 2025, code: str = "1.8.0") -> list[Reading]:
    """The states of a register at the ends of all months of a year, in which it goes up evenly but for the rest."""
    each = energy // 12
    found = [(month_bounds(first)[0], each * place) for place, first in enumerate(_months(year))]
    found.append((month_bounds(date(year, 12, 1))[1], energy))
    return [state(at, str(value), Obis.parse(code), "em-2") for at, value in found]


def _months(year: int) -> Sequence[date]:
    return months(date(year, 1, 1), date(year, 12, 1))


AFTER = datetime(2026, 2, 1, tzinfo=UTC)


def test_a_year_of_registers(tmp_path: Path) -> None:
    shop = "{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 200}"
    derive(configured(tmp_path, shop=shop), [registers(876_000)], AFTER)
    found = part(tmp_path, "shop", "--year", "2025")
    check(found, sm_kva="200", tp_h="8760", tm_h="4380", td_h="2628", pz_kw="1.75", wz="8278.2", wz_percent="0.945")
    assert (found["wz"], found["w"], found["wz_percent"]) == (D("8278.2"), 876_000, D("0.945"))
    assert (found["status"], found["have"], found["want"], found["sm_at"]) == ("true", 12, 12, None)
    shown = table(tmp_path, "shop", "--year", "2025")
    assert (shown["T_m"], shown["W_z"], shown["coverage"]) == ("4380 h", "8278.2 kWh", "12 / 12")


def test_a_year_of_registers_with_a_power_factor(tmp_path: Path) -> None:
    shop = "{sn_kva: 630, dp0_kw: 1.2, dpk_kw: 6.75, pm_kw: 380, cos_phi: 0.95}"
    derive(configured(tmp_path, shop=shop), [registers(1_200_000)], AFTER)
    check(
        part(tmp_path, "shop", "--year", "2025"),
        sm_kva="400",
        tp_h="8760",
        tm_h="3157.894737",
        td_h="1542.291200",
        pz_kw="3.921088",
        wz="14708.710749",
        w="1200000",
        wz_percent="1.225726",
    )


def test_a_month_of_registers_is_derived_with_its_figures(tmp_path: Path) -> None:
    """744 h at half the peak: T_d is 0.3 of them, as in the example of a year."""
    shop = "{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 200}"
    start, end = month_bounds(date(2025, 1, 1))
    states = [state(start, "0", meter="em-2"), state(end, "74400", meter="em-2")]
    derive(configured(tmp_path, shop=shop), [states], AFTER)
    found = document(tmp_path, "shop", "--month", "2025-01")
    (one,) = found["parts"]
    wanted = D("0.6") * 744 + D("1.15") * D("0.3") * 744
    assert (one["tm_h"], one["td_h"], one["wz"], one["tp_h"]) == (372, D("223.2"), wanted, 744)
    (derived,) = found["derived"]
    assert (derived["layer"], derived["obis"], derived["value"]) == ("loss_month", "1-0:1.8.0*255", wanted)
    told = CliRunner().invoke(
        gatewayd, ["-c", str(tmp_path / "gatewayd.yaml"), "explain", "shop", "1.8.0", "2025-01", "--json"]
    )
    assert told.exit_code == 0, told.output
    (loss,) = [one for one in json.loads(told.stdout)["values"] if one["layer"] == "loss_month"]
    parameters = loss["parameters"]
    assert (parameters["S_m kVA"], parameters["T_m h"], parameters["P_z kW"]) == ("200", "372", "1.75")
    assert D(parameters["T_delta h"]) == D("223.2") and parameters["pm_kw"] == "200"
    assert "by formulas (2), (4) and (5)" in loss["reason"] and loss["method"] == "loss"


def test_flat_losses_of_registers(tmp_path: Path) -> None:
    derive(configured(tmp_path), [registers(12_000)], AFTER)
    found = document(tmp_path, "shop", "--month", "2025-03")
    (one,) = found["parts"]
    assert (one["method"], one["w"], one["wz"], one["wz_percent"]) == ("flat", 1000, 40, 4)
    assert [one["value"] for one in found["derived"]] == [40]


def test_rates_make_the_energy_where_there_is_no_total(tmp_path: Path) -> None:
    derive(configured(tmp_path), [registers(12_000, code="1.8.1") + registers(6_000, code="1.8.2")], AFTER)
    found = document(tmp_path, "shop", "--month", "2025-03")
    (one,) = found["parts"]
    assert (one["obis"], one["w"], one["wz"]) == ("1-0:1.8.0*255", 1500, 60)


@pytest.mark.parametrize(
    "shop, energy, said",
    [
        ("{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 10}", 876_000, "look at the agreed peak"),
        ("{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6}", 876_000, "no highest power pm_kw"),
    ],
)
def test_registers_of_which_no_losses_can_be_calculated(tmp_path: Path, shop: str, energy: int, said: str) -> None:
    derive(configured(tmp_path, shop=shop), [registers(energy)], AFTER)
    found = document(tmp_path, "shop", "--month", "2025-03")
    (one,) = found["parts"]
    assert (one["status"], one["wz"], one["wz_percent"]) == ("missing", None, None) and said in one["reason"]
    (derived,) = found["derived"]
    assert derived["value"] is None and said in derived["reason"]


def test_registers_that_did_not_move(tmp_path: Path) -> None:
    derive(configured(tmp_path, shop="{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 200}"), [registers(0)], AFTER)
    found = part(tmp_path, "shop", "--month", "2025-01")
    assert (found["w"], found["wz"], found["wz_percent"], found["td_h"]) == (0, D("0.6") * 744, None, 0)


def test_a_year_without_one_of_its_months(tmp_path: Path) -> None:
    """The states at the ends of May are not there: two months are missing."""
    states = [one for place, one in enumerate(registers(876_000)) if place != 5]
    derive(configured(tmp_path, shop="{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 200}"), [states], AFTER)
    found = part(tmp_path, "shop", "--year", "2025")
    assert (found["status"], found["have"], found["want"], found["wz"]) == ("missing", 10, 12, None)
    assert found["wz_percent"] is None


def test_a_year_that_is_not_over(tmp_path: Path) -> None:
    states = registers(876_000)[:3]
    now = states[-1].at + timedelta(hours=5)
    derive(configured(tmp_path, shop="{sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 200}"), [states], now)
    found = part(tmp_path, "shop", "--year", "2025")
    assert (found["status"], found["have"], found["want"], found["wz"]) == ("missing", 2, 12, None)


# -- what cannot be ----------------------------------------------------------------------------------------------------


def test_what_is_refused(tmp_path: Path) -> None:
    configured(tmp_path)
    path = tmp_path / "gatewayd.yaml"
    plain = path.read_text().replace("  - {id: shop", "  - {id: total, sum: {works: 1}}\n  - {id: shop")
    path.write_text(plain)
    for arguments, code, said in (
        (("total",), 2, "metered on the primary side"),
        (("shop", "--day", "2026-11-01"), 2, "no load profile"),
        (("works", "--day", "2026-11-01", "--year", "2026"), 2, "at the same time"),
        (("works", "--year", "20x6"), 2, "is no year"),
        (("works", "--to", "2026-11-01"), 2, "--to needs --from"),
        (("works", "--from", "2026-11-02", "--to", "2026-11-01 12:00"), 2, "is not after"),
        (("nobody",), 2, "no metering point nobody"),
        (("works", "--month", "2026-10"), 1, "nothing was derived of point works from 2026-10-01 00:00+02:00"),
    ):
        done = losses(tmp_path, *arguments)
        assert (done.exit_code, said in " ".join(done.output.split())) == (code, True), done.output


def test_in_czech(tmp_path: Path) -> None:
    derive(configured(tmp_path, LOCAL), [loads(BEGIN, LOADS)], LATE)
    shown = losses(tmp_path, "works", "--day", DATE, "--lang", "cs").stdout
    assert "výpočtem" in shown and "ztráty za den" in shown and "skutečná" in shown


def test_a_time_within_intervals_means_those_that_end_in_it(tmp_path: Path) -> None:
    """As `point` has it: whole intervals that end after --from and not after --to."""
    derive(configured(tmp_path, BIG), [loads(BEGIN, [(300, 400)] * 8)], LATE)
    exact = part(tmp_path, "works", "--from", f"{DATE} 00:30", "--to", f"{DATE} 01:30")
    odd = part(tmp_path, "works", "--from", f"{DATE} 00:37", "--to", f"{DATE} 01:44")
    assert exact["tp_h"] == 1 and odd == exact
    none = losses(tmp_path, "works", "--from", f"{DATE} 00:31", "--to", f"{DATE} 00:44")
    assert none.exit_code == 2 and "no interval of 15 min ends" in none.output


def test_czech_names_of_all_rows_and_columns(tmp_path: Path) -> None:
    derive(configured(tmp_path, BIG), [loads(BEGIN, LOADS)], LATE)
    words = losses(tmp_path, "works", "--day", DATE, "--lang", "cs").stdout.split()
    assert "od" in words and "vrstva" in words and "from" not in words and "layer" not in words
