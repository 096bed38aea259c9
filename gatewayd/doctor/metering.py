"""The derived layer: its archive beside the other one, how far the engine is, and points of which nothing comes.

Rules: quick, and no proof, as with the archive of readings; nothing is opened for writing. What `gatewayd check` says
of points is not said again. Of a point that has no values the meter is named, as that is where the remedy is; a sum of
points is as good as its parts and is not told of. What is missing is judged when the engine is up to date, and the
meter had its turn.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from gatewayd.archive import rows, segments
from gatewayd.doctor import archive
from gatewayd.doctor.account import ENTER, READ, WRITE, obstacle
from gatewayd.doctor.findings import Finding, Level, error, fine, note, unseen, warning
from gatewayd.doctor.scene import Scene
from gatewayd.errors import ArchiveError
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.model import MeteringType, RawStatus

AREA = "metering"
_SHOWN = 10
_SEGMENTS = 8
"""The newest ones, that are looked into."""
_LATE = timedelta(hours=1)
_TURN = timedelta(days=1)
"""Within that time each meter with a profile is asked."""
_NO_DAYS, _NO_MONTHS = timedelta(days=3), timedelta(days=65)
"""So long after its newest value a point is told of: that of the day before comes in the night, that of a month (type
C) after its end."""
_NEWEST = """
SELECT s.meter, max((SELECT r.at FROM reading AS r WHERE r.series = s.id AND r.status < ? ORDER BY r.at DESC LIMIT 1))
FROM series AS s WHERE s.obis_raw IN (?, ?) GROUP BY s.meter
"""


def judged_engine(status: Mapping[str, Any]) -> list[Finding]:
    """What the running gateway says of it; nothing where there are no points."""
    known = status["metering"]
    if known is None:
        return []
    if known["fault"]:
        return [error(AREA, "engine", f"nothing is derived: {known['fault']}", known["remedy"])]
    points = f"points: {known['points']}"
    if known["seq"] is None:
        return [unseen(AREA, "engine", f"{points}; how far they are derived is not known yet", "gatewayd status")]
    if is_behind(status):
        text = f"{known['behind']} readings are not derived yet, the first has waited since {known['oldest_at']}"
        return [warning(AREA, "engine", text, "gatewayd status --watch: does it get less? journalctl -u gatewayd")]
    return [fine(AREA, "engine", f"{points}; derived up to reading {known['seq']}")]


def is_behind(status: Mapping[str, Any]) -> bool:
    """Whether readings have waited for the engine for long."""
    known = status["metering"]
    if known["seq"] is None:
        return True
    if known["oldest_at"] is None:
        return False
    return datetime.fromisoformat(status["at"]) - datetime.fromisoformat(known["oldest_at"]) > _LATE


def judged_points(
    points: Iterable[MeteringPoint],
    newest: Mapping[str, datetime],
    at: datetime,
    *,
    whole: bool,
    unasked: Collection[str] = (),
) -> list[Finding]:
    """`newest`: by point, the end of its newest value that is not missing; `whole`: all of the archive was looked at;
    `unasked`: meters that had no turn yet."""
    known = [one for one in points if not one.virtual and one.installed and one.installed[0].since <= at]
    waited = [one for one in known if one.id in newest or _meter(one, at) not in unasked]
    silent = [one for one in waited if _is_silent(one, newest.get(one.id), at)]
    found = [_told(one, newest.get(one.id), at, whole=whole) for one in silent[:_SHOWN]]
    if len(silent) > _SHOWN:
        found.append(warning(AREA, "others", f"of {len(silent) - _SHOWN} more points nothing comes", "gatewayd status"))
    if waited and not silent:
        found.append(fine(AREA, "points", f"of all {len(waited)} whose meter had its turn there are values"))
    unwatched = [one.id for one in known if one.verified.meter is None]
    if unwatched:
        text = f"{len(unwatched)} points say nothing of their verification, so nobody is told when it ends: "
        found.append(note(AREA, "verification", text + _names(unwatched), "verified_until: {meter: DATE} at the point"))
    return found


def _is_silent(point: MeteringPoint, newest: datetime | None, at: datetime) -> bool:
    return newest is None or at - newest > (_NO_MONTHS if point.metering_type is MeteringType.C else _NO_DAYS)


def _meter(point: MeteringPoint, at: datetime) -> str:
    """The one that is there now."""
    return [one.meter for one in point.installed if one.since <= at][-1]


def _told(point: MeteringPoint, newest: datetime | None, at: datetime, *, whole: bool) -> Finding:
    meter = _meter(point, at)
    if newest is None:
        text = f"no value was ever derived of it; its meter is {meter}"
        text = text if whole else f"there is no value of it in what was derived lately; its meter is {meter}"
    else:
        text = f"there is no value of it since {newest:%Y-%m-%d %H:%M} UTC; its meter is {meter}"
    remedy = f"gatewayd status --meter {meter}; gatewayd archive gaps {meter}: was it read, and does it send intervals?"
    return warning(AREA, f"point {point.id}", text, remedy)


def unasked(status: Mapping[str, Any]) -> frozenset[str]:
    """Meters that were not read since the gateway was started a short while ago."""
    if datetime.fromisoformat(status["at"]) - datetime.fromisoformat(status["since"]) > _TURN:
        return frozenset()
    return frozenset(one["id"] for one in status["meters"] if one["last_success_at"] is None)


def _names(ids: list[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")


def seen_newest(folder: Path, points: frozenset[str]) -> tuple[dict[str, datetime], bool]:
    """By point, the end of its newest value that is not missing; and whether all segments were looked into."""
    found: dict[str, datetime] = {}
    numbers = list(reversed(segments.segment_numbers(folder)))
    for number in numbers[:_SEGMENTS]:
        for point, at in _newest_of(segments.segment_path(folder, number)):
            found[point] = max(at, found.get(point, at))
        if points <= found.keys():
            break
    return found, len(numbers) <= _SEGMENTS


def _newest_of(path: Path) -> list[tuple[str, datetime]]:
    """ArchiveError, Unseen."""
    try:
        connection = archive.opened_in_passing(path)
    except apsw.Error as fault:
        raise ArchiveError(f"{path} cannot be read: {fault}; see gatewayd archive verify --derived") from fault
    try:
        wanted = (int(RawStatus.MISSING), Layer.INTERVAL.value, Layer.MONTH.value)
        seen = connection.execute(_NEWEST, wanted).fetchall()
    except apsw.Error as fault:
        raise ArchiveError(f"{path} cannot be read: {fault}; see gatewayd archive verify --derived") from fault
    finally:
        connection.close()
    return [(str(point), rows.from_us(int(str(at)))) for point, at in seen if at is not None]


def _of_derived(one: Finding, folder: Path) -> Finding:
    """A finding on an archive as one on the derived archive."""
    remedy = one.remedy.replace("gatewayd archive verify", "gatewayd archive verify --derived")
    remedy = remedy.replace("in the archive's folder", f"in {folder}")
    return replace(one, area=AREA, subject=f"derived archive: {one.subject}", remedy=remedy)


def derived_archive(scene: Scene) -> list[Finding]:
    """The look at the derived archive: who may write it, and whether its end fits."""
    folder = scene.derived
    if folder is None:
        return []
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        text = "there is none yet; the gateway makes it at its next start, or at a reload"
        return [note(AREA, "derived archive", text, "gatewayd reload")]
    if not folder.is_dir():
        return [
            error(AREA, "derived archive", f"{folder} is no folder", f"move {folder} away: it is made anew within 10 s")
        ]
    blocked = obstacle(folder, scene.service, READ | WRITE | ENTER)
    first = archive.judged_folder(folder, mode, blocked, scene.service)
    found = [] if first.level is Level.FINE else [replace(first, subject=str(folder))]
    judged = [_of_derived(one, folder) for one in archive.judged_files(archive.seen_files(folder), scene.pid)]
    return found + [one for one in judged if one.level is not Level.FINE or one.subject.endswith("head")]


def points(scene: Scene) -> list[Finding]:
    """The look at the engine, and at points of which nothing comes."""
    if scene.status is None or scene.status["metering"] is None:
        return []
    found = judged_engine(scene.status)
    folder = scene.derived
    if folder is None or not folder.is_dir() or scene.status["metering"]["fault"] or is_behind(scene.status):
        return found
    newest, whole = seen_newest(folder, frozenset(one.id for one in scene.config.points))
    waiting = unasked(scene.status)
    return found + judged_points(scene.config.points, newest, datetime.now(UTC), whole=whole, unasked=waiting)
