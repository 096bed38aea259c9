"""The configuration as the loader and `gatewayd check` judge it.

Rules: a fault has its line; of a great many warnings the first ones are shown. Pure.
"""

from collections.abc import Iterable
from pathlib import Path

from gatewayd.doctor.findings import Finding, error, fine, warning
from gatewayd.errors import Finding as Fault

AREA = "configuration"
_SHOWN = 20


def judged_faults(path: Path, faults: Iterable[Fault]) -> list[Finding]:
    """Why it cannot be used."""
    return [error(AREA, str(path), fault.text(path.name), f"gatewayd -c {path} check") for fault in faults]


def judged_warnings(path: Path, summary: str, warnings: Iterable[Fault]) -> list[Finding]:
    """`summary` says what is in it."""
    known = list(warnings)
    found = [fine(AREA, str(path), summary)]
    found += [warning(AREA, str(path), one.text(path.name), f"gatewayd -c {path} check") for one in known[:_SHOWN]]
    if len(known) > _SHOWN:
        text = f"{len(known) - _SHOWN} more warnings"
        found.append(warning(AREA, str(path), text, f"gatewayd -c {path} check"))
    return found
