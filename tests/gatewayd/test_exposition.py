"""Metrics as text: the format, and what may stand in it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.daemon.exposition import Family, Type, text
from gatewayd.daemon.metric_names import FAMILIES
from gatewayd.tallies import Histogram

GAUGE = Family("a_gauge", Type.GAUGE, 'What it says: \\ and "quotes"\nand more.', ("meter", "line"))
PLAIN = Family("plain_total", Type.COUNTER, "Plain.")
LENGTHS = Family("lengths_seconds", Type.HISTOGRAM, "Lengths.", ("driver",))
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


def test_a_page() -> None:
    histogram = Histogram(("0.5", "1"))
    for seconds in (0.2, 0.7, 3.0):
        histogram.observe(seconds)
    page = text(
        [(GAUGE, [(("em-1", "a"), "-0.5"), (("em-2", "a"), 3)]), (PLAIN, [((), 7)]), (LENGTHS, [(("x",), histogram)])]
    )
    assert page.splitlines() == [
        '# HELP a_gauge What it says: \\\\ and "quotes"\\nand more.',
        "# TYPE a_gauge gauge",
        'a_gauge{meter="em-1",line="a"} -0.5',
        'a_gauge{meter="em-2",line="a"} 3',
        "# HELP plain_total Plain.",
        "# TYPE plain_total counter",
        "plain_total 7",
        "# HELP lengths_seconds Lengths.",
        "# TYPE lengths_seconds histogram",
        'lengths_seconds_bucket{driver="x",le="0.5"} 1',
        'lengths_seconds_bucket{driver="x",le="1"} 2',
        'lengths_seconds_bucket{driver="x",le="+Inf"} 3',
        'lengths_seconds_sum{driver="x"} 3.9',
        'lengths_seconds_count{driver="x"} 3',
    ]
    assert page.endswith("\n")


def test_a_family_without_samples_is_left_out() -> None:
    assert text([(PLAIN, []), (GAUGE, ())]) == "\n"


@given(st.text(), st.text())
def test_labels_come_back_whatever_stands_in_them(meter: str, line: str) -> None:
    last = text([(GAUGE, [((meter, line), 1)])]).rstrip("\n").partition("gauge\n")[2]
    found = re.fullmatch(r"a_gauge\{(.*)\} 1", last, re.DOTALL)
    assert found is not None
    values = [value for _, value in LABEL.findall(found[1])]
    unescaped = [re.sub(r'\\(["\\n])', lambda m: "\n" if m[1] == "n" else m[1], value) for value in values]
    assert unescaped == [meter, line]


def test_names_follow_the_conventions() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert re.fullmatch(r"(gatewayd|process)(_[a-z]+)+", family.name), family.name
        assert family.name.endswith("_total") == (family.type is Type.COUNTER), family.name
        assert family.help.endswith(".") and "\n" not in family.help, family.name
        assert len(set(family.labels)) == len(family.labels)
