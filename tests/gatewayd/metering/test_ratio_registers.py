"""The ratios that a meter has set itself against the configured ones."""

from datetime import date, timedelta

import pytest

from gatewayd.metering.points import Installed
from gatewayd.metering.ratio_registers import other_ratios
from gatewayd.model import Archived, Flag, Kind, Ratio, RawStatus, ValueSide
from gatewayd.obis import Obis
from tests.gatewayd.metering.archived_rows import ENDS, ct, legal, point, row

CT, VT, CT_BELOW = (Obis.parse(f"1-0:0.4.{e}") for e in (2, 3, 5))
PRIMARY = Ratio("200/5", value_side=ValueSide.PRIMARY)


def register(text: str, code: Obis = CT, seq: int = 1, **more: object) -> Archived:
    at = more.pop("at", ENDS[0])
    return row(seq, at, text, obis=code, unit="", kind=Kind.REGISTER, seconds=None, **more)  # type: ignore[arg-type]


def texts(ratio: Ratio, *archived: Archived) -> list[str]:
    dated = Ratio(ratio.ct, ratio.vt, ratio.multiplier, ratio.value_side, date(2020, 1, 1))
    return [one.text for one in other_ratios(point(Installed("em-1", ratios=(dated,))), archived)]


@pytest.mark.parametrize("text", ["40", "40.000", "200", "200/5", "1"])
def test_what_agrees(text: str) -> None:
    assert texts(ct("200/5"), register(text)) == []


@pytest.mark.parametrize("text", ["40", "200", "200/5", "80/2"])
def test_what_agrees_with_primary_values(text: str) -> None:
    assert texts(PRIMARY, register(text)) == []


def test_numerator_and_denominator() -> None:
    assert texts(ct("200/5"), register("200"), register("5", CT_BELOW, 2)) == []
    (found,) = other_ratios(point(Installed("em-1")), [register("400"), register("5", CT_BELOW, 2)])
    assert (found.inputs, found.transformer, found.at) == ((1, 2), "CT", ENDS[0])
    assert found.text == (
        "meter em-1: its CT ratio is 400/5, none is configured; expected ct in the ratio of the meter, or 1 in the "
        "meter itself"
    )
    assert texts(ct("200/3"), register("200"), register("3", CT_BELOW, 2)) == []


def test_another_one() -> None:
    assert texts(ct("200/5"), register("80")) == [
        "meter em-1: its CT ratio is 80, configured is 200/5; correct whichever is wrong"
    ]
    assert texts(Ratio("200/5", "22000/100"), register("100", VT)) == [
        "meter em-1: its VT ratio is 100, configured is 22000/100; correct whichever is wrong"
    ]
    assert texts(PRIMARY, register("1")) == [
        "meter em-1: it shows values as they are, with a CT ratio of 1, but value_side: primary is configured; "
        "expected value_side: secondary"
    ]


@pytest.mark.parametrize("text", ["", "---", "0", "-4", "5/0", "?"])
def test_what_is_no_ratio_says_nothing(text: str) -> None:
    assert texts(ct("200/5"), register(text)) == []


def test_the_newest_register_and_the_ratio_of_its_time_count() -> None:
    ratios = (ct("100/5", date(2020, 1, 1)), ct("200/5", legal("10:15")))
    there = point(Installed("em-1", ratios=ratios), Installed("em-7", legal("12:00")))
    before, after = register("20", at=legal("10:14")), register("40", seq=2, at=legal("10:15"))
    assert other_ratios(there, [after, before]) == ()
    assert len(other_ratios(there, [before, register("40", seq=2, at=legal("10:14") + timedelta(seconds=1))])) == 1
    assert other_ratios(there, [register("80", seq=3, at=legal("12:00"))]) == ()
    unsound = register("80", seq=3, at=legal("11:00"), status=RawStatus.DISTORTED, flags=Flag.BCC_FAILED)
    assert other_ratios(there, [unsound]) == ()
