"""A driver of Modbus with everything that it is built from, for tests of whole sessions in simulated time."""

from __future__ import annotations

import struct
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from drivers.modbus.driver import KIND, ModbusDriver
from drivers.modbus.options import ModbusOptions
from gatewayd.driver import Forgetful, Setting
from gatewayd.errors import GatewayError
from gatewayd.model import Answer, Meter, Ratio, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.modbus.devices import Device, Line, LineChannel

PRAGUE = ZoneInfo("Europe/Prague")
MAP = "eastron-sdm630"
NOON = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)
ENERGY = Obis.parse("1-0:1.8.0")
EXPORT = Obis.parse("1-0:2.8.0")


class Session:
    """A driver of the meter `em-1` on line `bus`, its memory, and a clock that a test may move."""

    def __init__(
        self,
        *,
        baud: int | None = 9600,
        ratio: Ratio | None = None,
        memory: Forgetful | None = None,
        beside: dict[str, object] | None = None,
        **options: Any,
    ) -> None:
        self.now = NOON
        self.memory = memory or Forgetful()
        chosen = ModbusOptions.model_validate({"unit": 1, "map": MAP} | options)
        meter = Meter("em-1", "modbus", "bus", ratios=() if ratio is None else (ratio,))
        beside = {} if beside is None else beside
        setting = Setting(meter, chosen, baud, self.clock, PRAGUE, self.memory, beside=beside)
        driver = KIND.build(setting)
        assert isinstance(driver, ModbusDriver)
        self.driver = driver

    def clock(self) -> datetime:
        """A millisecond goes by whenever somebody looks."""
        self.now += timedelta(milliseconds=1)
        return self.now

    async def ask(self, channel: LineChannel, request: Request | None = None) -> tuple[list[Answer], str]:
        """The answers, and the error behind them, "" for none."""
        answers: list[Answer] = []
        try:
            async with aclosing(self.driver.execute(channel, request or Registers())) as coming:
                async for answer in coming:
                    answers.append(answer)  # what came before an error is wanted
        except GatewayError as error:
            return answers, f"{type(error).__name__}: {error}"
        return answers, ""

    async def read(self, line: Line, *codes: Obis) -> Answer:
        """The only answer of a session that has no error."""
        answers, error = await self.ask(line.channel(), Registers(codes))
        assert error == ""
        (answer,) = answers
        return answer


def f32(value: str) -> tuple[int, int]:
    """Two registers of a binary number."""
    high, low = struct.unpack(">HH", struct.pack(">f", Decimal(value)))
    return high, low


def sdm630(**habits: Any) -> Device:
    """Everything that the map has and the holes between, every register another number; 3.8.0 is quiet."""
    device = Device({}, **habits)
    device.put(4, 0, *range(0x180))
    device.put(4, 0x48, *f32("1234.5"), *f32("6.25"))
    device.put(3, 0xFC00, 0x0012, 0xD687)
    device.put(3, 0xFC02, 112)
    return device


def since(day: date, ct: str) -> Ratio:
    return Ratio(ct=ct, since=day)
