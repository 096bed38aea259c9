"""The gateway's clock and its time zone: intervals are worth as much as the clock by which they are stamped.

Rules: the kernel is asked, nobody on the network. How far the clock is off is known only where it is kept right.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

from gatewayd.doctor.findings import Finding, error, fine, note, warning
from gatewayd.doctor.processes import process_names
from gatewayd.doctor.scene import Scene
from gatewayd.kernel_clock import Sync, Synchronised, kernel_says

AREA = "clock"
_KEEPERS = {
    "chronyd": "chronyc tracking; chronyc sources",
    "systemd-timesyn": "timedatectl timesync-status",
    "ntpd": "ntpq -p",
    "openntpd": "ntpctl -s all",
    "ptp4l": "pmc -u 'GET CURRENT_DATA_SET'",
}
"""Programs that keep clocks right, as the kernel has their names (15 characters), and what one asks them."""
_BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No gateway of this version has run before."""
_OLD = timedelta(days=3 * 365)


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: where its rules come from, their version, and by year how many offsets it has."""

    name: str
    source: str
    version: str
    offsets: dict[int, int]


def judged_clock(told: Synchronised, keepers: Iterable[str], trusted: bool) -> Finding:
    known = [name for name in keepers if name in _KEEPERS]
    if told.state is Sync.YES:
        off = "" if told.error is None else f"; off by {told.error:.3f} s at most"
        return fine(AREA, "synchronisation", f"the clock is kept right{off}")
    if trusted:
        text = (
            "the kernel does not say that the clock is kept right, and gateway.clock is trusted: it is taken as right"
        )
        return note(AREA, "synchronisation", text, "make sure that something keeps it right")
    if told.state is Sync.UNKNOWN:
        text = f"whether the clock is kept right is not known ({told.source}); readings are flagged gateway_clock"
        return warning(AREA, "synchronisation", text, "gateway: {clock: trusted} where something else keeps it right")
    if not known:
        text = "nothing keeps the clock right; how far it is off is not known, and readings are flagged gateway_clock"
        return error(AREA, "synchronisation", text, "apt-get install chrony; in a container look at the host")
    text = f"{known[0]} runs and has not synchronised the clock; how far it is off is not known"
    return warning(AREA, "synchronisation", text, f"{_KEEPERS[known[0]]}; is UDP port 123 open?")


def judged_now(now: datetime, newest: datetime | None) -> list[Finding]:
    """`newest` is when something was last written to the archive, by the clock of then."""
    text = f"it is {now:%Y-%m-%d %H:%M:%SZ}"
    remedy = "timedatectl set-time, or wait for the synchronisation; a clock without battery begins in the past"
    if now < _BUILT:
        return [error(AREA, "time", f"{text}, which is in the past", remedy)]
    if newest is not None and newest > now + timedelta(minutes=5):
        return [error(AREA, "time", f"{text}, and the archive was written at {newest:%Y-%m-%d %H:%M:%SZ}", remedy)]
    return [fine(AREA, "time", text)]


def judged_zone(zone: Zone, today: datetime) -> Finding:
    """Whether the rules of the zone go on: where there was daylight saving last year there is some next year."""
    subject = f"time zone {zone.name}"
    year = today.year
    if zone.offsets[year - 1] > 1 and zone.offsets[year + 1] == 1:
        text = f"its rules ({zone.source}) end: there is no change of the clocks in {year + 1}"
        return warning(AREA, subject, text, "apt-get install --only-upgrade tzdata")
    released = int(zone.version[:4]) if zone.version[:4].isdigit() else None
    text = f"rules {zone.version or 'of an unknown version'} from {zone.source}"
    if released is not None and released < (today - _OLD).year:
        return note(AREA, subject, f"{text} are old", "apt-get install --only-upgrade tzdata")
    return fine(AREA, subject, text)


def seen_zone(name: str, today: datetime) -> Zone:
    zone = ZoneInfo(name)
    offsets = {
        year: len({datetime(year, month, 15, tzinfo=zone).utcoffset() for month in range(1, 13)})
        for year in (today.year - 1, today.year, today.year + 1)
    }
    folder = next((folder for folder in map(Path, TZPATH) if (folder / name).is_file()), None)
    if folder is None:
        return Zone(name, "the package tzdata of Python", _packaged_version(), offsets)
    return Zone(name, str(folder), _system_version(folder), offsets)


def _system_version(folder: Path) -> str:
    """The first line of tzdata.zi is `# version 2026a`; Debian also has a +VERSION in some releases."""
    for name in ("tzdata.zi", "+VERSION"):
        try:
            with (folder / name).open(errors="replace") as file:
                return file.readline(80).removeprefix("# version").strip()
        except OSError:
            continue
    return ""


def _packaged_version() -> str:
    try:
        return metadata.version("tzdata")
    except metadata.PackageNotFoundError:
        return ""


def clock(*, trusted: bool) -> list[Finding]:
    """The look at the synchronisation; `trusted` as in the configuration."""
    return [judged_clock(kernel_says(), process_names(), trusted)]


def time_and_zone(scene: Scene, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Finding]:
    """The look at what time it is, and where."""
    newest = None
    with contextlib.suppress(OSError):
        newest = datetime.fromtimestamp((scene.archive / "head").stat().st_mtime, UTC)
    return [*judged_now(now(), newest), judged_zone(seen_zone(scene.config.gateway.timezone, now()), now())]
