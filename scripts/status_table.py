"""Writes docs/status.md from the table in gatewayd/status.py: `python -m scripts.status_table`.

A test compares the file with the code, so that the page cannot lag behind.
"""

from pathlib import Path

from gatewayd.model import Flag, RawStatus
from gatewayd.status import OUTCOMES, TABLE
from scripts.status_words import clock_status, gaps, words

PAGE = Path(__file__).resolve().parents[1] / "docs" / "status.md"

_HEAD = """# Status and flags of a reading

Written by `python -m scripts.status_table` from `gatewayd/status.py` and the vendor profiles; do not edit. Codes of
other systems for the same: [mqtt/codes.md](mqtt/codes.md).

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

_OUTCOMES = """
When a whole block is unsound, all its values are distorted, also those that came empty: nothing in it is believed.

## What the end of an exchange means for its values
| outcome | meaning |
|---|---|
"""

_FLAGS = """
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
    outcomes = "".join(f"| `{outcome.value}` | {text} |\n" for outcome, text in OUTCOMES.items())
    flags = "".join(f"| {int(flag)} | `{flag.texts[0]}` |\n" for flag in Flag)
    head = _HEAD + statuses + _FAULTS + faults + _OUTCOMES + outcomes
    return head + words() + clock_status() + gaps() + _FLAGS + flags


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
