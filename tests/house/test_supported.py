"""SUPPORTED.md says what the vectors show, and nothing more."""

from __future__ import annotations

from drivers.dlms.layouts import layouts
from drivers.dlms.vendors import vendors as dlms_vendors
from drivers.iec62056_21.vendors import vendors
from drivers.modbus.maps import Map, maps
from scripts.supported import EVIDENCE, PAGE, Evidence, dlms, evidence, modbus, page
from tests.drivers.dlms.push_bytes import NAMES

ROOT = PAGE.parent


def test_the_list_of_supported_meters_is_what_the_script_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(evidence()), "run: python -m scripts.supported"


def test_every_model_is_listed_once() -> None:
    iec, _ = page(evidence()).split("## DLMS/COSEM")
    rows = [line.split(" | ")[0] for line in iec.splitlines() if line.startswith("| ")]
    models = [f"| {model}" for vendor in vendors().values() for model in vendor.models]
    assert sorted(row for row in rows if row != "| model") == sorted(models)


def test_a_model_without_a_vector_is_no_supported_one() -> None:
    supported, without = page((Evidence("apator-norax", "NORAX", "log", "manual"),)).split(
        "## Profile without evidence"
    )
    assert [line for line in supported.splitlines() if "`apator-norax`" in line] == [
        "| NORAX | `apator-norax` | identification | - | - | manual |"
    ]
    assert "| OTUS | `apator` | name |" in without
    assert "NORAX" not in without


def test_a_recording_outweighs_a_document() -> None:
    both = (
        Evidence("itron-em214", "EM214", "readout", "capture"),
        Evidence("itron-em214", "EM214", "readout", "manual"),
    )
    for found in (both, both[::-1]):
        assert "| EM214 | `itron-em214` | name | capture | - | - |" in page(found)


def test_the_evidence_is_of_models_that_a_profile_names() -> None:
    for entry in evidence():
        assert entry.model in vendors()[entry.profile].models
        assert entry.part in EVIDENCE
        assert entry.kind in ("capture", "manual")


def test_dlms_lists_every_layout_and_profile() -> None:
    told = dlms()
    for layout in layouts().values():
        for model in layout.models:
            assert f"| {model} | `{layout.name}` | " in told
    assert all(f"`{vendor.name}` |" in told for vendor in dlms_vendors().values() if vendor.models)


def test_a_layout_with_a_capture_names_one_that_the_tests_decode() -> None:
    for layout in layouts().values():
        named = [source.split()[1].rstrip(":") for source in layout.sources if source.startswith("capture ")]
        assert set(named) <= set(NAMES)
        shown = f"`{layout.name}` | capture |" in dlms()
        assert shown == bool(named)


def test_modbus_lists_every_map_with_its_models_evidence_and_sources() -> None:
    told = modbus(tuple(maps().values()))
    for one in maps().values():
        assert f"| {', '.join(one.models)} | `{one.name}` | {one.evidence} | " in told
        assert f"* `{one.name}`: {'; '.join(one.sources)}\n" in told


def some_map(**more: object) -> Map:
    meter = {"name": "m", "models": ["M"], "sources": ["S"], "evidence": "map"}
    registers = [{"obis": "1-0:1.8.0", "address": 0, "type": "u32", "unit": "Wh"}]
    return Map.model_validate({**meter, "registers": registers, **more})


def test_a_map_of_modbus_says_what_a_scan_and_a_session_know_of_its_device() -> None:
    ratio = {"ratio": {"address": 9, "type": "u16"}}
    signs = {"registers": [{"address": 7, "type": "u16", "equals": [1]}], "device_id": {"vendor": "V", "product": "P"}}
    known = some_map(serial={"address": 4, "type": "u32"}, identification=signs, vt=ratio)
    assert "| M | `m` | map | - | - | - |" in modbus((some_map(),))
    assert "| M | `m` | map | device identification, registers | yes | VT |" in modbus((known,))
    assert "| `sunspec-201-204` | manual | SunSpec models | yes | - |" in modbus((maps()["sunspec-201-204"],))


def test_that_no_device_was_read_is_said_as_long_as_it_is_so() -> None:
    assert "No device was read for real yet" in modbus((some_map(),))
    assert "No device was read for real yet" not in modbus((some_map(), some_map(evidence="capture")))


def test_a_map_made_of_octets_of_a_real_device_has_them_among_the_vectors() -> None:
    for one in maps().values():
        has = (ROOT / "tests" / "vectors" / "modbus" / one.name).exists()
        assert has == (one.evidence == "capture"), f"{one.name} says {one.evidence}"
