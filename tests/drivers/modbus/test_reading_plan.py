"""Which registers a request means, and what is remembered of a device that refuses some."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.map_registers import Register
from drivers.modbus.reading_plan import LASTS, Forbidden, select
from drivers.modbus.wire.pdu import Function
from gatewayd.obis import Obis
from tests.drivers.modbus.rtu_bytes import examples

TODAY = date(2026, 11, 27)
HOLDING, INPUT = Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS


def register(code: str, address: int, **given: Any) -> Register:
    return Register.model_validate({"obis": code, "address": address, "type": "u32", "unit": "kWh"} | given)


IMPORT = register("1-0:1.8.0", 0)
EXPORT = register("1-0:2.8.0", 2, optional=True)
TARIFF = register("1-0:1.8.1", 10, optional=True, group="tariffs")
SECOND = register("1-0:1.8.2", 12, group="tariffs")
ALL = (IMPORT, EXPORT, TARIFF, SECOND)


def codes(*texts: str) -> tuple[Obis, ...]:
    return tuple(Obis.parse(text) for text in texts)


def test_everything() -> None:
    found = select(ALL, ())
    assert (found.registers, found.absent) == (ALL, ())
    assert [found.needed(one) for one in ALL] == [True, False, False, True]


def test_named_ones_in_their_order_and_once() -> None:
    found = select(ALL, codes("2.8.0", "1-0:1.8.0", "1.8.0&255", "1-0:2.8.0", "9.9.9", "9.9.9"))
    assert found.registers == (EXPORT, IMPORT)
    assert found.absent == codes("9.9.9")
    assert found.needed(EXPORT)  # it was named


def test_history_is_another_register() -> None:
    assert select(ALL, codes("1.8.0*05")).absent == codes("1.8.0*05")


def test_what_the_device_refuses_and_nobody_needs_is_left_out() -> None:
    refused = frozenset({(HOLDING, 2, 2), (HOLDING, 0, 2), (HOLDING, 10, 4)})
    # 1.8.0 is needed, so that it is tried again; of the group only what is needed is.
    assert select(ALL, (), refused).registers == (IMPORT, SECOND)
    assert select(ALL, codes("2.8.0"), refused).registers == (EXPORT,)
    assert select(ALL, (), frozenset({(INPUT, 2, 2), (HOLDING, 2, 1), (HOLDING, 10, 2)})).registers == ALL


def test_pieces_have_their_groups() -> None:
    found = select(ALL, ()).pieces
    assert [(piece.address, piece.words, piece.group) for piece in found] == [
        (0, 2, None),
        (2, 2, None),
        (10, 2, "tariffs"),
        (12, 2, "tariffs"),
    ]


SPANS = st.tuples(st.sampled_from([HOLDING, INPUT]), st.integers(0, 0xFFFF), st.integers(1, 125))


@examples(100)
@given(st.dictionaries(SPANS, st.integers(0, LASTS.days - 1), max_size=20))
def test_what_is_remembered_comes_back(spans: dict[tuple[Function, int, int], int]) -> None:
    known = Forbidden()
    for span, days in spans.items():
        known = known.learned([span], TODAY - timedelta(days=days))
    again = Forbidden.recalled(known.encoded(), TODAY)
    assert again == known
    assert again.spans == spans.keys()


def test_it_is_forgotten_in_time_and_renewed_when_it_happens_again() -> None:
    old = Forbidden().learned([(HOLDING, 1, 1), (HOLDING, 2, 1)], TODAY - LASTS + timedelta(days=1))
    assert len(Forbidden.recalled(old.encoded(), TODAY).spans) == 2
    assert Forbidden.recalled(old.encoded(), TODAY + timedelta(days=1)).spans == frozenset()
    renewed = old.learned([(HOLDING, 2, 1)], TODAY)
    assert Forbidden.recalled(renewed.encoded(), TODAY + timedelta(days=1)).spans == {(HOLDING, 2, 1)}


def test_a_clock_that_was_ahead_teaches_nothing_for_ever() -> None:
    ahead = Forbidden().learned([(HOLDING, 1, 1)], TODAY + timedelta(days=400))
    assert Forbidden.recalled(ahead.encoded(), TODAY).spans == frozenset()


def test_it_has_an_end() -> None:
    known = Forbidden()
    for address in range(0, 1000, 100):
        known = known.learned([(HOLDING, at, 1) for at in range(address, address + 100)], TODAY + timedelta(address))
    assert len(known.spans) == 500
    assert (HOLDING, 999, 1) in known.spans and (HOLDING, 0, 1) not in known.spans


@pytest.mark.parametrize(
    "content",
    [None, b"", b"[", b"{}", b"null", b"7", b'[[3,1,1,"x"]]', b"[[3,1,1]]", b'[[99,1,1,"2026-11-27"]]', b"\xff"],
)
def test_what_cannot_be_read_is_nothing(content: bytes | None) -> None:
    assert Forbidden.recalled(content, TODAY) == Forbidden()
