"""docs/metering/aggregation.md: every number in its tables is what the code computes."""

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from gatewayd.legal_time import QUARTER
from gatewayd.metering.aggregate import spans
from gatewayd.metering.demand import mean_power, power_unit
from gatewayd.metering.netting import Netting, net
from gatewayd.metering.quadrants import PARTS, Quantity, quadrant, quadrant_of_angle
from gatewayd.metering.values import Layer, Series
from gatewayd.metering.virtual import Term, combined
from gatewayd.model import RawStatus
from tests.gatewayd.metering.series_made import AUTUMN, SPRING, SUMMER, channel, day_of, value

PAGE = (Path(__file__).parents[2] / "docs" / "metering" / "aggregation.md").read_text(encoding="utf-8")
ONE = Decimal(1)


def table(heading: str) -> list[list[str]]:
    """The rows of the table that begins with this line, without their bars."""
    assert f"| {heading}" in PAGE
    text = PAGE.split(f"| {heading}")[1].split("\n\n")[0]
    rows = [line for line in text.splitlines()[2:] if line.startswith("|")]
    assert rows
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def quarters(layer: Layer, day: date, evaluation: timedelta = QUARTER) -> int:
    start, end = spans(layer, day, day, evaluation=evaluation)[0]
    return (end - start) // QUARTER


def test_the_calendar() -> None:
    before = timedelta(days=1)
    for layer, _, *cells in table("layer |"):
        kind = Layer(layer.strip("`"))
        days = (SUMMER, SPRING, AUTUMN)
        if kind is Layer.GAS_DAY:
            days = (SUMMER, SPRING - before, AUTUMN - before)
        for cell, day in zip(cells, days, strict=True):
            if kind is Layer.EVALUATION:
                hour = timedelta(hours=1)
                assert cell == f"{quarters(kind, day)} or {quarters(kind, day, hour)}"
            else:
                number = re.match(r"\d+", cell)
                assert number is not None
                assert int(number[0]) == quarters(kind, day)
                for hours in re.findall(r"(\d+) h", cell):
                    assert int(hours) * 4 == quarters(kind, day)


def test_mean_power() -> None:
    seconds = {"min": 60, "h": 3600}
    for energy, length, power in table("energy | length"):
        (amount, unit), (count, name) = energy.split(), length.split()
        made = mean_power(Decimal(amount), int(count) * seconds[name])
        assert power == f"{made} {power_unit(unit)}"


def test_directions() -> None:
    for code, text, parts in table("C |"):
        what = Quantity(int(code))
        assert what.text == text
        signs = [("+ " if sign > 0 else "- ") + part.text for part, sign in PARTS.get(what, ())]
        assert parts == " ".join(signs).removeprefix("+ ")
    for active, reactive, name, angle in table("+/- A |"):
        found = quadrant(Decimal(f"{active}1"), Decimal(f"{reactive}1"))
        assert found is not None
        assert found.name == name
        assert quadrant_of_angle(Decimal(angle.rstrip("°"))) is found


def test_netting() -> None:
    for signed, netting, plus, minus in table("phases |"):
        made = net([Decimal(one) for one in signed.split(", ")], Netting(netting))
        assert (str(made.plus), str(made.minus)) == (plus, minus)


def series(cell: str, point: str) -> Series:
    """The first quarter-hour of a day: `10.5`, `4 substitute`, `missing`."""
    at = day_of(SUMMER, "1").values[0].at
    amount, _, status = cell.partition(",")[0].partition(" ")
    if amount == "missing":
        return Series(channel(point), Layer.INTERVAL, (value(at, None),))
    found = RawStatus[status.upper()] if status else RawStatus.TRUE
    return Series(channel(point), Layer.INTERVAL, (value(at, amount, found),))


def test_virtual_points() -> None:
    for north, south, own, amount, status, have, want in table("north |"):
        terms = [Term(ONE, series(north, "north")), Term(ONE, series(south, "south")), Term(-ONE, series(own, "own"))]
        partial = any("partial: true" in cell for cell in (north, south, own))
        (made,) = combined(channel("total"), terms, partial=partial).values
        assert ("" if made.amount is None else str(made.amount), made.status.text) == (amount, status)
        assert (made.have, made.want) == (int(have), int(want))
