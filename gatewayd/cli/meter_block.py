"""The entry of a meter under `meters:`, as YAML: as it is configured, with jobs for the registers that it has.

Rules: pure; what is written loads in this version, and the rest stands in it as a comment. It names files of secrets as
they are configured and holds no secret, nor a telephone number. Addresses come first and keys last; codes are short.
"""

import json
import re
from collections.abc import Mapping, Sequence

import yaml

from gatewayd.config import MeterSettings
from gatewayd.model import DIRECT, MeterObject, Ratio, ValueSide
from gatewayd.obis import Obis
from gatewayd.policy import POLICIES

Value = str | int | bool | Sequence["Value"] | Mapping[str, "Value"]

REGISTERS = (3, 4, 5)
"""Interface classes with a value, scaler and unit: register, extended register, demand register (IEC 62056-6-2)."""
PROFILE = 7
_ENERGY, _MAXIMUM = 8, 6
"""Values of OBIS group D of electricity (IEC 62056-6-1): time integral 1, maximum 1."""
_MBUS = 24
"""Group C of what a meter reads from others over M-Bus."""
_SECRETS = ("_file", "_env", "_credential")
_WIDTH = 100
_PLAIN = re.compile(r"(?!\d+:)[\w/][\w./*+-]*(?::[\w./*+-]+)*", re.ASCII)
"""Without quotes: names, paths, codes. Times get quotes: some readers take them for numbers of base 60."""


def meter_block(settings: MeterSettings, serial: str, objects: Sequence[MeterObject]) -> str:
    """`meters:` and the one entry. `serial` as the meter gave it, "" where it did not."""
    entry: dict[str, Value] = {"id": settings.id, "driver": settings.driver, "line": settings.line}
    notes = []
    if settings.phone is not None:
        notes.append("phone: as it is configured")
    if settings.policy != POLICIES[settings.metering_type]:
        notes.append("policy: as it is configured")
    if settings.parts:
        notes.append("points: as they are configured")
    if settings.peer:
        entry["peer"] = settings.peer
    entry["metering_type"] = settings.metering_type.value
    if settings.voltage is not None:
        entry["voltage"] = settings.voltage
    if serial:
        entry["serial"] = serial
    if point := {name: code for name, code in (("eic", settings.point.eic), ("ean", settings.point.ean)) if code}:
        entry["point"] = point
    if settings.ratio:
        entry["ratio"] = [_ratio(one) for one in settings.ratio]
    if options := settings.options.model_dump(mode="json", exclude_defaults=True):
        entry[settings.driver] = dict(sorted(options.items(), key=lambda option: option[0].endswith(_SECRETS)))
    if jobs := _jobs(objects):
        entry["jobs"] = jobs
    notes += _profiles(settings.id, [one for one in objects if one.class_id == PROFILE])
    return _block([(entry, notes)])


def found_block(entries: Sequence[tuple[Mapping[str, Value], Sequence[str]]], remarks: Sequence[str] = ()) -> str:
    """`meters:` with entries that a scan of a line has made up, each with its notes; `remarks` stand in front."""
    return "".join(f"# {remark}\n" for remark in remarks) + (_block(entries) if entries else "")


def _block(entries: Sequence[tuple[Mapping[str, Value], Sequence[str]]]) -> str:
    lines = ["meters:"]
    for entry, notes in entries:
        first, *rest = _rows(entry, 0)
        lines += [f"  - {first}", *(f"    {row}" for row in rest), *(f"    # {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def short(obis: Obis) -> str:
    """`1-0:1.8.0`: without the mark of a current value, and good for the configuration and the command line."""
    return str(obis).removesuffix("*255")


def readable(one: MeterObject) -> bool:
    """Whether the value of a register may be read, as far as the meter tells."""
    return any(number == 2 and "read" in word for number, word in one.attributes) or not one.attributes


def _is_load_profile(obis: Obis) -> bool:
    """Load profile with recording period 1 (IEC 62056-6-1)."""
    return bool(obis.a) and (obis.c, obis.d) == (99, 1)


def _jobs(objects: Sequence[MeterObject]) -> list[Value]:
    """The load profile once a day, energy every quarter of an hour; maxima, and what other meters have counted, once a
    day."""
    registers = [one.obis for one in objects if one.class_id in REGISTERS and readable(one) and not one.obis.historical]
    energy = [short(obis) for obis in registers if obis.a and obis.d == _ENERGY]
    daily = [short(obis) for obis in registers if (obis.a and obis.d == _MAXIMUM) or (not obis.a and obis.c == _MBUS)]
    profile = next((short(one.obis) for one in objects if one.class_id == PROFILE and _is_load_profile(one.obis)), None)
    jobs: list[Value] = [] if profile is None else [{"profile": profile, "at": "00:20"}]
    if energy:
        jobs.append({"registers": energy, "every": "15m"})
    if daily:
        jobs.append({"registers": daily, "at": "00:05"})
    if registers and not energy and not daily:
        jobs.append({"registers": [short(obis) for obis in registers], "every": "15m"})
    return jobs


def _profiles(meter: str, profiles: Sequence[MeterObject]) -> list[str]:
    """How each is read, and what it is."""
    width = max((len(short(one.obis)) for one in profiles), default=0)
    return [f"gatewayd profile {meter} {short(one.obis):{width}}  {one.meaning}".rstrip() for one in profiles]


def _ratio(one: Ratio) -> dict[str, Value]:
    found: dict[str, Value] = {name: text for name, text in (("ct", one.ct), ("vt", one.vt)) if text}
    if one.multiplier != DIRECT.multiplier:
        found["multiplier"] = format(one.multiplier, "f")
    if one.value_side is not ValueSide.SECONDARY:
        found["value_side"] = one.value_side.value
    if one.since != DIRECT.since:
        found["since"] = one.since.isoformat()
    return found


# -- YAML ----------------------------------------------------------------------------------------------------------


def _rows(entry: Mapping[str, Value], indent: int) -> list[str]:
    """A mapping in lines: what is short in one, what is long below its key."""
    found: list[str] = []
    for key, value in entry.items():
        name = _flow(key)
        line = f"{name}: {_flow(value)}"
        several = isinstance(value, list) and len(value) > 1 and all(isinstance(one, Mapping) for one in value)
        if indent + len(line) <= _WIDTH and not several:
            found.append(line)
        elif isinstance(value, Mapping):
            found += [f"{name}:", *(f"  {row}" for row in _rows(value, indent + 2))]
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            found.append(f"{name}:")
            for one in value:
                first, *rest = _item(one, indent + 4)
                found += [f"  - {first}", *(f"    {row}" for row in rest)]
        elif isinstance(value, list):
            found += _folded(name, value, indent)
        else:
            found.append(line)
    return found


def _item(one: Value, indent: int) -> list[str]:
    text = _flow(one)
    return _rows(one, indent) if isinstance(one, Mapping) and indent + len(text) > _WIDTH else [text]


def _folded(name: str, values: Sequence[Value], indent: int) -> list[str]:
    """A list over several lines."""
    begin = f"{name}: ["
    lines = [begin]
    for number, one in enumerate(values):
        text = _flow(one) + ("]" if number == len(values) - 1 else ",")
        if lines[-1].strip() not in ("", begin) and indent + len(lines[-1]) + 1 + len(text) > _WIDTH:
            lines.append(" " * len(begin))
        lines[-1] += text if lines[-1].strip() in ("", begin) else f" {text}"
    return lines


def _flow(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value else _quoted(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in shown) + '"'
