"""What `gatewayd status` shows of its document, for people: lines of text and tables.

Rules: pure. Of hundreds of meters only those are shown of which there is something to tell, and the others are counted;
nothing that is wrong hides behind a number alone. Times are legal time.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.text import Text

from gatewayd.cli.status_meters import FEW, MANY, Part, clock_time, day_of, meters, near, table, when


def parts(document: Part, room: int | None = MANY) -> list[RenderableType]:
    """Everything, from the gateway down to the sinks. `room`: rows of each kind at most; None: all meters are shown."""
    zone = ZoneInfo(document["timezone"])
    return [
        *_gateway(document, zone),
        *_lines(document, zone, MANY if room is None else room),
        *meters(document, zone, room),
        *_faults(document, room),
        *_modems(document["modems"], zone),
        *_listening(document["listening"], zone),
        *_sinks(document["sinks"], zone),
    ]


# -- the gateway -------------------------------------------------------------------------------------------------------


def _gateway(document: Part, zone: ZoneInfo) -> list[RenderableType]:
    archive = document["archive"]
    found: list[RenderableType] = []
    if document["running"]:
        since = when(document["since"], zone)
        text = f"gateway {document['gateway']}: running since {since}, version {document['version']}"
        found.append(Text(f"{text}, process {document['pid']}"))
        found += _clock(document["clock"])
    else:
        found.append(Text(f"gateway {document['gateway']}: not running", style="red"))
    found.append(Text(f"archive {archive['path']}: {archive['head']['seq']} readings"))
    if archive["fault"]:
        found.append(Text(f"archive takes nothing: {archive['fault']}", style="red"))
    configuration = document["configuration"]
    if configuration is not None and configuration["fault"]:
        found.append(Text(f"the configuration file is not taken: {configuration['fault']}", style="red"))
    return found


def _clock(clock: Part) -> list[RenderableType]:
    if clock["synchronised"] == "yes":
        error = f", at most {clock['error_s']} s off" if clock["error_s"] else ""
        return [Text(f"clock: synchronised ({clock['source']}{error})")]
    word = "not synchronised" if clock["synchronised"] == "no" else "not known to be synchronised"
    return [Text(f"clock: {word} ({clock['source']}); what the gateway stamps is flagged", style="yellow")]


# -- lines -------------------------------------------------------------------------------------------------------------


def _lines(document: Part, zone: ZoneInfo, room: int) -> list[RenderableType]:
    """Lines that are in order are counted where there are many."""
    lines = document["lines"]
    if not lines:
        return []
    today = day_of(document["at"], zone)
    shown = [line for line in lines if len(lines) <= min(FEW, room) or line["condition"] != "closed"][:room]
    found: list[RenderableType] = []
    if shown:
        rows = table("line", "state", "under way", "since", "queue", "oldest due", "last fault")
        for line in shown:
            under_way = line["under_way"]
            rows.add_row(
                line["id"],
                _condition(line, zone),
                ", ".join(one["meter"] for one in under_way),
                clock_time(min((one["since"] for one in under_way), default=None), zone),
                str(line["queue"]) if line["queue"] else "",
                near(line["oldest_due"], today, zone),
                _first(line["fault"]),
            )
        found.append(rows)
    if more := len(lines) - len(shown):
        talking = sum(len(line["under_way"]) for line in lines)
        queue = sum(line["queue"] for line in lines)
        what = f"{more} {'more ' if shown else ''}lines"
        found.append(Text(f"{what}; on all of them {talking} sessions under way, {queue} jobs due"))
    return found


def _condition(line: Part, zone: ZoneInfo) -> Text:
    match line["condition"]:
        case "open":
            until = f", tried at {clock_time(line['until'], zone)}" if line["until"] else ""
            return Text(f"fails{until}", style="red")
        case "half-open":
            return Text("is tried", style="yellow")
        case _ if line["kind"] == "listening":
            return Text("listens", style="green")
        case _:
            return Text("talks" if line["under_way"] else "ready", style="green")


# -- what is wrong -----------------------------------------------------------------------------------------------------


def _faults(document: Part, room: int | None) -> list[RenderableType]:
    faults = [(f"meter {one['meter']} cannot be read: {one['fault']}", "red") for one in document["faults"]]
    alarms = [(f"meter {one['meter']}: {one['alarm']}", "yellow") for one in document["alarms"]]
    found: list[RenderableType] = []
    for told, what in ((faults, "faults"), (alarms, "alarms")):
        found += [Text(text, style=style) for text, style in told[:room]]
        if room is not None and len(told) > room:
            found.append(Text(f"{len(told) - room} more {what}; --meters shows all"))
    return found


# -- modems, meters that push, sinks -----------------------------------------------------------------------------------


def _listening(meters: Sequence[Part], zone: ZoneInfo) -> list[RenderableType]:
    """Meters that push, and when each was heard last."""
    if not meters:
        return []
    rows = table("pushing", "line", "connected", "last heard")
    for meter in meters:
        heard = when(meter["last_heard_at"], zone) or Text("not since the start", style="yellow")
        rows.add_row(meter["meter"], meter["line"], "yes" if meter["connected"] else "no", heard)
    return [rows]


def _modems(modems: Sequence[Part], zone: ZoneInfo) -> list[RenderableType]:
    """What each modem did last; one that waits for somebody to act, or that may still be in a call, is red."""
    if not modems:
        return []
    rows = table("modem", "pool", "last call", "number", "result", "seconds", "signal", "network", "next window")
    found: list[RenderableType] = [rows]
    for modem in modems:
        call = modem["last_call"]
        rows.add_row(
            modem["id"],
            "" if modem["pool"] == modem["id"] else modem["pool"],
            when(call["at"], zone) if call else "",
            call["number"] if call else "",
            Text(call["result"], style="green" if call["result"] == "done" else "yellow") if call else "",
            str(call["seconds"]) if call else "",
            "" if modem["signal_dbm"] is None else f"{modem['signal_dbm']} dBm",
            modem["registration"] or "",
            when(modem["next_window"], zone),
        )
        if modem["fault"]:
            found.append(Text(f"{modem['id']} is not used until gatewayd is restarted: {modem['fault']}", style="red"))
        if modem["in_doubt"]:
            text = f"{modem['id']} may be in a call that costs money: it has not confirmed that it hung up"
            found.append(Text(text, style="red"))
    return found


def _sinks(sinks: Sequence[Part], zone: ZoneInfo) -> list[RenderableType]:
    if not sinks:
        return [Text("no sinks are configured")]
    rows = table("sink", "state", "since", "waiting", "delivered", "set aside", "last delivered")
    found: list[RenderableType] = [rows]
    for sink in sinks:
        rows.add_row(
            sink["id"],
            Text(sink["state"], style={"connected": "green", "broken": "red"}.get(sink["state"], "")),
            when(sink["since"], zone),
            str(sink["waiting"]),
            "" if sink["delivered"] is None else str(sink["delivered"]),
            str(sink["set_aside"]),
            when(sink["last_delivered_at"], zone),
        )
        if sink["fault"]:
            tries = f" ({sink['attempts']} attempts)" if sink["attempts"] else ""
            found.append(Text(f"{sink['id']}: {sink['fault']}{tries}", style="red"))
        if sink["set_aside"]:
            what = "reading is" if sink["set_aside"] == 1 else "readings are"
            found.append(Text(f"{sink['id']}: {sink['set_aside']} {what} set aside; see gatewayd sink set-aside"))
    return found


def _first(text: str | None) -> str:
    """The first line of a text."""
    return (text or "").partition("\n")[0]
