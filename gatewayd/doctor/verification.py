"""The verification of meters and instrument transformers of the metering points, and what the law says besides.

Rules: an ended verification is an error, one that ends soon a warning; what is valid for longer is told together. The
legal notes are notes, and there only where the configuration names metering points with their verification.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from gatewayd.doctor.findings import Finding, error, fine, note, warning
from gatewayd.metering.findings import Severity
from gatewayd.metering.points import MeteringPoint, on_day
from gatewayd.metering.rules import rules_of
from gatewayd.metering.verification import NOTES, Validity, validities

AREA = "metering"


def judged(points: Iterable[MeteringPoint], today: date) -> list[Finding]:
    """What is to be told of all points on a legal-time day."""
    known: list[Validity] = []
    found: list[Finding] = []
    for point in points:
        terms = rules_of(point.validation).verification
        if terms.enabled:
            known += validities(point.id, on_day(point, today).verified, today, terms)
    found += [_told(one) for one in known if one.severity is not None]
    sound = [one for one in known if one.severity is None]
    if sound:
        next_one = min(sound, key=lambda one: one.until)
        text = (
            f"{_counted(sound)} valid; the next to end is that of the {next_one.component.text} of point "
            f"{next_one.point}, with {next_one.until}"
        )
        found.append(fine(AREA, "verification", text))
    if known:
        found += [note(AREA, one.source, one.text) for one in NOTES]
    return found


def _told(one: Validity) -> Finding:
    what, _, remedy = one.text.removeprefix(f"point {one.point}: ").partition(": ")
    subject = f"point {one.point}"
    if one.severity is Severity.ERROR:
        marked, _, remedy = remedy.partition("; ")
        return error(AREA, subject, f"{what}: {marked}", remedy)
    return warning(AREA, subject, what, remedy)


def _counted(found: Sequence[Validity]) -> str:
    return "1 verification is" if len(found) == 1 else f"{len(found)} verifications are"
