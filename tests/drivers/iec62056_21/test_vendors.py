"""Vendor profiles: data with its evidence, chosen by name or by what the meter says of itself."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.vendors import AUTO, GENERIC, StatusWord, Table, Vendor, choose, vendors
from gatewayd.obis import Obis
from gatewayd.status import Fault
from tests.drivers.iec62056_21.conversation import ROOT, VECTORS, examples

FILES = sorted((ROOT / "drivers" / "iec62056_21" / "vendors").glob("*.yaml"))
IDENTIFICATIONS = yaml.safe_load((VECTORS / "identifications.yaml").read_text(encoding="utf-8"))

# The status word of the VDEW specification, bit by bit, as the reference notes give it (LEM, EM4TII manual p. 22-23,
# agrees in 0x0001, 0x0002, 0x0008, 0x0020, 0x0040, 0x0080, 0x0100, 0x2000 and 0x4000).
VDEW = {
    0x0080: Fault.POWER_FAILED,
    0x0040: Fault.POWER_CAME_BACK,
    0x0020: Fault.CLOCK_SET,
    0x0010: Fault.METER_RESET,
    0x0008: Fault.SEASON_CHANGED,
    0x0004: Fault.VALUE_DISTURBED,
    0x0002: Fault.CLOCK_DOUBTFUL,
    0x0001: Fault.METER_FATAL,
    0x0100: Fault.PARAMETERS_SET,
    0x0200: Fault.METER_ERROR_BEGAN,
    0x0400: Fault.METER_ERROR_ENDED,
    0x2000: Fault.LOG_ERASED,
    0x4000: Fault.PROFILE_ERASED,
}
# MetCom, MCS301 product manual 1.25, 13.1.3; bits 6 and 4 are reserved.
MCS301 = {
    0x80: Fault.POWER_FAILED,
    0x20: Fault.CLOCK_SET,
    0x08: Fault.SEASON_SUMMER,
    0x04: Fault.VALUE_DISTURBED,
    0x02: Fault.CLOCK_DOUBTFUL,
    0x01: Fault.METER_FATAL,
}


class Strict(yaml.SafeLoader):
    """A key that stands twice is an error and does not silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # YAML is untyped
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"{node.start_mark}: a key twice"
        return super().construct_mapping(node, deep)


# -- the files -------------------------------------------------------------------------------------------------------


def test_every_file_is_one_profile_of_its_name() -> None:
    assert sorted(path.stem for path in FILES) == list(vendors())
    for name, vendor in vendors().items():
        assert vendor.name == name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_key_stands_twice(path: Path) -> None:
    yaml.load(path.read_text(encoding="utf-8"), Loader=Strict)


@pytest.mark.parametrize("vendor", vendors().values(), ids=lambda vendor: vendor.name)
def test_a_profile_is_whole(vendor: Vendor) -> None:
    assert vendor.sources
    assert all(len(source.strip()) > 10 for source in vendor.sources)
    assert bool(vendor.models) == (vendor.name != GENERIC)
    for word in (vendor.profile_status, vendor.log_status):
        for mask in word.meaning:
            assert mask in [2**bit for bit in range(word.bits)]
    for table in vendor.tables:
        assert Obis.parse(table.code).c == 99
        assert (table.kind == "log") == (Obis.parse(table.code).d >= 98)
    if vendor.serial_code:
        assert (Obis.parse(vendor.serial_code).c, Obis.parse(vendor.serial_code).d) in ((0, 0), (96, 1))


def test_no_model_stands_in_two_profiles() -> None:
    models = [model for vendor in vendors().values() for model in vendor.models]
    assert len(set(models)) == len(models)


def test_the_profiles_with_the_word_of_the_vdew_have_all_its_bits_and_no_others() -> None:
    known = {name: vendor for name, vendor in vendors().items() if vendor.profile_status.meaning}
    known.pop("metcom-mcs301")
    assert sorted(known) == ["elster-a1500", "elster-a1500-old", "emh-lzqj", "landis-gyr-e650"]
    for name, vendor in known.items():
        own = {0x8000: None} if name == "emh-lzqj" else {}
        for word in (vendor.profile_status, vendor.log_status):
            assert word.meaning == VDEW | own, name
            assert word.bits == (32 if name == "emh-lzqj" else 16), name
        assert any("VDEW specification 2.1" in source for source in vendor.sources)


def test_the_word_of_the_mcs301_says_that_summer_time_is_in_force() -> None:
    word = vendors()["metcom-mcs301"].profile_status
    assert word.meaning == MCS301
    assert word.bits == 8
    assert VDEW[0x08] is not word.meaning[0x08]


def test_where_no_source_explains_a_word_no_bit_has_a_meaning() -> None:
    for vendor in vendors().values():
        if vendor.name not in ("elster-a1500", "elster-a1500-old", "emh-lzqj", "landis-gyr-e650"):
            assert not vendor.log_status.meaning, vendor.name
            if vendor.name != "metcom-mcs301":
                assert not vendor.profile_status.meaning, vendor.name
        assert all(table.status is None for table in vendor.tables)


def test_the_medium_is_heat_for_heat_meters_only() -> None:
    heat = [name for name, vendor in vendors().items() if vendor.medium != 1]
    assert heat == ["kamstrup-multical", "landis-gyr-uh50"]
    assert {vendors()[name].medium for name in heat} == {6}


def test_how_profiles_are_asked_for() -> None:
    known = vendors()
    assert (known["elster"].profile_command, known["elster"].profile_fallback) == ("R5", "R6")
    assert (known["elster-a1500-old"].profile_command, known["elster-a1500-old"].profile_fallback) == ("R5", None)
    assert known["elster-a1500-old"].window_days < known["elster-a1500"].window_days
    open_ones = [name for name, vendor in known.items() if not vendor.password.needed]
    assert open_ones == ["emh-lzqj", "metcom-mcs301"]
    assert {name: vendor.serial_code for name, vendor in known.items() if vendor.serial_code} == {"emh-lzqj": "0.0.0"}
    assert [table.code for table in known["emh-lzqj"].tables] == "P.01 P.02 P.98 P.99 P.200 P.210 P.211".split()
    assert [table.code for table in known["landis-gyr-e650"].tables] == ["P.01", "P.02", "P.98"]


def test_a_meter_that_only_tells_has_no_tables_and_one_that_pushes_its_rate() -> None:
    known = vendors()
    bare = "dsmr-p1 easymeter-q3d emh-ehz itron-ace3000 kamstrup-382 kamstrup-multical landis-gyr-e350 landis-gyr-uh50"
    assert [name for name, vendor in known.items() if not vendor.tables] == bare.split()
    assert {name: vendor.start_baud for name, vendor in known.items() if vendor.start_baud} == {
        "easymeter-q3d": 9600,
        "emh-ehz": 9600,
    }
    assert [name for name, vendor in known.items() if vendor.wake_up] == ["landis-gyr-uh50"]
    assert [name for name, vendor in known.items() if vendor.max_baud < 19200] == ["landis-gyr-e350"]


# -- choice ----------------------------------------------------------------------------------------------------------


def test_a_profile_is_chosen_by_name_whatever_the_meter_says() -> None:
    assert choose("landis-gyr-uh50", "/ISK5MT174-0001").name == "landis-gyr-uh50"
    assert choose(GENERIC, "/LUGCUH50").name == GENERIC


@pytest.mark.parametrize("vector", IDENTIFICATIONS, ids=lambda vector: vector["raw"])
def test_auto_goes_by_the_identification(vector: dict[str, Any]) -> None:
    assert choose(AUTO, vector["raw"]).name == vector.get("vendor", GENERIC)


@pytest.mark.parametrize("vector", IDENTIFICATIONS, ids=lambda vector: vector["raw"])
def test_at_most_one_profile_fits(vector: dict[str, Any]) -> None:
    fitting = [
        vendor.name
        for vendor in vendors().values()
        if vendor.identification and re.match(vendor.identification, vector["raw"])
    ]
    assert fitting == ([vector["vendor"]] if "vendor" in vector else [])


def test_every_profile_with_an_identification_is_shown_one_that_fits() -> None:
    """The few for which no real one was read say so in their comments."""
    shown = {vector["vendor"] for vector in IDENTIFICATIONS if "vendor" in vector}
    unseen = {name for name, vendor in vendors().items() if vendor.identification} - shown
    assert unseen == {
        "iskraemeco-mt37x",
        "iskraemeco-mt83x",
        "iskraemeco-mt88x",
        "landis-gyr-dialog",
        "metcom-mcs301",
        "zpa",
    }


@pytest.mark.parametrize(
    ("identification", "name"),
    [
        ("/ISK5MT372-0101", "iskraemeco-mt37x"),
        (r"/ISk5\2MT830-0101", "iskraemeco-mt83x"),
        ("/ISK5MT860-0101", "iskraemeco-mt83x"),
        (r"/ISK5\2MT881-0101", "iskraemeco-mt88x"),
        ("/LGZ4ZMD120AR.D12", "landis-gyr-dialog"),
        (r"/MCS5\2MCS301", "metcom-mcs301"),
        (r"/ZPA4ZE314", "zpa"),
        (r"/LGZ6\2ZFD4104407.B32", "landis-gyr-e650"),
        ("/LGz4ZCF120AC.M55", "landis-gyr-e350"),
        (r"/HON5\@00000012345678", "elster"),
        (r"/EMh6\2\@01LZQJL001VE", "emh-lzqj"),
        (r"/APA5NORAX1", "apator-norax"),
        # other meters of the same makers, and other makers
        ("/ISK5MT175-0001", GENERIC),
        ("/ISK5MT670-0001", GENERIC),
        ("/LGZ4ZMG3104100", GENERIC),
        ("/LGZ4ZMD", GENERIC),
        ("/LUGCT230", GENERIC),
        ("/ELS5A1500", GENERIC),
        (r"/Els6\@EK280", GENERIC),
        (r"/GEC5\@090100020400", GENERIC),
        ("/EMH5EM211", GENERIC),
        ("/EMH5----ITZ", GENERIC),
        ("/ACE5ACE661", GENERIC),
        (r"/ACE5\2ACE3000", GENERIC),
        ("/MTC5MCS301", GENERIC),
        ("/KAM5MC601", GENERIC),
        ("/APA5ELF", GENERIC),
        ("/ESY5Q1A", GENERIC),
        (r"/FLU5\2ABC", GENERIC),
        ("/KFM5KAIFA", GENERIC),
        # not at the beginning, or nothing at all
        ("noise /LUGCUH50", GENERIC),
        ("/lugcuh50", GENERIC),
        ("/LUG5xxx", GENERIC),
        ("", GENERIC),
    ],
)
def test_a_pattern_takes_no_other_meter(identification: str, name: str) -> None:
    assert choose(AUTO, identification).name == name


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
@examples(200)
def test_the_choice_is_never_in_doubt(text: str) -> None:
    """Whatever a meter says, one profile at most fits."""
    for prefix in ("", "/", "/ISK5", "/LGZ4", "/ELS5\\@", "/EMH5\\@", "/ACE0", "/KAM "):
        said = prefix + text
        fitting = [v for v in vendors().values() if v.identification and re.match(v.identification, said)]
        assert len(fitting) <= 1
        assert choose(AUTO, said) is (fitting[0] if fitting else vendors()[GENERIC])


# -- the schema ------------------------------------------------------------------------------------------------------


def test_an_unknown_profile_is_refused_by_the_options() -> None:
    with pytest.raises(ValidationError, match="no vendor profile; known: auto, apator, apator-norax, "):
        Iec62056_21Options(vendor="nobody")
    for name in (AUTO, *vendors()):
        assert Iec62056_21Options(vendor=name).vendor == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "Extra inputs"),
        ({"medium": 16}, "less than or equal to 15"),
        ({"sources": []}, "at least 1 item"),
        ({"sources": None}, "valid tuple"),
        ({"identification": "LUG"}, "begins with /"),
        ({"identification": "/LUG("}, "no regular expression"),
        ({"tables": [{"code": "load profile"}]}, "not an OBIS code"),
        ({"tables": [{"code": "P.01"}, {"code": "1-0:99.1.0"}]}, "same code"),
        ({"tables": [{"code": "P.01", "stamp": "end"}]}, "Extra inputs"),
        ({"profile_status": {"bits": 16, "meaning": {0x80: "power_fialed"}}}, r"\['power_fialed'\] are no faults"),
        ({"profile_status": {"bits": 16, "meaning": {0x03: "clock_set"}}}, "0x3 is not one bit of a word of 16 bits"),
        ({"profile_status": {"bits": 16, "meaning": {0x10000: "clock_set"}}}, "0x10000 is not one bit"),
        ({"profile_status": {"bits": 8, "meaning": {0x100: None}}}, "0x100 is not one bit"),
        ({"profile_status": {"bits": 8, "meaning": {0: None}}}, "0x0 is not one bit"),
        ({"profile_status": {"bits": 8, "meaning": {-1: None}}}, "is not one bit"),
        ({"log_status": {"bits": 12}}, "8, 16, 24 or 32"),
        ({"start_baud": 1000}, "300, 600"),
        ({"wake_up": {"seconds": 0}}, "greater than 0"),
        ({"password": {"command": "P0"}}, "'P1' or 'P2'"),
    ],
)
def test_a_profile_that_contradicts_itself_does_not_load(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Vendor.model_validate({"name": "x", "sources": ["somewhere"]} | change)


def test_names_of_faults_are_written_in_lower_case() -> None:
    word = StatusWord.model_validate({"bits": 8, "meaning": {0x80: "power_failed", 0x01: None}})
    assert word.meaning == {0x80: Fault.POWER_FAILED, 0x01: None}
    highest = StatusWord.model_validate({"bits": 32, "meaning": {0x80000000: "tampered"}})
    assert highest.meaning == {0x80000000: Fault.TAMPERED}
    assert StatusWord(bits=8, meaning={0x80: Fault.POWER_FAILED, 0x01: None}) == word
    with pytest.raises(ValidationError, match="no faults"):
        StatusWord.model_validate({"bits": 8, "meaning": {0x80: "POWER_FAILED"}})


def test_a_table_has_a_code() -> None:
    assert Table(code="P.01").kind == "profile"
    with pytest.raises(ValidationError, match="not an OBIS code"):
        Table(code="load profile")
