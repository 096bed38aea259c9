"""docs/manual-readings.md: its tables are those of the code."""

import re
from decimal import Decimal

from gatewayd.config.manual import MAXIMUM, MOST_ROWS, TOLERANCE
from gatewayd.manual.dates import ReadingType
from gatewayd.manual.table import COLUMNS
from scripts.manual_checks import PAGE, page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_checks_are_those_of_the_code() -> None:
    assert page(TEXT) == TEXT, "run: python -m scripts.manual_checks"


def test_the_columns_and_types_are_those_of_the_code() -> None:
    assert f"| {' | '.join(f'`{name}`' for name in COLUMNS)} |" in TEXT
    assert re.findall(r"^\| ([A-Z]) \|", TEXT, re.MULTILINE) == [kind.value for kind in (
        ReadingType.CONTROL, ReadingType.BILLING, ReadingType.SUPPLIER_CHANGE, ReadingType.CUSTOMER_CHANGE,
        ReadingType.CONTROL_BY_NEW_SUPPLIER, ReadingType.END_OF_SUPPLY)]  # fmt: skip


def test_the_words_have_the_numbers_of_the_code() -> None:
    assert MOST_ROWS == 500 and Decimal(3) == TOLERANCE and Decimal(20) == MAXIMUM
    assert (
        "a third to three times as much" in TEXT
        and "twenty times" in TEXT
        and "{most_rows: 500}" in TEXT
        and "{tolerance: 3}" in TEXT
    )
