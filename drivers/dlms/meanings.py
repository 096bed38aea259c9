"""What an OBIS code means, in a few English words for tables: `1-0:1.8.0` is "active energy import, total".

Rules: by the groups of IEC 62056-6-1 and in our own words; a code whose meaning is not known here has none, and nothing
is decided by these texts.
"""

from types import MappingProxyType

from gatewayd.obis import CURRENT, Obis

_ABSTRACT = MappingProxyType(
    {
        (0, 1, 0): "billing period counter",
        (0, 2, 0): "firmware",
        (1, 0, 0): "clock",
        (1, 0, 1): "UNIX clock",
        (10, 0, 0): "script table, global reset",
        (10, 0, 1): "script table, end of billing period",
        (10, 0, 100): "script table, tariff switching",
        (10, 0, 106): "script table, disconnector",
        (11, 0, 0): "special days",
        (13, 0, 0): "activity calendar",
        (15, 0, 0): "schedule, end of billing period",
        (15, 0, 1): "schedule, disconnector",
        (17, 0, 0): "limiter",
        (21, 0, 0): "readout list of the local port",
        (21, 0, 1): "list of the display",
        (22, 0, 0): "HDLC set-up",
        (25, 0, 0): "TCP and UDP set-up",
        (25, 1, 0): "IPv4 set-up",
        (40, 0, 0): "current association",
        (41, 0, 0): "SAP assignment",
        (42, 0, 0): "logical device name",
        (43, 0, 0): "security set-up",
        (43, 1, 0): "invocation counter",
        (44, 0, 0): "image transfer",
        (96, 1, 0): "serial number",
        (96, 2, 0): "number of configurations",
        (96, 2, 1): "last configuration",
        (96, 3, 10): "disconnector",
        (96, 6, 3): "battery voltage",
        (96, 7, 0): "power failures in all phases, number",
        (96, 7, 21): "power failures in any phase, number",
        (96, 8, 0): "operating time",
        (96, 10, 1): "status of profile 1",
        (96, 10, 2): "status of profile 2",
        (96, 13, 0): "message to the customer",
        (96, 13, 1): "message code to the customer",
        (96, 14, 0): "active tariff",
        (97, 97, 0): "error register",
        (98, 1, 0): "billing profile",
        (99, 98, 0): "standard event log",
        (99, 98, 1): "fraud event log",
        (99, 98, 2): "disconnector event log",
        (99, 98, 4): "power quality event log",
    }
)
"""Groups C, D, E of abstract objects (A = 0)."""
_ABSTRACT_GROUPS = MappingProxyType(
    {
        (22, 0): "HDLC set-up",
        (40, 0): "association",
        (43, 0): "security set-up",
        (43, 1): "invocation counter",
        (96, 1): "identification number",
        (96, 3): "control signal",
        (96, 10): "status of a profile",
        (96, 11): "event code",
        (96, 15): "event counter",
        (97, 97): "error register",
        (97, 98): "alarm register",
        (98, 1): "billing profile",
        (99, 98): "event log",
    }
)
_QUANTITIES = MappingProxyType(
    {
        1: "active {} import",
        2: "active {} export",
        3: "reactive {} import",
        4: "reactive {} export",
        5: "reactive {} QI",
        6: "reactive {} QII",
        7: "reactive {} QIII",
        8: "reactive {} QIV",
        9: "apparent {} import",
        10: "apparent {} export",
        11: "current",
        12: "voltage",
        13: "power factor",
        14: "frequency",
        15: "active {}, sum of the amounts",
        16: "active {}, import minus export",
    }
)
"""Group C of electricity, 1 to 16; 21 to 36, 41 to 56 and 61 to 76 are the same for each phase."""
_PHASES = MappingProxyType({0: "", 20: " L1", 40: " L2", 60: " L3"})
_POWER, _ENERGY = "power", "energy"
_TYPES = MappingProxyType(
    {
        2: (_POWER, "cumulative maximum"),
        3: (_POWER, "minimum"),
        4: (_POWER, "present average"),
        5: (_POWER, "last average"),
        6: (_POWER, "maximum"),
        7: (_POWER, "instantaneous"),
        8: (_ENERGY, "total"),
        9: (_ENERGY, "since the end of the billing period"),
        16: (_POWER, "second maximum"),
        26: (_POWER, "third maximum"),
        29: (_ENERGY, "per interval"),
    }
)
"""Group D of electricity: the measurement type, and whether the quantity is power or energy then."""
_INSTANTANEOUS = 7
"""Its group E counts harmonics."""
_TARIFFS = 63
_PROFILES = MappingProxyType({2: "load profile of days", 98: "event log"})
_MEDIA = MappingProxyType({4: "heat cost", 5: "cooling", 6: "heat", 7: "gas", 8: "cold water", 9: "hot water"})


def meaning(obis: Obis) -> str:
    """What the code means, "" where that is not known here."""
    if obis.a == 0:
        text = _abstract(obis)
    elif obis.a == 1:
        text = _electricity(obis)
    else:
        text = _MEDIA.get(obis.a, "")
    if text and obis.f != CURRENT:
        text += ", last billing period" if obis.f == 101 else f", billing period {obis.f}"
    return text


def _abstract(obis: Obis) -> str:
    if obis.c == 24 and obis.b:
        return f"M-Bus channel {obis.b}"
    exact = _ABSTRACT.get((obis.c, obis.d, obis.e))
    return exact or _ABSTRACT_GROUPS.get((obis.c, obis.d), "")


def _electricity(obis: Obis) -> str:
    if obis.c == 0:
        return {(0, 0): "serial number of the utility", (2, 0): "firmware"}.get((obis.d, obis.e), "")
    if obis.c == 99:
        return _PROFILES.get(obis.d, "profile") if obis.d != 1 else f"load profile {obis.e + 1}"
    shift = obis.c // 20 * 20
    quantity = _QUANTITIES.get(obis.c - shift)
    if quantity is None or shift not in _PHASES or obis.d not in _TYPES or (obis.d == _INSTANTANEOUS and obis.e):
        return ""
    energy, type_text = _TYPES[obis.d]
    text = quantity.format(energy) if "{}" in quantity else quantity
    if 1 <= obis.e <= _TARIFFS:
        type_text = f"tariff {obis.e}" if obis.d == 8 else f"{type_text}, tariff {obis.e}"
    return f"{text}{_PHASES[shift]}, {type_text}"
