"""Checks that everything gatewayd runs on may be combined with GPL-2.0-only: `python -m scripts.licences`.

Rules: looks at the installed distributions that requirements.lock names, so at what is really used, and believes their
metadata: the SPDX expression, else the classifiers, else the free text. Of `A OR B` one allowed side is enough, of
`A AND B` both are needed. A licence that nobody has judged is refused. Reasons: docs/adr/0001-licence-gpl-2.0-only.md.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from scripts import lockfile

LOCK = Path(__file__).parent.parent / "requirements.lock"

# SPDX identifiers, and below them the words of metadata that is older than SPDX expressions.
ALLOWED = frozenset(
    {
        "0BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "GPL-2.0-only",
        "GPL-2.0-or-later",
        "ISC",
        "LGPL-2.1-only",
        "LGPL-2.1-or-later",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
CLASSIFIERS = {
    "BSD License": "BSD-3-Clause",  # the classifier does not say which BSD; 2 and 3 clauses are both allowed
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
FREE_TEXT = {
    "any-OSI": "MIT",  # apsw: any licence that the Open Source Initiative has approved; MIT is one
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "MIT License": "MIT",
}

_PREFIX = "License :: OSI Approved :: "
_WORD = re.compile(r"[()]|[^\s()]+")


def licence_of(dist: Distribution) -> str:
    """What the metadata says, as an SPDX expression where its words are known, else in its own words."""

    def field(name: str) -> list[str]:
        return [str(value).strip() for value in dist.metadata.get_all(name) or []]

    expressions = field("License-Expression")
    if expressions:
        return expressions[0]
    classifiers = [name.removeprefix(_PREFIX) for name in field("Classifier") if name.startswith(_PREFIX)]
    if classifiers:  # several may mean either or both: both is the safe reading
        return " AND ".join(CLASSIFIERS.get(name, repr(name)) for name in classifiers)
    text = "".join(field("License")[:1])
    return FREE_TEXT.get(text, text.partition("\n")[0] or "not stated")


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression leaves a choice in which every licence is allowed. Text that is no expression: no."""
    words = _WORD.findall(expression)
    position = 0

    def peek() -> str:
        return words[position].upper() if position < len(words) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return words[position - 1] if position <= len(words) else ""

    def either() -> bool:
        result = both()
        while peek() == "OR":
            take()
            result = both() or result  # in this order: the right side has to be consumed in any case
        return result

    def both() -> bool:
        result = single()
        while peek() == "AND":
            take()
            result = single() and result
        return result

    def single() -> bool:
        word = take()
        if word == "(":
            result = either()
            return take() == ")" and result
        if peek() == "WITH":  # an exception only ever permits more
            take()
            take()
        return word in ALLOWED

    allowed = either()
    return allowed and position == len(words)


def finding(dist: Distribution) -> str | None:
    """Why a distribution may not be used, and what to do; None when it may."""
    licence = licence_of(dist)
    if is_allowed(licence):
        return None
    return (
        f"{dist.name} {dist.version}: its licence is {licence}, which is not known to go with GPL-2.0-only.\n"
        f"  What to do: use another package; or make it an optional extra in pyproject.toml, so that it leaves"
        f" requirements.lock;\n  or, when the licence is compatible after all, add it to scripts/licences.py with the"
        f" reason in docs/adr/0001-licence-gpl-2.0-only.md."
    )


def main() -> int:
    """0 when every locked distribution is installed and allowed, else 1 with the findings on standard error."""
    findings: list[str] = []
    pins = lockfile.read(LOCK)
    for pin in pins.values():
        try:
            found = finding(distribution(pin.name))
        except PackageNotFoundError:
            found = f"{pin.name} {pin.version}: in requirements.lock but not installed. What to do: run ./dev setup"
        if found:
            findings.append(found)
    for found in findings:
        print(found, file=sys.stderr)
    print(f"licences: {len(pins) - len(findings)} of {len(pins)} distributions go with GPL-2.0-only")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
