"""Workbooks of readings: each documented fault of the file, what is hostile, and what other programs write."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from gatewayd.manual.files import read_table
from gatewayd.manual.findings import Check, Severity
from gatewayd.manual.limits import LONGEST
from gatewayd.manual.sheet import read_sheet as read_any_sheet
from gatewayd.manual.table import COLUMNS, FileRefused, Row
from tests.gatewayd.manual.books import EIC, GOOD, book, by_hand, data, inline, saved, with_parts

MOST = 500
read_sheet = partial(read_any_sheet, most=MOST)
MIDNIGHT = datetime.combine(date(2026, 11, 20), time())
"""As spreadsheets have it: of no zone."""


def texts(workbook: bytes) -> list[tuple[str, ...]]:
    return [row.texts for row in read_sheet(workbook)]


def refusal(workbook: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read_sheet(workbook)
    assert caught.value.finding.severity is Severity.CRITICAL
    return caught.value


def critical(workbook: bytes, check: Check, *words: str) -> None:
    """Refused by this check, in these words."""
    error = refusal(workbook)
    assert error.finding.check is check
    for word in words:
        assert word in str(error)


# -- what is taken ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sheet", ["Odecet", "odecet"])
def test_a_table_is_taken_as_it_stands(sheet: str) -> None:
    assert read_sheet(data(GOOD, sheet=sheet)) == (Row(2, GOOD),)


def test_numbers_and_dates_become_the_texts_that_people_see() -> None:
    found = texts(data((EIC, 35031234, date(2026, 11, 20), 1000, "K", None), (EIC, 1, MIDNIGHT, 7.0, "K")))
    assert found == [(EIC, "35031234", "20.11.2026", "1000", "K", ""), (EIC, "1", "20.11.2026", "7", "K", "")]


def test_what_is_no_whole_number_stays_what_it_is() -> None:
    (row,) = texts(data((EIC, "00123", MIDNIGHT.replace(hour=8, minute=30), 1000.5, "K", " 7 ")))
    assert row == (EIC, "00123", "20.11.2026 08:30", "1000.5", "K", " 7 ")


def test_every_row_with_any_value_counts_also_a_single_blank_and_empty_ones_do_not() -> None:
    made = book(GOOD)
    page: Any = made.active
    page.cell(5, 3).value = " "
    page.cell(9, 1).value = EIC
    page.cell(12, 2).value = None
    assert [
        (row.place, row.texts.index(text)) for row, text in zip(read_sheet(saved(made)), (EIC, " ", EIC), strict=True)
    ] == [
        (2, 0),
        (5, 2),
        (9, 0),
    ]


def test_a_workbook_of_another_program_with_inline_and_shared_strings() -> None:
    heading = "".join(f'<c r="{letter}1" t="s"><v>{place}</v></c>' for place, letter in enumerate("ABCDEF"))
    first = (
        '<c r="A3" t="s"><v>6</v></c><c r="B3"><v>123</v></c><c r="C3" s="1"><v>46346</v></c><c r="D3"><v>1E3</v></c>'
    )
    second = inline(EIC) + inline("00123") + inline("21.11.2026") + inline("1001") + inline("K")
    rows = f'<row r="1">{heading}</row><row r="3">{first}<c r="E3" t="str"><v>K</v></c></row><row>{second}</row>'
    found = read_sheet(by_hand(rows, strings=(*COLUMNS, EIC)))
    assert found == (
        Row(3, (EIC, "123", "20.11.2026", "1000", "K", "")),
        Row(4, (EIC, "00123", "21.11.2026", "1001", "K", "")),
    )


def test_as_many_as_there_may_be_and_one_more() -> None:
    assert len(read_sheet(data(*[GOOD] * 500))) == 500
    critical(data(*[GOOD] * 501), Check.COUNT, "more than 500")


# -- deviations of the file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["List1"], ["ODECET"], ["Odecet "], ["Odecet", "odecet2"], ["Odecet", "Sheet2"]])
def test_another_sheet_or_one_more(names: list[str]) -> None:
    made = book(GOOD, sheet=names[0])
    for name in names[1:]:
        made.create_sheet(name).sheet_state = "hidden"
    critical(saved(made), Check.SHEET, names[-1].strip(), "Odecet or odecet")


@pytest.mark.parametrize("column", range(6))
def test_every_heading_has_to_be_exact(column: int) -> None:
    for wrong in (COLUMNS[column] + " ", COLUMNS[column].lower(), "", None, 7):
        heading: list[object] = [*COLUMNS]
        heading[column] = wrong
        if heading[column] != COLUMNS[column]:
            critical(data(GOOD, heading=heading), Check.HEADER, f"cell {'ABCDEF'[column]}1", COLUMNS[column])


def test_headings_in_another_order_or_further_down() -> None:
    critical(data(GOOD, heading=COLUMNS[::-1]), Check.HEADER, "cell A1", "'EIC OM'")
    critical(data(COLUMNS, GOOD, heading=()), Check.HEADER, "cell A1 holds nothing")


def test_nothing_stands_beside_the_columns() -> None:
    critical(data(GOOD, heading=(*COLUMNS, "Poznámka")), Check.HEADER, "cell G1", "'Poznámka'")
    critical(data(GOOD, (*GOOD, "", "x")), Check.HEADER, "cell H3")


def test_an_empty_table() -> None:
    critical(data(), Check.COUNT, "no reading")
    critical(by_hand(""), Check.HEADER, "empty")


def test_formulas_and_what_is_no_value_are_faults_of_their_rows_only() -> None:
    made = book(GOOD, GOOD, GOOD, GOOD)
    page: Any = made.active
    page["D3"] = "=1000+1"
    page["C4"] = True
    page["D5"] = "#N/A"
    page["B5"] = 123456789012345678
    rows = read_sheet(saved(made))
    assert [len(row.findings) for row in rows] == [0, 1, 1, 2]
    found = [finding for row in rows for finding in row.findings]
    assert {finding.check for finding in found} == {Check.FORMULA}
    assert {finding.severity for finding in found} == {Severity.ERROR}
    told = " ".join(finding.text for finding in found)
    for word in ("D3 (Stav měřidla)", "formula", "C4", "D5", "#N/A", "B5", "15 digits"):
        assert word in told


# -- hostile files ----------------------------------------------------------------------------------------------------


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xlsx", b"\x1f\x8b\x08" + bytes(20), "gzip"),
        ("a.xlsx", b"Rar!\x1a\x07" + bytes(20), "rar"),
        ("a.csv", b"7z\xbc\xaf\x27\x1c" + bytes(20), "7z"),
        ("a.xlsx", b"", "empty"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0" + bytes(600), "password"),
        ("a.xlsx", b"EIC OM;\n", "no XLSX"),
        ("a.xlsx", bytes(LONGEST + 1), "4 MB"),
        ("a.xlsm", b"PK\x03\x04", "macros"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "neither .xlsx nor .csv"),
        ("a.zip", b"PK\x03\x04", "neither .xlsx nor .csv"),
    ],
)
def test_a_file_of_another_kind(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=words) as caught:
        read_table(written(tmp_path, name, content), MOST)
    assert caught.value.finding.check is Check.FILE


def test_a_workbook_that_is_zipped_once_more_is_compressed() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("listopad.xlsx", data(GOOD))
    critical(stream.getvalue(), Check.FILE, "compressed", "listopad.xlsx", "unpack")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(FileRefused, match="no file"):
        read_table(tmp_path / "a.csv", MOST)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("xl/vbaProject.bin", "macros"),
        ("xl/externalLinks/externalLink1.xml", "linked"),
        ("xl/connections.xml", "linked"),
        ("xl/embeddings/oleObject1.bin", "objects"),
    ],
)
def test_macros_links_and_objects(part: str, words: str) -> None:
    critical(with_parts(data(GOOD), {part: b"<x/>"}), Check.FILE, words)


def test_a_workbook_with_macros_under_another_name() -> None:
    types = zipfile.ZipFile(io.BytesIO(data(GOOD))).read("[Content_Types].xml")
    changed = types.replace(b"spreadsheetml.sheet.main+xml", b"ms-excel.sheet.macroEnabled.main+xml")
    assert changed != types
    critical(with_parts(data(GOOD), {"[Content_Types].xml": changed}), Check.FILE, "macros")


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
SHEET_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
BOMB = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "lol">{ENTITIES}]><x>&e9;</x>'


@pytest.mark.parametrize("part", ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "docProps/core.xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_never_expanded(part: str, encoding: str) -> None:
    critical(with_parts(data(GOOD), {part: BOMB.encode(encoding)}), Check.FILE, "document type")


@pytest.mark.parametrize("before", ["", " " * 70_000])
@pytest.mark.parametrize("name", ["sheet1.dat", "sheet1.png", "sheet1"])
def test_a_sheet_is_looked_at_whatever_the_name_of_its_part(name: str, before: str) -> None:
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    )
    relations += f'Type="{SHEET_RELATION}" Target="worksheets/{name}"/></Relationships>'
    parts = {
        "xl/worksheets/sheet1.xml": None,
        f"xl/worksheets/{name}": (before + BOMB.removeprefix('<?xml version="1.0"?>')).encode(),
        "xl/_rels/workbook.xml.rels": relations.encode(),
    }
    critical(with_parts(data(GOOD), parts), Check.FILE, "document type")


def test_pictures_are_no_xml() -> None:
    picture = {
        "xl/media/image1.png": b"\x89PNG\r\n\x1a\n<!DOCTYPE",
        "xl/printerSettings/p1.bin": "Office <x>".encode("utf-16"),
    }
    assert len(read_sheet(with_parts(data(GOOD), picture))) == 1


def test_an_entity_from_a_file_is_never_read() -> None:
    outside = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>'
    critical(with_parts(data(GOOD), {"xl/sharedStrings.xml": outside}), Check.FILE, "document type")


def test_a_bomb_is_not_unpacked() -> None:
    workbook = with_parts(data(GOOD), {"xl/media/image1.png": bytes(40 * 1024 * 1024)})
    assert len(workbook) < LONGEST
    tracemalloc.start()
    critical(workbook, Check.FILE, "far more")
    assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size() -> None:
    """What is stated is all that is unpacked, and then the check sum does not fit."""
    workbook = with_parts(data(GOOD), {"xl/sharedStrings.xml": b"<sst>" + b" " * 17_000_000 + b"</sst>"})
    size = (17_000_000 + 11).to_bytes(4, "little")
    assert workbook.count(size) == 2
    critical(workbook.replace(size, (100).to_bytes(4, "little")), Check.FILE)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ('<row r="99999999"/>', "row"),
        ('<row r="1048577"/>', "row"),
        ('<row r="5"/><row r="4"/>', "row '4'"),
        ('<row r="-1"/>', "row"),
        ('<row r="1"><c r="XFE1"/></row>', "XFE1"),
        ('<row r="1"><c r="ZZZZ1"/></row>', "ZZZZ1"),
        ('<row r="1"><c r="B1"/><c r="A1"/></row>', "A1"),
        ('<row r="1"><c r="A2"/></row>', "A2"),
        ("".join(f'<row r="{n}"><c r="XFD{n}"/></row>' for n in range(1, 40)), "far more"),
        ("<row/>" * 200_001, "far more"),
        ("<x>" * 60 + "</x>" * 60, "far more"),
        ('<row r="1"><c>', "damaged"),
    ],
)
def test_rows_and_cells_that_no_sheet_has(rows: str, words: str) -> None:
    critical(by_hand(rows), Check.FILE, words)


def test_what_a_file_says_of_its_size_is_not_believed() -> None:
    workbook = data(GOOD)
    sheet = zipfile.ZipFile(io.BytesIO(workbook)).read("xl/worksheets/sheet1.xml")
    for wrong in (b'<dimension ref="A1:XFD1048576" />', b'<dimension ref="A1" />'):
        changed = sheet.replace(b'<dimension ref="A1:F2" />', wrong)
        assert changed != sheet
        assert texts(with_parts(workbook, {"xl/worksheets/sheet1.xml": changed})) == [GOOD]


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"])
def test_a_part_that_is_missing(part: str) -> None:
    assert refusal(with_parts(data(GOOD), {part: None})).finding.check in (Check.FILE, Check.SHEET)


def test_a_workbook_that_is_cut_off_or_has_other_bytes_in_it() -> None:
    workbook = data(GOOD)
    for cut in range(0, len(workbook), 97):
        refusal(workbook[:cut])
    for place in range(0, len(workbook), 53):
        changed = bytearray(workbook)
        changed[place] ^= 0x55
        try:
            read_sheet(bytes(changed))
        except FileRefused as error:
            assert str(error)


# -- as many rows as may be configured --------------------------------------------------------------------------------

MANY = 10_000
REACHES = 160 * 1024 * 1024
"""Bytes that a table of so many rows, and what is refused before it, takes at most."""


def many(count: int) -> list[tuple[object, ...]]:
    """Rows in which every text is another one."""
    return [
        (f"27ZG600Z{n:08d}", f"{n:018d}", "20.11.2026", str(1_000_000 + n), "N", f"{n + 1:016d}") for n in range(count)
    ]


def xlsxwritten(count: int) -> bytes:
    """The same by another program, with shared strings."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as made:
        sheet = made.add_worksheet("Odecet")
        for place, row in enumerate([COLUMNS, *many(count)]):
            sheet.write_row(place, 0, row)
    return stream.getvalue()


def verbose(count: int) -> bytes:
    """The same with as many elements as any program makes: each cell with rich text of its own."""
    cell = '<c t="inlineStr"><is><r><rPr><sz/></rPr><t>{}</t></r></is></c>'
    heading = "".join(map(inline, COLUMNS))
    rows = "".join(f"<row>{''.join(map(cell.format, row))}</row>" for row in many(count))
    return by_hand(f"<row>{heading}</row>{rows}")


@pytest.mark.parametrize("made", [lambda n: data(*many(n)), xlsxwritten, verbose])
def test_the_most_rows_that_may_be_configured(made: Callable[[int], bytes]) -> None:
    workbook = made(MANY)
    assert len(workbook) <= LONGEST
    tracemalloc.start()
    rows = read_any_sheet(workbook, MANY)
    assert tracemalloc.get_traced_memory()[1] < REACHES
    tracemalloc.stop()
    assert len(rows) == MANY and rows[-1].texts == tuple(map(str, many(MANY)[-1]))
    with pytest.raises(FileRefused, match="more than 9999 readings; split") as caught:
        read_any_sheet(workbook, MANY - 1)
    assert caught.value.finding.check is Check.COUNT
    assert "(9999 odečtů)" in caught.value.of("a.xlsx").portal


def test_no_more_is_taken_apart_than_so_many_rows_need() -> None:
    """Of a part at most 40 elements for each row."""
    most = MANY * 40
    workbook = by_hand("<row/>" * (most + 1))
    with pytest.raises(FileRefused, match="far more than a table of 10000 readings"):
        read_any_sheet(workbook, MANY)
    with pytest.raises(FileRefused, match=r"row 1 must be|holds nothing"):
        read_any_sheet(by_hand("<row/>" * (most - 10)), MANY)
    with pytest.raises(FileRefused, match="far more than a table of 7 readings"):
        read_any_sheet(by_hand("<row/>" * 200_001), 7)


def test_what_is_hostile_takes_no_more_memory_with_more_rows() -> None:
    wide = "".join(f'<row r="{n}"><c r="XFD{n}"/></row>' for n in range(1, 40))
    for hostile in (with_parts(data(GOOD), {"xl/media/image1.png": bytes(40 * 1024 * 1024)}), by_hand(wide)):
        tracemalloc.start()
        with pytest.raises(FileRefused, match="far more"):
            read_any_sheet(hostile, MANY)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
        tracemalloc.stop()
