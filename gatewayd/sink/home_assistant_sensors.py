"""Which registers are measurements for Home Assistant, and of what class and unit.

Rules: pure. Only what is a measurement now becomes a sensor: no history, maxima, texts, clocks or status words. A
device class is given only with a unit that Home Assistant allows for it (its sensor/const.py; reactive_energy needs a
release since the summer of 2025), and the state class is one that it allows for the device class. What it does not know
keeps the unit as the meter wrote it.
"""

from dataclasses import dataclass

from gatewayd.obis import Obis

MEASUREMENT, INCREASING, TOTAL = "measurement", "total_increasing", "total"

# Group A.
_ELECTRICITY, _GAS = 1, 7
_MEDIA = {4: "Heat", 5: "Cold", 6: "Heat", _GAS: "Gas", 8: "Water", 9: "Water"}


@dataclass(frozen=True, slots=True)
class _Quantity:
    """Value group C of electricity: how people call it, and the device classes of its counters and its live values."""

    name: str
    counted: str | None = None
    live: str | None = None


def _active(name: str) -> _Quantity:
    return _Quantity(f"Active {name}", "energy", "power")


def _reactive(name: str) -> _Quantity:
    return _Quantity(f"Reactive {name}", "reactive_energy", "reactive_power")


def _apparent(name: str) -> _Quantity:
    # Home Assistant has no class for apparent energy.
    return _Quantity(f"Apparent {name}", None, "apparent_power")


_NET = 16
# Value group C (IEC 62056-6-1), sum of all phases.
_QUANTITIES = {
    1: _active("import"),
    2: _active("export"),
    3: _reactive("import"),
    4: _reactive("export"),
    **{4 + n: _reactive(f"quadrant {n}") for n in range(1, 5)},
    9: _apparent("import"),
    10: _apparent("export"),
    11: _Quantity("Current", None, "current"),
    12: _Quantity("Voltage", None, "voltage"),
    13: _Quantity("Power factor", None, "power_factor"),
    14: _Quantity("Frequency", None, "frequency"),
    15: _active("absolute"),
    _NET: _active("net"),
    **{16 + n: _active(f"quadrant {n}") for n in range(1, 5)},
    81: _Quantity("Phase angle"),
}

# Value group D of electricity: time integrals from the start of measurement or of the billing period on; and what is
# true at the moment: averages of the current and the last period, and instantaneous values.
_COUNTERS = frozenset({8, 9, 10})
_LIVE = {7: "", **dict.fromkeys((4, 14, 24, 27, 28), "average"), **dict.fromkeys((5, 15, 25), "last average")}

# Value group D of the other media. With gas 0, 1 and 2 are conditions of a volume (as metered, corrected, at base
# conditions); with heat and water 1 and 2 belong to set days. 26 is the volume of Landis+Gyr's heat meters.
_CURRENT_GAS = frozenset({0, 1, 2, 7, 8, 9})
_CURRENT_OTHERS = frozenset({0, 7, 8, 9, 26})

_UNITS = {
    "energy": "mWh Wh kWh MWh GWh TWh J kJ MJ GJ cal kcal Mcal Gcal",
    "reactive_energy": "varh kvarh",
    "power": "mW W kW MW GW TW",
    "reactive_power": "mvar var kvar",
    "apparent_power": "mVA VA kVA",
    "voltage": "mV V kV MV",
    "current": "mA A",
    "frequency": "Hz kHz MHz GHz",
    "volume": "m³ L mL",
    "volume_flow_rate": "m³/h m³/s L/h L/min L/s",
    "temperature": "°C",
}
_CLASS_OF = {unit: name for name, units in _UNITS.items() for unit in units.split()}
_OTHER_SPELLINGS = {
    **dict.fromkeys(("m3", "m^3", "cbm"), "m³"),
    **dict.fromkeys(("m3/h", "m3ph", "m^3/h"), "m³/h"),
    **dict.fromkeys(("c", "degc", "deg c"), "°C"),
    "deg": "°",
    # In capitals these are mega, which Home Assistant does not know, and not milli; a volt is seldom a megavolt.
    "mvar": "Mvar",
    "mva": "MVA",
    "mv": "mV",
}
# The last one wins: who writes neither mW nor MW means megawatts.
_SPELLING = {unit.lower(): unit for unit in _CLASS_OF} | _OTHER_SPELLINGS


@dataclass(frozen=True, slots=True)
class Sensor:
    """What Home Assistant is told about the nature of a register; None where it gets to know nothing."""

    name: str
    device_class: str | None = None
    state_class: str | None = None
    unit: str | None = None


def sensor(obis: Obis, unit: str) -> Sensor | None:
    """The sensor for a register of this code and unit (as the meter wrote it); None for what is no live measurement."""
    if obis.historical or obis.manual:
        return None
    if obis.a == _ELECTRICITY:
        return _electricity(obis, spelling(unit))
    if obis.a in _MEDIA:
        return _other_medium(obis, spelling(unit))
    return None


def spelling(unit: str) -> str:
    """The unit as Home Assistant spells it; what it does not know stays as it is."""
    text = unit.strip()
    return text if text in _CLASS_OF else _SPELLING.get(text.lower(), text)


def _electricity(obis: Obis, unit: str) -> Sensor | None:
    number, phase = _without_phase(obis.c)
    quantity = _QUANTITIES.get(number)
    if quantity is None or obis.d not in _COUNTERS | _LIVE.keys():
        return None
    counter = obis.d in _COUNTERS
    allowed = quantity.counted if counter else quantity.live
    fits = unit in ("", "%") if allowed == "power_factor" else _CLASS_OF.get(unit) == allowed
    words = [quantity.name]
    if quantity.name.startswith(("Active", "Reactive", "Apparent")):
        words.append("energy" if counter else "power")
    words += [_LIVE.get(obis.d, ""), phase, f"rate {obis.e}" if counter and obis.e else "", obis.reduced()]
    return Sensor(
        name=" ".join(word for word in words if word),
        device_class=allowed if fits else None,
        state_class=MEASUREMENT if not counter else TOTAL if number == _NET else INCREASING,
        unit=unit or None,
    )


def _without_phase(c: int) -> tuple[int, str]:
    """Group C as for all phases, and the phase: 21 to 40 are 1 to 20 of L1, and so on; 91 and 92 are of the neutral."""
    if 21 <= c <= 80:
        return (c - 21) % 20 + 1, f"L{(c - 21) // 20 + 1}"
    if c in (91, 92):
        return c - 80, "N"
    return c, ""


def _other_medium(obis: Obis, unit: str) -> Sensor | None:
    """Here the unit says what is measured. A number without one may as well be a date or the number of a device."""
    live = obis.d in (_CURRENT_GAS if obis.a == _GAS else _CURRENT_OTHERS)
    if not live or not unit or not 1 <= obis.c <= 93:
        return None
    medium = _MEDIA[obis.a]
    kind = _CLASS_OF.get(unit)
    match kind:
        case "energy":
            device_class, state_class = "energy", INCREASING
        case "volume":
            device_class, state_class = _volume_class(medium, unit), INCREASING
        case "power" | "volume_flow_rate" | "temperature":
            device_class, state_class = kind, MEASUREMENT
        case _:
            return Sensor(f"{medium} value {obis.reduced()}", unit=unit)
    return Sensor(f"{medium} {kind.replace('_', ' ')} {obis.reduced()}", device_class, state_class, unit)


def _volume_class(medium: str, unit: str) -> str:
    """Home Assistant counts gas in cubic metres only, water in litres as well."""
    if medium == "Gas" and unit == "m³":
        return "gas"
    return "water" if medium == "Water" and unit in ("m³", "L") else "volume"
