"""Writes SUPPORTED.md from vendor profiles, maps and the vectors of models: `python -m scripts.supported`.

Rules: nothing is called supported that no vector shows; a profile without a vector is listed as that, and of a map of
Modbus how strong its evidence is and where its facts come from. A test compares the file with what this writes.
"""

from pathlib import Path
from typing import NamedTuple

import yaml

from drivers.dlms.layouts import layouts
from drivers.dlms.vendors import GENERIC
from drivers.dlms.vendors import vendors as dlms_vendors
from drivers.iec62056_21.vendors import vendors
from drivers.modbus.maps import Map, maps

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "SUPPORTED.md"
MODELS = ROOT / "tests" / "vectors" / "iec62056_21" / "models"

EVIDENCE = ("readout", "profile", "log")
_STRENGTH = ("manual", "capture")

_HEAD = """# Supported meters

Written by `python -m scripts.supported` from `drivers/*/vendors/`, `drivers/dlms/layouts/`, `drivers/modbus/maps/` and
`tests/vectors/`; do not edit.

A model of IEC 62056-21 or DLMS is listed here because a test has its bytes and what has to come of them:

* **capture**: bytes that a real meter sent.
* **manual**: bytes laid out as a document describes them, with values of our own. No meter of that model was read.
* **-**: nothing.

Other meters that keep to IEC 62056-21 are read by the profile `generic`; their readouts need no profile. What a profile
adds is the medium, how profiles and logs are asked for, and the meaning of status words.

## IEC 62056-21

| model | profile | chosen by | readout | load profile | log |
|---|---|---|---|---|---|
"""

_WITHOUT = """
## Profile without evidence

There is a profile for these models, made of documents or of what similar meters do, and nothing that shows that it is
right. A recording of such a meter is welcome.

| model | profile | chosen by |
|---|---|---|
"""


_DLMS = """
## DLMS/COSEM

Meters that keep to the standard need no profile. **No real meter was asked by DLMS yet**: the simulated one, and
gurux-dlms on the other side, stand in for them. What is known of makers' meters stands in
[the README of the driver](drivers/dlms/README.md#makers-meters).

Meters that push need a layout where their messages do not name the values:

| model | layout | push |
|---|---|---|
"""

_PROFILES = """
Profiles for status words of load profiles, made of documents:

| models | profile |
|---|---|
"""

_MODBUS = """
## Modbus

A device is read by the [map](drivers/modbus/MAPS.md) that its `map` names. How sure a map is of its facts:

* **capture**: a test has octets that a real device sent.
* **manual**: the maker's own document was read, or the specification.
* **map**: from what others have published, which may be wrong. Compare the first reading with the display.

{summary}

A scan knows a device by registers that hold its model, by its device identification or by SunSpec models; **-**: its
map has to be named by hand. Ratios of transformers are read and compared with the configured ones.

| models | map | evidence | known by a scan | serial number | ratios |
|---|---|---|---|---|---|
"""

_SOURCES = """
### Where the facts come from

"""


class Evidence(NamedTuple):
    """What one vector shows: of which model, by which profile, in which part, and how strong it is."""

    profile: str
    model: str
    part: str
    kind: str


def evidence() -> tuple[Evidence, ...]:
    """One entry for each vector of a model."""
    return tuple(
        Evidence(path.stem, vector["model"], vector["evidence"], vector["kind"])
        for path in sorted(MODELS.glob("*.yaml"))
        for vector in yaml.safe_load(path.read_text(encoding="utf-8"))
    )


def page(found: tuple[Evidence, ...]) -> str:
    """The whole text of SUPPORTED.md."""
    shown: list[str] = []
    bare: list[str] = []
    for vendor in vendors().values():
        chosen = "identification" if vendor.identification else "name"
        for model in vendor.models:
            parts = [_strongest(found, vendor.name, model, part) for part in EVIDENCE]
            if any(parts):
                cells = " | ".join(part or "-" for part in parts)
                shown.append(f"| {model} | `{vendor.name}` | {chosen} | {cells} |\n")
            else:
                bare.append(f"| {model} | `{vendor.name}` | {chosen} |\n")
    return _HEAD + "".join(shown) + _WITHOUT + "".join(bare) + dlms() + modbus(tuple(maps().values()))


def dlms() -> str:
    """The part about DLMS: layouts say themselves, among their sources, whether there is a capture."""
    rows = [
        f"| {model} | `{layout.name}` | {_pushed(layout.sources)} |\n"
        for layout in layouts().values()
        for model in layout.models
    ]
    profiles = [
        f"| {', '.join(vendor.models)} | `{vendor.name}` |\n"
        for vendor in dlms_vendors().values()
        if vendor.name != GENERIC
    ]
    return _DLMS + "".join(rows) + _PROFILES + "".join(profiles)


def _pushed(sources: tuple[str, ...]) -> str:
    return "capture" if any(source.startswith("capture ") for source in sources) else "manual"


def modbus(found: tuple[Map, ...]) -> str:
    """The part about Modbus: what each map is for, how strong its evidence is, and its sources."""
    counts = {kind: sum(one.evidence == kind for one in found) for kind in ("capture", "manual", "map")}
    summary = ", ".join(f"{count} by {kind}" for kind, count in counts.items())
    if not counts["capture"]:
        summary += ". **No device was read for real yet**"
    rows = [
        f"| {', '.join(one.models)} | `{one.name}` | {one.evidence} | {_known_by(one) or '-'} | {_serial(one)} "
        f"| {_ratios(one) or '-'} |\n"
        for one in found
    ]
    sources = [f"* `{one.name}`: {'; '.join(one.sources)}\n" for one in found]
    return _MODBUS.format(summary=f"{len(found)} maps: {summary}.") + "".join(rows) + _SOURCES + "".join(sources)


def _known_by(one: Map) -> str:
    way = one.identification
    signs = (
        ("device identification", way is not None and way.device_id is not None),
        ("registers", way is not None and way.registers),
        ("SunSpec models", one.sunspec is not None),
    )
    return ", ".join(name for name, has in signs if has)


def _serial(one: Map) -> str:
    return "yes" if one.serial is not None or one.sunspec is not None else "-"


def _ratios(one: Map) -> str:
    return ", ".join(name for name, has in (("CT", one.ct), ("VT", one.vt)) if has is not None)


def _strongest(found: tuple[Evidence, ...], profile: str, model: str, part: str) -> str:
    """The best kind of evidence for a part of a model; empty where there is none."""
    kinds = [entry.kind for entry in found if entry[:3] == (profile, model, part)]
    return max(kinds, key=_STRENGTH.index, default="")


if __name__ == "__main__":
    PAGE.write_text(page(evidence()), encoding="utf-8")
