"""OBIS identification codes: what a reading measures (IEC 62056-6-1, reduced forms of IEC 62056-21 annex and EDIS).

Rules: `str()` gives the canonical text `A-B:C.D.E*F`, and parsing that text gives the same code. What the meter wrote
is kept elsewhere (`obis_raw`); here it is only understood, never corrected. Equal codes mean the same.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

# Letters that stand for the value of group C or D in reduced codes (EDIS): C.1.0 serial, F.F error, P.01 profile.
_LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}
_LETTER_OF = {value: letter for letter, value in _LETTERS.items()}

_FULL = re.compile(
    r"(?:(?P<a>\d{1,3})-)?(?:(?P<b>\d{1,3}):)?"
    r"(?P<c>\d{1,3}|[CFLP])\.(?P<d>\d{1,3}|[CFLP])(?:\.(?P<e>\d{1,3}))?"
    r"(?:(?P<mark>[*&.])(?P<f>\d{1,3}|FF))?",
    re.ASCII,
)
_DOTTED = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)

CURRENT = 255
"""Group F of a value that is not history."""


@dataclass(frozen=True, slots=True, order=True)
class Obis:
    """One OBIS code. Groups are 0..255; `f` is 255 for the current value, else the billing period of a history value.

    `manual` is true where the meter wrote `&` instead of `*`: the period was ended by hand or by a command.
    Ordering is by group, A first.
    """

    a: int
    b: int
    c: int
    d: int
    e: int = 0
    f: int = CURRENT
    manual: bool = False
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for group, value in zip("ABCDEF", self.groups, strict=True):
            if not 0 <= value <= 255:
                raise ValueError(f"OBIS group {group} is {value}, expected 0 to 255")
        text = f"{self.a}-{self.b}:{self.c}.{self.d}.{self.e}{'&' if self.manual else '*'}{self.f}"
        object.__setattr__(self, "_text", text)  # asked for a thousand times for each day of a profile

    def __hash__(self) -> int:
        return hash(self._text)

    @property
    def groups(self) -> tuple[int, int, int, int, int, int]:
        return self.a, self.b, self.c, self.d, self.e, self.f

    @property
    def historical(self) -> bool:
        """True for the stored value of a past billing period."""
        return self.f != CURRENT

    @classmethod
    def parse(cls, text: str, medium: int = 1) -> Self:
        """The code that `text` means; ValueError when it is no OBIS code.

        Accepted: full `1-0:1.8.0*255`, reduced `1.8.0`, `1.8`, `C.1.0`, `F.F`, `P.01`, with history marks `*05`, `&05`
        or a fourth dotted group, and six dotted groups `1.0.1.8.0.255`. `medium` is group A of a reduced code that
        names none (1 electricity, 6 heat, 7 gas); abstract objects (C 94 to 98) stay group A = 0.
        """
        groups = _groups(text, medium)
        if groups is None:
            raise ValueError(f"'{text}' is not an OBIS code; expected A-B:C.D.E*F, C.D.E, C.1.0, F.F or P.01")
        return cls(*groups)

    def __str__(self) -> str:
        return self._text

    def reduced(self) -> str:
        """The short form that people use: `1.8.0`, `C.1.0`, `F.F`, `1.8.0*5`; full where A-B cannot be left out."""
        if (self.a, self.b) != (_default_medium(self.c, 1), 0):
            return str(self)
        if (self.c, self.d, self.e) == (97, 97, 0):
            text = "F.F"
        elif self.c == _LETTERS["P"]:
            text = f"P.{self.d:02d}" if self.e == 0 else f"P.{self.d:02d}.{self.e}"
        else:
            text = f"{_LETTER_OF.get(self.c, self.c)}.{self.d}.{self.e}"
        if self.f == CURRENT and not self.manual:
            return text
        return f"{text}{'&' if self.manual else '*'}{self.f}"


def _default_medium(c: int, medium: int) -> int:
    """Group A of a reduced code: 1-0 for C up to 93, 0-0 for the abstract objects above (EDIS general objects).

    The load profiles and logs P.01 and P.98 belong to the medium (1-0:99.1.0)."""
    return 0 if 94 <= c <= 98 else medium


@lru_cache(maxsize=8192)
def _groups(text: str, medium: int) -> tuple[int, int, int, int, int, int, bool] | None:
    text = text.strip()
    dotted = _DOTTED.fullmatch(text)
    if dotted:
        a, b, c, d, e, f = (int(part) for part in dotted.groups())
        return _checked(a, b, c, d, e, f, False)
    match = _FULL.fullmatch(text)
    if match is None:
        return None
    c = _number(match["c"])
    a = int(match["a"]) if match["a"] is not None else _default_medium(c, medium)
    b = int(match["b"]) if match["b"] is not None else 0
    f = CURRENT if match["f"] in (None, "FF") else int(match["f"])
    return _checked(
        a,
        b,
        c,
        _number(match["d"]),
        int(match["e"]) if match["e"] is not None else 0,
        f,
        match["mark"] == "&",
    )


def _checked(
    a: int, b: int, c: int, d: int, e: int, f: int, manual: bool
) -> tuple[int, int, int, int, int, int, bool] | None:
    return (a, b, c, d, e, f, manual) if max(a, b, c, d, e, f) <= 255 else None


def _number(group: str) -> int:
    return _LETTERS.get(group) or int(group)
