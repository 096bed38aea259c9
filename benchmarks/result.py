"""The answer of one benchmark: what was measured, against what, and whether the promised bound holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """`measured` and `reference` are in the same `unit` (empty for plain numbers); `ratio` is what the bound is about.

    `bound` is the promise in words, for instance "at most 1.5" or "at least 20 %"; `ok` says whether it was kept.
    """

    name: str
    measured: float
    reference: float
    ratio: float
    bound: str
    ok: bool
    unit: str = ""
