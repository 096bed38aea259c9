"""How deep points may be made of each other."""

import pytest

from gatewayd.config.metering_depth import MOST_LEVELS, too_deep
from tests.gatewayd.config.test_metering import made, wrong


def chain(levels: int) -> list[str]:
    """The first stands on a meter, each other one upon the one before."""
    return ["id: v-0, meter: em-1", *(f"id: v-{n}, sum: {{v-{n - 1}: 1}}" for n in range(1, levels + 1))]


@pytest.mark.parametrize("turned", [False, True])
def test_so_many_levels_and_no_more(turned: bool) -> None:
    step = -1 if turned else 1
    assert len(made("".join(f"  - {{{one}}}\n" for one in chain(MOST_LEVELS)[::step]))) >= MOST_LEVELS
    (found,) = wrong(*chain(MOST_LEVELS + 1)[::step])
    assert "is made of points over 21 levels, expected at most 20: v-21 > v-20 > v-19 > ... > v-2 > v-1 > v-0" in found


def test_a_thousand_levels_are_a_finding_like_any_other() -> None:
    (found,) = wrong(*chain(1100)[::-1])
    assert "over 1100 levels" in found


def test_control_metering_is_a_level_as_well() -> None:
    assert too_deep({"a": ["b"], "b": ["c"], "c": []}) == ()
    below = {f"p-{n}": [f"p-{n + 1}"] for n in range(30)}
    assert too_deep(below)[:2] == ("p-0", "p-1")
    assert wrong(*chain(MOST_LEVELS), "id: main, meter: em-2", f"id: c, sum: {{v-{MOST_LEVELS}: 1}}, control_of: main")


def test_a_circle_is_told_as_a_circle() -> None:
    assert too_deep({"a": ["b"], "b": ["a"]}) == ()
    (found,) = wrong("id: a, sum: {b: 1}", "id: b, sum: {a: 1}")
    assert "goes round in a circle" in found
