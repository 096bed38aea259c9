"""Our own layouts: all columns in CSV, JSON Lines, Excel workbooks and Parquet, as `archive export` writes readings.

Rules: amounts have all their digits in every one of them: in workbooks and in Parquet as a number to count with and as
text beside it. Start and end of each interval are columns; a workbook says so on its first sheet, a Parquet file in its
metadata too. Series are taken one by one.
"""

from collections.abc import Iterable
from typing import BinaryIO
from zoneinfo import ZoneInfo

from gatewayd.export import writer
from gatewayd.export.points.columns import COLUMNS, rows
from gatewayd.export.points.point_series import PointSeries


def write_csv(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """CSV as RFC 4180 has it. OSError."""
    writer("csv")(rows(found, zone), COLUMNS, stream)


def write_jsonl(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """One JSON object in a line. OSError."""
    writer("jsonl")(rows(found, zone), COLUMNS, stream)


def write_xlsx(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """A workbook. OSError; MissingExtra; TooLong and TooWide where something does not fit into a cell."""
    writer("xlsx")  # MissingExtra
    from gatewayd.export import xlsx_file

    about = (
        "Values of metering points, computed by gatewayd from its archive.",
        f"interval_start and interval_end: each value has both. Labels are UTC, those called legal are {zone.key} with "
        "their offset.",
    )
    xlsx_file.write(rows(found, zone), COLUMNS, stream, about, "values", typed=True, counted=("amount",))


def write_parquet(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """Parquet; instants are UTC timestamps. OSError; MissingExtra; TooLarge."""
    writer("parquet")  # MissingExtra
    from gatewayd.export import parquet_file

    facts = {"interval_label": "start and end", "offset": "UTC", "legal_time": zone.key}
    parquet_file.write(rows(found, zone), COLUMNS, stream, facts, counted=("amount",))
