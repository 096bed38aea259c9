"""Whole sessions: what is sent, what comes of it, and what is told where something is wrong."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal

import pytest

from drivers import DRIVERS
from drivers.modbus.driver import KIND
from drivers.modbus.maps import maps
from drivers.modbus.options import ModbusOptions
from drivers.modbus.wire.pdu import Function
from drivers.modbus.wire.plan import plan
from gatewayd.channel import Framing
from gatewayd.driver import Forgetful
from gatewayd.errors import ArchiveError
from gatewayd.model import (
    Answer,
    Clock,
    Flag,
    Kind,
    Listen,
    Profile,
    Ratio,
    RawStatus,
    Reading,
    Registers,
    Request,
    Scan,
    ValueSide,
)
from gatewayd.obis import Obis
from gatewayd.verdicts import fault_of
from tests.drivers.modbus.devices import Device, Line, run, words
from tests.drivers.modbus.rtu_bytes import check
from tests.drivers.modbus.sessions import ENERGY, EXPORT, MAP, NOON, Session, f32, sdm630


def codes(answer: Answer) -> list[str]:
    return [str(reading.obis) for reading in answer.readings]


def one(answer: Answer, code: str) -> Reading:
    return next(reading for reading in answer.readings if reading.obis == Obis.parse(code))


def test_the_registry_has_it() -> None:
    assert DRIVERS["modbus"] is KIND
    assert KIND.options is ModbusOptions
    assert Session().driver.credentials == ""


def test_every_register_of_the_map_in_few_requests() -> None:
    async def main() -> tuple[Answer, Line]:
        line = Line([sdm630()])
        return await Session().read(line), line

    answer, line = run(main())
    registers = maps()[MAP].registers
    assert set(codes(answer)) == {one.obis for one in registers}
    assert answer.serials == ("1234567",)
    assert answer.detail == ""
    assert len(line.devices[1].requests) <= 6  # 60 registers at most in one, 0x00 to 0x176, and the serial number
    energy = one(answer, "1-0:1.8.0")
    assert energy == Reading(
        meter="em-1",
        obis=ENERGY,
        obis_raw="1-0:1.8.0*255",
        kind=Kind.REGISTER,
        at=energy.at,
        raw=words(*f32("1234.5")),
        raw_text="1234.5",
        unit="kWh",
    )
    assert NOON < energy.at < NOON + timedelta(seconds=1)
    assert one(answer, "1-0:2.8.0").at == energy.at
    assert line.settings == [(9600, Framing.N81)]


def test_named_registers_and_no_others() -> None:
    async def main() -> tuple[Answer, Line]:
        line = Line([sdm630()])
        return await Session(read_serial=False).read(line, EXPORT, ENERGY, EXPORT), line

    answer, line = run(main())
    assert codes(answer) == [str(EXPORT), str(ENERGY)]
    assert line.devices[1].requests == [(4, 0x48, 4)]
    assert answer.serials == ()


def test_a_code_that_the_map_does_not_have_is_missing() -> None:
    unknown = Obis.parse("1-0:99.9.0")

    async def main() -> tuple[Answer, Line]:
        line = Line([sdm630()])
        return await Session().read(line, ENERGY, unknown), line

    answer, line = run(main())
    reading = one(answer, str(unknown))
    assert (reading.obis_raw, reading.raw, reading.raw_text) == ("", b"", "")
    assert (reading.status, reading.flags) == (RawStatus.MISSING, Flag.NOT_SENT)
    assert answer.detail == f"{unknown}: not in the map {MAP}"
    assert len(line.devices[1].requests) == 2
    fault = fault_of(Session().driver._setting.meter, "bus", Registers((ENERGY, unknown)), answer)
    assert str(fault) == f"meter em-1 on line bus does not have {unknown}"


def test_a_code_with_the_mark_of_a_reset_by_hand_is_the_same_register() -> None:
    answer = run(Session().read(Line([sdm630()]), Obis.parse("1.8.0&255")))
    assert codes(answer) == [str(ENERGY)]


def holey(**habits: object) -> Device:
    """Only what the map has, and that without the register 1-0:91.7.0 (0x00E0)."""
    device = sdm630(**habits)
    for register in maps()[MAP].registers:
        if register.obis.startswith("1-0:91.7.0"):
            assert register.address == 0xE0
    have = {at for one in maps()[MAP].registers for at in range(one.address, one.end)} - {0xE0, 0xE1}
    device.registers[4] = {at: content for at, content in device.registers[4].items() if at in have}
    return device


def test_what_a_device_refuses_is_asked_in_parts_and_remembered() -> None:
    async def main() -> None:
        session = Session()
        device = holey()
        first = await session.read(Line([device]))
        assert {one.obis for one in maps()[MAP].registers} == set(codes(first))
        assert one(first, "1-0:91.7.0").flags == Flag.NOT_SENT
        assert one(first, "1-0:1.8.0").value == Decimal("1234.5")
        assert "1-0:91.7.0*255: illegal data address (exception 2)" in first.detail
        refused = len(device.requests)
        device.requests.clear()
        second = await session.read(Line([device]))
        assert [reading.raw for reading in second.readings] == [reading.raw for reading in first.readings]
        assert len(device.requests) < refused
        # Another driver with the same memory, as after a restart: only the register that is needed is tried again.
        device.requests.clear()
        await Session(memory=session.memory).read(Line([device]))
        answered = device.registers[4]
        wasted = [
            (function, address, count)
            for function, address, count in device.requests
            if function == 4 and not all(at in answered for at in range(address, address + count))
        ]
        assert wasted == [(4, 0xE0, 2)]

    run(main())


def test_an_optional_register_that_is_refused_is_no_fault_and_not_asked_again() -> None:
    async def main() -> None:
        session = Session(map="abb-b23")
        device = Device({})
        for register in maps()["abb-b23"].registers:
            if not register.optional:
                device.put(3, register.address, *range(1, register.form.words + 1))
        answer = await session.read(Line([device]))
        assert all(reading.obis_raw for reading in answer.readings)
        assert "1-0:2.8.0*255: illegal data address" in answer.detail
        answer = await session.read(Line([device]))  # which gaps are holes it learns when nothing else is refused
        device.requests.clear()
        answer = await session.read(Line([device]))
        assert answer.detail == ""
        wasted = [
            one
            for one in device.requests
            if one[1] != 0x8900 and not all(at in device.registers[3] for at in range(one[1], one[1] + one[2]))
        ]
        assert wasted == []
        # Whoever names it wants to know.
        answer = await session.read(Line([device]), EXPORT)
        assert one(answer, "1-0:2.8.0").flags == Flag.NOT_SENT

    run(main())


def test_what_was_learned_is_forgotten_after_a_month() -> None:
    async def main() -> None:
        session = Session()
        device = holey()
        await session.read(Line([device]))
        device.put(4, 0xE0, *f32("2.5"))  # another firmware
        device.requests.clear()
        session.now += timedelta(days=31)
        await session.read(Line([device]))
        assert (4, 0xE0, 2) in device.requests  # by itself, behind the split
        device.put(4, 0, *range(0x180))
        device.requests.clear()
        session.now += timedelta(days=31)
        await session.read(Line([device]))
        assert len(device.requests) <= 6

    run(main())


def test_a_device_that_refuses_everything_teaches_nothing() -> None:
    async def main() -> None:
        session = Session()
        device = sdm630(refuse=lambda function, address, count: 2)
        answer = await session.read(Line([device]))
        assert {reading.flags for reading in answer.readings} == {Flag.NOT_SENT}
        device.refuse = lambda function, address, count: None
        device.requests.clear()
        answer = await session.read(Line([device]))
        assert one(answer, "1-0:1.8.0").value == Decimal("1234.5")
        assert len(device.requests) <= 6

    run(main())


def test_a_device_that_gives_less_at_once_than_the_map_says() -> None:
    async def main() -> None:
        session = Session()
        device = sdm630(most=16)
        answer = await session.read(Line([device]))
        assert all(reading.obis_raw for reading in answer.readings)
        for _ in range(2):  # each time it learns
            device.requests.clear()
            answer = await session.read(Line([device]))
            assert all(reading.obis_raw for reading in answer.readings)
        assert [one for one in device.requests if one[2] > 16] == []

    run(main())


def test_a_function_that_the_device_does_not_know() -> None:
    async def main() -> tuple[list[Answer], str]:
        device = Device({3: dict(enumerate(range(0x180)))})
        return await Session().ask(Line([device]).channel())

    answers, error = run(main())
    assert answers == []
    assert error.startswith("MeterDiffers: meter em-1 on line bus refuses: illegal function (exception 1); it is no ")
    assert f"no device of map {MAP}" in error
    assert "look at `map` and `unit` in its options (unit 1, function 4, " in error


def test_a_fault_of_the_moment_costs_what_it_is_about_and_nothing_else() -> None:
    async def main() -> None:
        device = sdm630(refuse=lambda function, address, count: 4 if function == 3 else None)
        answer = await Session().read(Line([device]))  # the serial number is not needed
        assert len(answer.readings) == len(maps()[MAP].registers)
        assert answer.serials == ()
        device = sdm630(refuse=lambda function, address, count: 4 if address == 0 else None)
        answers, error = await Session().ask(Line([device]).channel())
        assert error.startswith("ProtocolError: meter em-1 on line bus refuses: server device failure (exception 4) (")
        assert "1-0:32.7.0*255" not in codes(answers[0])
        there = {one.obis for one in maps()[MAP].registers if one.address >= 0x100}
        assert there <= set(codes(answers[0]))
        assert all(reading.obis_raw for reading in answers[0].readings)

    run(main())


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (4, "ProtocolError: meter em-1 on line bus refuses: server device failure (exception 4) (unit 1, function 4"),
        (8, "ProtocolError: meter em-1 on line bus refuses: memory parity error (exception 8)"),
        (77, "ProtocolError: meter em-1 on line bus refuses: for a reason of its own (exception 77)"),
        (10, "MeterSilent: meter em-1 on line bus does not answer the gateway on its line: gateway path unavailable"),
        (11, "MeterSilent: meter em-1 on line bus does not answer the gateway on its line: gateway target failed to"),
        (6, "ProtocolError: meter em-1 on line bus refuses twice: server device busy (exception 6)"),
    ],
)
def test_exceptions_that_say_nothing_of_the_request(code: int, said: str) -> None:
    async def main() -> str:
        answers, error = await Session(read_serial=False).ask(
            Line([sdm630(refuse=lambda function, address, count: code)]).channel(), Registers((ENERGY,))
        )
        assert answers == []
        return error

    assert run(main()).startswith(said)


def test_a_device_that_is_busy_is_asked_once_more() -> None:
    async def main() -> None:
        device = sdm630()
        device.refuse = lambda function, address, count: 6 if len(device.requests) == 1 else None
        line = Line([device])
        answer = await Session(read_serial=False).read(line, ENERGY)
        assert one(answer, "1-0:1.8.0").value == Decimal("1234.5")
        first, second = (at for at, _ in line.sent)
        assert second - first >= 0.5

    run(main())


def test_what_came_before_an_error_is_told() -> None:
    async def main() -> None:
        device = sdm630(delay=lambda number: 0.01 if number < 2 else None)
        answers, error = await Session().ask(Line([device]).channel())
        assert error.startswith("MeterSilent: meter em-1 on line bus does not answer (unit 1, function 4, ")
        (answer,) = answers
        assert answer.readings
        assert all(reading.obis_raw and reading.status is RawStatus.TRUE for reading in answer.readings)
        assert len(answer.readings) < len(maps()[MAP].registers)

    run(main())


def test_a_dead_device_costs_what_the_line_owes_and_as_many_requests_as_are_configured() -> None:
    async def main() -> None:
        for attempts, lasts in ((1, 3.0), (2, 6.0)):
            line = Line([sdm630(delay=lambda number: None)])
            loop = asyncio.get_running_loop()
            begun = loop.time()
            answers, error = await Session(attempts=attempts).ask(line.channel())
            assert (answers, error.split(":")[0]) == ([], "MeterSilent")
            assert len(line.sent) == attempts
            assert loop.time() - begun == pytest.approx(lasts, abs=0.1)

    run(main())


def test_a_damaged_answer_is_asked_for_again_where_that_is_configured() -> None:
    async def main() -> None:
        device = sdm630(garble=lambda number, frame: frame if number else frame[:-1] + b"?")
        answer = await Session(attempts=2, read_serial=False).read(Line([device]), ENERGY)
        assert one(answer, "1-0:1.8.0").value == Decimal("1234.5")
        device = sdm630(garble=lambda number, frame: frame if number else frame[:-1] + b"?")
        answers, error = await Session(read_serial=False).ask(Line([device]).channel(), Registers((ENERGY,)))
        assert answers == []
        assert error.startswith("Damaged: meter em-1 on line bus ")

    run(main())


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Profile(Obis.parse("1-0:99.1.0"), NOON, NOON + timedelta(days=1)), "has no load profile"),
        (Clock(), "has no clock"),
        (Clock(set=True), "has no clock"),
        (Listen(), "does not send by itself"),
    ],
)
def test_what_modbus_does_not_have(request_: Request, said: str) -> None:
    async def main() -> tuple[str, Line]:
        line = Line([sdm630()])
        answers, error = await Session().ask(line.channel(), request_)
        assert answers == []
        return error, line

    error, line = run(main())
    assert error.startswith("MeterDiffers: meter em-1 on line bus ")
    assert said in error
    assert line.sent == []


def test_a_scan_tells_the_registers_that_the_device_has() -> None:
    async def main() -> Answer:
        line = Line([holey()])
        answers, error = await Session(read_serial=False).ask(line.channel(), Scan())
        assert error == ""
        return answers[0]

    answer = run(main())
    known = {one.obis: one for one in maps()[MAP].registers}
    assert {str(one.obis) for one in answer.objects} == known.keys() - {"1-0:91.7.0*255"}
    assert {one.class_id for one in answer.objects} == {3}
    energy = next(one for one in answer.objects if one.obis == ENERGY)
    assert (energy.unit, energy.scaler, energy.attributes) == ("kWh", 0, ((2, "read"),))
    assert answer.serials == ("1234567",)
    assert all(reading.obis_raw for reading in answer.readings)


def test_modbus_tcp() -> None:
    async def main() -> None:
        line = Line([sdm630()], tcp=True)
        session = Session(baud=None, transport="tcp")
        channel = line.channel()
        for _ in range(2):
            answers, error = await session.ask(channel, Registers((ENERGY,)))
            assert error == ""
            assert one(answers[0], "1-0:1.8.0").value == Decimal("1234.5")
        numbers = [int.from_bytes(data[:2]) for _, data in line.sent]
        assert numbers == sorted(set(numbers))  # on one connection none comes again
        answers, error = await session.ask(line.channel(), Registers((ENERGY,)))
        assert error == ""

    run(main())


def test_modbus_tcp_on_a_line_with_a_rate_sends_nothing() -> None:
    async def main() -> tuple[str, Line]:
        line = Line([sdm630()])
        _, error = await Session(transport="tcp").ask(line.channel())
        return error, line

    error, line = run(main())
    assert error.startswith("MeterDiffers: ") and "transport: rtu" in error
    assert line.sent == []


def test_the_framing_of_the_options() -> None:
    async def main() -> Line:
        line = Line([sdm630()])
        await Session(baud=None, framing="8E1").read(line, ENERGY)
        return line

    assert run(main()).settings == [(9600, Framing.E81)]


def test_ratios_that_differ_are_flagged_and_alarmed_and_not_applied() -> None:
    async def main() -> tuple[Answer, Answer]:
        device = Device({})
        for place in maps()["siemens-pac3200"].registers:
            device.put(3, place.address, *([0] * place.form.words))
        code = maps()["siemens-pac3200"].registers[0].code
        device.put(3, 50011, 0, 200, 0, 5)
        device.put(3, 50005, 0, 400, 0, 400)
        right, wrong = (
            Session(map="siemens-pac3200", ratio=Ratio(ct=ct, value_side=ValueSide.PRIMARY, since=date(2020, 1, 1)))
            for ct in ("200/5", "250/5")
        )
        return await right.read(Line([device]), code), await wrong.read(Line([device]), code)

    right, wrong = run(main())
    assert Flag.RATIO_MISMATCH not in right.readings[0].flags
    assert Flag.RATIO_MISMATCH in wrong.readings[0].flags
    assert wrong.alarms and "200/5" in wrong.alarms[0] and "250/5" in wrong.alarms[0]
    assert "200/5" in wrong.detail
    assert wrong.readings[0].raw_text == right.readings[0].raw_text


def test_cancelled_at_every_await_the_next_meter_on_the_line_gets_its_own_answer() -> None:
    """Two meters' drivers over one unit, whose answers look alike (registration devices are so)."""

    async def attempt(cancel: int) -> bool:
        device = sdm630()
        device.delay = lambda number: 1.5 if device.requests[number][1] == 0x48 else 0.02
        line = Line([device])
        channel = line.channel(cancel)
        first = asyncio.create_task(Session(read_serial=False, timeout_s=2).ask(channel, Registers((ENERGY,))))
        await asyncio.wait({first})
        answer = await Session(read_serial=False).read(line, Obis.parse("1-0:32.7.0"))
        assert answer.readings[0].raw == words(0, 1)
        return first.cancelled()

    ended = [run(attempt(cancel)) for cancel in range(1, 8)]
    assert ended[:4] == [True] * 4
    assert ended[-1] is False


def test_what_a_line_still_owes_is_known_in_the_next_session() -> None:
    """A session that was cancelled for good, and an answer that is later than it could wait."""

    async def main() -> None:
        device = sdm630()
        device.delay = lambda number: 8.0 if number == 0 else 3.0
        line = Line([device])
        session = Session(read_serial=False, timeout_s=10, late_s=60)
        asking = asyncio.create_task(session.ask(line.channel(), Registers((ENERGY,))))
        await asyncio.sleep(1)
        asking.cancel()
        await asyncio.wait({asking})
        answer = await session.read(line, Obis.parse("1-0:32.7.0"))
        assert answer.readings[0].raw == words(0, 1)

    run(main())


def test_what_one_meter_s_session_leaves_owing_is_known_to_the_next_meter_of_the_line() -> None:
    """Two metering points that are one unit, whose answers look alike; the first one's comes later than `late_s`."""

    async def main() -> None:
        device = sdm630(delay=lambda number: 3.5 if number == 0 else 0.6)
        line, beside = Line([device]), dict[str, object]()
        _, error = await Session(read_serial=False, beside=beside).ask(line.channel(), Registers((ENERGY,)))
        assert error.startswith("MeterSilent")
        answer = await Session(read_serial=False, beside=beside).read(line, Obis.parse("1-0:32.7.0"))
        assert answer.readings[0].raw == words(0, 1)

    run(main())


def test_no_connection_begins_with_the_numbers_of_the_one_before() -> None:
    async def main() -> list[int]:
        line = Line([sdm630()], tcp=True)
        session = Session(baud=None, transport="tcp", read_serial=False)
        for _ in range(65):
            await session.read(line, ENERGY)
        return [int.from_bytes(data[:2]) for _, data in line.sent]

    numbers = run(main())
    assert len(numbers) == 65
    assert len(set(numbers)) == 64  # then they come again


def test_a_session_begins_with_one_silence() -> None:
    async def main() -> None:
        line = Line([sdm630()])
        session = Session(read_serial=False, pause_ms=100)
        for _ in range(2):
            begun = asyncio.get_running_loop().time()
            line.sent.clear()
            await session.read(line, ENERGY)
            assert line.sent[0][0] - begun == pytest.approx(0.1)
            await asyncio.sleep(60)

    run(main())


def test_what_is_refused_in_each_session_is_written_down_once_a_day() -> None:
    class Counting(Forgetful):
        written = 0

        async def remember(self, key: str, value: bytes) -> None:
            self.written += 1
            await super().remember(key, value)

    async def main() -> None:
        memory = Counting()
        session = Session(memory=memory)
        device = sdm630()
        device.refuse = lambda function, address, count: 2 if address <= 0x48 < address + count else None
        for day in range(2):
            for _ in range(5):
                await session.ask(Line([device]).channel())
            assert memory.written == day + 1
            session.now += timedelta(days=1)

    run(main())


def test_a_connection_that_is_spoilt_is_no_matter_to_the_next_one() -> None:
    async def main() -> None:
        device = sdm630(garble=lambda number, frame: frame if number else frame[:2] + b"\x11\x11" + frame[4:])
        line = Line([device], tcp=True)
        session = Session(baud=None, transport="tcp", read_serial=False)
        _, error = await session.ask(line.channel(), Registers((ENERGY,)))
        assert error.startswith("ProtocolError: meter em-1 on line bus ")
        assert one(await session.read(line, ENERGY), "1-0:1.8.0").value == Decimal("1234.5")

    run(main())


def test_what_is_not_in_the_map_is_told_when_all_the_rest_has_come() -> None:
    async def main() -> None:
        device = sdm630(delay=lambda number: None if number else 0.01)
        voltage, unknown = Obis.parse("1-0:32.7.0"), Obis.parse("1-0:99.9.0")
        answers, error = await Session(read_serial=False).ask(
            Line([device]).channel(), Registers((ENERGY, voltage, unknown))
        )
        assert error.startswith("MeterSilent")
        assert codes(answers[0]) == [str(voltage)]
        assert answers[0].detail == ""

    run(main())


def test_gaps_are_read_across_where_only_a_register_is_refused() -> None:
    async def main() -> None:
        session = Session()
        device = sdm630()
        device.refuse = lambda function, address, count: (
            2 if function == 4 and address <= 0x02 < address + count else None
        )
        await session.read(Line([device]))
        device.requests.clear()
        await session.read(Line([device]))
        found = maps()[MAP]
        pieces = [piece for register in found.registers for piece in register.pieces]
        defaults = found.defaults
        fewest = plan(pieces, defaults.max_registers, defaults.max_gap, {(Function.READ_INPUT_REGISTERS, 0x02, 2)})
        assert [one for one in device.requests if one[0] == 4] == [(4, read.address, read.count) for read in fewest]

    run(main())


def test_a_consumer_that_goes_away_leaves_a_clean_line() -> None:
    async def main() -> None:
        line = Line([sdm630(delay=lambda number: 0.02)])
        session = Session()
        async for answer in session.driver.execute(line.channel(), Registers()):
            assert answer.readings
            break
        answer = await session.read(line, Obis.parse("1-0:32.7.0"))
        assert answer.readings[0].raw == words(0, 1)

    run(main())


def test_a_fault_of_the_archive_is_not_the_meters() -> None:
    class Full(Session):
        pass

    async def main() -> str:
        session = Full()

        async def recall(key: str) -> bytes | None:
            raise ArchiveError("disk full")

        session.memory.recall = recall  # type: ignore[method-assign]
        _, error = await session.ask(Line([sdm630()]).channel())
        return error

    assert run(main()) == "ArchiveError: disk full"


def test_what_lay_in_a_buffer_of_the_line_answers_nothing() -> None:
    """A right frame of the same unit, function and length, from before the session: in the first session and later."""

    async def main() -> None:
        line = Line([sdm630()])
        session = Session(read_serial=False)
        old = bytes((1, 4, 4)) + words(0x7777, 0x7777)
        for delay in (0.0, 0.0, 0.002, 0.003):  # a kernel may hand it over a little later
            if delay:
                asyncio.get_running_loop().call_later(delay, line.come, old + check(old))
            else:
                line.come(old + check(old))
            answer = await session.read(line, ENERGY)
            assert one(answer, "1-0:1.8.0").value == Decimal("1234.5")
            await asyncio.sleep(60)

    run(main())


def test_a_serial_number_alone_does_not_hide_why_the_registers_did_not_come() -> None:
    async def main() -> None:
        device = sdm630(delay=lambda number: 0.1 if number == 0 else 60.0)
        answers, error = await Session().ask(Line([device]).channel(), Registers((ENERGY,)))
        assert answers == []
        assert error.startswith("MeterSilent")

    run(main())
