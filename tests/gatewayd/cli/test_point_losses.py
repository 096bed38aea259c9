"""`gatewayd point` of what does not divide: losses by formula, and powers of ten minutes, as figures and as a chart."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from gatewayd.legal_time import day_bounds
from tests.gatewayd.losses_site import configured, derive, loads
from tests.gatewayd.metering_world import DAY

BEGIN, END = day_bounds(DAY)
PLATE = "{sn_kva: 630, dp0_kw: 1.2, dpk_kw: 6.75}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("point_losses")
    config = configured(folder, PLATE, period="10m")
    derive(config, [loads(BEGIN, [(100, 30), (301, 100)] * 72, timedelta(minutes=10))], END + timedelta(days=3))
    return folder


def point(site: Path, *arguments: str) -> Result:
    words = ["-c", str(site / "gatewayd.yaml"), "point", "works", "--day", DAY.isoformat(), *arguments]
    done = CliRunner().invoke(gatewayd, words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done


@pytest.mark.parametrize("layer", ["interval", "loss", "loss_day"])
def test_a_chart_of_what_does_not_divide(site: Path, layer: str) -> None:
    rows = point(site, "--layer", layer, "--plot").stdout.splitlines()
    labels = [row.split("┤")[0].strip() for row in rows if "┤" in row]
    assert labels and all(len(label.partition(".")[2]) == 3 for label in labels), labels
    assert any("█" in row for row in rows)


@pytest.mark.parametrize("layer", ["loss", "loss_day"])
def test_losses_have_no_maximum_demand(site: Path, layer: str) -> None:
    """Demand is that of the connection: the mean of losses by it would be no load factor."""
    found = json.loads(point(site, "--layer", layer, "--json").stdout, parse_float=Decimal)["channels"][0]
    assert found["maximum_demand"] is None and found["load_factor"] is None and found["highest"] is not None
    shown = point(site, "--layer", layer).stdout
    assert "maximum demand" not in shown and "load factor" not in shown
    assert "load factor" in point(site).stdout
