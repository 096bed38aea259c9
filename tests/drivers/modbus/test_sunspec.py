"""SunSpec devices: the walk, what is remembered of it, and where the registers of a map are then."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.maps import SUNSPEC_BASES, Map, maps
from drivers.modbus.sunspec import Chain, Located, located, moved, walk
from drivers.modbus.wire.pdu import Read, Refused, Reply, Request, Words
from drivers.modbus.wire.plan import plan
from gatewayd.driver import Forgetful
from gatewayd.errors import GatewayError, MeterDiffers, MeterSilent, ProtocolError
from tests.drivers.modbus.asked_unit import Unit

INTEGERS, FLOATS = maps()["sunspec-201-204"], maps()["sunspec-211-214"]


def common(serial: str = "SN-0042", version: str = "1.07", length: int = 66) -> bytes:
    texts = (("Maker", 16), ("Model", 16), ("", 8), (version, 8), (serial, 16))
    body = b"".join(text.encode().ljust(2 * words, b"\0") for text, words in texts)
    return (struct.pack(">HH", 1, length) + body + b"\0\1\x80\0")[: 2 * (2 + length)]


def model(number: int, length: int) -> bytes:
    return struct.pack(">HH", number, length) + bytes(2 * length)


def device(*models: bytes, base: int = 40000, end: bytes = b"\xff\xff\0\0") -> Unit:
    return Unit().put(base, b"SunS" + b"".join(models) + end)


def walked(unit: Unit, most: int = 125) -> Chain | None:
    return asyncio.run(walk(unit.ask, most))


def find(unit: Unit, memory: Forgetful | None = None, found: Map = INTEGERS, number: int = 1) -> Located:
    return asyncio.run(located(unit.ask, memory or Forgetful(), found, number))


# -- the walk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", SUNSPEC_BASES)
def test_a_chain_at_each_base(base: int) -> None:
    chain = walked(device(common(), model(103, 50), model(203, 105), base=base))
    assert chain is not None
    assert (chain.base, chain.numbers) == (base, "1, 103, 203")
    assert [one.address - base for one in chain.models] == [2, 70, 122]
    assert chain.common == common()


def test_a_common_model_without_its_pad() -> None:
    chain = walked(device(common(length=65), model(203, 105)))
    assert chain is not None
    assert [one.address for one in chain.models] == [40002, 40069]


def test_a_chain_that_is_read_in_small_pieces() -> None:
    unit = device(common(), model(203, 105))
    chain = walked(unit, most=10)
    assert chain == walked(device(common(), model(203, 105)))
    assert max(one.count for one in unit.asked if isinstance(one, Read)) == 10


def test_a_chain_without_an_end_mark() -> None:
    chain = walked(device(common(), model(203, 105), end=b""))
    assert chain is not None
    assert chain.numbers == "1, 203"


def test_no_marker_no_chain() -> None:
    unit = Unit().put(40000, b"NoNo").put(0, b"SunX")
    assert walked(unit) is None
    assert [one.address for one in unit.asked if isinstance(one, Read)] == list(SUNSPEC_BASES)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (device(common(), model(203, 105)[:4], end=b"").put(40177, b"\0\0\0\5"), "model 0 of 5"),
        (device(common(), struct.pack(">HH", 203, 30000), end=b""), "model 203 of 30000"),
        (device(model(203, 105)), "does not begin with the common model"),
        (device(model(1, 20), model(203, 105)), "does not begin with the common model"),
        (device(), "does not begin with the common model"),
        (device(common(), *[model(9, 0)] * 70), "does not end after 64"),
    ],
)
def test_a_chain_that_cannot_be(unit: Unit, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        walked(unit)


def test_models_of_no_length_up_to_the_last_address_end() -> None:
    unit = device(common(), *[model(9, 0)] * 20)
    chain = walked(unit)
    assert chain is not None
    assert len(chain.models) == 21


@given(st.binary(max_size=60), st.sampled_from(SUNSPEC_BASES))
def test_any_registers_end_in_a_chain_or_an_error(content: bytes, base: int) -> None:
    unit = Unit().put(base, b"SunS" + common() + content)
    try:
        chain = walked(unit)
    except ProtocolError:
        chain = None
    assert chain is None or chain.models[-1].end <= 0x1_0000
    assert len(unit.asked) < 80


@given(st.lists(st.binary(min_size=2, max_size=8), max_size=30))
def test_whatever_is_answered_the_walk_ends(answers: list[bytes]) -> None:
    coming = iter(answers)

    async def ask(request: Request) -> Reply:
        assert isinstance(request, Read)
        one = next(coming, None)
        return Refused(2) if one is None else Words((one * 130)[: 2 * request.count])

    with suppress(ProtocolError):
        asyncio.run(walk(ask))
    assert next(coming, None) is None or len(answers) > 3, "it asks for the marker at every place at least"


# -- a map in its device ---------------------------------------------------------------------------------------------


def test_registers_count_from_the_model() -> None:
    there = find(device(common(), model(103, 50), model(203, 105)))
    energy = there.map.register("1-0:1.8.0*255")
    own = INTEGERS.register("1-0:1.8.0*255")
    assert energy is not None
    assert own is not None
    assert energy.address == 40122 + own.address
    assert energy.scale_register is not None
    assert energy.scale_register.address == 40122 + 54
    assert [one.address for one in energy.pieces] == [40122 + 46, 40122 + 54]
    assert (there.identity.serials, there.identity.identification, there.detail) == (("SN-0042",), "firmware 1.07", "")


def test_the_map_itself_stays_as_it_is() -> None:
    before = [one.address for one in INTEGERS.registers]
    one, other = moved(INTEGERS, 40070), moved(INTEGERS, 100)
    assert [one.address for one in INTEGERS.registers] == before
    assert [register.address - 40070 for register in one.registers] == before
    assert [register.address - 100 for register in other.registers] == before
    assert [register.address - 100 for register in moved(FLOATS, 100).registers] != before


def test_values_and_their_scale_factor_come_in_one_request() -> None:
    there = moved(INTEGERS, 40070)
    pieces = [piece for register in there.registers for piece in register.pieces]
    reads = plan(pieces, there.defaults.max_registers, there.defaults.max_gap)
    assert len(reads) <= 4
    for register in there.registers:
        assert any(
            all(read.address <= cell.address and cell.end <= read.end for cell in register.cells) for read in reads
        ), register.obis


def test_the_first_of_several_models_is_read_and_that_is_told() -> None:
    there = find(device(common(), model(203, 105), model(201, 105)))
    register = there.map.register("1-0:1.8.0*255")
    assert register is not None
    assert register.address == 40070 + 46
    assert there.detail == "has 2 models of 201, 202, 203, 204: the first one is read"


def test_a_longer_model_is_read_as_well() -> None:
    assert find(device(common(), model(203, 110))).map.name == "sunspec-201-204"


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (Unit(), "has no SunSpec marker at 40000, 50000, 0: look at `map` and `unit`"),
        (device(common(), model(213, 124)), "has the SunSpec models 1, 213, and map sunspec-201-204 is for 201, 202"),
        (device(common(), model(203, 100)), "model 203 with 100 registers, where the model has 105"),
    ],
)
def test_another_device_than_the_map_is_for(unit: Unit, message: str) -> None:
    with pytest.raises(MeterDiffers, match=message):
        find(unit)


def test_silence_is_told() -> None:
    with pytest.raises(MeterSilent):
        find(Unit(silent=True))


# -- what is remembered ----------------------------------------------------------------------------------------------


def test_the_second_session_asks_once() -> None:
    unit, memory = device(common(), model(103, 50), model(203, 105)), Forgetful()
    first = find(unit, memory)
    unit.asked.clear()
    second = find(unit, memory)
    assert (second.map, second.identity) == (first.map, first.identity)
    assert [(one.address, one.count) for one in unit.asked if isinstance(one, Read)] == [(40000, 70), (40122, 2)]


def test_a_model_behind_the_common_one_costs_one_request() -> None:
    unit, memory = device(common(), model(203, 105)), Forgetful()
    first = find(unit, memory)
    unit.asked.clear()
    assert find(unit, memory) == first
    assert [(one.address, one.count) for one in unit.asked if isinstance(one, Read)] == [(40000, 72)]


@pytest.mark.parametrize(
    ("before", "after", "address"),
    [
        ((model(203, 105),), (model(103, 50), model(203, 105)), 40122),  # something was put in front of it
        ((model(103, 50), model(203, 105)), (model(203, 105), model(103, 50)), 40070),
        ((model(103, 50), model(203, 105)), (model(103, 60), model(203, 105)), 40132),
    ],
)
def test_a_model_that_has_moved_is_looked_for_again(
    before: tuple[bytes, ...], after: tuple[bytes, ...], address: int
) -> None:
    memory = Forgetful()
    find(device(common(), *before), memory)
    there = find(device(common(), *after), memory)
    assert there.map.registers[0].address == address + 46, "and never what stands there now"


def test_whose_a_model_is_says_the_common_one_before_it() -> None:
    unit, memory = device(common("INVERTER"), model(103, 50), common("METER"), model(203, 105)), Forgetful()
    assert [find(unit, memory).identity.serial for _ in range(2)] == ["METER", "METER"]
    other = device(common("INVERTER"), model(103, 50), common("OTHER"), model(203, 105))
    assert find(other, memory).identity.serial == "OTHER", "an exchange of the meter is seen"


@pytest.mark.parametrize("other", [common("SN-0043"), common(version="1.08")])
def test_another_device_or_firmware_is_walked_again(other: bytes) -> None:
    memory = Forgetful()
    find(device(common(), model(103, 50), model(203, 105)), memory)
    there = find(device(other, model(203, 105)), memory)
    register = there.map.register("1-0:1.8.0*255")
    assert register is not None
    assert register.address == 40070 + 46
    unit = device(other, model(203, 105))
    assert find(unit, memory).map == there.map
    assert len(unit.asked) == 1, "the new one is remembered now"


def test_another_base_or_unit_is_walked_again() -> None:
    memory = Forgetful()
    find(device(common(), model(203, 105)), memory)
    moved_device = device(common(), model(203, 105), base=50000)
    assert find(moved_device, memory).map.registers[0].address == 50070 + 46
    unit = device(common(), model(203, 105), base=50000)
    find(unit, memory, number=2)
    assert len(unit.asked) > 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"unit": 1, "base": 7, "mark": "x", "models": [[1, 9, 66]]}',
        b'{"unit": 1, "base": 0, "mark": "x", "models": [[1, 65000, 9000]]}',
        b'{"unit": 1, "base": 40000, "mark": "x", "models": []}',
        b'{"unit": 1, "base": 40000, "mark": "x", "models": [[1, 40002]]}',
        b'{"unit": 1, "base": 40000, "mark": "x", "models": [[1, 40002, 66], [203, -5, 105]]}',
        b'{"unit": 1, "base": 40000, "mark": "x", "models": [[1, 30000, 66]]}',
    ],
)
def test_a_memory_that_says_nothing_costs_a_walk(content: bytes) -> None:
    memory = Forgetful()
    asyncio.run(memory.remember("modbus/sunspec", content))
    there = find(device(common(), model(203, 105)), memory)
    assert there.map.registers[0].address == 40070 + 46


@given(st.binary(max_size=80))
def test_any_memory_does_no_harm(content: bytes) -> None:
    memory = Forgetful()
    asyncio.run(memory.remember("modbus/sunspec", content))
    try:
        there = find(device(common(), model(203, 105)), memory)
    except GatewayError as error:
        raise AssertionError(error) from error
    assert there.map.registers[0].address == 40070 + 46


def test_a_chain_is_known_by_its_common_model() -> None:
    chain = walked(device(common(), model(203, 105)))
    assert chain is not None
    assert replace(chain, common=common("SN-0043")).mark != chain.mark == replace(chain, base=0).mark
