"""What `gatewayd point` prints for people: values as a table or a chart, and what they are in numbers.

Rules: as wide as the terminal. The figures of a channel stand below each other, those of several channels beside each
other as far as there is room. Powers are quotients and shown with three digits after the point; JSON has all.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import chain

from rich.table import Table
from rich.text import Text

from gatewayd.cli import plot
from gatewayd.cli.language import said, said_all
from gatewayd.cli.output import console, print_lines, print_table, status_style
from gatewayd.cli.point_figures import Figures, Shown, figures
from gatewayd.cli.point_spans import begins
from gatewayd.legal_time import ambiguous, end_label, legal_day
from gatewayd.metering.statistics import Extreme
from gatewayd.metering.values import Layer, Series, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

_PIPE_WIDTH = 100
"""Columns of a chart, and of figures, that go into a pipe or a file."""
_SHOWN = Decimal("0.001")
_WIDE = Context(prec=1000)
_FIGURES = 26
"""Columns that the figures of a channel take."""
_NAMES = 18
"""Columns of their names."""
_DAYS = (Layer.DAY.value, Layer.GAS_DAY.value, Layer.LOSS_DAY.value)
_MONTHS = (Layer.MONTH.value, Layer.LOSS_MONTH.value)


def print_values(shown: Shown) -> None:
    """A row for each interval that a channel has."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(said(_heading(shown.layer)), no_wrap=True)
    for one in shown.series:
        table.add_column(f"{one.channel.obis.reduced()}\n{one.channel.unit}", justify="right", no_wrap=True)
    for name in ("status", "method", "flags"):
        table.add_column(said(name), overflow="fold", no_wrap=name == "status")
    columns = [one.by_end() for one in shown.series]
    for end in sorted(set(chain.from_iterable(columns))):
        found = [column.get(end) for column in columns]
        code = next(one.channel.obis for one, value in zip(shown.series, found, strict=True) if value is not None)
        table.add_row(_when(shown, code, end), *(_amount(one) for one in found), *_described(found))
    print_table(console(), table)


def _when(shown: Shown, code: Obis, end: datetime) -> str:
    """A day, or a month, has the name of the day, or month, in which it lies: of gas until 06:00 of the next one."""
    if shown.layer not in (*_DAYS, *_MONTHS):
        return end_label(end, shown.zone)
    day = legal_day(end, shown.zone, begins(shown.point, shown.layer, code))
    return f"{day:%Y-%m-%d}" if shown.layer in _DAYS else f"{day:%Y-%m}"


def _heading(layer: str) -> str:
    return "day" if layer in _DAYS else "month" if layer in _MONTHS else "interval to"


def _amount(value: Value | None) -> Text:
    if value is None:
        return Text("")
    text = said("no value") if value.amount is None else f"{value.amount:f}"
    return Text(text, style=status_style(value.status.text))


def _described(found: Sequence[Value | None]) -> tuple[Text, str, str]:
    there = [one for one in found if one is not None]
    status = RawStatus.worst(one.status for one in there)
    methods = list(dict.fromkeys(said(one.method.value) for one in there))
    flags = list(dict.fromkeys(chain.from_iterable(one.flags.texts for one in there)))
    return Text(said(status.text), style=status_style(status.text)), ", ".join(methods), said_all(flags)


def print_chart(shown: Shown) -> None:
    """A chart for each channel."""
    screen = console()
    width = screen.width if screen.is_terminal else _PIPE_WIDTH
    for one in shown.series:
        values: Mapping[datetime, plot.Value] = {
            value.at: plot.Value(value.amount if value.there else None, value.status) for value in one.values
        }
        print_lines(screen, Text(f"{one.channel.obis} {one.channel.unit}", style="bold"))
        expected = shown.grids[one.channel.obis]
        for row in plot.chart(values, expected.ends, expected.period, width, shown.zone):
            screen.print(row, no_wrap=True, overflow="crop")
    if any(value.status for one in shown.series for value in one.values):
        print_lines(screen, said(plot.LEGEND))


def print_numbers(shown: Shown) -> None:
    """The figures of all channels, below the table or chart."""
    screen = console()
    width = screen.width if screen.is_terminal else _PIPE_WIDTH
    each = max(1, (width - _NAMES) // _FIGURES)
    for first in range(0, len(shown.series), each):
        part = shown.series[first : first + each]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("", no_wrap=True)
        for one in part:
            table.add_column(one.channel.obis.reduced(), no_wrap=True)
        rows = [_figures(shown, one, figures(shown, one)) for one in part]
        for name in rows[0]:
            if any(row[name] for row in rows):
                table.add_row(said(name), *(row[name] for row in rows))
        screen.print()
        print_table(screen, table)


def _figures(shown: Shown, series: Series, made: Figures) -> dict[str, str]:
    found, unit = made.found, made.found.power_unit

    def extreme(one: Extreme | None) -> str:
        return "" if one is None else f"{_rounded(one.power)} {unit}\n{_short(shown, one.at)}"

    ends = {"highest": extreme(found.highest), "lowest": extreme(found.lowest)}
    if shown.layer in _DAYS:
        ends = {f"{name} day": text for name, text in ends.items()}
    marked = {
        status.text: f"{count} ({made.shares[status]} %)" if count else "" for status, count in found.statuses if count
    }
    return {
        "total": "" if found.total is None else f"{found.total:f} {series.channel.unit}",
        "mean": "" if found.mean is None else f"{_rounded(found.mean)} {unit}",
        **ends,
        "maximum demand": extreme(made.maximum),
        "load factor": "" if made.load_factor is None else _rounded(made.load_factor),
        "complete": f"{found.completeness} % ({found.have} / {found.want})",
        **{status.text: marked.get(status.text, "") for status in RawStatus},
    }


def _short(shown: Shown, at: datetime) -> str:
    """The end of an interval without its offset, save in the hour that happens twice."""
    label = end_label(at, shown.zone)
    return label if ambiguous(at.astimezone(shown.zone)) else label[:-6]


def _rounded(number: Decimal) -> str:
    """Three digits after the point, for people."""
    return f"{number.quantize(_SHOWN, ROUND_HALF_UP, _WIDE):f}"
