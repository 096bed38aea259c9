"""Writes docs/status.md from the table in gatewayd/status.py: `python -m scripts.status_table`.

A test compares the file with the code, so that the page cannot lag behind.
"""

from pathlib import Path

from gatewayd.model import Flag, RawStatus
from gatewayd.status import TABLE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "status.md"

_HEAD = """# Status and flags of a reading

Written by `python -m scripts.status_table` from `gatewayd/status.py`; do not edit.

The five statuses of PPDS annex 5 (2.12), the worst of several wins:

| number | status |
|---|---|
"""

_FAULTS = """
Flags say why. They are independent of the status; their bits never change their meaning, because archives keep them.

## From fault to status
| fault | status | flag | meaning |
|---|---|---|---|
"""

_FLAGS = """
When a whole block is unsound, all its values are distorted, also those that came empty: nothing in it is believed.

## All flags
| bit | flag |
|---|---|
"""


def page() -> str:
    """The whole text of docs/status.md."""
    statuses = "".join(f"| {int(status)} | `{status.text}` |\n" for status in RawStatus)
    faults = "".join(
        f"| {fault.name.lower().replace('_', ' ')} | `{rule.status.text}` | `{rule.flag.texts[0]}` | {rule.meaning} |\n"
        for fault, rule in TABLE.items()
    )
    flags = "".join(f"| {int(flag)} | `{flag.texts[0]}` |\n" for flag in Flag)
    return _HEAD + statuses + _FAULTS + faults + _FLAGS + flags


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
