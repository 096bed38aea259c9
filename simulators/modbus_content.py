"""What a simulated Modbus device has in its registers: the entries of its map, filled.

Rules: what the command line says of a value (absent, not available) names an entry of the map, or is an error; a
SunSpec device has the marker, the common model, whatever models it was told to have before, its own, and the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from simulators import modbus_values
from simulators.modbus_map import Entry, MapFile, SunSpec
from simulators.modbus_memory import Cell

Octets = Callable[[datetime], bytes]

_COMMON, _COMMON_LENGTH, _END = 1, 66, 0xFFFF
_NOT_IMPLEMENTED = bytes.fromhex("8000")


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of pulses: its first register, what it had when 2020 began, pulses per hour."""

    address: int
    start: int
    per_hour: int


@dataclass(frozen=True, slots=True)
class Nature:
    """What makes one device of a map different from others. `ct`, `vt`: primary and secondary side."""

    unit: int
    seed: int
    serial: str
    firmware: str
    ct: tuple[Fraction, Fraction] = (Fraction(5), Fraction(5))
    vt: tuple[Fraction, Fraction] = (Fraction(100), Fraction(100))
    counters: tuple[Counter, ...] = ()
    absent: frozenset[str] = frozenset()
    not_available: frozenset[str] = frozenset()
    optional_too: bool = True
    sunspec_base: int = 40000
    sunspec_model: int | None = None
    sunspec_before: tuple[tuple[int, int], ...] = ()
    """Number and length of models between the common one and that of the meter."""


def cells(described: MapFile, nature: Nature) -> list[Cell]:
    """All registers of the device; ValueError for what the map does not have."""
    named = {entry.name for entry in (*described.registers, *described.places)}
    if unknown := (nature.absent | nature.not_available) - named:
        raise ValueError(f"the map {described.name} has no {', '.join(sorted(unknown))}")
    if described.pulse is None and nature.counters:
        raise ValueError(f"the map {described.name} counts no pulses")
    if described.pulse is not None and not nature.counters:
        raise ValueError(f"the map {described.name} needs --pulses")
    present = [entry for entry in described.registers if nature.optional_too or not entry.optional]
    present = [entry for entry in present if entry.name not in nature.absent]
    exponents = _exponents(present)
    found = [*_registers(present, exponents, nature)]
    places = (entry for entry in described.places if entry.name not in nature.absent)
    found += [_cell(entry, _constant(_place(entry, nature))) for entry in places]
    if described.pulse is not None:
        found += [_counter(described.pulse, counter) for counter in nature.counters]
    return found if described.sunspec is None else [*_chain(found, described.sunspec, nature)]


def _cell(entry: Entry, octets: Octets) -> Cell:
    return Cell(entry.name, entry.function, entry.address, entry.shape.words, octets)


def _constant(octets: bytes) -> Octets:
    return lambda at: octets


# ------------------------------------------------------------------------------------------------------- registers


def _exponents(entries: Iterable[Entry]) -> dict[tuple[int, int], int]:
    """Function and address of each register with an exponent, and the exponent that fits all of its values."""
    found: dict[tuple[int, int], int] = {}
    for entry in entries:
        if entry.exponent is not None:
            place = (entry.exponent.function, entry.exponent.address)
            needed = modbus_values.exponent(modbus_values.highest(entry.unit), entry.shape)
            found[place] = max(needed, found.get(place, needed))
    return found


def _registers(entries: list[Entry], exponents: dict[tuple[int, int], int], nature: Nature) -> Iterator[Cell]:
    for entry in entries:
        scale = entry.scale
        if entry.exponent is not None:
            exponent = exponents[entry.exponent.function, entry.exponent.address]
            scale = Fraction(10) ** exponent
            yield _cell(entry.exponent, _constant(exponent.to_bytes(2, signed=True)))
        if entry.name in nature.not_available:
            if entry.sentinel is None:
                raise ValueError(f"the map knows no sentinel of {entry.name}")
            yield _cell(entry, _constant(entry.sentinel))
        else:
            yield _cell(entry, _measured(entry, scale, nature))


def _measured(entry: Entry, scale: Fraction, nature: Nature) -> Octets:
    def octets(at: datetime) -> bytes:
        value = modbus_values.value(nature.seed, nature.unit, entry.name, entry.unit, at)
        return modbus_values.number(value / scale, entry.shape)

    return octets


def _counter(entry: Entry, counter: Counter) -> Cell:
    def octets(at: datetime) -> bytes:
        return modbus_values.number(modbus_values.pulses(counter.start, counter.per_hour, at), entry.shape)

    return Cell("pulse", entry.function, counter.address, entry.shape.words, octets)


# ---------------------------------------------------------------------------------------------------------- places


def _place(entry: Entry, nature: Nature) -> bytes:
    """What stands in a register of the device's identity or set-up."""
    if entry.name in nature.not_available:
        return b"\xff" * (2 * entry.shape.words)
    ratios = {"ct": nature.ct, "vt": nature.vt}
    what, _, part = entry.name.partition(".")
    if what in ratios:
        primary, secondary = ratios[what]
        sides = {"numerator": primary, "denominator": secondary, "ratio": primary / secondary}
        return modbus_values.number(sides[part] / entry.scale, entry.shape)
    return _said(entry, {"serial": nature.serial, "firmware": nature.firmware}.get(what, entry.wanted))


def _said(entry: Entry, text: str) -> bytes:
    if entry.shape.type == "string":
        if len(text) > 2 * entry.shape.words:
            raise ValueError(f"{entry.name} {text!r} has no room in {2 * entry.shape.words} octets")
        return modbus_values.text(text, entry.shape)
    number = re.search(r"\d+(?:\.\d+)?", text)
    if number is None:
        raise ValueError(f"{entry.name} of this map is a number, and {text!r} is none")
    value = Fraction(number[0])
    if entry.shape.modulus is not None and value >= entry.shape.modulus:
        raise ValueError(f"{entry.name} {text!r} has no room in {entry.shape.type}")
    return modbus_values.number(value, entry.shape)


# --------------------------------------------------------------------------------------------------------- SunSpec


def _chain(found: list[Cell], sunspec: SunSpec, nature: Nature) -> Iterator[Cell]:
    """The models behind the marker (SunSpec Device Information Model Specification, 6.1 to 6.3)."""
    model = sunspec.models[0] if nature.sunspec_model is None else nature.sunspec_model
    if model not in sunspec.models:
        raise ValueError(f"the map is for the models {', '.join(map(str, sunspec.models))}, not for {model}")
    at = nature.sunspec_base
    yield Cell("marker", 3, at, 2, _constant(b"SunS"))
    at += 2
    names = {2: "gatewayd", 18: "simulated meter"}
    for offset, text in names.items():
        yield Cell("name", 3, at + offset, 16, _constant(text.encode().ljust(32, b"\x00")))
    for entry, text in ((sunspec.firmware, nature.firmware), (sunspec.serial, nature.serial)):
        yield Cell(entry.name, 3, at + entry.address, entry.shape.words, _constant(_said(entry, text)))
    yield from _header(at, _COMMON, _COMMON_LENGTH)
    at += 2 + _COMMON_LENGTH
    for number, length in nature.sunspec_before:
        yield from _header(at, number, length)
        at += 2 + length
    for cell in found:
        yield Cell(cell.name, cell.function, at + cell.address, cell.words, cell.octets)
    yield from _header(at, model, sunspec.length)
    yield from _header(at + 2 + sunspec.length, _END, 0)


def _header(at: int, model: int, length: int) -> Iterator[Cell]:
    """Number and length of a model, and behind them everything that no other cell has: not implemented."""
    yield Cell("model", 3, at, 1, _constant(model.to_bytes(2)))
    yield Cell("length", 3, at + 1, 1, _constant(length.to_bytes(2)))
    for address in range(at + 2, at + 2 + length):
        yield Cell("not implemented", 3, address, 1, _constant(_NOT_IMPLEMENTED))
