"""The example that is shipped shows every option of ours, each where it belongs. (Those of drivers: tests/drivers.)"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from gatewayd.config import (
    AcquisitionSettings,
    ArchiveSettings,
    GatewaySettings,
    ManualSettings,
    ObservabilitySettings,
)
from gatewayd.config.definition import MeterEntry
from gatewayd.config.jobs import JobEntry
from gatewayd.config.metering import (
    AccuracyEntry,
    InstalledEntry,
    MeteringPointEntry,
    RatedEntry,
    SubstitutionEntry,
    SupplyTransformerEntry,
    VerifiedEntry,
)
from gatewayd.config.points import PartEntry, PointEntry, RatioEntry
from gatewayd.config.policies import PolicyEntries, PolicyEntry
from gatewayd.config.validation import RuleEntry, ValidationEntry
from gatewayd.options import Options

EXAMPLE: dict[str, Any] = yaml.load(  # the plain loader leaves texts as they are: `on` is no boolean
    (Path(__file__).parents[3] / "config" / "gatewayd.yaml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader
)
METERS = EXAMPLE["meters"]
POINTS = [point for meter in METERS for point in meter.get("points", ())]
METERED = METERS + POINTS
METERING_POINTS = EXAMPLE["points"]
RULE_ENTRIES = {
    name: next(one for one in get_args(field.annotation) if isinstance(one, type) and issubclass(one, RuleEntry))
    for name, field in ValidationEntry.model_fields.items()
}


def inside(items: Iterable[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """What stands under a key of the items; of a list each."""
    found: list[dict[str, Any]] = []
    for item in items:
        value = item.get(key, [])
        found += value if isinstance(value, list) else [value]
    return found


@pytest.mark.parametrize(
    ("options", "blocks"),
    [
        (GatewaySettings, [EXAMPLE["gateway"]]),
        (ArchiveSettings, [EXAMPLE["archive"]]),
        (AcquisitionSettings, [EXAMPLE["acquisition"]]),
        (ManualSettings, [EXAMPLE["manual"]]),
        (ObservabilitySettings, [EXAMPLE["observability"]]),
        (PolicyEntries, [EXAMPLE["policies"]]),
        (PolicyEntry, [EXAMPLE["policies"]["A"]]),
        (MeterEntry, METERS),
        (PartEntry, POINTS),
        (JobEntry, inside(METERED, "jobs")),
        (PointEntry, inside(METERED, "point")),
        (RatioEntry, inside(METERED, "ratio")),
        (MeteringPointEntry, METERING_POINTS),
        (InstalledEntry, inside(METERING_POINTS, "meters")),
        (AccuracyEntry, inside(METERING_POINTS, "accuracy")),
        (RatedEntry, inside(METERING_POINTS, "rated")),
        (SupplyTransformerEntry, inside(METERING_POINTS, "transformer")),
        (SubstitutionEntry, inside(METERING_POINTS, "substitution")),
        (ValidationEntry, inside(METERING_POINTS, "validation")),
        *((entry, inside(inside(METERING_POINTS, "validation"), name)) for name, entry in RULE_ENTRIES.items()),
        (VerifiedEntry, inside(METERING_POINTS, "verified_until")),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_option_is_shown(options: type[Options], blocks: list[dict[str, Any]]) -> None:
    shown = {key for block in blocks for key in block}
    assert set(options.model_fields) <= shown
