"""Counts in the texts of the command line.

Rules: pure, and imports nothing, because `status` has half a second.
"""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 line`, `2 lines`; `plural` where that is not the noun with an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
