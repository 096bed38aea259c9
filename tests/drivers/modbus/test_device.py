"""Devices of which the map does not say everything: SunSpec and counters of pulses, in whole sessions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from drivers.modbus.maps import maps
from gatewayd.model import Answer, Flag, Registers
from tests.drivers.modbus.devices import Device, Line, run, words
from tests.drivers.modbus.sessions import ENERGY, EXPORT, Session

SUNSPEC = "sunspec-201-204"
BASE = 40000
METER = BASE + 2 + 68  # behind the marker and the common model of 66 registers with its header


def sunspec() -> Device:
    """A meter of model 203 whose numbers are the offsets in it, with exponents of -1."""
    device = Device({})
    common = bytearray(2 * 66)
    common[2 * 48 : 2 * 48 + 6] = b"SN-203"  # offset 50 of the model, header included
    device.put(3, BASE, 0x5375, 0x6E53, 1, 66)
    device.put(3, BASE + 4, *(int.from_bytes(common[at : at + 2]) for at in range(0, len(common), 2)))
    device.put(3, METER, 203, 105, *range(2, 107))
    for register in maps()[SUNSPEC].registers:
        if register.scale_register is not None:
            device.put(3, METER + register.scale_register.address, 0xFFFF)
    device.put(3, METER + 107, 0xFFFF, 0)
    return device


def test_a_sunspec_meter_is_found_read_and_remembered() -> None:
    async def main() -> None:
        session = Session(map=SUNSPEC)
        device = sunspec()
        answer = await session.read(Line([device]), ENERGY)
        (reading,) = answer.readings
        assert reading.raw == words(46, 47)
        assert reading.scaler == -1
        assert answer.serials == ("SN-203",)
        walked = len(device.requests)
        device.requests.clear()
        await session.read(Line([device]), ENERGY)
        assert len(device.requests) < walked
        assert device.requests[-1] == (3, METER + 46, 9)  # the energy and its exponent in one request

    run(main())


def test_what_is_no_sunspec_device() -> None:
    async def main() -> tuple[list[Answer], str]:
        return await Session(map=SUNSPEC).ask(Line([Device({3: {7: 0}})]).channel())

    answers, error = run(main())
    assert answers == []
    assert error.startswith("MeterDiffers: meter em-1 on line bus has no SunSpec marker at 40000, 50000, 0")


def counter(address: int, obis: str, weight: str, unit: str = "kWh") -> dict[str, object]:
    return {"address": address, "obis": obis, "pulse_weight": [{"weight": weight, "unit": unit}]}


def test_two_metering_points_behind_one_unit() -> None:
    """Two meters of the configuration with the same unit, each with its own inputs."""

    async def main() -> None:
        device = Device({3: {0: 0, 1: 1000, 2: 0, 3: 7, 4: 0, 5: 5}})
        line = Line([device])
        first = Session(map="pulse-u32", inputs=[counter(0, "1-0:1.8.0", "0.5"), counter(2, "1-0:2.8.0", "0.001")])
        second = Session(map="pulse-u32", inputs=[counter(4, "1-0:1.8.0", "0.25")])
        answer = await first.read(line)
        energy, export = answer.readings
        assert (energy.obis, energy.raw, energy.unit) == (ENERGY, words(0, 1000), "kWh")
        assert energy.value == Decimal("500")
        assert energy.more[0] == "pulses 1000"
        assert (export.obis, export.value) == (EXPORT, Decimal("0.007"))
        assert energy.at == export.at
        assert device.requests == [(3, 0, 4)]
        assert (await second.read(line)).readings[0].value == Decimal("1.25")
        assert (await first.read(line, EXPORT)).readings[0].value == Decimal("0.007")
        assert (await second.read(line, EXPORT)).readings[0].flags == Flag.NOT_SENT

    run(main())


def test_the_weight_of_the_legal_day_on_which_the_counter_was_read() -> None:
    weights = [{"weight": "1", "unit": "kWh"}, {"weight": "2", "unit": "kWh", "since": "2026-11-28"}]

    async def main() -> list[Decimal | None]:
        session = Session(map="pulse-u32", inputs=[{"address": 0, "obis": "1-0:1.8.0", "pulse_weight": weights}])
        line = Line([Device({3: {0: 0, 1: 9}})])
        values = []
        for hour in (22, 23):  # midnight in Prague is 23:00 UTC
            session.now = session.now.replace(hour=hour)
            values.append((await session.read(line)).readings[0].value)
        assert session.now.date() == date(2026, 11, 27)
        return values

    assert run(main()) == [Decimal(9), Decimal(18)]


def test_a_counter_that_is_not_there() -> None:
    async def main() -> Answer:
        session = Session(map="pulse-u32", inputs=[counter(0, "1-0:1.8.0", "1"), counter(8, "1-0:2.8.0", "1")])
        answers, error = await session.ask(Line([Device({3: {0: 0, 1: 9}})]).channel(), Registers())
        assert error == ""
        return answers[0]

    there, absent = run(main()).readings
    assert there.value == Decimal(9)
    assert (absent.flags, absent.obis_raw) == (Flag.NOT_SENT, "")
