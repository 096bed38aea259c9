"""`gatewayd explain`: why a value of a metering point is what it is, down to the exchanges of its readings.

Rules: reads the archives and asks nobody. The newest version is explained, the others are listed. A time is the end of
an interval, as everywhere; a day means its sums, a month those of the month. A point has an id, EIC or EAN; one
that was a point once, by its id. What is shown says explain_view.py, what rules have found explain_findings.py.
"""

import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.cli.explain_findings import (
    events_of,
    found_on,
)
from gatewayd.cli.explain_view import Explained, document, print_explained
from gatewayd.cli.language import lang_option
from gatewayd.cli.nothing_derived import nothing_derived
from gatewayd.cli.output import console, print_json
from gatewayd.cli.point_names import month_span, no_point
from gatewayd.cli.point_times import moment_of
from gatewayd.cli.session import obis_code
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, Written, derived_folder
from gatewayd.daemon.metering_inputs import inputs_of
from gatewayd.legal_time import day_bounds, end_label, legal_day
from gatewayd.metering.entered import day_start
from gatewayd.metering.values import Layer
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|yesterday|today", re.ASCII)


@click.command()
@click.argument("point")
@click.argument("obis", type=obis_code)
@click.argument("time")
@click.option("--layer", type=click.Choice([layer.value for layer in Layer]), help="Which of the values that end then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@lang_option
@click.pass_obj
def explain(config_path: Path, point: str, obis: Obis, time: str, layer: str | None, as_json: bool) -> None:
    """Why a value of POINT is what it is: reason, method, inputs, author, all versions.

    POINT is an id, EIC or EAN.

    \b
    TIME is the end of an interval: "2026-11-01 13:15", "2026-11-01 24:00",
    or a day, 2026-11-01, for its sums, or a month, 2026-11, for those of the month.
    """
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    at, wanted = _when(time, zone, layer)
    reader = DerivedReader(derived_folder(config.archive.path))
    point = _id_of(config, point)
    ends = {at, _of_days(time, obis, at, zone)}
    found = [
        one for end in sorted(ends) for one in reader.history(point, obis, end) if wanted is None or one.layer in wanted
    ]
    if not found:
        raise click.ClickException(_nothing(reader, config, point, obis, at))
    by_layer: defaultdict[Layer, list[Written]] = defaultdict(list)
    for one in found:
        by_layer[one.layer].append(one)
    raw = config.archive.path
    values = [
        Explained(
            versions,
            inputs_of(raw, versions[-1].derived.value.inputs),
            found_on(versions[-1], raw),
            events_of(reader, versions[-1]),
        )
        for versions in by_layer.values()
    ]
    if as_json:
        documents = [document(one) for one in values]
        print_json({"point": point, "obis": str(obis), "at": rfc3339(at), "values": documents})
        return
    for place, explained in enumerate(values):
        if place:
            console().print()
        print_explained(explained, zone)


def _id_of(config: Config, name: str) -> str:
    """The id of the point of that id, EIC or EAN; the name itself for what may have been a point once."""
    return next((one.id for one in config.points if name and name in (one.id, one.point.eic, one.point.ean)), name)


def _when(text: str, zone: ZoneInfo, layer: str | None) -> tuple[datetime, frozenset[Layer] | None]:
    """The end that a text means, and the layers that it can mean."""
    named = frozenset({Layer(layer)}) if layer is not None else None
    if _MONTH.fullmatch(text.strip()):
        month = month_span(text, zone, "TIME")
        return month[1], named or frozenset({Layer.MONTH, Layer.MAXIMUM, Layer.LOSS_MONTH})
    at = moment_of(text, zone, "TIME", end=True)
    if _DAY.fullmatch(text.strip().lower()):
        return at, named or frozenset({Layer.DAY, Layer.GAS_DAY, Layer.LOSS_DAY})
    return at, named


def _of_days(text: str, obis: Obis, end: datetime, zone: ZoneInfo) -> datetime:
    """When the days of this energy end that a day or a month means: of gas at 06:00; else the end itself."""
    named = _MONTH.fullmatch(text.strip()) or _DAY.fullmatch(text.strip().lower())
    return day_bounds(legal_day(end, zone), zone, day_start(obis))[1] if named else end


def _nothing(reader: DerivedReader, config: Config, point: str, obis: Obis, at: datetime) -> str:
    """Why there is nothing, as far as that can be told."""
    channels = reader.channels()
    if not any(one[0] == point for one in channels):
        if any(one.id == point for one in config.points):
            return (
                nothing_derived(reader.folder, f"point {point} yet") + "; does the gateway run, and is its meter read?"
            )
        return no_point(config, point)
    codes = sorted({one[1] for one in channels if one[0] == point})
    if str(obis) not in codes:
        return f"point {point} has no {obis}; it has {', '.join(codes)}"
    until = end_label(at, config.gateway.zone)
    return f"nothing was derived of point {point} {obis} that ends {until}; a time is the end of an interval"
