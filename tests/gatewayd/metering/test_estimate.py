"""Estimates of months by hand: each check by itself, in words of both languages."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from gatewayd.metering.entered import document, entry_of
from gatewayd.metering.estimate import EstimateCheck, MonthOfPoint, estimate_of, refusals
from gatewayd.metering.manual_history import Entry, State, Subject, folded, problem
from gatewayd.model import MeteringType
from gatewayd.obis import Obis

END = datetime(2026, 3, 31, 22, tzinfo=UTC)
MONTH = MonthOfPoint(MeteringType.C, profile=False, enabled=True, end=END)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("120", "120"),
        (" 120,5 ", "120.5"),
        ("0", "0"),
        ("12345678.123", "12345678.123"),
        *((wrong, None) for wrong in ("-1", "1e3", "", "123456789", "1.2345", "٣", "1.")),
    ],
)
def test_numbers(text: str, number: str | None) -> None:
    assert estimate_of(text) == (None if number is None else Decimal(number))


def test_each_check() -> None:
    assert refusals("5", "eva", "boiler", END, MONTH) == ()
    assert refusals("x", " ", "", END - timedelta(seconds=1), MONTH) == (
        EstimateCheck.ESTIMATE_NUMBER,
        EstimateCheck.AUTHOR,
        EstimateCheck.WHY,
        EstimateCheck.MONTH,
    )
    for month, check in (
        (replace(MONTH, metering_type=MeteringType.B, profile=True), EstimateCheck.TYPE_C),
        (replace(MONTH, profile=True), EstimateCheck.PROFILE),
        (replace(MONTH, enabled=False), EstimateCheck.OFF),
        (replace(MONTH, valid=True), EstimateCheck.MEASURED_MONTH),
    ):
        assert refusals("5", "eva", "boiler", END, month) == (check,)
        assert "shop" in check.said("shop") and "shop" in check.said("shop", "cs")


def test_an_estimate_is_withdrawn_and_never_sent() -> None:
    subject = Subject("shop", Obis.parse("1.8.0"), date(2026, 3, 1), month=True)
    entered = Entry(1, subject, State.ENTERED, "eva", END, Decimal(5))
    known = folded([entered, Entry(2, replace(subject, month=False), State.ENTERED, "eva", END, Decimal(6))])
    assert known[1].state is State.ENTERED, "a day and the month that begins with it are two subjects"
    said = problem(known, replace(entered, state=State.SENT, amount=None))
    assert said == "number 1 is entered and cannot be sent; possible: superseded"
    assert problem(known, replace(entered, state=State.SUPERSEDED, amount=None)) == ""
    assert str(subject) == "shop 1.8.0 2026-03"
    assert entry_of(document(entered, "kWh"), END) == (entered, "kWh")
