"""How several values become one: exact sums, the worst status, everything that they were made of.

Rules: pure. Sums and products are exact (512 digits hold whatever a meter can send); a quotient has 40 digits and is
rounded to the even one (HALF_EVEN), to be rounded again only where it is shown. Nothing depends on the context of the
thread or on the order of the values. A value that is missing, also a partial one, makes the result missing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, localcontext
from itertools import chain

from gatewayd.legal_time import QUARTER
from gatewayd.metering.values import Method, Series, Value, merged_flags, worst
from gatewayd.model import RawStatus

ZERO = Decimal(0)
_ONE, _MINUS_ONE = Decimal(1), Decimal(-1)
_EXACT = Context(prec=512, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_QUOTIENT = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, exact, with all digits of the amounts; 0 of none."""
    with localcontext(_EXACT):
        return sum(amounts, ZERO)


def times(amount: Decimal, factor: Decimal) -> Decimal:
    """The product, exact; a factor of 1 or -1 adds no digits."""
    if factor == _ONE:
        return amount
    return _EXACT.minus(amount) if factor == _MINUS_ONE else _EXACT.multiply(amount, factor)


def less(amount: Decimal, other: Decimal) -> Decimal:
    """The difference, exact."""
    return _EXACT.subtract(amount, other)


def rest(amount: Decimal, divisor: Decimal) -> Decimal:
    """What is left of a division without a fraction, exact, with the sign of the amount. InvalidOperation for 0."""
    return _EXACT.remainder(amount, divisor)


def over(amount: Decimal, divisor: Decimal) -> Decimal:
    """The quotient, to 40 digits. ZeroDivisionError."""
    return _QUOTIENT.divide(amount, divisor)


def gathered(
    at: datetime,
    seconds: int,
    values: Sequence[Value],
    amount: Decimal | None,
    *,
    want: int,
    absent: bool = False,
    method: Method = Method.AGGREGATE,
    instant: datetime | None = None,
    what: str = "the sum of",
    besides: str = "",
) -> Value:
    """The value that is made of all of these: worst status, all flags, inputs and rules, and what is there counted.
    `absent`: something belongs to it of which there is not even a missing value. The reason is `what` and how
    many, then what is to be said `besides`."""
    found = [one for one in values if one.amount is not None]
    status = RawStatus.MISSING if absent or amount is None or len(found) < len(values) else worst(found)
    have = held(values)
    if amount is not None:
        reason = f"{what} {counted(have, want)}"
    else:
        reason = f"only {counted(have, want)} are there" if have else f"nothing of {counted(want, want)}"
    return Value(
        at,
        seconds,
        amount,
        status,
        merged_flags(values),
        tuple(sorted(set(chain.from_iterable([one.inputs for one in values])))),
        method if have else Method.NONE,
        have,
        want,
        instant,
        merged_rules(values),
        f"{reason}: {besides}" if besides else reason,
    )


def alone(one: Value) -> Value:
    """What `gathered` makes of one whole value that fills the interval, sooner: quarter-hours of quarter-hours."""
    return Value(
        one.at,
        one.seconds,
        None if one.amount is None else _EXACT.add(one.amount, ZERO),
        one.status,
        one.flags,
        one.inputs,
        Method.AGGREGATE,
        one.have,
        one.want,
        None,
        merged_rules((one,)) if one.rules else (),
        f"the sum of {counted(one.have, one.want)}",
    )


def merged_rules(values: Iterable[Value]) -> tuple[str, ...]:
    """The names of the rules that found something in any of these, each once, by the alphabet."""
    return tuple(sorted(set(chain.from_iterable([one.rules for one in values if one.rules]))))


def held(values: Iterable[Value]) -> int:
    """How many intervals of the metering profile these have; a sum that is missing knows how many were there."""
    return sum([one.have for one in values if one.amount is not None or one.want > 1])


def wanted(seconds: int, like: Value | None, period: timedelta = QUARTER) -> int:
    """How many intervals are counted in a time of which nothing is there: as many in proportion as in a value of the
    same series; where there is none, those of the metering period."""
    if like is None:
        return -(-seconds // round(period.total_seconds()))
    return -(-seconds * like.want // like.seconds)


def counted(have: int, want: int) -> str:
    """How people say it: `95 of 96 intervals`, `96 intervals`, `1 interval`."""
    noun = "interval" if want == 1 else "intervals"
    return f"{want} {noun}" if have == want else f"{have} of {want} {noun}"


def named(series: Series) -> str:
    """Whose values these are, for errors: `point north 1-0:1.29.0*255`."""
    return f"point {series.channel.point} {series.channel.obis}"
