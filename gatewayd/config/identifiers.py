"""The identifiers that people copy by hand: ids, EIC and EAN, and what can be said about their check characters.

Rules: the form of an EIC or EAN (length, characters, prefix) must be right; a wrong check character is only worth a
warning, because the operators' own samples have wrong ones.
"""

import re
from typing import Annotated

from pydantic import Field

Id = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        json_schema_extra={"x-expected": "an id of 1 to 64 characters A-Z, a-z, 0-9, '.', '_' and '-'"},
    ),
]
"""Ids become levels of MQTT topics and names of files."""

_EIC_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
EAN_PREFIX = "859182400"

Eic = Annotated[
    str,
    Field(
        pattern=r"^([0-9A-Z-]{16})?$",
        json_schema_extra={"x-expected": "an EIC: 16 characters 0-9, A-Z (capitals) and '-'"},
    ),
]
Ean = Annotated[
    str,
    Field(
        pattern=rf"^({EAN_PREFIX}[0-9]{{9}})?$",
        json_schema_extra={"x-expected": f"an electricity EAN: 18 digits that begin with {EAN_PREFIX}"},
    ),
]

_EIC_FORM = re.compile(r"[0-9A-Z-]{16}")
_EAN_FORM = re.compile(rf"{EAN_PREFIX}[0-9]{{9}}")


def eic_check(body: str) -> str:
    """The check character of the first 15 characters of an EIC. `-` means that there is no valid one."""
    total = sum((16 - place) * _EIC_ALPHABET.index(character) for place, character in enumerate(body))
    return _EIC_ALPHABET[36 - (total - 1) % 37]


def eic_doubt(eic: str) -> str | None:
    """What is wrong with the check character; None when it is right or the form is not that of an EIC."""
    if not _EIC_FORM.fullmatch(eic):
        return None
    check = eic_check(eic[:15])
    if check == "-":
        return "the EIC cannot be right: its check character would be '-', which is never given out"
    if check != eic[15]:
        return f"the check character of the EIC should be '{check}', not '{eic[15]}'; copied wrongly?"
    return None


def ean_check(body: str) -> str:
    """The GS1 check digit: weights 3, 1, 3, ... from the right of the body."""
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def ean_doubt(ean: str) -> str | None:
    """What is wrong with the check digit; None when it is right or the form is not that of an electricity EAN."""
    if not _EAN_FORM.fullmatch(ean):
        return None
    check = ean_check(ean[:-1])
    if check != ean[-1]:
        return f"the check digit of the EAN should be {check}, not {ean[-1]}; copied wrongly?"
    return None
