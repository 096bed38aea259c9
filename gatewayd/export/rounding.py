"""Numbers rounded for those who cannot take all digits: half to even, as Decimals.

Rules: pure; the context of the thread is never asked. What has no more digits than fit stays as it is written.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

_WIDE = Context(prec=1000, rounding=ROUND_HALF_EVEN)


def rounded(number: Decimal, places: int) -> Decimal:
    """With exactly so many digits behind the point."""
    return number.quantize(Decimal((0, (1,), -places)), context=_WIDE)


def at_most(number: Decimal, places: int) -> Decimal:
    """With at most so many digits behind the point; where it had more, without zeros at its end."""
    return number if -_exponent(number) <= places else _trimmed(rounded(number, places))


def significant(number: Decimal, digits: int) -> Decimal:
    """The same with at most so many digits in all, too."""
    if len(number.as_tuple().digits) <= digits and -_exponent(number) <= digits:
        return number
    return _trimmed(rounded(number, min(digits - 1 - number.adjusted(), digits)))


def _trimmed(number: Decimal) -> Decimal:
    """Without zeros at the end of what is behind the point."""
    while _exponent(number) < 0 and number.as_tuple().digits[-1] == 0:
        number = rounded(number, -_exponent(number) - 1)
    return number


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)
