"""Versions of a metering point: which meter and which ratio when."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.metering.points import (
    EVER,
    Installed,
    MeteringPoint,
    PointVersion,
    SupplyTransformer,
    TransformerKind,
    as_of,
    versions,
)
from gatewayd.metering.virtual import Virtual
from gatewayd.model import DIRECT, Ratio
from tests.gatewayd.metering.archived_rows import ct, legal, point

OLD, NEW, LATER = ct("100/5"), ct("200/5", date(2026, 3, 3)), ct("300/5", legal("10:15"))
MIDNIGHT = legal("00:00")


def test_meters_and_ratios_one_after_the_other() -> None:
    there = point(Installed("em-1", ratios=(OLD, NEW, LATER)), Installed("em-7", legal("12:00"), (NEW,)))
    assert versions(there) == (
        PointVersion("em-1", None, EVER, MIDNIGHT, OLD),
        PointVersion("em-1", NEW, MIDNIGHT, legal("10:15"), NEW),
        PointVersion("em-1", LATER, legal("10:15"), legal("12:00"), LATER),
        PointVersion("em-7", NEW, legal("12:00"), None, NEW),
    )


def test_a_ratio_of_the_old_meter_that_begins_after_its_end_never_counts() -> None:
    there = point(Installed("em-1", ratios=(OLD, LATER)), Installed("em-7", legal("10:00")))
    assert [(one.meter, one.ratio, one.until) for one in versions(there)] == [
        ("em-1", None, legal("10:00")),
        ("em-7", None, None),
    ]


@pytest.mark.parametrize(
    ("at", "meter", "ratio"),
    [
        (EVER, "em-1", None),
        (MIDNIGHT - timedelta(seconds=1), "em-1", None),
        (MIDNIGHT, "em-1", NEW),
        (legal("10:14"), "em-1", NEW),
        (legal("10:15"), "em-1", LATER),
        (legal("12:00"), "em-7", None),
    ],
)
def test_as_of(at: datetime, meter: str, ratio: Ratio | None) -> None:
    there = point(Installed("em-1", ratios=(OLD, NEW, LATER)), Installed("em-7", legal("12:00")))
    found = as_of(there, at)
    assert found is not None
    assert (found.meter, found.ratio) == (meter, ratio)


def test_what_has_no_meter_has_no_version() -> None:
    virtual = MeteringPoint("total", sum=Virtual("total", {}))
    assert (versions(virtual), as_of(virtual, MIDNIGHT), virtual.virtual, virtual.meters) == (
        (),
        None,
        True,
        frozenset(),
    )
    late = point(Installed("em-1", legal("10:15")))
    assert as_of(late, legal("10:14")) is None
    assert as_of(late, legal("10:15")) is not None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 400), unique=True, max_size=4).map(sorted),
    st.lists(st.integers(0, 400), unique=True, max_size=4),
)
def test_versions_follow_each_other_without_a_gap(meters: list[int], ratios: list[int]) -> None:
    hours = [MIDNIGHT + timedelta(hours=each) for each in ratios]
    made = tuple(ct(f"{number + 1}/1", at) for number, at in enumerate(hours))
    installed = [Installed("em-0", ratios=made)]
    installed += [Installed(f"em-{n}", MIDNIGHT + timedelta(hours=each), made) for n, each in enumerate(meters, 1)]
    found = versions(point(*installed))
    assert found[0].since == EVER
    assert found[-1].until is None
    for one, other in pairwise(found):
        assert one.until == other.since > one.since
    for at in (MIDNIGHT + timedelta(hours=each) for each in range(-1, 402, 3)):
        begun = [ratio for ratio in made if isinstance(ratio.since, datetime) and ratio.since <= at]
        (valid,) = [one for one in found if one.since <= at and (one.until is None or at < one.until)]
        assert as_of(point(*installed), at) == valid
        assert valid.meter == f"em-{sum(1 for each in meters if MIDNIGHT + timedelta(hours=each) <= at)}"
        assert valid.configured == max(begun, key=lambda ratio: ratio.since.isoformat(), default=DIRECT)


def test_flat_losses_of_the_supply_transformer() -> None:
    assert [SupplyTransformer(kind).flat_percent for kind in TransformerKind] == [2, 4]
    assert SupplyTransformer(percent=None, rated_kva=None).calculated is False
