"""The ratios that meters have set themselves, against the configured ones: 1-0:0.4.2, 3, 5, 6 of the archive.

Rules: what the archive has of the registers is looked at, no meter is asked; one that differs is a warning, because
nothing is counted with it. Points whose meters have no such registers are not spoken of.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.archive.last_seen import newest_ratios
from gatewayd.doctor.archive import opened_in_passing
from gatewayd.doctor.findings import Finding, fine, warning
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.ratio_registers import is_ratio, other_ratios
from gatewayd.model import Archived

AREA = "metering"


def judged(points: Sequence[MeteringPoint], archive: Path, zone: ZoneInfo) -> list[Finding]:
    """Look, and say what it means."""
    return judged_ratios(points, seen_ratios(archive, points), zone)


def seen_ratios(archive: Path, points: Iterable[MeteringPoint]) -> dict[str, list[Archived]]:
    """The newest ratio registers of the meters of all points, by meter."""
    meters = {meter for point in points for meter in point.meters}
    found: dict[str, list[Archived]] = {}
    for one in newest_ratios(archive, meters, opened_in_passing) if meters else ():
        if is_ratio(one.reading.obis):
            found.setdefault(one.reading.meter, []).append(one)
    return found


def judged_ratios(
    points: Iterable[MeteringPoint], seen: Mapping[str, Sequence[Archived]], zone: ZoneInfo
) -> list[Finding]:
    """What is to be told of them."""
    found: list[Finding] = []
    sound = 0
    for point in points:
        readings = [one for meter in sorted(point.meters) for one in seen.get(meter, ())]
        differing = other_ratios(point, readings, zone)
        sound += bool(readings) and not differing
        for one in differing:
            text, _, remedy = one.text.partition("; ")
            found.append(warning(AREA, f"point {point.id}", text, remedy))
    if sound and not found:
        what = "1 point have" if sound == 1 else f"{sound} points have"
        found.append(fine(AREA, "ratios", f"the meters of {what} the configured ratios themselves"))
    return found
