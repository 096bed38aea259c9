"""What may stand in each field, and until when a reading of each type may be handed in."""

from datetime import date
from decimal import Decimal

import pytest

from gatewayd.manual.dates import ReadingType, date_findings, deadline
from gatewayd.manual.fields import date_of, eic_of, number_of, request_of, state_of, type_of
from gatewayd.manual.findings import CHECKS, Check, Finding, Severity, refused, worst


def test_every_check_has_a_severity_and_a_meaning() -> None:
    assert CHECKS.keys() == set(Check)
    assert {Check.FILE, Check.SHEET, Check.HEADER, Check.COUNT} == {
        check for check, rule in CHECKS.items() if rule.severity is Severity.CRITICAL
    }
    assert {Check.CORRECTION, Check.STATE_ZERO, Check.LOWER, Check.HIGHER_THAN_NEXT, Check.ZERO, Check.TOLERANCE} == {
        check for check, rule in CHECKS.items() if rule.severity is Severity.WARNING
    }


def test_the_worst_of_several_counts() -> None:
    warning, error = Finding(Check.ZERO, ""), Finding(Check.STATE, "")
    assert worst([]) is None and not refused([])
    assert worst([warning]) is Severity.WARNING and not refused([warning])
    assert worst([error, warning]) is Severity.ERROR and refused([warning, error])


def test_an_eic_has_sixteen_characters() -> None:
    findings: list[Finding] = []
    assert eic_of(" 27ZG600Z0424987D ", findings) == "27ZG600Z0424987D" and findings == []
    for wrong in (
        "",
        "27ZG600Z0424987",
        "27ZG600Z0424987DD",
        "27zg600z0424987d",
        "27ZG600Z042498 D",
        "27ZG600Z042498Č",
    ):
        assert eic_of(wrong, findings) is None
    assert {one.check for one in findings} == {Check.EIC} and len(findings) == 6
    assert "15 characters" in findings[1].text and "capitals" in findings[3].text


def test_a_meter_number_has_one_to_eighteen_characters() -> None:
    findings: list[Finding] = []
    assert [number_of(text, findings) for text in ("1", "A" * 18, " 00123 ")] == ["1", "A" * 18, "00123"]
    assert findings == []
    assert [number_of(text, findings) for text in ("", " ", "1" * 19, "a\x00b")] == [None] * 4
    assert [one.check for one in findings] == [Check.NUMBER] * 4


def test_a_date_is_written_in_one_way() -> None:
    findings: list[Finding] = []
    assert date_of("29.02.2028", findings) == date(2028, 2, 29) and findings == []
    assert date_of(" 1.3.2014 ", findings) == date(2014, 3, 1) and findings == []  # the sample of the portal
    for wrong in (
        "",
        "29.02.2027",
        "2026-11-20",
        "001.2.2026",
        "01.02.26",
        "01.02.0001",
        "31.12.9999",
        "01.02.2026 10:00",
    ):
        assert date_of(wrong, findings) is None
    assert {one.check for one in findings} == {Check.DATE} and len(findings) == 8


def test_a_state_is_a_positive_whole_number_of_seven_digits() -> None:
    findings: list[Finding] = []
    assert [state_of(text, findings) for text in ("1", "9999999", "0001000", " 42 ")] == [
        Decimal(1),
        Decimal(9999999),
        Decimal(1000),
        Decimal(42),
    ]
    assert findings == []
    for wrong in ("", "-0", "-1", "+1", "1.5", "1,5", "1e3", "١", "12 345", "NaN", "1_0"):
        assert state_of(wrong, findings) is None
    assert {one.check for one in findings} == {Check.STATE} and len(findings) == 11
    assert "--decimals" in findings[4].text
    findings.clear()
    assert state_of("10000000", findings) is None
    assert [one.check for one in findings] == [Check.DIGITS]


def test_a_meter_that_is_new_stands_at_zero_and_that_is_asked_about() -> None:
    for text in ("0", "0000000"):
        findings: list[Finding] = []
        assert state_of(text, findings) == 0
        assert [(one.check, one.severity) for one in findings] == [(Check.STATE_ZERO, Severity.WARNING)]


def test_places_behind_the_point_where_they_are_wanted() -> None:
    findings: list[Finding] = []
    assert str(state_of("8048,375", findings, decimals=True)) == "8048.375"
    assert str(state_of("0.250", findings, decimals=True)) == "0.250"
    assert findings == []
    assert state_of("8.048,375", findings, decimals=True) is None
    assert state_of("12345678.5", findings, decimals=True) is None
    assert state_of("1.1234567", findings, decimals=True) is None
    assert [one.check for one in findings] == [Check.STATE, Check.DIGITS, Check.STATE]
    findings.clear()
    assert state_of("0,000", findings, decimals=True) == 0 and [one.check for one in findings] == [Check.STATE_ZERO]


def test_there_are_six_types() -> None:
    findings: list[Finding] = []
    assert [type_of(text, findings) for text in "FKZPNU"] == [ReadingType(text) for text in "FKZPNU"]
    assert findings == []
    assert [type_of(text, findings) for text in ("", "k", "X", "KF")] == [None] * 4
    assert [one.check for one in findings] == [Check.TYPE] * 4


def test_a_control_by_the_new_supplier_has_a_request() -> None:
    findings: list[Finding] = []
    assert request_of(" 7 ", ReadingType.CONTROL_BY_NEW_SUPPLIER, findings) == "7"
    assert request_of("", ReadingType.CONTROL, findings) == "" and findings == []
    request_of(" ", ReadingType.CONTROL_BY_NEW_SUPPLIER, findings)
    assert [one.check for one in findings] == [Check.REQUEST]


def test_a_request_has_a_number_of_at_most_sixteen_digits() -> None:
    findings: list[Finding] = []
    for text in ("1", "0000000000000001", "9" * 16):
        assert request_of(text, ReadingType.CONTROL, findings) == text and findings == []
    for text in ("0", "-1", "1.0", "12a", "9" * 17, "١"):
        request_of(text, ReadingType.CONTROL, findings)
    assert [one.check for one in findings] == [Check.REQUEST] * 6


@pytest.mark.parametrize(
    ("kind", "day", "until"),
    [
        ("K", (2026, 11, 20), (2026, 12, 4)),
        ("N", (2026, 11, 20), (2026, 12, 4)),
        ("F", (2026, 11, 30), (2026, 12, 7)),
        ("P", (2026, 12, 22), (2026, 12, 31)),
        ("U", (2026, 4, 1), (2026, 4, 10)),
        ("Z", (2026, 11, 30), (2026, 12, 8)),
    ],
)
def test_deadlines(kind: str, day: tuple[int, int, int], until: tuple[int, int, int]) -> None:
    last = date(*until)
    assert deadline(ReadingType(kind), date(*day)) == last
    assert list(date_findings(ReadingType(kind), date(*day), last)) == []
    late = list(date_findings(ReadingType(kind), date(*day), date.fromordinal(last.toordinal() + 1)))
    assert [one.check for one in late] == [Check.DEADLINE]
    assert f"{last:%d.%m.%Y}" in late[0].text


def test_billing_is_on_the_last_day_of_a_month() -> None:
    for day in (date(2026, 2, 28), date(2028, 2, 29), date(2026, 12, 31)):
        assert list(date_findings(ReadingType.BILLING, day, day)) == []
    (found,) = date_findings(ReadingType.BILLING, date(2028, 2, 28), date(2028, 2, 28))
    assert found.check is Check.TYPE_DATE and "29.02.2028" in found.text
