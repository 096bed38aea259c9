"""What VictoriaMetrics throws away after it has acknowledged it, as far as its own counters show.

Rules: pure; counters that went back were reset by a restart and count from 0. They count values, of which a reading has
up to five, of all clients together.
"""

import re
from collections.abc import Mapping

_COUNTER = re.compile(
    r'^vm_rows_(?:ignored_total\{[^}]*?reason="(?P<reason>[^"]*)"[^}]*\}|invalid_total\{type="influx"\})'
    r" (?P<count>\d+)(?:\.0*)?$",
    re.MULTILINE | re.ASCII,
)
METRICS_LIMIT = 4 * 1024 * 1024
"""Bytes of /metrics that are read."""
INVALID = "invalid line"

_MEANING = {
    "small_timestamp": "they are older than -retentionPeriod",
    "big_timestamp": "their time lies more than two days ahead",
}


def counts(metrics: str) -> dict[str, int]:
    """How many values were thrown away since the start, by reason, from the text of /metrics."""
    found: dict[str, int] = {}
    for match in _COUNTER.finditer(metrics):
        key = match["reason"] if match["reason"] is not None else INVALID
        found[key] = found.get(key, 0) + int(match["count"])
    return found


def risen(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """By how much each counter has risen; only those that have."""
    rises = {}
    for key, count in after.items():
        earlier = before.get(key, 0)
        rise = count - earlier if count >= earlier else count
        if rise:
            rises[key] = rise
    return rises


def described(rises: Mapping[str, int]) -> str:
    """The rises for people: `12 of reason small_timestamp (they are older than -retentionPeriod)`."""
    return ", ".join(
        f"{count} of reason {key} ({_MEANING.get(key, 'see its log')})" for key, count in sorted(rises.items())
    )
