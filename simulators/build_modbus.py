"""The command line of the simulated Modbus devices, put together: options to one plan, and the plan to devices.

Rules: everything is checked before anything is opened; a mistake is named with its option.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from simulators import modbus_content, modbus_faults, modbus_map, options
from simulators.dlms_clock import Clock
from simulators.dlms_given import start
from simulators.journal import Journal
from simulators.line import Line
from simulators.modbus import Modbus, Out, Station
from simulators.modbus_content import Counter, Nature
from simulators.modbus_device import Device, Identity
from simulators.modbus_faults import OF_RTU, OF_TCP, Fault, Faults
from simulators.modbus_frames import Framing, Mbap, Rtu
from simulators.modbus_map import MapFile
from simulators.modbus_memory import Cell, Holes, Memory
from simulators.transport import Transport

PTY_BAUD = 9600
FIRST_SERIAL = 35031000
_UNIT = re.compile(r"(?P<unit>\d{1,3})(?:=(?P<map>.+))?")
_RATIO = re.compile(r"(?P<primary>\d{1,9}(?:\.\d{1,6})?)/(?P<secondary>\d{1,9}(?:\.\d{1,6})?)")
_PULSES = re.compile(r"(?P<address>\d{1,5}|0x[0-9A-Fa-f]{1,4})(?:=(?P<start>\d{1,20}))?(?:@(?P<per_hour>\d{1,9}))?")
_MODEL = re.compile(r"(?P<model>\d{1,5}):(?P<length>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Unit:
    """One device: what its map says, and its registers."""

    number: int
    described: MapFile
    nature: Nature
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that was said, checked."""

    units: tuple[Unit, ...]
    tcp: bool
    seed: int
    start: datetime | None
    frozen: bool
    faults: tuple[Fault, ...]
    holes: Holes
    most: int | None
    whole: bool
    identification: bool
    identity_in_pieces: bool
    gateway: int | None
    baud: int
    paced: bool
    echo: bool
    reaction_s: float
    jitter_s: float
    journal: Path | None


# Any: click hands over each value with the type of its option, which a mapping cannot say. So everywhere below.
def plan(given: dict[str, Any]) -> Plan:
    """The plan, or a usage error."""
    tcp = given["transport"] == "tcp"
    if tcp and given["link"] is not None:
        raise click.UsageError("--transport tcp goes with --tcp; a line has --transport rtu")
    if given["lenient"] and given["gaps"]:
        raise click.UsageError("--lenient or --gaps, not both")
    if given["frozen"] and given["now"] == "real":
        raise click.UsageError("--frozen needs --now")
    holes = Holes.ANSWERED if given["lenient"] else Holes.GAPS if given["gaps"] else Holes.REFUSED
    return Plan(
        units=_units(given, tcp),
        tcp=tcp,
        seed=given["seed"],
        start=start(given["now"]),
        frozen=given["frozen"],
        faults=_faults(given, tcp),
        holes=holes,
        most=given["max_registers"],
        whole=given["whole_values"],
        identification=not given["no_identification"],
        identity_in_pieces=given["identity_in_pieces"],
        gateway=None if given["gateway"] is None else int(given["gateway"]),
        baud=int(given["baud"] or PTY_BAUD),
        paced=given["baud"] is not None,
        echo=given["local_echo"],
        reaction_s=given["reaction_ms"] / 1000,
        jitter_s=given["jitter_ms"] / 1000,
        journal=given["journal"],
    )


def _units(given: dict[str, Any], tcp: bool) -> tuple[Unit, ...]:
    found: dict[int, Unit] = {}
    for text in given["units"]:
        match = _UNIT.fullmatch(text)
        if match is None or not (0 if tcp else 1) <= int(match["unit"]) <= (255 if tcp else 247):
            raise click.BadParameter(
                f"{text!r} is not N[=MAP], N from {'0 to 255' if tcp else '1 to 247'}", param_hint="--unit"
            )
        number, name = int(match["unit"]), match["map"] or given["map_name"]
        if name is None:
            raise click.UsageError(f"--map, or --unit {number}=MAP, says what the device is")
        if number in found:
            raise click.BadParameter(f"{number} is there twice", param_hint="--unit")
        try:
            described = modbus_map.load(name)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--map") from error
        nature = _nature(given, number, described)
        try:
            found[number] = Unit(number, described, nature, tuple(modbus_content.cells(described, nature)))
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return tuple(found.values())


def _nature(given: dict[str, Any], unit: int, described: MapFile) -> Nature:
    before = []
    for text in given["sunspec_before"]:
        match = _MODEL.fullmatch(text)
        if match is None:
            raise click.BadParameter(f"{text!r} is not MODEL:LENGTH", param_hint="--sunspec-before")
        before.append((int(match["model"]), int(match["length"])))
    ratios = {}
    for name in ("ct", "vt"):
        if given[name] is not None:
            ratios[name] = _ratio(name, given[name])
            if not any(entry.name.startswith(f"{name}.") for entry in described.places):
                raise click.BadParameter(f"the map {described.name} has no ratio", param_hint=f"--{name}")
    return Nature(
        unit,
        given["seed"],
        given["serial"] or str(FIRST_SERIAL + unit),
        given["firmware"],
        counters=tuple(map(_counter, given["pulses"])),
        absent=frozenset(given["absent"]),
        not_available=frozenset(given["not_available"]),
        optional_too=not given["without_optional"],
        sunspec_base=given["sunspec_base"],
        sunspec_model=given["sunspec_model"],
        sunspec_before=tuple(before),
        **ratios,
    )


def _ratio(name: str, text: str) -> tuple[Fraction, Fraction]:
    match = _RATIO.fullmatch(text)
    if match is None or not Fraction(match["secondary"]):
        raise click.BadParameter(f"{text!r} is not PRIMARY/SECONDARY", param_hint=f"--{name}")
    return Fraction(match["primary"]), Fraction(match["secondary"])


def _counter(text: str) -> Counter:
    match = _PULSES.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not ADDRESS[=START][@PER-HOUR]", param_hint="--pulses")
    return Counter(int(match["address"], 0), int(match["start"] or 0), int(match["per_hour"] or 0))


def _faults(given: dict[str, Any], tcp: bool) -> tuple[Fault, ...]:
    try:
        faults = tuple(map(modbus_faults.parse, given["faults"]))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    for fault in faults:
        if fault.kind in (OF_RTU if tcp else OF_TCP):
            needed = "rtu" if tcp else "tcp"
            raise click.BadParameter(f"{fault.kind} needs --transport {needed}", param_hint="--fault")
    return faults


def device(made: Plan, unit: Unit, journal: Journal) -> Device:
    """One unit, not connected to anything."""
    described = unit.described
    memory = Memory(
        unit.cells,
        most=made.most or described.max_registers,
        holes=made.holes,
        max_gap=described.max_gap,
        whole=made.whole,
    )
    identity = None
    if made.identification and described.vendor is not None and described.product is not None:
        product = described.product
        objects = {0: described.vendor, 1: product, 2: unit.nature.firmware, 4: product}
        identity = Identity(objects, made.identity_in_pieces)
    return Device(memory, identity, described.model if made.identification else None, journal.note)


def station(made: Plan, framing: Framing, journal: Journal, randomness: random.Random) -> Station:
    """All units, not connected to anything."""
    clock = Clock(made.start, timedelta(0), _standing) if made.frozen else Clock(made.start, timedelta(0))
    return Station(
        {unit.number: device(made, unit, journal) for unit in made.units},
        framing,
        Faults(made.faults, randomness),
        randomness,
        clock.now,
        journal.note,
        made.gateway,
    )


def numbered(made: Plan, number: int) -> Plan:
    """The plan of the `number`-th devices of a fleet: other serial numbers and seeds."""
    return replace(
        made, seed=made.seed + number, units=tuple(_numbered(unit, number) if number else unit for unit in made.units)
    )


def _numbered(unit: Unit, number: int) -> Unit:
    nature = unit.nature
    other = replace(nature, seed=nature.seed + number, serial=options.numbered(nature.serial, number))
    return replace(unit, nature=other, cells=tuple(modbus_content.cells(unit.described, other)))


class Wired:
    """The devices of one port of a fleet."""

    def __init__(self, made: Plan) -> None:
        self._framing: Framing = Mbap()
        self._station = station(made, self._framing, Journal(None), random.Random(made.seed))

    def connected(self) -> None:
        """Somebody is there."""
        self._framing.reset()

    def feed(self, data: bytes) -> list[Out]:
        """What to send for these bytes."""
        return [out for asked in self._framing.feed(data) for out in self._station.answer(asked)]

    def disconnected(self) -> None:
        """Nobody is there any more."""


def devices(made: Plan, transport: Transport) -> Modbus:
    """All units on their line."""
    randomness, journal = random.Random(made.seed), Journal(made.journal)
    framing: Framing = Mbap() if made.tcp else Rtu()
    line = Line(transport, baud=made.baud, pace=made.paced, check_baud=made.paced, randomness=randomness)
    line.echo = made.echo
    return Modbus(
        line,
        station(made, framing, journal, randomness),
        framing,
        journal,
        randomness,
        reaction_s=made.reaction_s,
        jitter_s=made.jitter_s,
        paced=made.paced and not made.tcp,
    )


def _standing() -> float:
    return 0.0
