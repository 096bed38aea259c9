"""Vendor profiles: data with its evidence, chosen by name or by what the meter says of itself."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.vendors import AUTO, GENERIC, Vendor, choose, vendors
from tests.drivers.iec62056_21.conversation import ROOT


def test_every_profile_has_its_name_and_its_sources() -> None:
    files = sorted((ROOT / "drivers" / "iec62056_21" / "vendors").glob("*.yaml"))
    assert [path.stem for path in files] == sorted(vendors())
    for name, vendor in vendors().items():
        assert vendor.name == name
        assert vendor.sources
        assert all(source.strip() for source in vendor.sources)
        re.compile(vendor.identification)


def test_a_profile_is_chosen_by_name_whatever_the_meter_says() -> None:
    assert choose("landis-gyr-uh50", "/ISK5MT174-0001").name == "landis-gyr-uh50"
    assert choose(GENERIC, "/LUGCUH50").name == GENERIC


def test_auto_goes_by_the_identification() -> None:
    assert choose(AUTO, "/LUGCUH50").name == "landis-gyr-uh50"
    assert choose(AUTO, "/LUGCUH50").medium == 6
    for identification in ("/ISK5MT174-0001", "", "noise /LUGCUH50", "/LUG5xxx"):
        assert choose(AUTO, identification).name == GENERIC
    assert choose(AUTO, "").medium == 1


def test_an_unknown_profile_is_refused_by_the_options() -> None:
    with pytest.raises(ValidationError, match="no vendor profile; known: auto, generic, landis-gyr-uh50"):
        Iec62056_21Options(vendor="nobody")
    for name in (AUTO, *vendors()):
        assert Iec62056_21Options(vendor=name).vendor == name


def test_a_profile_has_no_unknown_keys() -> None:
    with pytest.raises(ValidationError):
        Vendor.model_validate({"name": "x", "sources": ["y"], "medium": 1, "colour": "red"})
    with pytest.raises(ValidationError):
        Vendor.model_validate({"name": "x", "sources": ["y"], "medium": 16})
    with pytest.raises(ValidationError):
        Vendor.model_validate({"name": "x"})
