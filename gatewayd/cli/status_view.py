"""What `gatewayd status` shows of its document, for people: lines of text and tables.

Rules: pure. Of hundreds of meters only those are shown of which there is something to tell, and the others are counted;
nothing that is wrong hides behind a number alone. Times are legal time.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.text import Text

from gatewayd.cli.language import said, said_count
from gatewayd.cli.status_metering import metering, sinks
from gatewayd.cli.status_meters import FEW, MANY, Part, clock_time, day_of, meters, near, table, when, without_name


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
        *metering(document, zone),
        *sinks(document, zone),
    ]


# -- the gateway -------------------------------------------------------------------------------------------------------


def _gateway(document: Part, zone: ZoneInfo) -> list[RenderableType]:
    archive = document["archive"]
    found: list[RenderableType] = []
    if document["running"]:
        since = when(document["since"], zone)
        text = said("gateway {gateway}: running since {since}, version {version}, process {pid}")
        parts = {key: document[key] for key in ("gateway", "version", "pid")}
        found.append(Text(text.format(since=since, **parts)))
        found += _clock(document["clock"])
    else:
        found.append(Text(_not_asked(document), style="red"))
    readings = said_count(archive["head"]["seq"], "reading")
    found.append(Text(said("archive {path}: {readings}").format(path=archive["path"], readings=readings)))
    if archive["fault"]:
        found.append(Text(said("archive takes nothing: {fault}").format(fault=archive["fault"]), style="red"))
    if archive["put_aside"]:
        text = said("{segments} put aside as damaged, in {path}/quarantine: what they hold is not read any more")
        segments = said_count(archive["put_aside"], "segment was", "segments were")
        found.append(Text(text.format(segments=segments, path=archive["path"]), style="yellow"))
    configuration = document["configuration"]
    if configuration is not None and configuration["fault"]:
        text = said("the configuration file is not taken: {fault}").format(fault=configuration["fault"])
        found.append(Text(text, style="red"))
    return found


def _not_asked(document: Part) -> str:
    """Why there is no more than the files say."""
    holder, parts = document["held_by"], {"gateway": document["gateway"]}
    if holder is None:
        return said("gateway {gateway}: not running").format(**parts)
    parts |= {key: holder[key] for key in ("pid", "process")}
    if not holder["run"]:
        text = "gateway {gateway}: not running; process {pid} ({process}) writes to the archive at present"
    elif holder["elsewhere"]:
        text = (
            "gateway {gateway}: runs as process {pid} ({process}), with another archive than the file names: "
            "archive.path was changed since it started; systemctl restart gatewayd, or set it back"
        )
    elif holder["socket"]:
        text = (
            "gateway {gateway}: runs as process {pid} ({process}), and does not answer: it starts or stops, or hangs; "
            "if this stays: systemctl restart gatewayd"
        )
    else:
        text = (
            "gateway {gateway}: runs as process {pid} ({process}), and its control socket is gone, so that nobody can "
            "ask it: somebody has removed it, or the gateway starts or stops; if this stays: systemctl restart gatewayd"
        )
    return said(text).format(**parts)


def _clock(clock: Part) -> list[RenderableType]:
    if clock["synchronised"] == "yes":
        limit = ", at most {error} s off" if clock["error_s"] else ""
        text = said(f"clock: synchronised ({{source}}{limit})")
        return [Text(text.format(source=clock["source"], error=clock["error_s"]))]
    word = "not synchronised" if clock["synchronised"] == "no" else "not known to be synchronised"
    text = said(f"clock: {word} ({{source}}); what the gateway stamps is flagged")
    return [Text(text.format(source=clock["source"]), style="yellow")]


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
        rows = table("line", "state", "under way", "since", "queue", "oldest due")
        for line in shown:
            under_way = line["under_way"]
            rows.add_row(
                line["id"],
                _condition(line, zone),
                ", ".join(one["meter"] or said("lent: {what}").format(what=one["lent"]) for one in under_way),
                clock_time(min((one["since"] for one in under_way), default=None), zone),
                str(line["queue"]) if line["queue"] else "",
                near(line["oldest_due"], today, zone),
            )
        found.append(rows)
        told = {one["fault"] for one in document["faults"]}
        text = said("line {line}, last fault: {fault}")
        found += [
            Text(text.format(line=line["id"], fault=line["fault"]))
            for line in shown
            if line["fault"] and line["fault"] not in told
        ]
    if more := len(lines) - len(shown):
        talking = sum(len(line["under_way"]) for line in lines)
        queue = sum(line["queue"] for line in lines)
        counts = {
            "lines": said_count(more, "more line" if shown else "line"),
            "sessions": said_count(talking, "session"),
            "jobs": said_count(queue, "job"),
        }
        found.append(Text(said("{lines}; on all of them {sessions} under way, {jobs} due").format(**counts)))
    return found


def _condition(line: Part, zone: ZoneInfo) -> Text:
    match line["condition"]:
        case "open":
            text = said("fails, tried at {time}" if line["until"] else "fails")
            return Text(text.format(time=clock_time(line["until"], zone)), style="red")
        case "half-open":
            return Text(said("is tried"), style="yellow")
        case _ if line["kind"] == "listening" and not any(one["lent"] for one in line["under_way"]):
            return Text(said("listens"), style="green")
        case _:
            talks = any(one["meter"] for one in line["under_way"])
            word = "talks" if talks else "lent" if line["under_way"] else "ready"
            return Text(said(word), style="green")


# -- what is wrong -----------------------------------------------------------------------------------------------------


def _faults(document: Part, room: int | None) -> list[RenderableType]:
    told_of = said("meter {meter} cannot be read: {fault}")
    meter = said("meter {meter}")
    faults = [
        (told_of.format(meter=one["meter"], fault=without_name(one["fault"], one["meter"])), "red")
        for one in document["faults"]
    ]
    alarms = [(f"{meter.format(meter=one['meter'])}: {one['alarm']}", "yellow") for one in document["alarms"]]
    found: list[RenderableType] = []
    for told, what in ((faults, "fault"), (alarms, "alarm")):
        found += [Text(text, style=style) for text, style in told[:room]]
        if room is not None and len(told) > room:
            more = said_count(len(told) - room, f"more {what}")
            found.append(Text(said("{faults}; --meters shows all").format(faults=more)))
    return found


# -- modems, meters that push ------------------------------------------------------------------------------------------


def _listening(meters: Sequence[Part], zone: ZoneInfo) -> list[RenderableType]:
    """Meters that push, and when each was heard last."""
    if not meters:
        return []
    rows = table("pushing", "line", "connected", "last heard")
    for meter in meters:
        heard = when(meter["last_heard_at"], zone) or Text(said("not since the start"), style="yellow")
        rows.add_row(meter["meter"], meter["line"], said("yes" if meter["connected"] else "no"), heard)
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
            Text(said(call["result"]), style="green" if call["result"] == "done" else "yellow") if call else "",
            str(call["seconds"]) if call else "",
            "" if modem["signal_dbm"] is None else f"{modem['signal_dbm']} dBm",
            said(modem["registration"] or ""),
            when(modem["next_window"], zone),
        )
        if modem["fault"]:
            text = said("{modem} is not used until gatewayd is restarted: {fault}")
            found.append(Text(text.format(modem=modem["id"], fault=modem["fault"]), style="red"))
        if modem["in_doubt"]:
            text = said("{modem} may be in a call that costs money: it has not confirmed that it hung up")
            found.append(Text(text.format(modem=modem["id"]), style="red"))
    return found
