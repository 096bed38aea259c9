"""Everything that a running gateway consists of, for the daemon's own tasks and for those who ask how it does.

Rules: built once from a first configuration; what another configuration may change of it stands in reload.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from gatewayd.acquire import Acquisition
from gatewayd.archive.store import Store
from gatewayd.channel.tracing import Tap
from gatewayd.config import Config
from gatewayd.daemon.lines import Lines
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.daemon.sinks import Sinks
from gatewayd.diary import Diary
from gatewayd.gateway_clock import GatewayClock


class Stage(Enum):
    """How far the life of a gateway has come."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


@dataclass(slots=True, eq=False)
class Gateway:
    """The parts, and the configuration that they are of."""

    config: Config
    path: Path | None
    """The file of the configuration; None: it cannot be loaded again."""
    since: datetime
    loaded_at: datetime
    """When the present configuration was taken."""
    store: Store
    acquisition: Acquisition
    lines: Lines
    sinks: Sinks
    taps: dict[str, Tap]
    clock: GatewayClock
    diary: Diary
    reload_fault: str = ""
    """Why the file was not taken the last time; empty when it was."""
    stage: Stage = Stage.STARTING
    metering: MeteringSite | None = None
    """The derived layer."""
    heeding: list[Callable[[Config], Awaitable[None]]] = field(default_factory=list)
    """Who else takes another configuration, when it is the present one. They raise nothing."""
