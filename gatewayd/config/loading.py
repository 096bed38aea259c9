"""From a file to a Config, or to every finding at once.

Rules: text -> tree -> values -> definition, and beside that the checks across the file; findings of all of them are
collected, the most precise one wins at its place, and they are sorted by line. Nothing but ConfigError leaves here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from gatewayd.config import (
    checks,
    clock_changes,
    lint,
    messages,
    metering_lint,
    metering_periods,
    observing,
    policy_checks,
)
from gatewayd.config.composer import MAX_BYTES, Unreadable, compose, too_large
from gatewayd.config.conversion import Conversion
from gatewayd.config.definition import SINK_KEYS, Document, document
from gatewayd.config.guide import Guide
from gatewayd.config.metering_points import metered, metering_points
from gatewayd.config.nodes import Fault, Loc, Tree, finding
from gatewayd.config.nodes import Mapping as MappingNode
from gatewayd.config.schema import Schema, schema_of
from gatewayd.config.settings import Config, SinkSettings
from gatewayd.errors import ConfigError, Finding

OptionClasses = Mapping[str, type[BaseModel]]
_Classes = tuple[tuple[str, type[BaseModel]], ...]


def load(path: Path, drivers: OptionClasses, sinks: OptionClasses) -> Config:
    """The configuration in a file; ConfigError with all findings when it cannot be used.

    `drivers` and `sinks` give the class of the options for each known driver and each known type of sink.
    """
    return replace(parse(_read(path), str(path), drivers, sinks), source=path.absolute())


def parse(text: str, name: str, drivers: OptionClasses, sinks: OptionClasses) -> Config:
    """The configuration in a text; `name` stands for the file in findings."""
    try:
        tree = compose(text)
    except Unreadable as error:
        raise ConfigError(name, (error.finding,)) from None
    if not isinstance(tree.root, MappingNode):
        fault = Fault((), "is not a configuration; expected keys such as gateway, archive, lines and meters")
        raise ConfigError(name, (finding(tree, fault),))

    definition, schema = _definition(tuple(drivers.items()), tuple(sinks.items()))
    guide = Guide(schema)
    conversion = Conversion(guide)
    data = _completed(conversion.value(tree.root, guide.root), drivers)
    faults = [*tree.faults, *checks.faults(tree, drivers, sinks), *policy_checks.faults(data), *conversion.faults]
    valid = None
    try:
        valid = definition.model_validate(data)
    except ValidationError as error:
        faults.extend(messages.faults(error, tree, guide))
    if faults or valid is None:
        raise ConfigError(name, _findings(tree, _most_precise(faults)))
    config = _config(valid, data, sinks)
    if misfits := list(metering_periods.faults(valid.points, config.points)):
        raise ConfigError(name, _findings(tree, misfits))
    advice = [*checks.warnings(tree), *lint.warnings(config.meters), *observing.warnings(config.observability)]
    advice += metering_lint.warnings(valid.points, config.points, metered(config.meters))
    advice += metering_periods.warnings(valid.points, config.points)
    advice += clock_changes.warnings(tree.root, config.gateway.zone)
    return replace(config, warnings=_findings(tree, advice))


@lru_cache(maxsize=4)
def _definition(drivers: _Classes, sinks: _Classes) -> tuple[type[Document], Schema]:
    """Made once for the same classes, which takes longer than to read a file of a few meters."""
    definition = document(dict(drivers), dict(sinks))
    return definition, schema_of(definition)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unusable(path, "does not exist; give another file with -c, or write one") from None
    except IsADirectoryError:
        raise _unusable(path, "is a folder; give the file in it with -c") from None
    except PermissionError:
        raise _unusable(path, "may not be read by this user; run as another user, or change its mode") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no usable path"
        raise _unusable(path, f"cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(str(path), (too_large(),))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "is not UTF-8 text; save the file as UTF-8"
        raise ConfigError(str(path), (Finding(line, "", message),)) from None


def _unusable(path: Path, message: str) -> ConfigError:
    return ConfigError(str(path), (Finding(0, "", message),))


def _completed(data: Any, drivers: OptionClasses) -> Any:
    """The ids of lines, which stand in the file as keys, and the options of drivers that have no block.

    An absent block is an empty one, so that every option that it lacks is named by itself.
    """
    lines = data.get("lines")
    for name, line in lines.items() if isinstance(lines, dict) else ():
        if isinstance(line, dict):
            line["id"] = name
    meters = data.get("meters")
    for meter in meters if isinstance(meters, list) else ():
        driver = meter.get("driver") if isinstance(meter, dict) else None
        if isinstance(driver, str) and driver in drivers and meter.get(driver) is None:
            meter[driver] = {}
    return data


def _most_precise(faults: Iterable[Fault]) -> list[Fault]:
    """Faults are given with the most precise first; later ones at or below the same place say less."""
    kept: list[Fault] = []
    taken: set[Loc] = set()
    for fault in faults:
        if any(fault.loc[:length] in taken for length in range(len(fault.loc) + 1)):
            continue
        kept.append(fault)
        if fault.line is None:
            taken.add(fault.loc if fault.scope is None else fault.scope)
    return kept


def _findings(tree: Tree, faults: Iterable[Fault]) -> tuple[Finding, ...]:
    found = {finding(tree, fault) for fault in faults}
    return tuple(sorted(found, key=lambda one: (one.line, one.key, one.message)))


def _config(valid: Document, data: Any, sinks: OptionClasses) -> Config:
    policies, zone = valid.policies.policies, valid.gateway.zone
    meters = tuple(meter.settings(policies, zone) for meter in valid.meters)
    return Config(
        gateway=valid.gateway,
        archive=valid.archive,
        lines=MappingProxyType(dict(valid.lines)),
        meters=meters,
        points=metering_points(valid.points, meters, zone),
        sinks=tuple(_sink(sink, made, sinks) for sink, made in zip(data.get("sinks") or (), valid.sinks, strict=True)),
        acquisition=valid.acquisition,
        observability=valid.observability,
        control=valid.control,
        manual=valid.manual,
    )


def _sink(data: Any, made: Any, sinks: OptionClasses) -> SinkSettings:
    """The options are made by their own class, which has already accepted them together with the keys of all sinks."""
    own = {key: value for key, value in data.items() if key not in SINK_KEYS}
    options = sinks[made.type].model_validate(own)
    return SinkSettings(id=made.id, type=made.type, options=options, start=made.start, derived=made.derived)
