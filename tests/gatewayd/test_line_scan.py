"""The scan of a line in simulated time: who is found, what was sent, and how long it took."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gatewayd.channel import Framing
from gatewayd.daemon.scan_line import DAMAGED, SAME, SCAN_UNITS, LineScan, Unit, scan_line
from gatewayd.errors import ChannelError, ProtocolError
from tests.drivers.modbus.devices import Device, Line, run


class Slave(Device):
    """Refuses the device identification, which Device does not know."""

    def answer(self, pdu: bytes) -> bytes:
        return super().answer(pdu) if pdu[0] != 43 else bytes((0xAB, 1))


def sdm630(unit: int, **habits: Any) -> Slave:
    """With the serial number 35031000 + unit."""
    device = Slave({}, unit, **habits)
    device.put(3, 0xFC00, *divmod(35031000 + unit, 0x1_0000))
    device.put(3, 0xFC02, 112)
    return device


def how(units: Sequence[int] = SCAN_UNITS, transport: str = "rtu", **more: Any) -> LineScan:
    rate = {"baud": 9600, "has_rate": True} if transport == "rtu" else {}
    return LineScan(transport, units, 0.3, **rate | more)


def scanned(line: Line, scan: LineScan) -> tuple[tuple[Unit, ...], list[int], float]:
    """Who was found, what was said of the way, and how long it took."""
    done: list[int] = []

    async def main() -> tuple[tuple[Unit, ...], float]:
        line.arrived = asyncio.Event()  # each run has a loop of its own
        begun = asyncio.get_running_loop().time()
        found = await scan_line(line.channel(), scan, done.append)
        return found, asyncio.get_running_loop().time() - begun

    found, seconds = run(main())
    return found, done, seconds


def test_all_units_of_a_bus_are_asked_and_three_are_found() -> None:
    line = Line([sdm630(1), sdm630(100), sdm630(247)])
    found, done, _ = scanned(line, how())
    assert [(one.unit, one.maps, one.serial, one.note) for one in found] == [
        (unit, ("eastron-sdm630",), str(35031000 + unit), "") for unit in (1, 100, 247)
    ]
    assert done == list(range(1, 248))
    assert {frame[0] for _, frame in line.sent} == set(range(1, 248)), "nobody is left out, and unit 0 is nobody"
    assert {frame[1] for _, frame in line.sent} <= {3, 4, 43}
    assert line.settings == [(9600, Framing.N81)]


def test_the_estimate_is_what_an_empty_line_takes() -> None:
    line = Line([])
    scan = how()
    found, _, seconds = scanned(line, scan)
    assert found == ()
    assert scan.seconds == pytest.approx(seconds, rel=0.1)
    assert seconds < 90, "a whole bus of 247 units is scanned in less than a minute and a half"
    assert len(line.sent) == 247, "whoever is silent is asked once"


def test_the_estimate_of_modbus_tcp() -> None:
    line, scan = Line([], tcp=True), how(range(1, 51), "tcp")
    _, _, seconds = scanned(line, scan)
    assert scan.seconds == pytest.approx(seconds, rel=0.05)


def test_framing_and_rate_are_those_of_the_line() -> None:
    line = Line([])
    scanned(line, how(range(1, 3), baud=1200, framing=Framing.E81))
    assert line.settings == [(1200, Framing.E81)]


def test_a_late_unit_is_not_found_and_spoils_nobody_else() -> None:
    """Its answers come while the next ones are asked."""
    line = Line([sdm630(4), sdm630(5, delay=lambda _: 0.5), sdm630(6), sdm630(7)])
    found, _, _ = scanned(line, how(range(1, 9)))
    assert [(one.unit, one.serial) for one in found] == [(4, "35031004"), (6, "35031006"), (7, "35031007")]
    found, _, _ = scanned(line, LineScan("rtu", range(1, 9), 0.8, 9600, has_rate=True))
    assert [one.unit for one in found] == [4, 5, 6, 7]


def test_a_unit_that_nobody_can_read() -> None:
    line = Line([sdm630(2, garble=lambda _, frame: frame[:-1] + bytes((frame[-1] ^ 1,))), sdm630(3)])
    found, _, _ = scanned(line, how(range(1, 5)))
    assert [(one.unit, one.maps, one.note) for one in found] == [(2, (), DAMAGED), (3, ("eastron-sdm630",), "")]


def test_units_behind_a_gateway_of_modbus_tcp() -> None:
    absent = [Slave({3: {}}, unit, refuse=lambda *_: 11) for unit in (1, 3, 4)]
    line = Line([*absent, sdm630(2), sdm630(5)], tcp=True)
    found, _, _ = scanned(line, how(range(1, 7), "tcp"))
    assert [(one.unit, one.serial) for one in found] == [(2, "35031002"), (5, "35031005")]
    numbers = [frame[:2] for _, frame in line.sent]
    assert len(set(numbers)) == len(numbers), "no transaction number twice"


def anybody(serial: int, units: Sequence[int]) -> list[Slave]:
    """One device that does not look at the unit number."""
    devices = [sdm630(unit) for unit in units]
    for device in devices:
        device.put(3, 0xFC00, *divmod(serial, 0x1_0000))
    return devices


def test_a_device_that_answers_for_every_unit_is_one() -> None:
    line = Line(anybody(35031234, range(1, 41)), tcp=True)
    found, _, _ = scanned(line, how(range(1, 41), "tcp"))
    assert found == (Unit(1, ("eastron-sdm630",), "35031234", note=SAME),)


def test_a_full_bus_behind_a_gateway_is_no_single_device() -> None:
    line = Line([sdm630(unit) for unit in range(1, 5)], tcp=True)
    found, _, _ = scanned(line, how(range(1, 5), "tcp"))
    assert [one.serial for one in found] == ["35031001", "35031002", "35031003", "35031004"]
    (alone,), _, _ = scanned(line, how((3,), "tcp"))
    assert (alone.unit, alone.serial, alone.note) == (3, "35031003", "")


@pytest.mark.parametrize(("count", "found"), [(2, 2), (16, 16), (17, 1)])
def test_a_few_units_without_a_serial_number_may_be_alike(count: int, found: int) -> None:
    units = range(1, count + 1)
    line = Line([Slave({3: {0: 0, 1: 0}}, unit) for unit in units], tcp=True)
    assert [one.unit for one in scanned(line, how(units, "tcp"))[0]] == list(range(1, found + 1))


def test_a_full_bus_is_no_single_device_either() -> None:
    found, _, _ = scanned(Line(anybody(1, (1, 2))), how((1, 2)))
    assert [one.unit for one in found] == [1, 2], "on a bus each number is a device"


def test_what_is_no_modbus_tcp_is_told_with_the_remedy() -> None:
    line = Line([sdm630(unit, garble=lambda _, __: b"HTTP/1.1 400 Bad Request") for unit in range(1, 20)], tcp=True)
    with pytest.raises(ProtocolError, match="--transport rtu"):
        scanned(line, how(range(1, 20), "tcp"))
    assert len(line.sent) < 10


def test_a_line_that_fails_ends_the_scan() -> None:
    line = Line([sdm630(1)])
    line.broken = True
    with pytest.raises(ChannelError):
        scanned(line, how())


@pytest.mark.parametrize("number", [2, 5, 9, 14, 30])
def test_whoever_cancels_leaves_a_line_that_owes_nothing(number: int) -> None:
    """The answers that are still under way come before the scan has ended."""
    line = Line([sdm630(unit, delay=lambda _: 0.2) for unit in (1, 2, 3)])

    async def main() -> int:
        task = asyncio.create_task(scan_line(line.channel(number), how(range(1, 9)), lambda _: None))
        with pytest.raises(asyncio.CancelledError):
            await task
        left = len(line.sent)
        await asyncio.sleep(10)
        assert len(line.sent) == left, "nothing is asked any more"
        return len(line.coming)

    assert run(main()) == 0
