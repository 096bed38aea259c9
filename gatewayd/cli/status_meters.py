"""Meters in what `gatewayd status` shows: those of which there is something to tell, and one in full.

Rules: pure. What is not due yet is no gap: today's intervals, yesterday's before the meter was read, and what a
back-fill has not reached.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gatewayd.cli.language import said, said_count
from gatewayd.cli.output import local_time
from gatewayd.legal_time import ambiguous

Part = Mapping[str, Any]  # whatever JSON has
FEW = 20
"""So many meters or lines are shown whether there is something to tell of them or not."""
MANY = 40
"""More meters than that are not listed unasked."""
_RIGHT = frozenset(
    ("waiting", "delivered", "set aside", "seconds", "signal", "queue", "clock", "gaps", "expected", "there", "missing")
)
_FOLDED = frozenset(("", "under way"))
_DAY = timedelta(days=1)


def meters(document: Part, zone: ZoneInfo, room: int | None) -> list[RenderableType]:
    """The table, and the count of those that are not in it. `room`: rows at most; None: every meter is shown."""
    known = document["meters"]
    if not known:
        return []
    alarms, today = by_meter(document["alarms"]), day_of(document["at"], zone)
    told: list[Part] = []
    rest: list[Part] = []
    for one in known:
        (told if remarkable(one, alarms.get(one["id"], ()), today, zone) else rest).append(one)
    everyone = room is None or len(known) <= min(FEW, room)
    shown = known if everyone else told[:room]
    found: list[RenderableType] = []
    if shown:
        rows = table("meter", "line", "last read", "next", "clock", "yesterday", "gaps", "")
        for meter in shown:
            rows.add_row(*_row(meter, len(alarms.get(meter["id"], ())), today, zone))
        found.append(rows)
    if everyone:
        return found
    if hidden := len(told) - len(shown):
        text = said("{meters} of which there is something to tell; --meters shows all, --meter ID one in full")
        found.append(Text(text.format(meters=said_count(hidden, "more meter")), style="yellow"))
    if rest:
        quiet = said_count(len(rest), "more meter" if shown else "meter")
        text = said("{meters} without faults, alarms and gaps").format(meters=quiet)
        found.append(Text(text + _span(rest, zone)))
    return found


def remarkable(meter: Part, alarms: Iterable[str], today: date, zone: ZoneInfo) -> bool:
    """Whether there is something to tell of a meter: a fault, an alarm, gaps, a back-fill."""
    if meter["fault"] or meter["silent"] or any(alarms):
        return True
    return any(one["back_fill"] for one in meter["profiles"]) or gaps(meter, today, zone) > 0


def gaps(meter: Part, today: date, zone: ZoneInfo) -> int:
    """Intervals of the last days that should be there and are not."""
    read = meter["last_success_at"]
    complete = today - (_DAY if read and day_of(read, zone) >= today else 2 * _DAY)
    return sum(
        day["expected"] - day["present"]
        for one in meter["profiles"]
        for day in one["gaps"]
        if _reached(one, zone) <= date.fromisoformat(day["day"]) <= complete
    )


def _reached(profile: Part, zone: ZoneInfo) -> date:
    """The first day of which all was asked for."""
    going = profile["back_fill"]
    return day_of(going["reached"], zone) + _DAY if going else date.min


def _row(meter: Part, alarms: int, today: date, zone: ZoneInfo) -> list[str | Text]:
    profiles, holes = meter["profiles"], gaps(meter, today, zone)
    words = [said("silent")] if meter["silent"] else [said("fault")] if meter["fault"] else []
    words += [said("alarm")] if alarms == 1 else [said_count(alarms, "alarm")] if alarms else []
    words += [text for one in profiles if (text := back_fill(one, zone))]
    return [
        meter["id"],
        meter["line"],
        near(meter["last_success_at"], today, zone) or Text(said("not yet"), style="yellow"),
        near(meter["next_due_at"], today, zone),
        deviation(meter["clock_deviation_s"]),
        Text(", ".join(filter(None, map(_yesterday, profiles)))),
        Text(str(holes) if holes else "", style="yellow"),
        Text("; ".join(words), style="red" if meter["fault"] else "yellow" if alarms else ""),
    ]


def deviation(seconds: str | None) -> str:
    """`+3.2 s`; "" where the meter has not shown its clock."""
    return "" if seconds is None else f"{seconds if seconds.startswith('-') else '+' + seconds} s"


def _yesterday(profile: Part) -> str:
    day = profile["yesterday"]
    return "" if not day or not day["expected"] else percent(day["present"], day["expected"])


def percent(part: int, whole: int) -> str:
    """Rounded down: 100 % is all of it."""
    return f"{part * 100 // whole} %" if whole else ""


def back_fill(profile: Part, zone: ZoneInfo) -> str:
    """`back-fill 61 %: 2024-03-02 of 2023-11-01`; "" where none goes on."""
    going = profile["back_fill"]
    if not going:
        return ""
    reached, goal = (day_of(going[key], zone) for key in ("reached", "goal"))
    text = said("back-fill {percent} %: back to {reached} of {goal}")
    return text.format(percent=going["percent"], reached=reached, goal=goal)


def _span(rest: Sequence[Part], zone: ZoneInfo) -> str:
    """`; last read between ... and ...; 3 not read yet`."""
    times = [one["last_success_at"] for one in rest if one["last_success_at"]]
    never = len(rest) - len(times)
    parts = []
    if times:
        text = said("last read between {first} and {last}")
        parts.append(text.format(first=when(min(times), zone), last=when(max(times), zone)))
    if never:
        parts.append(said("{count} not read yet").format(count=never))
    return "".join(f"; {part}" for part in parts)


def meter_parts(document: Part, meter: str) -> list[RenderableType]:
    """One meter in full."""
    zone = ZoneInfo(document["timezone"])
    one = next(one for one in document["meters"] if one["id"] == meter)
    rows = [
        ("line", one["line"]),
        ("metering type", one["metering_type"]),
        ("last read", when(one["last_success_at"], zone) or said("not since the start")),
        ("last session", "" if one["session_s"] is None else f"{one['session_s']} s"),
        ("next", when(one["next_due_at"], zone)),
        ("clock", deviation(one["clock_deviation_s"])),
        ("to be asked for", said_count(one["left"], "piece of profiles", "pieces of profiles") if one["left"] else ""),
    ]
    found: list[RenderableType] = [Text(said("meter {meter}").format(meter=meter), style="bold")]
    found += [Text(f"{said(name):16} {value}") for name, value in rows if value]
    if one["fault"]:
        text = said("cannot be read: {fault} (since {since})" if one["fault_since"] else "cannot be read: {fault}")
        fault = without_name(one["fault"], meter)
        found.append(Text(text.format(fault=fault, since=when(one["fault_since"], zone)), style="red"))
    alarms = by_meter(document["alarms"]).get(meter, ())
    found += [Text(said("alarm: {alarm}").format(alarm=text), style="yellow") for text in alarms]
    return found + (_profiles(one["profiles"], day_of(document["at"], zone), zone) if one["profiles"] else [])


def _profiles(profiles: Sequence[Part], today: date, zone: ZoneInfo) -> list[RenderableType]:
    rows = table("profile", "since", "newest", "expected", "there", "missing", "yesterday", "")
    found: list[RenderableType] = [rows]
    for profile in profiles:
        rows.add_row(
            profile["obis"].removesuffix("*255"),
            near(profile["since"], date.min, zone),
            near(profile["newest"], date.min, zone),
            *(str(profile[count]) for count in ("expected", "present", "missing")),
            _yesterday(profile),
            back_fill(profile, zone),
        )
        for day in profile["gaps"]:
            told = ", {missing} told missing" if day["missing"] else ""
            text = said(f"{{code}} of {{day}}: {{present}} of {{expected}} intervals are there{told}")
            so_far = f" {said('so far')}" if date.fromisoformat(day["day"]) == today else ""
            found.append(Text(text.format(code=profile["obis"], **day) + so_far))
    return found


def without_name(fault: str, meter: str) -> str:
    """A fault beside whose meter it is told."""
    return fault.removeprefix(f"meter {meter}: ")


def by_meter(alarms: Iterable[Part]) -> dict[str, list[str]]:
    """The texts of the alarms of each meter."""
    found: dict[str, list[str]] = {}
    for alarm in alarms:
        found.setdefault(alarm["meter"], []).append(alarm["alarm"])
    return found


# -- cells -------------------------------------------------------------------------------------------------------------


def table(*names: str) -> Table:
    """An empty table with these columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        right = name in _RIGHT
        made.add_column(said(name), justify="right" if right else "left", no_wrap=name not in _FOLDED, overflow="fold")
    return made


def when(instant: str | None, zone: ZoneInfo) -> str:
    """Legal time; "" for none."""
    return "" if instant is None else local_time(datetime.fromisoformat(instant), zone)


def clock_time(instant: str | None, zone: ZoneInfo) -> str:
    """The same without the day."""
    return "" if instant is None else datetime.fromisoformat(instant).astimezone(zone).strftime("%H:%M:%S")


def near(instant: str | None, today: date, zone: ZoneInfo) -> str:
    """Short: the time alone where it is today; the offset only in the hour that happens twice."""
    if instant is None:
        return ""
    local = datetime.fromisoformat(instant).astimezone(zone)
    text = local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")
    return text + local.strftime("%z") if ambiguous(local) else text


def day_of(instant: str, zone: ZoneInfo) -> date:
    """The legal-time day of an instant."""
    return datetime.fromisoformat(instant).astimezone(zone).date()
