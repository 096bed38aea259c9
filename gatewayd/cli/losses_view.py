"""What `gatewayd losses` prints: a column for each time and direction for people, one JSON document for programs.

Rules: people get six digits after the point, times nine; JSON has all digits. The names are those of the annex (PPDS
annex 5): S_m, T_p, T_m, T_Δ, P_z, W_z, W, w_z. What there is not is left out, and never a zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from gatewayd.cli.language import said
from gatewayd.cli.output import console, print_lines, print_table, status_style
from gatewayd.legal_time import end_label, start_label
from gatewayd.metering.loss_report import Part, together
from gatewayd.metering.points import SupplyTransformer
from gatewayd.metering.record import Derived as Made
from gatewayd.metering.values import Layer
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

_AMOUNT, _TIME = Decimal("0.000001"), Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Derived:
    """Losses that stand in the derived archive, and their number there."""

    layer: Layer
    obis: Obis
    unit: str
    made: Made
    seq: int


@dataclass(frozen=True, slots=True)
class Report:
    """The losses of a point from `start` to `end`."""

    point: str
    start: datetime
    end: datetime
    parts: Sequence[Part]
    derived: Sequence[Derived]
    zone: ZoneInfo


# -- for programs -----------------------------------------------------------------------------------------------------


def document(report: Report) -> dict[str, object]:
    """With all digits; null where there is nothing."""
    return {
        "point": report.point,
        "from": rfc3339(report.start),
        "to": rfc3339(report.end),
        "parts": [_part(one) for one in report.parts],
        "together": [
            {
                "obis": str(one.obis),
                "unit": one.unit or None,
                "wz": one.losses,
                "w": one.taken,
                "wz_percent": one.percent,
                "status": one.status.text,
            }
            for one in together(report.parts)
        ],
        "derived": [_made(one) for one in report.derived],
    }


def _part(one: Part) -> dict[str, object]:
    figures = one.figures
    return {
        "from": rfc3339(one.start),
        "to": rfc3339(one.end),
        "obis": str(one.obis),
        "unit": one.unit or None,
        "method": _method(one.transformer),
        "transformer": _transformer(one.transformer),
        "sm_kva": None if figures is None else figures.peak_kva,
        "sm_at": None if one.peak_at is None else rfc3339(one.peak_at),
        "tp_h": one.hours,
        "tm_h": None if figures is None else figures.use_hours,
        "td_h": None if figures is None else figures.full_hours,
        "pz_kw": None if figures is None else figures.power_kw,
        "wz": one.losses,
        "w": one.taken,
        "wz_percent": one.percent,
        "status": one.status.text,
        "have": one.have,
        "want": one.want,
        "reason": one.reason,
    }


def _method(transformer: SupplyTransformer) -> str:
    return "calculated" if transformer.calculated else "flat"


def _transformer(one: SupplyTransformer) -> dict[str, object]:
    """By the keys of the configuration."""
    if not one.calculated:
        return {"kind": one.kind.value, "percent": one.flat_percent}
    plate: dict[str, object] = {"sn_kva": one.rated_kva, "dp0_kw": one.no_load_kw, "dpk_kw": one.load_kw}
    return plate if one.peak_kw is None else {**plate, "pm_kw": one.peak_kw, "cos_phi": one.power_factor}


def _made(one: Derived) -> dict[str, object]:
    value = one.made.value
    return {
        "layer": one.layer.value,
        "obis": str(one.obis),
        "at": rfc3339(value.at),
        "unit": one.unit or None,
        "value": value.amount,
        "status": value.status.text,
        "have": value.have,
        "want": value.want,
        "reason": value.reason,
        "rules": list(value.rules),
        "validated": one.made.validated,
        "version": one.made.version,
        "seq": one.seq,
    }


# -- for people -------------------------------------------------------------------------------------------------------


def print_report(report: Report) -> None:
    """The figures, those of all times together, and what was derived."""
    screen = console()
    rows = [_rows(one, report.zone) for one in report.parts]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    for _ in rows:
        table.add_column(overflow="fold")
    for name in dict.fromkeys(name for row in rows for name in row):
        cells = [row.get(name, Text("")) for row in rows]
        if any(cell.plain for cell in cells):
            table.add_row(said(name), *cells)
    print_table(screen, table)
    for one in together(report.parts):
        amounts = [f"W_z {_number(one.losses)}", f"W {_number(one.taken)} {one.unit}"]
        percent = [] if one.percent is None else [f"w_z {_number(one.percent)} %"]
        said_of = ", ".join((*amounts, *percent, said(one.status.text)))
        print_lines(screen, f"{said('together')}, {one.obis.reduced()}: {said_of}")
    if report.derived:
        screen.print()
        print_table(screen, _derived(report))


def _rows(one: Part, zone: ZoneInfo) -> dict[str, Text]:
    figures = one.figures
    cells: dict[str, str] = {
        "from": start_label(one.start, zone),
        "to": end_label(one.end, zone),
        "obis": one.obis.reduced(),
        "method": said(_method(one.transformer)),
        "transformer": ", ".join(
            f"{key} {value:f}" if isinstance(value, Decimal) else str(value)
            for key, value in _transformer(one.transformer).items()
        ),
        "S_m": "" if figures is None else f"{_number(figures.peak_kva)} kVA",
        "S_m at": "" if one.peak_at is None else end_label(one.peak_at, zone),
        "T_p": f"{_number(one.hours, _TIME)} h",
        "T_m": "" if figures is None or figures.use_hours is None else f"{_number(figures.use_hours, _TIME)} h",
        "T_Δ": "" if figures is None else f"{_number(figures.full_hours, _TIME)} h",
        "P_z": "" if figures is None else f"{_number(figures.power_kw)} kW",
        "W_z": f"{_number(one.losses)} {one.unit}" if one.losses is not None else said("no value"),
        "W": f"{_number(one.taken)} {one.unit}" if one.taken is not None else said("no value"),
        "w_z": "" if one.percent is None else f"{_number(one.percent)} %",
    }
    rows = {name: Text(cell) for name, cell in cells.items()}
    rows["status"] = _status(one.status)
    rows["coverage"] = Text(f"{one.have} / {one.want}")
    rows["reason"] = Text(one.reason)
    return rows


def _derived(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "obis", "interval to", "value", "unit", "status", "coverage", "validated"):
        table.add_column(said(name), justify="right" if name == "value" else "left", no_wrap=True)
    for one in report.derived:
        value = one.made.value
        table.add_row(
            said(one.layer.value),
            one.obis.reduced(),
            end_label(value.at, report.zone),
            Text(said("no value") if value.amount is None else _number(value.amount)),
            one.unit,
            _status(value.status),
            f"{value.have} / {value.want}",
            said("yes" if one.made.validated else "no"),
        )
    return table


def _status(status: RawStatus) -> Text:
    return Text(said(status.text), style=status_style(status.text))


def _number(number: Decimal | None, digits: Decimal = _AMOUNT) -> str:
    """Rounded, without zeros at its end."""
    if number is None:
        return said("no value")
    text = f"{number.quantize(digits, ROUND_HALF_UP):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
