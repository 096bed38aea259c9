"""Whether the versions of a derived archive are what they ought to be: 1 to n, each superseding the one before."""

from datetime import datetime
from pathlib import Path

from gatewayd.archive.follow import Follower
from gatewayd.daemon.derived import derived_folder
from gatewayd.metering.record import derived_of
from gatewayd.model import Kind


def broken_chains(folder: Path) -> list[str]:
    """What is wrong with the archive beside a raw one, over all points, layers, codes and ends, in words."""
    found: dict[tuple[str, str, str, datetime], tuple[int, int]] = {}
    wrong: list[str] = []
    for one in Follower(derived_folder(folder)).after(0, 10_000_000):
        reading = one.reading
        if reading.kind is Kind.EVENT:
            continue
        key = reading.meter, reading.obis_raw, str(reading.obis), reading.at
        derived, (seq, version) = derived_of(reading), found.get(key, (0, 0))
        if (derived.version, derived.supersedes or 0) != (version + 1, seq):
            wrong.append(f"{key}: version {derived.version} supersedes {derived.supersedes} after {version} ({seq})")
        found[key] = one.seq, derived.version
    return wrong
