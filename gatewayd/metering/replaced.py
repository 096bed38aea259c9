"""What a substitute value stands for, in the words of its reason.

Rules: pure. What rules have found on the value that was there before stands in these words only: it is no finding on
the substitute.
"""

from gatewayd.metering.values import Value


def said(old: Value | None) -> str:
    """`missing (the meter has no row)`, `distorted 9999 (above_maximum)`."""
    if old is None:
        return "nothing read"
    amount = "" if old.amount is None else f" {old.amount:f}"
    why = "; ".join(part for part in (", ".join(old.rules), old.reason, ", ".join(old.flags.texts)) if part)
    return f"{old.status.text}{amount}{f' ({why})' if why else ''}"
