"""What a session has seen: what belongs together is cut out of one answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from drivers.modbus.image import Image, Snapshot
from drivers.modbus.map_registers import Cell, Register
from drivers.modbus.wire.pdu import Function, Read, Refused
from tests.drivers.modbus.devices import words

HOLDING = Function.READ_HOLDING_REGISTERS
AT = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)
LATER = AT + timedelta(seconds=1)


def register(code: str, address: int, **given: Any) -> Register:
    return Register.model_validate({"obis": code, "address": address, "type": "u16", "unit": "Wh"} | given)


def read(address: int, count: int) -> Read:
    return Read(HOLDING, address, count)


def test_octets_and_when_they_came() -> None:
    one, other = register("1-0:1.8.0", 10), register("1-0:2.8.0", 12)
    image = Image((*one.pieces, *other.pieces))
    before = image.empty
    assert before
    assert image.register(one) is None
    image.add(read(9, 3), words(7, 8, 9), AT)
    assert not image.empty
    assert image.register(one) == Snapshot((words(8),), AT)
    assert image.register(other) is None
    image.refuse(read(12, 1), Refused(2))
    assert image.register(other) == Refused(2)
    assert image.refused == ((read(12, 1), Refused(2)),)


def test_the_function_counts() -> None:
    one = register("1-0:1.8.0", 10, function=4)
    image = Image(one.pieces)
    image.add(read(10, 1), words(7), AT)
    assert image.register(one) is None


def test_a_group_is_of_one_moment_also_where_a_part_of_it_came_before() -> None:
    one, other = register("1-0:1.8.0", 10, group="energy"), register("1-0:2.8.0", 12, group="energy")
    image = Image((*one.pieces, *other.pieces))
    image.add(read(10, 1), words(1), AT)
    image.add(read(10, 3), words(2, 0, 3), LATER)
    assert image.register(one) == Snapshot((words(2),), LATER)
    assert image.register(other) == Snapshot((words(3),), LATER)


def test_a_number_comes_with_its_exponent() -> None:
    one = register("1-0:1.8.0", 10, group="energy", scale_register={"address": 12, "type": "i16"})
    image = Image(one.pieces)
    image.add(read(10, 3), words(5, 6, 7), AT)
    assert image.register(one) == Snapshot((words(5), words(7)), AT)


def test_a_cell_that_is_no_register() -> None:
    serial = Cell.model_validate({"address": 3, "type": "u32"})
    image = Image((serial.piece(),))
    assert image.octets(serial) is None
    image.refuse(read(3, 2), Refused(1))
    assert image.octets(serial) is None
    image.add(read(3, 2), words(1, 2), AT)
    assert image.octets(serial) == words(1, 2)
