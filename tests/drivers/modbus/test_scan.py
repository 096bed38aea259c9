"""Whether a unit is there, and by what its map is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from drivers.modbus.maps import Map, maps, read_map
from drivers.modbus.scan import PRESENCE, Device, Presence, close_settings, presence, recognised, sweep_settings
from drivers.modbus.wire.pdu import Identify, Read, Refused, Reply, Request, Words
from gatewayd.errors import ChannelError, MeterSilent, ProtocolError
from tests.drivers.modbus.asked_unit import Unit, identification
from tests.drivers.modbus.test_sunspec import common, device, model


def made(name: str, identified_by: str, more: str = "") -> Map:
    return read_map(
        f"{name}.yaml",
        f"name: {name}\nmodels: [M]\nsources: [S]\nevidence: map\n"
        f"registers: [{{obis: 1-0:1.8.0, address: 0, type: u32, unit: kWh}}]\n{more}"
        f"identification: {identified_by}\n",
    )


def present(*replies: Reply | Exception) -> tuple[Presence, int]:
    """What is made of it, and how often was asked."""
    coming, asked = iter(replies), 0

    async def ask(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        assert request is PRESENCE
        reply = next(coming)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return asyncio.run(presence(ask)), asked


DAMAGE = ProtocolError("sends a damaged frame", b"\x01")


@pytest.mark.parametrize(
    ("replies", "what", "asked"),
    [
        ([Words(bytes(4))], Presence.SOMEBODY, 1),
        ([Refused(2)], Presence.SOMEBODY, 1),
        ([Refused(1)], Presence.SOMEBODY, 1),
        ([Refused(6)], Presence.SOMEBODY, 1),
        # A gateway that speaks for a device that is not there.
        ([Refused(10)], Presence.NOBODY, 1),
        ([Refused(11)], Presence.NOBODY, 1),
        ([MeterSilent("does not answer")], Presence.NOBODY, 1),
        ([DAMAGE, Words(bytes(4))], Presence.SOMEBODY, 2),
        ([DAMAGE, MeterSilent("does not answer")], Presence.NOBODY, 2),
        ([DAMAGE, DAMAGE], Presence.DAMAGED, 2),
    ],
)
def test_whether_somebody_is_there(replies: Sequence[Reply | Exception], what: Presence, asked: int) -> None:
    assert present(*replies) == (what, asked)


def test_a_line_that_fails_is_no_silence() -> None:
    with pytest.raises(ChannelError):
        present(ChannelError("line bus: closed"))


# -- what it is ------------------------------------------------------------------------------------------------------


def look(unit: Unit, *known: Map) -> Device:
    return asyncio.run(recognised(unit.ask, {one.name: one for one in known} if known else None))


def test_a_map_is_known_by_a_number() -> None:
    unit = Unit().put(0xFC02, 112).put(0xFC00, (35031234).to_bytes(4))
    found = look(unit)
    assert (found.maps, found.identity.serial, found.said) == (("eastron-sdm630",), "35031234", "")


def test_a_map_is_known_by_a_text() -> None:
    unit = Unit().put(0x8960, "B23 112-100", words=6).put(0x8900, (7).to_bytes(4)).put(0x8908, "B1.0", words=8)
    found = look(unit)
    assert (found.maps, found.identity.serial, found.identity.firmware) == (("abb-b23",), "7", "B1.0")


def test_a_text_counts_for_more_than_a_number() -> None:
    unit = Unit().put(0x8960, "B21 111-100", words=6).put(0xFC02, 112)
    assert look(unit).maps == ("abb-b21",)


def test_all_registers_of_an_identification_have_to_fit() -> None:
    two = made("two", "{registers: [{address: 10, type: u16, equals: [1]}, {address: 11, type: u16, equals: [2]}]}")
    assert look(Unit().put(10, 1).put(11, 2), two).maps == ("two",)
    assert look(Unit().put(10, 1).put(11, 3), two).maps == ()
    assert look(Unit().put(10, 1), two).maps == ()


def test_several_maps_that_fit_are_all_told() -> None:
    one, other = (made(name, "{registers: [{address: 10, type: u16, equals: [1]}]}") for name in ("one", "other"))
    unit = Unit().put(10, 1)
    assert look(unit, one, other).maps == ("one", "other")
    assert sum(request == Read(PRESENCE.function, 10, 1) for request in unit.asked) == 1, "each register is read once"


SAYS = "{device_id: {vendor: Maker, product: 'M-[12]'}}"


@pytest.mark.parametrize(
    ("objects", "fits"),
    [
        ({0: "Maker", 1: "M-1"}, True),
        ({0: "Maker", 1: "0815", 4: "M-2"}, True),
        ({0: "Maker", 1: "M-3"}, False),
        ({0: "Makers", 1: "M-1"}, False),
        ({0: "Maker", 1: "M-12"}, False),
        ({0: "Maker"}, False),
    ],
)
def test_a_map_is_known_by_the_device_identification(objects: dict[int, str], fits: bool) -> None:
    unit = Unit(parts={(2, 0): identification(objects)})
    found = look(unit, made("m", SAYS))
    assert found.maps == (("m",) if fits else ())
    assert found.said == " ".join(objects.values())


def test_identification_and_registers_have_to_fit_both() -> None:
    both = made("m", "{device_id: {vendor: Maker, product: M}, registers: [{address: 10, type: u16, equals: [1]}]}")
    parts: dict[tuple[int, int], Reply] = {(2, 0): identification({0: "Maker", 1: "M"})}
    assert look(Unit(parts=parts).put(10, 1), both).maps == ("m",)
    assert look(Unit(parts=parts).put(10, 2), both).maps == ()
    assert look(Unit().put(10, 1), both).maps == ()


def test_a_sunspec_device() -> None:
    found = look(device(common(), model(103, 50), model(213, 124)))
    assert found.maps == ("sunspec-211-214",)
    assert (found.identity.serial, found.identity.firmware) == ("SN-0042", "1.07")
    assert found.said == "Maker Model 1.07, SunSpec models 1, 103, 213"


@pytest.mark.parametrize("serial", ["METER", ""])
def test_a_meter_behind_an_inverter_is_itself(serial: str) -> None:
    """The block has the serial number that the driver will see."""
    found = look(device(common("INVERTER"), model(103, 50), common(serial), model(203, 105)))
    assert (found.maps, found.identity.serial) == (("sunspec-201-204",), serial)


def test_a_sunspec_device_without_a_meter_says_who_it_is() -> None:
    found = look(device(common(), model(103, 50)))
    assert (found.maps, found.identity.serial) == ((), "SN-0042")
    assert found.said == "Maker Model 1.07, SunSpec models 1, 103"


def test_the_maker_s_map_comes_before_that_of_sunspec() -> None:
    found = look(device(common(), model(203, 105)).put(0x8960, "B23 112", words=6).put(0x8900, (7).to_bytes(4)))
    assert found.maps == ("abb-b23", "sunspec-201-204")
    assert found.identity.serial == "7"


def test_an_unknown_device_is_asked_for_little() -> None:
    unit = Unit()
    assert look(unit) == Device()
    signs = {
        (sign.reads, sign.address, sign.form.words)
        for one in maps().values()
        if one.identification is not None
        for sign in one.identification.registers
    }
    assert unit.asked[0] == Identify(2)
    assert len(unit.asked) == 1 + 3 + len(signs)
    assert all(isinstance(one, Read | Identify) for one in unit.asked)


def test_a_unit_that_has_become_silent_is_left_after_three_requests() -> None:
    unit = Unit(silent=True)
    assert look(unit) == Device()
    assert len(unit.asked) == 3


def test_a_request_that_is_not_answered_is_passed_over() -> None:
    unit = Unit().put(0xFC02, 112)
    asked: list[Request] = []

    async def ask(request: Request) -> Reply:
        asked.append(request)
        if len(asked) % 2:
            raise MeterSilent("does not answer")
        return await unit.ask(request)

    odd = asyncio.run(recognised(ask))
    assert len(asked) > 6, "two silences in a row never were"
    assert odd.maps in ((), ("eastron-sdm630",))


@pytest.mark.parametrize(
    "unit",
    [
        device(model(203, 105)),  # a chain that cannot be
        Unit(parts={(2, at): identification({at: "x"}, at + 1) for at in range(200)}),  # an identification without end
    ],
)
def test_nonsense_ends_nothing(unit: Unit) -> None:
    assert look(unit.put(0xFC02, 112)).maps == ("eastron-sdm630",)


# -- patience --------------------------------------------------------------------------------------------------------


def test_a_sweep_gives_each_unit_its_time_and_no_more() -> None:
    quick = sweep_settings(0.3, 11 / 9600, 0.004)
    assert quick.timeout_s == 0.3
    assert quick.late_s == pytest.approx(0.3 + 9 * 11 / 9600)


def test_a_unit_that_is_there_is_waited_for() -> None:
    assert (close_settings(0.3, 0.0, 0.0).timeout_s, close_settings(0.3, 0.0, 0.0).late_s) == (1.0, 3.0)
    slow = close_settings(5.0, 11 / 300, 0.1)
    assert slow.timeout_s == 5.0
    assert slow.late_s > 5 + 256 * 11 / 300 - 0.01
