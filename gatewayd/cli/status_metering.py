"""What `gatewayd status` shows of the derived layer and of the sinks, with both outboxes of each.

Rules: pure. Where all is well a line says so; a fault is red and has its remedy beside it. The outbox of derived values
has a row of its own below that of its sink.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.text import Text

from gatewayd.cli.language import said, said_count
from gatewayd.cli.status_meters import Part, day_of, near, table, when

OLD = timedelta(minutes=15)
"""What waits for longer is told of; the alarms of docs/monitoring.md begin there as well."""
_LATE = "yellow"


def metering(document: Part, zone: ZoneInfo) -> list[RenderableType]:
    """How far the engine is, its archive, why it stands still, and what it cannot read."""
    known = document["metering"]
    if known is None:
        return []
    archive = known["archive"]
    points, values = said_count(known["points"], "point"), said_count(archive["head"]["seq"], "value")
    found: list[RenderableType] = [
        Text(
            said("metering: {points}, {place}").format(points=points, place=_place(document, zone)),
            style=_style(document),
        ),
        Text(
            said("derived archive {path}: {values}, {size}").format(
                path=archive["path"], values=values, size=_size(archive["bytes"])
            )
        ),
    ]
    if known["fault"]:
        text = said("nothing is derived: {fault}; {remedy}")
        found.append(Text(text.format(fault=known["fault"], remedy=said(known["remedy"])), style="red"))
    elif archive["fault"]:
        found.append(Text(said("archive takes nothing: {fault}").format(fault=archive["fault"]), style="red"))
    unreadable, last = known["unreadable"], known["last_fault"]
    if unreadable:
        text = said("nothing is derived of what cannot be read: {segments}; restore it from a copy: then it is derived")
        found.append(Text(text.format(segments=unreadable), style=_LATE))
    if last and not known["fault"] and last not in (unreadable or ""):
        found.append(Text(said("metering, last fault, which is over: {fault}").format(fault=last)))
    return found


def _place(document: Part, zone: ZoneInfo) -> str:
    known, head = document["metering"], document["archive"]["head"]["seq"]
    if known["seq"] is None:
        return said("how far they are derived is not known yet")
    days = known["days_waiting"]
    more = said("; {days} to be computed").format(days=said_count(days, "day")) if days else ""
    if not known["behind"]:
        return said("all readings are derived") + more
    behind = said_count(known["behind"], "reading")
    if known["oldest_at"] is None:
        text = said("derived up to reading {seq} of {head}, {behind} behind")
    else:
        text = said("derived up to reading {seq} of {head}, {behind} behind, the first of {oldest}")
    return text.format(seq=known["seq"], head=head, behind=behind, oldest=when(known["oldest_at"], zone)) + more


def _style(document: Part) -> str:
    return _LATE if _old(document, document["metering"]["oldest_at"]) else ""


def _old(document: Part, instant: str | None) -> bool:
    """Whether something waits since then for too long."""
    if instant is None or document["at"] is None:
        return False
    return datetime.fromisoformat(document["at"]) - datetime.fromisoformat(instant) > OLD


def _size(count: int) -> str:
    """`5.6 MiB`, without a float."""
    tenths = (count * 10) >> 20
    return f"{tenths // 10}.{tenths % 10} MiB"


# -- sinks -------------------------------------------------------------------------------------------------------------


def sinks(document: Part, zone: ZoneInfo) -> list[RenderableType]:
    """A row for each outbox, and what is wrong with it."""
    known = document["sinks"]
    if not known:
        return [Text(said("no sinks are configured"))]
    today = day_of(document["at"], zone) if document["at"] else date.min
    rows = table("sink", "state", "since", "waiting", "delivered", "set aside", "last delivered")
    found: list[RenderableType] = [rows]
    for name, box, fault in _outboxes(document):
        rows.add_row(
            name,
            Text(said(box["state"]), style={"connected": "green", "broken": "red"}.get(box["state"], "")),
            near(box["since"], today, zone),
            str(box["waiting"]),
            "" if box["delivered"] is None else str(box["delivered"]),
            str(box["set_aside"]),
            near(box["last_delivered_at"], today, zone),
        )
        if fault:
            tries = f" ({said_count(box['attempts'], 'attempt')})" if box["attempts"] else ""
            found.append(Text(f"{name}: {fault}{tries}", style="red"))
        if _old(document, box["oldest_at"]):
            text = said("{sink}: the first of what waits was archived {oldest}")
            found.append(Text(text.format(sink=name, oldest=when(box["oldest_at"], zone)), style=_LATE))
        if box["set_aside"]:
            text = said("{sink}: {readings} set aside; see gatewayd sink set-aside")
            what = said_count(box["set_aside"], "reading is", "readings are")
            found.append(Text(text.format(sink=name, readings=what)))
    return found


def _outboxes(document: Part) -> Iterator[tuple[str, Part, str | None]]:
    """Each with its name and its fault; what is wrong with both outboxes of a sink is told once."""
    for sink in document["sinks"]:
        yield sink["id"], sink, sink["fault"]
        derived = sink["derived"]
        if derived is not None:
            fault = derived["fault"] if derived["fault"] != sink["fault"] else None
            yield said("{sink}: points").format(sink=sink["id"]), derived, fault
