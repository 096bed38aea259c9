"""docs/metering/points.md: every number in its tables is what the code computes, and its configuration can be used."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.metering.points import Installed
from gatewayd.metering.primary import primary
from gatewayd.metering.sources import channels
from gatewayd.model import DIRECT, Ratio
from gatewayd.obis import Obis
from tests.gatewayd.config.doubles import HEAD, faults, parse
from tests.gatewayd.metering.archived_rows import ENDS, ct, legal, point, row

PAGE = (Path(__file__).parents[2] / "docs" / "metering" / "points.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows of the table that begins with this line, without their bars."""
    assert f"| {heading}" in PAGE
    text = PAGE.split(f"| {heading}")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:] if line.startswith("|")]
    assert rows
    return rows


def ratio_of(text: str) -> Ratio:
    sides = text.split(", ")
    return DIRECT if text == "direct" else Ratio(sides[0], sides[1] if len(sides) > 1 else "")


@pytest.mark.parametrize("cells", table("raw | unit"), ids=" ".join)
def test_from_raw_to_primary(cells: list[str]) -> None:
    raw, unit, ratio, said = cells
    (series,) = primary(point(), [row(1, ENDS[0], raw, unit=unit, ratio=ratio_of(ratio))]).series
    assert said == f"{series.values[0].amount} {series.channel.unit}"


@pytest.mark.parametrize("cells", table("change of CT"), ids=" ".join)
def test_a_change_of_ratio(cells: list[str]) -> None:
    change, end, said, status = cells
    ratios = (ct("100/5", date(2020, 1, 1)), ct("200/5", legal(change)))
    (series,) = primary(point(Installed("em-1", ratios=ratios)), [row(1, legal(end), "1")]).series
    (value,) = series.values
    assert (said, status) == (f"{value.amount} kWh", f"`{value.status.text}`")
    assert Decimal(said.removesuffix(" kWh")) > 0


def test_channels() -> None:
    for code, channel, _ in table("in the profile"):
        assert channels((Obis.parse(code.split(",")[0]),)) == (Obis.parse(channel),)


def test_the_configuration() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    jobs = "jobs: [{profile: 1-0:99.1.0, every: 1d}]"
    names = ("em-1", "em-2", "em-3", "em-7", "reg-1-feeder-1")
    meters = "".join(f"  - {{id: {name}, driver: telegram, line: l, {jobs}}}\n" for name in names)
    text = f"{HEAD}meters:\n{meters}{block}"
    assert faults(text) == []
    assert [one.id for one in parse(text).points] == ["north", "north-control", "total", "own", "reg-1-feeder-1"]
    assert [one.message for one in parse(text).warnings if one.key.startswith("points")] == []
