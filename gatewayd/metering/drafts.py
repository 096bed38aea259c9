"""What each interval of a profile gets in place of its own value, before anybody says whether that is settled.

    control metering -> straight line -> median of comparable days, then both of these scaled to the registers

Rules: pure, exact, and made of true values only. Where the advance of a register is known, the intervals that were
estimated share out what the others leave of it, in proportion to their estimates, and together are the advance to the
last digit; values of control metering stay as they are. Where something is unknown within an advance, or the others
have more than it, nothing is scaled.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from gatewayd.legal_time import end_label, ends_between, legal_day
from gatewayd.metering.basis import Advance, Basis
from gatewayd.metering.comparable import comparable_to
from gatewayd.metering.day_class import day_class
from gatewayd.metering.exact import finest, rounded, sane, shares
from gatewayd.metering.interpolate import gap_around, on_the_line
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method


@dataclass(frozen=True, slots=True)
class Draft:
    """`estimate`: what was made for the interval alone; `places` are those of the finest amount in it. `given`: what
    it has of control metering, or as its share of an advance. `days`: how many comparable days are in it."""

    estimate: Fraction
    places: int
    method: Method
    inputs: frozenset[int]
    reason: str
    days: int = 0
    given: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        """What the interval gets."""
        return rounded(self.estimate, self.places) if self.given is None else self.given


class Drafts:
    """The drafts of one basis. `wanted`: whether the interval that ends then is to be substituted."""

    def __init__(self, basis: Basis, terms: SubstitutionTerms, wanted: Callable[[datetime], bool]) -> None:
        self._basis, self._terms, self._wanted = basis, terms, wanted
        self._drafts: dict[datetime, Draft | None] = {}
        self._shared: set[Advance] = set()

    def of(self, at: datetime) -> Draft | None:
        """What the interval gets that ends then; None where nothing can be made for it."""
        draft = self._alone(at)
        if draft is None or draft.method is Method.CONTROL or not self._terms.scale:
            return draft
        for advance in self._basis.advances_of(legal_day(at, self._basis.zone)):
            if advance.start < at <= advance.end and advance not in self._shared:
                self._shared.add(advance)
                self._share(advance)
        return self._drafts[at]

    def _alone(self, at: datetime) -> Draft | None:
        if at not in self._drafts:
            self._drafts[at] = self._of_control(at) or self._of_line(at) or self._of_days(at)
        return self._drafts[at]

    def _of_control(self, at: datetime) -> Draft | None:
        control = self._basis.control
        amount = self._basis.of_control(at) if self._terms.use_control else None
        if control is None or amount is None:
            return None
        inputs = frozenset(self._basis.other[at].inputs)
        reason = f"the value of the control metering {control.channel.point}"
        return Draft(Fraction(amount), finest([amount]), Method.CONTROL, inputs, reason, given=amount)

    def _of_line(self, at: datetime) -> Draft | None:
        basis = self._basis
        gap = gap_around(at, basis, self._terms.gap_of(basis.period))
        if gap is None:
            return None
        reason = (
            f"straight line over {gap.count} {'interval' if gap.count == 1 else 'intervals'} between the true ones of "
            f"{end_label(gap.before, basis.zone)} and {end_label(gap.after, basis.zone)}"
        )
        inputs = frozenset(basis.inputs([gap.before, gap.after]))
        return Draft(on_the_line(at, gap, basis), finest(gap.amounts), Method.INTERPOLATED, inputs, reason)

    def _of_days(self, at: datetime) -> Draft | None:
        basis = self._basis
        found = comparable_to(at, basis, self._terms.weeks)
        if found is None:
            return None
        kind = day_class(legal_day(at, basis.zone), basis.holiday).text
        reason = f"median of {kind} before at the same legal time: {_listed(found.days)}"
        inputs = frozenset(basis.inputs(found.ends))
        return Draft(found.median, finest(found.amounts), Method.COMPARABLE, inputs, reason, len(found.days))

    def _share(self, advance: Advance) -> None:
        """Scale what was estimated within an advance, so that all intervals together are the advance exactly."""
        split = self._split(advance)
        if split is None or not split[1]:
            return
        fixed, free, inputs = split
        left = Fraction(advance.amount) - sum(map(Fraction, fixed))
        weights = [draft.estimate for draft in free.values()]
        zone, unit = self._basis.zone, self._basis.series.channel.unit
        span = f"{advance.amount} {unit} from {end_label(advance.start, zone)} to {end_label(advance.end, zone)}"
        if left < 0 or min(weights) < 0:
            for at, draft in free.items():
                reason = f"{draft.reason}; not scaled to the register advance of {span}, other intervals have more"
                self._drafts[at] = replace(draft, reason=reason)
            return
        places = max(finest([advance.amount, *fixed]), *(draft.places for draft in free.values()))
        for (at, draft), part in zip(free.items(), shares(left, weights, places), strict=True):
            reason = f"{draft.reason}; scaled to the register advance of {span}"
            self._drafts[at] = replace(draft, given=part, inputs=draft.inputs | inputs, reason=reason)

    def _split(self, advance: Advance) -> tuple[list[Decimal], dict[datetime, Draft], frozenset[int]] | None:
        """The intervals of an advance: amounts that stand, estimates, and what the former and the advance are made of;
        None where something is unknown."""
        basis = self._basis
        ends = ends_between(advance.start, advance.end, basis.period, basis.zone)
        if not ends or ends[0] - basis.period != advance.start or ends[-1] != advance.end or not sane(advance.amount):
            return None
        fixed: list[Decimal] = []
        free: dict[datetime, Draft] = {}
        inputs = set(advance.inputs)
        for at in ends:
            if self._wanted(at):
                draft = self._alone(at)
                if draft is None:
                    return None
                if draft.given is None:
                    free[at] = draft
                else:
                    fixed.append(draft.given)
                    inputs |= draft.inputs
            else:
                amount = basis.whole(at)
                if amount is None:
                    return None
                fixed.append(amount)
                inputs.update(basis.inputs([at]))
        return fixed, free, frozenset(inputs)


def _listed(days: Iterable[date]) -> str:
    return ", ".join(day.isoformat() for day in days)
