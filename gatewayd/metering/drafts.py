"""What each interval of a profile gets in place of its own value, before anybody says whether that is settled.

    control metering -> straight line -> median of comparable days, then both of these scaled to the registers

Rules: pure, exact, and made of true values only. Nothing is taken that is more than an interval can have. Where the
advance of a register is known, the intervals that were estimated share out what the others leave of it, in proportion
to their estimates, and together are the advance to the last digit; values of control metering stay as they are. Nothing
is scaled, and the reason says why, where something is unknown within an advance, where the register was read within an
interval, where the others have more, where an interval would have more than it can, and where the register is so coarse
that it says nothing against the estimates.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from gatewayd.legal_time import end_label, ends_between, legal_day, start_label
from gatewayd.metering.basis import Advance, Basis
from gatewayd.metering.comparable import comparable_to
from gatewayd.metering.day_class import day_class
from gatewayd.metering.exact import finest, rounded, sane, shares
from gatewayd.metering.findings import shown
from gatewayd.metering.interpolate import gap_around, on_the_line
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method

_COARSE = 10
"""One digit of the register at both states that is more than this part of the estimates is no measure of them: lines
and medians are as exact themselves."""


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
            made = (method(at) for method in (self._of_control, self._of_line, self._of_days))
            believed = (one for one in made if one is not None and not self._basis.too_much(one.amount))
            self._drafts[at] = next(believed, None)
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
        zone, unit = self._basis.zone, self._basis.series.channel.unit
        span = f"{advance.amount:f} {unit} from {start_label(advance.start, zone)} to {end_label(advance.end, zone)}"
        parts = self._parts(advance)
        why, given = self._given(advance, parts) if parts.free else ("", [])
        for number, (at, draft) in enumerate(parts.free.items()):
            if why:
                reason = f"{draft.reason}; not scaled to the register advance of {span}: {why}"
                self._drafts[at] = replace(draft, reason=reason)
            else:
                reason = f"{draft.reason}; scaled to the register advance of {span}"
                inputs = draft.inputs | parts.inputs
                self._drafts[at] = replace(draft, given=given[number], inputs=inputs, reason=reason)

    def _given(self, advance: Advance, parts: "_Parts") -> tuple[str, list[Decimal]]:
        """Why nothing is scaled, or what each estimate becomes."""
        basis, free = self._basis, list(parts.free.values())
        if not advance.on_grid(basis.period, basis.zone):
            return "the register was read within an interval", []
        if parts.unknown or not sane(advance.amount):
            return "not all of its intervals are known", []
        left = Fraction(advance.amount) - sum(map(Fraction, parts.fixed))
        weights = [draft.estimate for draft in free]
        whole, doubt = sum(weights, Fraction(0)), 2 * Fraction(advance.digit)
        if left != whole and abs(left - whole) <= doubt and _COARSE * doubt > whole:
            digit = shown(advance.digit, basis.series.channel.unit)
            return f"its last digit is {digit}, and the estimates are within one of it at each state", []
        if left < 0 or min(weights) < 0:
            return "other intervals have more", []
        places = max(finest([advance.amount, *parts.fixed]), *(draft.places for draft in free))
        given = shares(left, weights, places)
        if any(map(basis.too_much, given)):
            return "an interval would have more than its connection carries", []
        return "", given

    def _parts(self, advance: Advance) -> "_Parts":
        """The intervals that end within an advance."""
        basis = self._basis
        found = _Parts(inputs=frozenset(advance.inputs))
        for at in ends_between(advance.start, advance.end, basis.period, basis.zone):
            if not self._wanted(at):
                found.fix(basis.whole(at), basis.inputs([at]))
                continue
            draft = self._alone(at)
            if draft is not None and draft.given is None:
                found.free[at] = draft
            else:
                found.fix(None if draft is None else draft.given, draft.inputs if draft else ())
        return found


@dataclass(slots=True)
class _Parts:
    """What is within an advance: amounts that stand, estimates, what the former and the advance are made of, and
    whether there is something that nobody knows."""

    inputs: frozenset[int]
    fixed: list[Decimal] = field(default_factory=list)
    free: dict[datetime, Draft] = field(default_factory=dict)
    unknown: bool = False

    def fix(self, amount: Decimal | None, inputs: Iterable[int]) -> None:
        """This stands; None: nobody knows it."""
        if amount is None:
            self.unknown = True
        else:
            self.fixed.append(amount)
            self.inputs |= frozenset(inputs)


def _listed(days: Iterable[date]) -> str:
    return ", ".join(day.isoformat() for day in days)
