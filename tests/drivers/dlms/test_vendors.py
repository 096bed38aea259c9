"""Vendor profiles of DLMS meters: data with its evidence."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from drivers.dlms.vendors import GENERIC, StatusWord, Vendor, vendors
from drivers.dlms.wire.axdr import Tag
from gatewayd.status import Fault

FILES = sorted((Path(__file__).parents[3] / "drivers" / "dlms" / "vendors").glob("*.yaml"))

# The AMR profile status, bit by bit, as the reference notes give it (gurux.fi/node/24756; AmrProfileStatusCodeFlag of
# the Grid eXchange Fabric has bit 6 too).
AMR = {
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


def vendor(**more: object) -> Vendor:
    return Vendor.model_validate({"name": "x", "sources": ["made up for a test"], **more})


def test_every_file_is_one_profile_of_its_name() -> None:
    assert [path.stem for path in FILES] == list(vendors())
    assert all(name == one.name for name, one in vendors().items())
    assert GENERIC in vendors()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_key_stands_twice(path: Path) -> None:
    yaml.load(path.read_text(encoding="utf-8"), Loader=Strict)


@pytest.mark.parametrize("one", vendors().values(), ids=lambda one: one.name)
def test_a_profile_has_sources_and_the_bits_of_the_amr_profile_status(one: Vendor) -> None:
    assert all(len(source.strip()) > 10 for source in one.sources)
    assert bool(one.models) == (one.name != GENERIC)
    assert one.status.bits == 8
    assert one.status.meaning == (AMR | {0x40: Fault.DATA_RECOVERED} if one.name == "dsmr" else AMR)


def test_what_no_source_tells_is_what_the_standard_says() -> None:
    for one in vendors().values():
        assert (one.time, one.nulls, one.missing, one.selective_access, one.range_on, one.range_deviation) == (
            "end",
            "previous",
            {},
            "auto",
            "sort",
            True,
        )


def test_marks_are_numbers_of_a_type() -> None:
    one = vendor(missing={"double-long-unsigned": [0xFFFFFFFF], "long": [-0x8000, 0x7FFF]})
    assert one.marks == {(Tag.DOUBLE_LONG_UNSIGNED, 0xFFFFFFFF), (Tag.LONG, -0x8000), (Tag.LONG, 0x7FFF)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": {"meaning": {3: "clock_set"}}},
        {"status": {"meaning": {0x100: "clock_set"}}},
        {"status": {"meaning": {0: "clock_set"}}},
        {"status": {"meaning": {1: "no_such_fault"}}},
        {"status": {"bits": 12}},
        {"missing": {"float32": [0]}},
        {"missing": {"unsigned": [256]}},
        {"missing": {"long": [-0x8001]}},
        {"sources": []},
        {"time": "middle"},
        {"unheard_of": 1},
    ],
)
def test_a_profile_that_contradicts_itself_does_not_load(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        vendor(**wrong)


def test_a_bit_that_says_nothing_is_null() -> None:
    assert StatusWord.model_validate({"meaning": {0x10: None}}).meaning == {0x10: None}
