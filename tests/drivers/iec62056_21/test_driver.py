"""The loop between session and channel, with a channel that plays a script; and the options and the README.

The fake channel never waits: a wait that the script does not answer is over at once.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from drivers import DRIVERS
from drivers.iec62056_21.driver import KIND
from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.channel import Channel, Framing
from gatewayd.config import parse
from gatewayd.driver import Driver, Setting
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError, MeterSilent, ProtocolError
from gatewayd.model import Answer, Flag, Meter, Outcome, RawStatus, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.conversation import (
    BLOCK,
    BODY,
    IDENTIFICATION,
    MODE_C,
    OPTION,
    PUSHED,
    ROOT,
    SIGN_ON,
    block,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FOLDER = ROOT / "drivers" / "iec62056_21"


class ScriptedChannel:
    """Answers each message by a table. `log` is what the driver did; `waits` the seconds it was ready to wait."""

    def __init__(
        self,
        table: dict[bytes, bytes | GatewayError],
        pushed: bytes = b"",
        parity_errors: int = 0,
        errors_begin: bytes = b"\x02",
    ) -> None:
        self._table = table
        self._errors_begin = errors_begin
        self._coming: list[bytes | GatewayError] = [pushed] if pushed else []
        self._parity_errors = parity_errors
        self._counted = 7  # errors of an earlier session on the same channel
        self.log: list[bytes | tuple[int, Framing]] = []
        self.waits: list[float] = []

    @property
    def parity_errors(self) -> int:
        return self._counted

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        assert deadline > asyncio.get_running_loop().time()
        self.log.append(data)
        if data in self._table:
            self._coming.append(self._table[data])

    async def receive(self, *, deadline: float) -> bytes:
        self.waits.append(deadline - asyncio.get_running_loop().time())
        if not self._coming:
            raise ChannelTimeout("line optical: nothing received in time")
        said = self._coming.pop(0)
        if isinstance(said, GatewayError):
            raise said
        if said.startswith(self._errors_begin):
            self._counted += self._parity_errors
            self._parity_errors = 0
        return said

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        assert deadline > asyncio.get_running_loop().time()
        self.log.append((baud, framing))

    async def close(self) -> None:
        raise AssertionError("the channel is not the driver's to close")


def build(options: dict[str, Any] | None = None, line_baud: int | None = None) -> Driver:
    setting = Setting(
        meter=Meter(id="em-1001", driver="iec62056_21", line="optical"),
        options=Iec62056_21Options.model_validate(options or {}),
        line_baud=line_baud,
        clock=lambda: NOW,
        zone=ZoneInfo("Europe/Prague"),
    )
    return KIND.build(setting)


def run(channel: Channel, request: Request = Registers(), line_baud: int | None = None, **options: Any) -> Answer:  # noqa: B008
    """The one answer of one session."""

    async def session() -> list[Answer]:
        async with aclosing(build(options, line_baud).execute(channel, request)) as answers:
            return [answer async for answer in answers]

    (answer,) = asyncio.run(session())
    return answer


def asked(*codes: str) -> Request:
    return Registers(tuple(Obis.parse(code) for code in codes))


# -- a readout -------------------------------------------------------------------------------------------------------


def test_the_driver_is_registered() -> None:
    assert DRIVERS["iec62056_21"] is KIND
    assert KIND.options is Iec62056_21Options


def test_a_readout() -> None:
    channel = ScriptedChannel(dict(MODE_C))
    answer = run(channel)
    assert channel.log == [(300, Framing.E71), SIGN_ON, OPTION, (9600, Framing.E71)]
    assert [reading.obis_raw for reading in answer.readings] == ["F.F", "1.8.0", "1.6.0", "2.8.0"]
    assert [reading.raw for reading in answer.readings] == BODY.splitlines()
    assert {reading.meter for reading in answer.readings} == {"em-1001"}
    assert answer.readings[1].at == NOW
    assert answer.outcome is Outcome.DONE
    assert answer.sound
    assert answer.detail == ""
    assert answer.identification == "/ISK5MT174-0001"
    assert answer.serials == ()


def test_serial_numbers_are_told() -> None:
    body = b"C.1.0(53965555)\r\n" + BODY
    answer = run(ScriptedChannel({SIGN_ON: IDENTIFICATION, OPTION: block(body)}))
    assert answer.serials == ("53965555",)


def test_asked_registers_are_chosen_in_the_meters_order_and_what_did_not_come_is_missing() -> None:
    body = b"2.8.0(2*kWh)\r\n1.8.0(1*kWh)\r\n1.8.0*01(0.5*kWh)\r\n1.8.0(1*kWh)\r\nC.1.0(77)\r\n"
    channel = ScriptedChannel({SIGN_ON: IDENTIFICATION, OPTION: block(body)})
    answer = run(channel, asked("1.8.0", "3.8.0", "1-0:2.8.0*255", "1.8.0*12"))
    assert [(reading.code, reading.raw_text) for reading in answer.readings] == [
        ("1-0:2.8.0*255", "2"),
        ("1-0:1.8.0*255", "1"),
        ("1-0:1.8.0*255", "1"),
        ("1-0:3.8.0*255", ""),
        ("1-0:1.8.0*12", ""),
    ]
    for reading in answer.readings[3:]:
        assert (reading.status, reading.flags) == (RawStatus.MISSING, Flag.NOT_SENT)
        assert (reading.raw, reading.obis_raw, reading.value) == (b"", "", None)
    assert answer.serials == ("77",)  # from the whole readout
    assert answer.outcome is Outcome.DONE


def test_an_asked_register_that_came_empty_came() -> None:
    (reading,) = run(ScriptedChannel(dict(MODE_C)), asked("2.8.0")).readings
    assert reading.obis_raw == "2.8.0"
    assert (reading.status, reading.flags) == (RawStatus.MISSING, Flag.NO_VALUE)


def test_what_did_not_come_in_a_faulty_telegram_is_missing_for_both_reasons() -> None:
    answer = run(ScriptedChannel({SIGN_ON: IDENTIFICATION, OPTION: BLOCK[:-5]}), asked("1.8.0", "9.9.9"))
    assert [(reading.status, reading.flags) for reading in answer.readings] == [
        (RawStatus.DISTORTED, Flag.TRUNCATED),
        (RawStatus.MISSING, Flag.NOT_SENT | Flag.TRUNCATED),
    ]


def test_mode_d_sends_nothing() -> None:
    channel = ScriptedChannel({}, pushed=PUSHED)
    answer = run(channel, mode="D")
    assert channel.log == [(9600, Framing.E71)]
    assert answer.outcome is Outcome.DONE
    assert answer.identification == "/ESY5Q3DA3024 V3.04"
    assert answer.readings[0].raw_text == "00000504.9023619"
    assert answer.serials == ("1ESY1160142770",)


def test_the_vendor_is_chosen_by_the_identification() -> None:
    heat = {SIGN_ON: b"/LUGCUH50\r\n" + block(b"6.8(0029.055*MWh)")}
    assert run(ScriptedChannel(dict(heat))).readings[0].obis == Obis(6, 0, 6, 8)
    assert run(ScriptedChannel(dict(heat)), vendor="generic").readings[0].obis == Obis(1, 0, 6, 8)


# -- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "outcome", "flag"),
    [
        (BLOCK[:-1] + bytes([BLOCK[-1] ^ 4]), Outcome.CHECK_FAILED, Flag.BCC_FAILED),
        (BLOCK[:-2], Outcome.TRUNCATED, Flag.TRUNCATED),
    ],
)
def test_a_faulty_telegram_is_an_answer_with_distorted_values(sent: bytes, outcome: Outcome, flag: Flag) -> None:
    answer = run(ScriptedChannel({SIGN_ON: IDENTIFICATION, OPTION: sent}))
    assert answer.outcome is outcome
    assert answer.detail
    assert not answer.sound
    assert len(answer.readings) == 4
    assert {(reading.status, reading.flags) for reading in answer.readings} == {(RawStatus.DISTORTED, flag)}


def test_a_wrong_crc() -> None:
    answer = run(ScriptedChannel({}, pushed=PUSHED.replace(b"!", b"!0000")), mode="D")
    assert answer.outcome is Outcome.CHECK_FAILED
    assert answer.readings[0].flags == Flag.CRC_FAILED


def test_characters_with_wrong_parity_distort_the_readout_and_the_answer_is_not_sound() -> None:
    answer = run(ScriptedChannel(dict(MODE_C), parity_errors=2))
    assert {(reading.status, reading.flags) for reading in answer.readings} == {
        (RawStatus.DISTORTED, Flag.PARITY_ERROR)
    }
    assert "2 characters with wrong parity" in answer.detail
    assert answer.outcome is Outcome.CHECK_FAILED
    assert not answer.sound


def test_an_abstract_object_is_found_under_the_medium_that_the_meter_writes() -> None:
    """`F.F` is asked for; the meter writes `1-0:F.F`. A code of energy stays what it is: `1.8.0` is not `1-1:1.8.0`."""
    sent = block(b"1-0:F.F(00)\r\n1-1:1.8.0(5*kWh)\r\n1-0:1.0.0(7)\r\n")
    table: dict[bytes, bytes | GatewayError] = {SIGN_ON: IDENTIFICATION, OPTION: sent}
    answer = run(ScriptedChannel(table), Registers((Obis.parse("F.F"), Obis.parse("1.8.0"), Obis.parse("0-0:1.0.0"))))
    assert [(reading.obis_raw, reading.status) for reading in answer.readings] == [
        ("1-0:F.F", RawStatus.TRUE),
        ("", RawStatus.MISSING),
        ("", RawStatus.MISSING),
    ]


def test_characters_with_wrong_parity_before_the_block_harm_no_value() -> None:
    answer = run(ScriptedChannel(dict(MODE_C), parity_errors=2, errors_begin=b"/"))
    assert answer.sound
    assert not any(reading.flags & Flag.PARITY_ERROR for reading in answer.readings)


def test_parity_errors_of_earlier_sessions_do_not_count() -> None:
    answer = run(ScriptedChannel(dict(MODE_C), parity_errors=0))
    assert {reading.flags for reading in answer.readings} == {Flag(0), Flag.NO_VALUE}


def test_a_silent_meter_is_named_with_its_line() -> None:
    channel = ScriptedChannel({})
    with pytest.raises(MeterSilent, match=r"^meter em-1001 on line optical does not answer") as caught:
        run(channel)
    assert isinstance(caught.value.__cause__, MeterSilent)
    assert channel.log == [(300, Framing.E71), SIGN_ON] * 3


def test_a_protocol_error_is_named_and_keeps_its_bytes() -> None:
    with pytest.raises(ProtocolError, match=r"^meter em-1001 on line optical ") as caught:
        run(ScriptedChannel({SIGN_ON: b"hello\r\n"}))
    assert caught.value.raw == b"hello\r\n"


@pytest.mark.parametrize("at", [SIGN_ON, OPTION])
def test_a_fault_of_the_line_passes_with_the_meters_name(at: bytes) -> None:
    fault = ChannelError("line optical: /dev/ttyUSB0 is gone; is the adapter plugged in?")
    table: dict[bytes, bytes | GatewayError] = {**MODE_C, at: fault}
    with pytest.raises(ChannelError) as caught:
        run(ScriptedChannel(table))
    assert type(caught.value) is ChannelError
    assert str(caught.value) == "meter em-1001: line optical: /dev/ttyUSB0 is gone; is the adapter plugged in?"
    assert caught.value.__cause__ is fault


def test_a_line_that_takes_no_data_is_a_fault_of_the_line() -> None:
    class Stuck(ScriptedChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            raise ChannelTimeout("line optical takes no more data")

    with pytest.raises(ChannelTimeout, match="em-1001"):
        run(Stuck({}))


def test_other_exceptions_pass_untouched() -> None:
    """Translation is the channel's business; a bug must look like one."""

    class Broken(ScriptedChannel):
        async def receive(self, *, deadline: float) -> bytes:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Broken({}))


@pytest.mark.parametrize("place", ["send", "receive", "set_line"])
def test_cancellation_passes_through(place: str) -> None:
    reached = asyncio.Event

    class Hanging(ScriptedChannel):
        def __init__(self) -> None:
            super().__init__({})
            self.there = reached()

        async def _hang(self) -> None:
            self.there.set()
            await asyncio.Event().wait()

        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            if place == "send":
                await self._hang()
            await super().send(data, deadline=deadline)

        async def receive(self, *, deadline: float) -> bytes:
            if place == "receive":
                await self._hang()
            return await super().receive(deadline=deadline)

        async def rest(self, seconds: float) -> None:
            pass

        async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
            if place == "set_line":
                await self._hang()
            await super().set_line(baud, framing, deadline=deadline)

    async def scenario() -> None:
        channel = Hanging()

        async def session() -> None:
            async with aclosing(build().execute(channel, Registers())) as answers:
                async for _ in answers:
                    raise AssertionError("an answer from nowhere")

        task = asyncio.create_task(session(), name="session")
        async with asyncio.timeout(10):
            await channel.there.wait()
        before = list(channel.log)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert channel.log == before  # nothing more is said to the meter

    asyncio.run(scenario())


def test_a_driver_is_used_for_many_sessions() -> None:
    driver = build()

    async def session(channel: Channel) -> list[Answer]:
        async with aclosing(driver.execute(channel, Registers())) as answers:
            return [answer async for answer in answers]

    async def scenario() -> None:
        first = await session(ScriptedChannel(dict(MODE_C)))
        with pytest.raises(MeterSilent):
            await session(ScriptedChannel({}))
        assert await session(ScriptedChannel(dict(MODE_C))) == first

    asyncio.run(scenario())


# -- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "line_baud", "rate"),
    [
        ({}, None, 300),
        ({}, 9600, 9600),
        ({"start_baud": 2400}, None, 2400),
        ({"start_baud": 300}, 9600, 300),
        ({"mode": "D"}, None, 9600),
        ({"mode": "D"}, 115200, 115200),
        ({"mode": "D", "start_baud": 2400}, 9600, 2400),
    ],
)
def test_the_first_rate(options: dict[str, Any], line_baud: int | None, rate: int) -> None:
    channel = ScriptedChannel({})
    with pytest.raises(MeterSilent):
        run(channel, line_baud=line_baud, **options)
    assert channel.log[0] == (rate, Framing.E71)


def test_options_reach_the_session() -> None:
    channel = ScriptedChannel({b"/?00123!\r\n": IDENTIFICATION, b"\x06030\r\n": BLOCK})
    assert run(channel, address="00123", max_baud=2400).outcome is Outcome.DONE
    channel = ScriptedChannel({})
    with pytest.raises(MeterSilent):
        run(channel, attempts=1, response_timeout_s=9)
    assert channel.log == [(300, Framing.E71), SIGN_ON]
    assert channel.waits == [pytest.approx(9 + 5 / 30, abs=0.5)]
    channel = ScriptedChannel({})
    with pytest.raises(MeterSilent):
        run(channel, mode="D", push_timeout_s=120)
    assert channel.waits == [pytest.approx(120, abs=0.5)]


def test_a_line_with_a_delay_of_its_own_delays_the_answer_to_the_acknowledgement_too() -> None:
    channel = ScriptedChannel(dict(MODE_C))
    run(channel, response_timeout_s=10)
    assert len(channel.waits) == 2
    assert min(channel.waits) > 8


def test_the_character_timeout_reaches_the_session() -> None:
    channel = ScriptedChannel({SIGN_ON: IDENTIFICATION, OPTION: BLOCK[:-1]})
    run(channel, character_timeout_s=7)
    assert channel.waits[-1] == pytest.approx(7, abs=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "F"},
        {"mode": "c"},
        {"vendor": "nobody"},
        {"address": "7" * 33},
        {"address": "12!"},
        {"address": "1\n"},
        {"start_baud": 1234},
        {"start_baud": 115200},
        {"max_baud": 0},
        {"attempts": 0},
        {"attempts": 11},
        {"response_timeout_s": 0},
        {"character_timeout_s": 61},
        {"push_timeout_s": 3601},
        {"password": "00000000"},
    ],
)
def test_options_that_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Iec62056_21Options.model_validate(options)


# -- README ----------------------------------------------------------------------------------------------------------


def readme() -> str:
    return (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_readme_documents_every_option_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", readme(), re.MULTILINE))
    fields = Iec62056_21Options.model_fields
    assert list(rows) == list(fields)
    for name, field in fields.items():
        if field.default is not None:
            lists = isinstance(field.default, tuple) or field.default == ""
            shown = json.dumps(field.default) if lists else str(field.default)
            assert rows[name] == f"`{shown}`", name


def test_the_sample_configuration_of_the_readme() -> None:
    (sample,) = re.findall(r"^```yaml\n(.*?)^```", readme(), re.MULTILINE | re.DOTALL)
    frame = "gateway: {id: gw-1}\narchive: {path: archive}\n"
    config = parse(frame + sample, "README.md", {name: kind.options for name, kind in DRIVERS.items()}, {})
    assert [meter.driver for meter in config.meters] == ["iec62056_21"] * 3
    for meter in config.meters:
        assert isinstance(meter.options, Iec62056_21Options)
        built = Meter(meter.id, meter.driver, meter.line)
        KIND.build(Setting(built, meter.options, None, lambda: NOW, config.gateway.zone))


def test_the_readme_names_every_vendor_profile() -> None:
    for path in sorted(Path(FOLDER / "vendors").glob("*.yaml")):
        assert f"`{path.stem}`" in readme()
