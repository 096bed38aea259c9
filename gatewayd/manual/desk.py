"""The desk at which readings by hand are handed in: looks at each.

Rules: writes nothing and asks no clock; what is known comes with `Known`. Everything is checked here, whoever has
looked before. One that is refused leaves no trace in what is known; one that is not counts for those behind it, unless
it is to wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import instant
from gatewayd.manual import plausible, portal
from gatewayd.manual.dates import ReadingType, date_findings
from gatewayd.manual.fields import YEARS, date_of, eic_of, number_of, quoted, request_of, state_of, type_of
from gatewayd.manual.findings import Check, Finding, Severity, refused, worst
from gatewayd.manual.known import Known, spot
from gatewayd.manual.plausible import Bounds
from gatewayd.manual.submission import Found, Handled, Method, Outcome, Submission
from gatewayd.manual.units import places, usual_unit
from gatewayd.model import DIRECT, Archived, Meter, Ratio
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge
from gatewayd.verdicts import plain_serial

NOON = time(12, 0)
"""The instant of a reading of which only the day is known."""


@dataclass(slots=True)
class Judged:
    """A submission, as far as it was understood, and what was found."""

    submission: Submission
    findings: list[Finding] = field(default_factory=list)
    meter: Meter | None = None
    code: Obis | None = None
    value: Decimal | None = None
    unit: str = ""
    at: datetime | None = None
    day: date | None = None
    kind: ReadingType | None = None
    serial: str = ""
    """The one that was in force, "" where none is known: what was typed proves nothing."""
    ratio: Ratio = DIRECT
    faults: tuple[Fault, ...] = (Fault.BY_HAND,)
    corrects: int = 0
    """Sequence number of the reading whose place it takes."""
    maximum: Decimal | None = None
    """The maximum tolerance that a person has set for it, where it is another than the configured one."""

    @property
    def refused(self) -> bool:
        return refused(self.findings)

    @property
    def doubtful(self) -> bool:
        return worst(self.findings) is Severity.WARNING

    def handled(self, outcome: Outcome, archived: Archived | None = None, number: int = 0) -> Handled:
        """For whoever has handed it in. `number`: of one that waits."""
        status, flags = judge(self.faults)
        return Handled(
            outcome,
            tuple(Found(one.severity.value, one.check.text, one.text, one.portal) for one in self.findings),
            row=self.submission.row,
            meter=self.meter.id if self.meter is not None else self.submission.meter,
            obis=str(self.code) if self.code is not None else self.submission.obis,
            value=self.submission.value.strip(),
            unit=self.unit,
            at=self.at,
            type=self.kind.value if self.kind is not None else "",
            serial=self.serial,
            status=status.text if not self.refused else "",
            flags=tuple(flags.texts) if not self.refused else (),
            seq=archived.seq if archived is not None else 0,
            number=number,
        )


class Desk:
    """For one table, or one reading. `now`: when it is handed in; `hold`: what is doubtful is to wait."""

    def __init__(
        self,
        meters: Sequence[Meter],
        known: Known,
        zone: ZoneInfo,
        now: datetime,
        bounds: Bounds,
        *,
        hold: bool = False,
    ) -> None:
        self._meters = {meter.id: meter for meter in meters}
        self._points: dict[str, list[Meter]] = {}
        for meter in meters:
            self._points.setdefault(meter.point.eic, []).append(meter)
        self._known = known
        self._zone = zone
        self._begun = self._now = now
        self._bounds = bounds
        self._hold = hold

    def judged(self, submission: Submission, handed_in: datetime | None = None) -> Judged:
        """Look at one. `handed_in`: when that was, where it has waited since. ArchiveError when the archive cannot be
        read."""
        self._now = handed_in or self._begun
        found = Judged(submission)
        self._find_meter(found)
        self._find_time(found)
        found.kind = self._kind(found)
        found.value = state_of(submission.value, found.findings, decimals=submission.decimals)
        request_of(submission.request, found.kind, found.findings)
        if found.meter is None and submission.method is Method.FILE:
            number_of(submission.number, found.findings)  # all that is wrong with a row is told at once
        if found.meter is not None and found.day is not None:
            held = found.meter.ratio_on(found.day) if found.at is None else found.meter.ratio_at(found.at, self._zone)
            found.ratio = held
            self._find_number(found, found.meter, found.day)
            self._find_register(found, found.meter)
        if found.meter is not None and found.code is not None and found.at is not None and found.day is not None:
            self._compare(found, found.meter, found.code, found.at, found.day)
        return found

    def _find_meter(self, found: Judged) -> None:
        submission, findings = found.submission, found.findings
        if submission.meter:
            found.meter = self._meters.get(submission.meter)
            if found.meter is None:
                findings.append(Finding(Check.POINT, f"meter '{quoted(submission.meter)}' is not configured"))
            return
        eic = eic_of(submission.eic, findings)
        if eic is None:
            return
        meters = self._points.get(eic, [])
        if len(meters) == 1:
            found.meter = meters[0]
        elif meters:
            names = ", ".join(meter.id for meter in meters)
            findings.append(
                Finding(Check.POINT, f"several meters have the EIC {eic}: {names}; use `gatewayd reading add METER`")
            )
        else:
            findings.append(
                Finding(
                    Check.POINT,
                    f"no meter of the configuration has the EIC {eic}; add it as `point: {{eic: ...}}`",
                    portal.POINT,
                )
            )

    def _find_time(self, found: Judged) -> None:
        at, today = found.submission.at, self._now.astimezone(self._zone).date()
        if at is not None and at.year not in YEARS:
            found.findings.append(Finding(Check.DATE, f"the year {at.year} was mistyped"))
        elif at is not None:
            found.day = at.astimezone(self._zone).date()
            found.at = at.astimezone(UTC)
        else:
            found.day = date_of(found.submission.day, found.findings)
            if found.day is not None:
                found.at = instant(found.day, NOON, self._zone)
                if found.day == today:
                    found.at = min(found.at, self._now.replace(second=0, microsecond=0))
        if found.at is not None and found.at > self._now:
            found.findings.append(
                Finding(
                    Check.FUTURE,
                    f"{found.at.astimezone(self._zone):%d.%m.%Y %H:%M} is in the future; it is "
                    f"{self._now.astimezone(self._zone):%d.%m.%Y %H:%M}",
                )
            )

    def _kind(self, found: Judged) -> ReadingType | None:
        """Of a single reading the type may be left out: then it is for nobody else, and there is no deadline."""
        submission = found.submission
        if not submission.type and submission.method is not Method.FILE:
            return None
        kind = type_of(submission.type, found.findings)
        if kind is not None and found.day is not None:
            found.findings += date_findings(kind, found.day, self._now.astimezone(self._zone).date())
        return kind

    def _find_number(self, found: Judged, meter: Meter, day: date) -> None:
        submission, valid = found.submission, self._known.numbers(meter, day)
        if not submission.number.strip() and submission.method is not Method.FILE:
            found.serial = valid[-1] if valid else ""
            return
        number = number_of(submission.number, found.findings)
        if number is None or not valid:
            return
        match = next((one for one in valid if plain_serial(one) == plain_serial(number)), None)
        found.serial = match or ""
        if match is None:
            found.findings.append(
                Finding(
                    Check.NUMBER_VALID,
                    f"meter {meter.id} did not have the number {quoted(number)} on {day:%d.%m.%Y}, but "
                    f"{' and '.join(valid)}; read another meter?",
                    portal.OTHER_NUMBER.format(number=quoted(number), eic=meter.point.eic or meter.id),
                )
            )

    def _find_register(self, found: Judged, meter: Meter) -> None:
        submission = found.submission
        if submission.obis:
            try:
                found.code = Obis.parse(submission.obis)
            except ValueError:
                text = f"'{quoted(submission.obis)}' is no OBIS code; expected one such as 1-0:1.8.0"
                found.findings.append(Finding(Check.REGISTER, text))
                return
            found.meter = meter.owner(found.code)
        else:
            found.code = self._known.main_register(meter, submission.eic.strip())
        if found.code is None:
            found.findings.append(
                Finding(
                    Check.REGISTER,
                    f"which register of meter {meter.id} is meant is not known, because it was never read; "
                    "name it: --obis 1-0:1.8.0",
                )
            )

    def _compare(self, found: Judged, meter: Meter, code: Obis, at: datetime, day: date) -> None:
        submission, known, findings = found.submission, self._known, found.findings
        found.unit = submission.unit or known.unit(meter, code, at) or usual_unit(code)
        if not found.unit or not known.measures(meter, code, at, found.unit):
            is_other = (
                f"{quoted(found.unit)} does not measure what the archive has of" if found.unit else "not known for"
            )
            findings.append(
                Finding(Check.UNIT, f"the unit: {is_other} {code} of meter {meter.id}; give it: --unit kWh")
            )
            return
        self._look_for_others(found, meter, code, day)
        if found.value is None:
            return
        shown = known.places(meter, code, at, found.unit)
        if shown is not None and places(found.value) > shown:
            findings.append(
                Finding(
                    Check.STATE,
                    f"the state {quoted(submission.value)} has {places(found.value)} places behind the point, the "
                    f"register has {shown} in {found.unit}",
                )
            )
            return
        now = spot(at, found.value, found.serial, self._zone)
        bounds = self._bounds
        if submission.maximum > 0 and submission.maximum != bounds.maximum:
            found.maximum = Decimal(submission.maximum)
            bounds = Bounds(bounds.tolerance, found.maximum)
        doubts, faults = plausible.examine(now, found.unit, known.past(meter, code, found.unit, at), bounds)
        findings += doubts
        found.faults += faults
        if not found.refused and not (self._hold and found.doubtful):
            known.enter(meter, code, day, found.unit, now)

    def _look_for_others(self, found: Judged, meter: Meter, code: Obis, day: date) -> None:
        archived = self._known.by_hand(meter, code, day)
        if found.submission.correct:
            if archived is None:
                found.findings.append(
                    Finding(
                        Check.CORRECTION,
                        f"there is no reading by hand of {code} of {day:%d.%m.%Y} to correct; is it another day?",
                    )
                )
            else:
                found.corrects, found.at = archived.seq, archived.reading.at
        elif archived is not None:
            found.findings.append(
                Finding(
                    Check.DUPLICATE,
                    f"there is a reading by hand of {code} of {day:%d.%m.%Y} already, {archived.reading.raw_text} "
                    f"{archived.reading.unit} (seq {archived.seq}); `reading add --correct` takes its place",
                    portal.DUPLICATE,
                )
            )
        elif self._known.entered(meter, code, day):
            found.findings.append(
                Finding(
                    Check.DUPLICATE,
                    f"the table has another reading of {code} of {day:%d.%m.%Y}, further up",
                    portal.DUPLICATE,
                )
            )
