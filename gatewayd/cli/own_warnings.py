"""Of the warnings about a configuration those that are about one meter: its entry and its line.

Rules: whoever stands at one meter is told of that one; `gatewayd check` tells all.
"""

from collections.abc import Iterator
from pathlib import Path

from gatewayd.cli.output import warn
from gatewayd.config import Config, MeterSettings
from gatewayd.errors import Finding


def warn_of(path: Path, config: Config, settings: MeterSettings) -> None:
    """On standard error."""
    warn(path, about(config, settings))


def about(config: Config, settings: MeterSettings) -> Iterator[Finding]:
    """The findings at or below the meter, and at or below the lines on which it is reached."""
    number = next(place for place, one in enumerate(config.meters) if one.id == settings.id)
    places = (f"meters[{number}]", *(f"lines.{line.id}" for line in config.lines_of(settings.line)))
    for finding in config.warnings:
        if any(finding.key == place or finding.key.startswith((f"{place}.", f"{place}[")) for place in places):
            yield finding
