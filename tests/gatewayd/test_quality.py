"""The tables of foreign codes: complete, without repetitions, and with the bits of status words as in the notes."""

import pytest

from gatewayd.model import Flag, RawStatus
from gatewayd.quality import FLAG_CODES, STATUS_CODES, SYSTEMS, Code, System

ALL = [(entry.name, codes) for table in (STATUS_CODES, FLAG_CODES) for entry, codes in table.items()]


def found(system: System) -> dict[str, set[str]]:
    """Code to the statuses and flags for which it stands."""
    places: dict[str, set[str]] = {}
    for name, codes in ALL:
        for code in codes:
            if code.system is system:
                places.setdefault(code.code, set()).add(name or "")
    return places


def test_every_status_and_every_flag_has_an_entry_in_its_order() -> None:
    assert list(STATUS_CODES) == list(RawStatus)
    assert list(FLAG_CODES) == list(Flag)


def test_every_status_has_codes() -> None:
    assert all(STATUS_CODES.values())


def test_every_system_is_described_and_used() -> None:
    assert list(SYSTEMS) == list(System)
    assert {code.system for _, codes in ALL for code in codes} == set(System)


@pytest.mark.parametrize(("name", "codes"), ALL, ids=[str(name) for name, _ in ALL])
def test_no_code_stands_twice_in_an_entry(name: str, codes: tuple[Code, ...]) -> None:
    keys = [(code.system, code.code) for code in codes]
    assert len(set(keys)) == len(keys)


def test_the_amr_profile_status() -> None:
    """Requirements 4.1; bit 4 has no meaning."""
    assert found(System.AMR_PROFILE) == {
        "bit 7": {"POWER_DOWN"},
        "bit 6": {"RECOVERED"},
        "bit 5": {"CLOCK_ADJUSTED"},
        "bit 3": {"DST"},
        "bit 2": {"DISTORTED", "DISTURBED"},
        "bit 1": {"DISTORTED", "CLOCK_INVALID"},
        "bit 0": {"DISTORTED", "METER_ERROR"},
    }


def test_the_edis_status_word() -> None:
    """Requirements 4.1; bit 15 stands for no flag of ours."""
    assert found(System.EDIS) == {
        "bit 7": {"POWER_DOWN", "PARTIAL_INTERVAL"},
        "bit 6": {"POWER_DOWN", "PARTIAL_INTERVAL"},
        "bit 5": {"CLOCK_ADJUSTED"},
        "bit 4": {"RESET"},
        "bit 3": {"DST"},
        "bit 2": {"DISTORTED", "DISTURBED"},
        "bit 1": {"DISTORTED"},
        "bit 0": {"DISTORTED", "METER_ERROR"},
        "bit 13": {"CONFIG_CHANGED"},
        "bit 14": {"CONFIG_CHANGED"},
    }


def test_the_cosem_clock_status() -> None:
    assert found(System.COSEM_CLOCK) == {"0x01": {"CLOCK_INVALID"}, "0x08": {"CLOCK_INVALID"}, "0x80": {"DST"}}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (RawStatus.TRUE, "2.0.0"),
        (RawStatus.SUBSTITUTE, "2.8.0"),
        (RawStatus.PROVISIONAL, "2.10.0"),
        (RawStatus.DISTORTED, "2.5.258"),
        (RawStatus.MISSING, "2.5.259"),
    ],
)
def test_reading_qualities(status: RawStatus, code: str) -> None:
    """Requirements 4."""
    assert code in [entry.code for entry in STATUS_CODES[status] if entry.system is System.IEC_61968_9]


def test_pairings_are_inferred_but_for_those_that_the_notes_state() -> None:
    stated = {(code.system, code.code) for _, codes in ALL for code in codes if not code.inferred}
    assert stated == {(System.COSEM_CLOCK, code) for code in ("0x01", "0x08", "0x80")}


def test_codes_from_memory_are_marked() -> None:
    recalled = {(code.system, code.code) for _, codes in ALL for code in codes if code.recalled}
    assert recalled == {(System.ENTSO_E, "A04"), (System.ENTSO_E, "A05"), (System.EDIS, "bit 4")}
