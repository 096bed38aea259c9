"""Readings by hand in the configuration: how many in a file, how far from the usual, and whether doubtful ones wait.

Rules: what is checked with these numbers says gatewayd.manual. The maximum is the error behind the warning, and so not
below the tolerance.
"""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from gatewayd.options import Options

MOST_ROWS, TOLERANCE, MAXIMUM = 500, Decimal(3), Decimal(20)
Times = Annotated[Decimal, Field(gt=1, le=10**6)]


class ManualSettings(Options):
    """Readings that people have taken, one by one or as tables."""

    most_rows: int = Field(default=MOST_ROWS, ge=1, le=10_000)
    """So many readings may be in one file that is imported."""
    tolerance: Times = TOLERANCE
    """So many times the comparable consumption, or so small a part of it, is doubtful; such as 3 or 2.5."""
    maximum: Times = MAXIMUM
    """More than so many times the comparable consumption is an error; at least the tolerance."""
    hold: bool = False
    """Whether doubtful readings of a file wait until another person releases them, unless somebody says --no-hold."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.maximum < self.tolerance:
            raise ValueError(f"has maximum {self.maximum} below tolerance {self.tolerance}; expected at least as much")
        return self


MANUAL = ManualSettings()
