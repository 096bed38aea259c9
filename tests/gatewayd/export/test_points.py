"""Our own layouts of points: what is read back is what was exported, all of it."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from openpyxl import load_workbook
from openpyxl.cell import Cell, MergedCell, ReadOnlyCell
from pyarrow import parquet

from gatewayd import export
from gatewayd.export import MissingExtra
from gatewayd.export.parquet_file import TooLarge
from gatewayd.export.points import LAYOUTS, PointSeries, beside, writer
from gatewayd.export.points.columns import COLUMNS
from gatewayd.export.xlsx_file import TooWide
from gatewayd.legal_time import PRAGUE
from gatewayd.metering.record import numbers
from gatewayd.metering.values import Layer, Method, Value
from gatewayd.model import Flag, RawStatus
from tests.gatewayd.export.point_values import BEFORE_WINTER, days, exported, of_point, series_of, value_lists

ROOT = Path(__file__).parents[3]
Rows = list[dict[str, str]]
WIDE = Context(prec=100)


def read_csv(data: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def read_jsonl(data: bytes) -> Rows:
    lines = [json.loads(line, parse_float=str, parse_int=str) for line in data.splitlines()]
    return [{key: plain(cell) for key, cell in line.items()} for line in lines]


def read_parquet(data: bytes) -> Rows:
    """With the digits that stand beside the number, which is the same one."""
    found: Rows = []
    for row in parquet.read_table(io.BytesIO(data)).to_pylist():
        amount, digits = row.pop("amount"), row.pop("amount_text")
        assert (amount is None) == (digits is None)
        assert amount is None or amount == Decimal(digits).quantize(Decimal("1e-18"), context=WIDE)
        found.append({key: plain(cell) for key, cell in row.items()} | {"amount": plain(digits)})
    return found


def read_xlsx(data: bytes) -> Rows:
    """With the digits that stand beside the number, which is the same one to 15 digits."""
    book = load_workbook(io.BytesIO(data), read_only=True)
    heading, *lines = [[shown(cell) for cell in row] for row in book["values"].iter_rows()]
    names = [str(name) for name in heading]
    found = [dict(zip(names, [plain(cell) for cell in line], strict=True)) for line in lines]
    for row in found:
        digits = row.pop("amount_text")
        number, exact = Decimal(row["amount"] or 0), Decimal(digits or 0)
        assert (row["amount"] == "") == (digits == "")
        assert abs(number - exact) <= max(abs(exact), Decimal(1)) * Decimal("5e-15")
        row["amount"] = digits
    return found


def shown(cell: Cell | ReadOnlyCell | MergedCell) -> object:
    """What a spreadsheet shows: a number with the digits of its format; dates are UTC here."""
    content = cell.value
    if isinstance(content, datetime):
        return content.replace(tzinfo=UTC)
    if isinstance(content, bool) or not isinstance(content, int | float):
        return content
    places = len(cell.number_format.partition(".")[2])
    return format(Decimal(repr(content)).quantize(Decimal((0, (1,), -places)), context=WIDE), "f")


def plain(cell: object) -> str:
    match cell:
        case None:
            return ""
        case list():
            return " ".join(cell)
        case datetime():
            return cell.isoformat()
        case bool():
            return str(cell).lower()
    return str(cell)


READERS: Mapping[str, Callable[[bytes], Rows]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}


def value_of(row: Mapping[str, str]) -> Value:
    at, start = (datetime.fromisoformat(row[key]) for key in ("interval_end", "interval_start"))
    return Value(
        at,
        round((at - start).total_seconds()),
        Decimal(row["amount"]) if row["amount"] else None,
        next(status for status in RawStatus if status.text == row["status"]),
        Flag.from_texts(row["flags"].split()),
        numbers(row["inputs"]),
        Method(row["method"]),
        int(row["have"]),
        int(row["want"]),
        datetime.fromisoformat(row["instant"]) if row["instant"] else None,
        tuple(row["rules"].split()),
        row["reason"].replace("\r\n", "\n"),
    )


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=12, deadline=None)
@given(found=value_lists(periods=(60, 900, 3600)))
def test_round_trip(name: str, found: list[Value]) -> None:
    if name == "parquet":  # its decimals have 20 digits before the point
        found = [one for one in found if one.amount is None or abs(one.amount) < 10**20]
    series = series_of(found, layer=Layer.EVALUATION)
    rows = READERS[name](exported(name, of_point(series)))
    assert [value_of(row) for row in rows] == found
    assert [row["amount"] for row in rows] == ["" if one.amount is None else format(one.amount, "f") for one in found]
    for row in rows:
        assert (row["point"], row["eic"], row["ean"]) == ("north", "27ZG600Z0424987D", "859182400123456789")
        assert (row["obis"], row["layer"], row["unit"]) == ("1-0:1.29.0*255", "evaluation", "kWh")


@pytest.mark.parametrize("name", READERS)
def test_start_and_end_in_legal_time(name: str) -> None:
    rows = READERS[name](exported(name, days()))
    assert len(rows) == 92 + 100
    assert rows[91]["interval_end_legal"] == "2026-03-29 24:00+02:00"
    assert rows[92]["interval_start_legal"] == "2026-10-25 00:00+02:00"
    labels = [row["interval_start_legal"] for row in rows]
    assert len(set(labels)) == 192
    assert {"2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00"} <= set(labels)
    assert not [label for label in labels if label.startswith("2026-03-29 02")]


def test_a_workbook_says_what_its_labels_are() -> None:
    book = load_workbook(io.BytesIO(exported("xlsx", days())), read_only=True)
    said = " ".join(str(cell) for line in book["about"].iter_rows(values_only=True) for cell in line if cell)
    assert "each value has both" in said and "Europe/Prague" in said and "15 digits" in said and "UTC" in said
    assert all(column.meaning in said for column in COLUMNS)


def test_parquet_says_it_in_its_metadata() -> None:
    schema = parquet.read_schema(io.BytesIO(exported("parquet", days())))
    assert schema.metadata[b"interval_label"] == b"start and end" and schema.metadata[b"offset"] == b"UTC"
    assert str(schema.field("interval_end").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("amount").type) == "decimal128(38, 18)" and schema.field("amount_text").type == "string"


def one_with(amount: str, reason: str = "") -> PointSeries:
    return of_point(series_of([Value(BEFORE_WINTER, 900, Decimal(amount), RawStatus.TRUE, reason=reason)]))


@pytest.mark.parametrize(
    "amount, number, seen",
    [
        ("1.420", 1.42, "1.420"),
        ("0", 0, "0"),
        ("-12.50", -12.5, "-12.50"),
        ("123456789012.345", 123456789012.345, "123456789012.345"),
        ("0.000000000000001", 1e-15, "0.000000000000001"),
        ("1234567890123.456", 1234567890123.46, "1234567890123.46"),
        ("0.3333333333333333333333333333333333333333", 0.333333333333333, "0.333333333333333"),
        ("0.0000000000000001", 0, "0"),
        ("1E+3", 1000, "1000"),
        ("1E+20", 1e20, "100000000000000000000"),
        ("-0", 0, "0"),
    ],
)
def test_a_spreadsheet_gets_numbers_of_15_digits_and_all_digits_beside_them(
    amount: str, number: float, seen: str
) -> None:
    """A text in a column of numbers is left out of its sum, and nobody sees it."""
    book = load_workbook(io.BytesIO(exported("xlsx", one_with(amount))))
    heading, row = book["values"].iter_rows()
    cells = {str(name.value): cell for name, cell in zip(heading, row, strict=True)}
    assert cells["amount"].data_type == "n" and cells["amount"].value == number and shown(cells["amount"]) == seen
    assert cells["amount_text"].data_type == "s" and cells["amount_text"].value == format(Decimal(amount), "f")


def test_an_amount_that_no_number_of_a_spreadsheet_holds_is_refused() -> None:
    with pytest.raises(TooWide, match="another format"):
        exported("xlsx", one_with("1E+308"))


def test_a_spreadsheet_gets_dates_in_utc_and_no_formulas() -> None:
    for text in ("=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "http://localhost"):
        book = load_workbook(io.BytesIO(exported("xlsx", one_with("1", text))))
        heading, row = book["values"].iter_rows()
        cells = {str(name.value): cell for name, cell in zip(heading, row, strict=True)}
        assert cells["reason"].value == text and cells["reason"].data_type in ("s", "inlineStr")
        assert cells["reason"].hyperlink is None
        assert "yy" in cells["interval_end"].number_format and cells["interval_end"].value == BEFORE_WINTER.replace(
            tzinfo=None
        )
        assert cells["validated"].value is False and cells["have"].value == 1


def test_parquet_has_decimals_to_count_with_and_refuses_what_they_cannot_hold() -> None:
    third = "0.3333333333333333333333333333333333333333"
    table = parquet.read_table(io.BytesIO(exported("parquet", one_with("1.420"), one_with(third))))
    assert table["amount"].to_pylist() == [Decimal("1.420"), Decimal("0.333333333333333333")]
    assert table["amount_text"].to_pylist() == ["1.420", third]
    with pytest.raises(TooLarge, match="another format"):
        exported("parquet", one_with("1E+20"))


@pytest.mark.parametrize("name", READERS)
def test_what_is_validated_is_told(name: str) -> None:
    values = days().series.values[:2]
    found = PointSeries(series_of(values), validated=frozenset([values[1].at]))
    assert [row["validated"] for row in READERS[name](exported(name, found))] == ["false", "true"]


def test_series_stand_one_after_the_other() -> None:
    first, second = days(), of_point(series_of(days().series.values[:2], layer=Layer.DAY))
    layers = [row["layer"] for row in read_csv(exported("csv", first, second))]
    assert layers == ["interval"] * 192 + ["day"] * 2


@pytest.mark.parametrize("name", ["csv", "jsonl", "xlsx", "parquet", "cez-pnd", "pre", "iec61968-9"])
def test_nothing_is_exported_as_a_file_of_nothing(name: str) -> None:
    exported(name, of_point(series_of([])))
    exported(name)


@pytest.mark.parametrize("name", ["csv", "jsonl"])  # the others write what they have in pieces
def test_series_are_taken_one_by_one(name: str) -> None:
    """An export of many points must not need all of them at once."""
    stream = io.BytesIO()
    written: list[int] = []

    def series() -> Iterator[PointSeries]:
        for _ in range(3):
            written.append(stream.tell())
            yield days()

    writer(name)(series(), PRAGUE, stream)
    assert written[0] == 0 and 0 < written[1] < written[2]


@pytest.mark.parametrize("name", ["xlsx", "parquet"])
def test_a_missing_library_is_named_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(module: str) -> object:
        raise ImportError(f"no module {module}")

    monkeypatch.setattr(export, "import_module", absent)
    with pytest.raises(MissingExtra, match=rf"pip install gatewayd\[{name}\]"):
        exported(name, days())


def test_every_layout_is_in_the_documents_with_its_labels() -> None:
    document = (ROOT / "docs/metering/exports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \| (.+?) \| (.+?) \|", document, re.MULTILINE)
    told = {name: (label, offset) for name, _, label, offset in rows if name in LAYOUTS}
    assert told == {name: (one.label, one.offset) for name, one in LAYOUTS.items()}
    for column in COLUMNS:
        assert f"| `{column.name}` | {column.meaning} |" in document


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if not layout.silent])
def test_what_says_everything_has_nothing_beside_it(name: str) -> None:
    assert beside(name, [days()], PRAGUE) is None
