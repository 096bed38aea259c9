"""What a foreign layout leaves out, as JSON in a file beside it: labels, offset, points, and which values are not true.

Rules: pure. Instants are UTC. Values that are not true, or that have flags, stand as runs of equal ones, so that a
month without its meter takes one entry; `absent` are stretches of which there is nothing at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.export.points.point_series import PointSeries
from gatewayd.metering.values import Value
from gatewayd.model import NO_FLAGS, Flag, RawStatus
from gatewayd.sink.payload import rfc3339, to_json

SCHEMA = "gatewayd.export/1"


def content(layout: str, label: str, offset: str, found: Iterable[PointSeries], zone: ZoneInfo) -> bytes:
    """The bytes of the file."""
    said = to_json(
        {
            "schema": SCHEMA,
            "layout": layout,
            "interval_label": label,
            "offset": offset,
            "legal_time": zone.key,
            "series": [_series(one) for one in found],
        }
    )
    return msgspec.json.format(said, indent=1) + b"\n"


def _series(one: PointSeries) -> dict[str, object]:
    channel, values, meters = one.series.channel, one.series.values, list(one.meters())
    return {
        "point": channel.point,
        "eic": one.codes.eic,
        "ean": one.codes.ean,
        "serial": meters[0][0] if len(meters) == 1 else "",
        "meters": [{"serial": serial, "start": rfc3339(start), "end": rfc3339(end)} for serial, start, end in meters],
        "obis": str(channel.obis),
        "layer": one.series.layer.value,
        "unit": channel.unit,
        "values": len(values),
        "interval_s": sorted({value.seconds for value in values}),
        "first_start": rfc3339(values[0].start) if values else None,
        "last_end": rfc3339(values[-1].at) if values else None,
        "not_true": list(_runs(values)),
        "absent": list(_holes(values)),
    }


def _runs(values: Iterable[Value]) -> Iterator[dict[str, object]]:
    """Values that follow each other and are alike."""
    run: list[Value] = []
    for (status, flags), group in groupby(values, key=_kind):
        if (status, flags) == (RawStatus.TRUE, NO_FLAGS):
            continue
        for value in group:
            if run and run[-1].at != value.start:
                yield _run(run)
                run = []
            run.append(value)
        yield _run(run)
        run = []


def _holes(values: Sequence[Value]) -> Iterator[dict[str, object]]:
    """Stretches between two values of which there is nothing, not even that it is missing. States have no length."""
    for before, value in pairwise(values):
        if value.seconds and before.at < value.start:
            yield {"start": rfc3339(before.at), "end": rfc3339(value.start)}


def _kind(value: Value) -> tuple[RawStatus, Flag]:
    return value.status, value.flags


def _run(run: list[Value]) -> dict[str, object]:
    return {
        "start": rfc3339(run[0].start),
        "end": rfc3339(run[-1].at),
        "values": len(run),
        "status": run[0].status.text,
        "flags": run[0].flags.texts,
    }
