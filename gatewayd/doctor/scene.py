"""What all looks start from: the configuration, who looks, who the gateway runs as, and what a running one says.

Rules: built once; nothing in it changes. What a running gateway says of itself is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewayd.config import Config
from gatewayd.doctor.account import Account


@dataclass(frozen=True, slots=True)
class Scene:
    """`running`: None where it could not be found out; `status` is the document of the control socket
    (docs/status-report.md), None where there is none."""

    config: Config
    config_path: Path
    me: Account
    service: Account
    running: bool | None = False
    status: Mapping[str, Any] | None = None  # whatever JSON has
    version: str = ""
    unit: str = "gatewayd.service"
    elsewhere: int | None = None
    """The process of a gateway that runs with this configuration and has another archive."""
    derived: Path | None = None
    """The folder of the derived archive; None where the configuration has no metering points."""

    @property
    def archive(self) -> Path:
        return self.config.archive.path

    @property
    def pid(self) -> int | None:
        """Of the running gateway."""
        return None if self.status is None else self.status["pid"]

    @property
    def at_work(self) -> frozenset[str]:
        """The lines on which the running gateway has a conversation at this moment."""
        lines = () if self.status is None else self.status["lines"]
        return frozenset(one["line"] for line in lines for one in line["under_way"])
