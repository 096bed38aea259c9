"""Values of metering points as files for people and other systems: one module for each layout, loaded when asked for.

    writer("cez-pnd")(series, zone, stream)
    beside("cez-pnd", series, zone)          what that layout has no room for, for a file of its own; None for others

Rules: decimals are written exactly as they are. Every file says whether it labels starts or ends of intervals and with
which offset; where a foreign layout forbids that, a JSON file beside it says so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries, Write
from gatewayd.export.points.portal_csv import ENCODINGS

__all__ = ["LAYOUTS", "Layout", "NotInLayout", "PointSeries", "Write", "beside", "beside_name", "writer"]

_LEGAL = "none: legal time as clocks show it; of two rows with the same labels the first one is summer time"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where `write` of a layout is, and what people must know of it. `label`: which end of an interval names it;
    `offset`: which clock that is; `silent`: the file cannot say so itself; `encodings`: those that may be chosen, the
    usual one first; `streams`: it takes one series after the other, and never needs all of them."""

    module: str
    suffix: str
    label: str
    offset: str
    function: str = "write"
    is_text: bool = True
    silent: bool = False
    encodings: tuple[str, ...] = ()
    streams: bool = False


_TABLES = "gatewayd.export.points.tables"
_BOTH, _UTC_AND_LEGAL = "start and end", "UTC, and legal time with its offset"
LAYOUTS = {
    "csv": Layout(_TABLES, ".csv", _BOTH, _UTC_AND_LEGAL, "write_csv", streams=True),
    "jsonl": Layout(_TABLES, ".jsonl", _BOTH, _UTC_AND_LEGAL, "write_jsonl", streams=True),
    "xlsx": Layout(_TABLES, ".xlsx", _BOTH, _UTC_AND_LEGAL, "write_xlsx", is_text=False, streams=True),
    "parquet": Layout(_TABLES, ".parquet", _BOTH, _UTC_AND_LEGAL, "write_parquet", is_text=False, streams=True),
    "cez-pnd": Layout("gatewayd.export.points.cez_pnd", ".csv", "end", _LEGAL, silent=True, encodings=ENCODINGS),
    "pre": Layout("gatewayd.export.points.pre", ".csv", _BOTH, _LEGAL, silent=True, encodings=ENCODINGS),
    "iec61968-9": Layout("gatewayd.export.points.iec61968_9", ".xml", _BOTH, "UTC"),
}


def writer(name: str, encoding: str = "") -> Write:
    """`write(series, zone, stream)` of a layout, in one of its encodings ("": the usual one); it raises MissingExtra
    when a library that it needs is not there, and NotInLayout before anything is written. KeyError for a layout that
    there is not."""
    layout = LAYOUTS[name]
    write: Callable[..., None] = getattr(import_module(layout.module), layout.function)
    return partial(write, encoding=encoding) if encoding else write


def beside(name: str, series: Iterable[PointSeries], zone: ZoneInfo) -> bytes | None:
    """What is to be written into the file beside an export; None where it says everything itself."""
    layout = LAYOUTS[name]
    if not layout.silent:
        return None
    from gatewayd.export.points.left_out import content

    return content(name, layout.label, layout.offset, series, zone)


def beside_name(output: Path) -> Path:
    """How that file is called: march.csv.json beside march.csv."""
    return output.with_name(f"{output.name}.json")
