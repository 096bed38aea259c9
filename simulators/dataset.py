"""Data sets of a readout, found by their code, for meters that are asked for one value.

Rules: a code is found in the form in which it was asked for or with `A-B:` and `*255` left out on either side; the
answer is the meter's own text, never rewritten. Written from IEC 62056-21 6.3.6 (syntax of the data block) alone.
"""

from __future__ import annotations

import re

# The serial number: C.1 in VDEW's reduced codes, 0.0.0 in OBIS's.
SERIAL_CODES = ("C.1.0", "0.0.0", "C.1")

_DATA_SET = re.compile(rb"(?P<code>[^()/!\r\n]+)(?P<values>(?:\([^()\r\n]*\))+)")
_REDUCED = re.compile(r"^\d{1,3}-\d{1,3}:|\*255$")


def reduced(code: str) -> str:
    """The code without `A-B:` and `*255`."""
    return _REDUCED.sub("", code)


def find(body: bytes, code: str) -> tuple[bytes, bytes] | None:
    """Code and values (with their parentheses) of the first data set with this code; None when there is none."""
    loose = None
    for match in _DATA_SET.finditer(body):
        found = match["code"].decode("latin-1")
        if found == code:
            return match["code"], match["values"]
        if loose is None and reduced(found) == reduced(code):
            loose = match["code"], match["values"]
    return loose


def serial_number(body: bytes) -> bytes:
    """The meter's serial number without parentheses; empty when the readout does not tell."""
    for code in SERIAL_CODES:
        if (found := find(body, code)) is not None:
            return found[1].partition(b")")[0].removeprefix(b"(")
    return b""
