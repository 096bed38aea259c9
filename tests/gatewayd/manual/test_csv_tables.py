"""CSV files of readings: what is taken, and what is refused in words."""

from functools import partial

import pytest

from gatewayd.manual import table_csv
from gatewayd.manual.findings import Check
from gatewayd.manual.table import COLUMNS, FileRefused
from tests.gatewayd.manual.books import EIC, GOOD

read_csv = partial(table_csv.read_csv, most=500)


def file(*lines: str, mark: str = ";", encoding: str = "utf-8", end: str = "\r\n") -> bytes:
    return (end.join([mark.join(COLUMNS), *lines]) + end).encode(encoding)


@pytest.mark.parametrize("mark", [";", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_marks_with_and_without_a_byte_order_mark(mark: str, encoding: str, end: str) -> None:
    (row,) = read_csv(file(mark.join(GOOD), encoding=encoding, mark=mark, end=end))
    assert (row.place, row.texts, row.findings) == (2, GOOD, ())


def test_rows_keep_their_numbers_and_empty_ones_do_not_count() -> None:
    rows = read_csv(file(";;;;;", "", ";".join(GOOD), " ", f'"{EIC}";"1;2";;;;'))
    assert [(row.place, row.texts[:2]) for row in rows] == [(4, (EIC, "123")), (5, (" ", "")), (6, (EIC, "1;2"))]


def test_a_formula_is_a_fault_of_its_row() -> None:
    (row,) = read_csv(file(f"{EIC};123;20.11.2026;=1+1;K;{'x' * 65}"))
    first, second = row.findings
    assert first.check is Check.FORMULA and "D2" in first.text
    assert second.check is Check.FORMULA and "F2" in second.text and "64 characters" in second.text


@pytest.mark.parametrize(
    ("data", "check", "words"),
    [
        (file(";".join(GOOD), encoding="cp1250"), Check.FILE, "line 1 is not UTF-8 .*1250.*save it as 'CSV UTF-8'"),
        (file() + "27ZG;č\n".encode("cp1250"), Check.FILE, "line 2 is not UTF-8"),
        (file(encoding="utf-16"), Check.FILE, "UTF-16"),
        (file("a;b\0"), Check.FILE, "no text"),
        (file('"abc;'), Check.FILE, "line 2 is no line"),
        (file('"a"b;'), Check.FILE, "line 2 is no line"),
        (file("a" * 200_000), Check.FILE, "line 2 is no line"),
        (file(), Check.COUNT, "no reading"),
        (b"", Check.HEADER, "empty"),
        (file(";".join(GOOD) + ";x"), Check.HEADER, "cell G2"),
        (file(*[";".join(GOOD)] * 501), Check.COUNT, "more than 500"),
        ("EIC;Číslo měřidla\n".encode(), Check.HEADER, "cell A1 holds 'EIC'; expected exactly 'EIC OM'"),
        ("\t".join(COLUMNS).encode(), Check.HEADER, "cell A1"),
    ],
)
def test_what_is_refused(data: bytes, check: Check, words: str) -> None:
    with pytest.raises(FileRefused, match=words) as caught:
        read_csv(data)
    assert caught.value.finding.check is check


@pytest.mark.parametrize("most", [1, 200, 10_000])
def test_as_many_as_are_configured_and_one_more(most: int) -> None:
    assert len(table_csv.read_csv(file(*[";".join(GOOD)] * most), most)) == most
    with pytest.raises(FileRefused, match=f"more than {most} readings; split") as caught:
        table_csv.read_csv(file(*[";".join(GOOD)] * (most + 1)), most)
    assert f"({most} odečtů)" in caught.value.of("a.csv").portal
