"""What is asked by commands in programming mode, and the answers in order: registers one by one, tables by windows.

Rules: each command whose answer becomes readings is one exchange, hence one Answer; nothing that writes is asked. A
meter that answers (ERROR) has answered: it does not have that register, or nothing in that window (reach.py).
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from functools import partial
from zoneinfo import ZoneInfo

from drivers.iec62056_21.answers import (
    Source,
    made,
    not_sent,
    refused_register,
    register_answer,
    request_code,
)
from drivers.iec62056_21.clock import Heard, clock_reading, codes_of, described
from drivers.iec62056_21.conversation import Conversation
from drivers.iec62056_21.intervals import table_readings
from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.reach import Reach
from drivers.iec62056_21.readings import serial_numbers, telegram_faults
from drivers.iec62056_21.vendors import Table, Vendor
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.session import Answered, CommandError
from drivers.iec62056_21.wire.windows import range_request, windows
from gatewayd.driver import Clock
from gatewayd.errors import MeterDiffers
from gatewayd.model import Answer, Meter, Profile, Reading, Registers
from gatewayd.obis import Obis

_LOG_CODES = frozenset({98, 99})
"""Group D of P.98 and P.99 (EDIS, general and list objects)."""
_PROFILES = 99
_NO_ENTRIES = "no entries"
_ERROR = "ERROR"
"""What the standard has for it; ERR1 and the like are words of makers, each with a meaning of its own."""
_NOTHING_THEN = f"({_ERROR}): nothing in this time"
_LONG = 1 << 17


@dataclass(frozen=True, slots=True)
class Access:
    """How this meter is asked: what its vendor profile says, where the options do not say it."""

    register_command: str
    profile_commands: tuple[str, ...]
    clock: str
    vendor: Vendor


def access_of(vendor: Vendor, options: Iec62056_21Options) -> Access:
    """The options go before the vendor profile; `readout` as register command where registers come out of that."""
    first = vendor.profile_command if options.profile_command == "auto" else options.profile_command
    second = vendor.profile_fallback
    return Access(
        register_command=vendor.access if options.access == "auto" else options.access,
        profile_commands=(first,) if second is None or second == first else (first, second),
        clock=vendor.clock if options.clock == "auto" else options.clock,
        vendor=vendor,
    )


class Commands:
    """The commands of one session that is ready for them."""

    def __init__(
        self,
        conversation: Conversation,
        session: ProgrammingSession,
        access: Access,
        meter: Meter,
        clock: Clock,
        zone: ZoneInfo,
        reach: Reach,
    ) -> None:
        self._conversation = conversation
        self._session = session
        self._access = access
        self._meter = meter
        self._clock = clock
        self._zone = zone
        self._reach = reach
        self._serials: tuple[str, ...] = ()
        self._complaints: tuple[str, ...] = ()

    async def identify(self, operand: str) -> None:
        """Ask for the serial number, where one is configured; else P0 may have named it. It goes into every answer."""
        serial, code = self._meter.serial, self._access.vendor.serial_code
        if not serial:
            return
        if not code:
            if operand and operand.lstrip("0").casefold() == serial.strip().lstrip("0").casefold():
                self._serials = (operand,)
            return
        event = await self._ask(self._plain_command, f"{code}()")
        if isinstance(event, CommandError):
            self._complaints = (f"the serial number {code} cannot be read: the meter answers {event.text}",)
            return
        obis = Obis.parse(code, self._access.vendor.medium)
        answer = register_answer(self._source(), obis, event.telegram, self._conversation.parity_errors)
        if answer.sound:
            self._serials = serial_numbers(answer.readings) or tuple(
                reading.raw_text.strip() for reading in answer.readings[:1] if reading.raw_text.strip()
            )

    async def clock(self) -> Answer | None:
        """Time and date by commands, as one answer; None where the meter does not let both of them be read, or where
        they make no time. The second is not asked for where the first is refused."""
        found: list[tuple[Reading, Heard]] = []
        for obis in codes_of(self._access.vendor):
            event = await self._ask(self._plain_command, f"{request_code(obis)}()")
            if isinstance(event, CommandError):
                return None
            source = self._source()
            heard = Heard(source.at, self._conversation.span, event.telegram.data)
            answer = register_answer(source, obis, event.telegram, self._conversation.parity_errors)
            if not answer.sound:
                return None
            found += [(one, heard) for one in answer.readings]
        clock = clock_reading(found, self._access.vendor, self._zone)
        if clock is None:
            return None
        return Answer((clock,), detail=described(clock), serials=self._serials, identification=self._identification)

    def no_clock(self) -> Answer:
        """Instead, where somebody has asked for it."""
        source = self._source()
        readings = tuple(not_sent(source, obis, ()) for obis in codes_of(self._access.vendor))
        return Answer(readings, serials=self._serials, identification=self._identification)

    @property
    def tells_clock(self) -> bool:
        """Whether the vendor profile lets the clock be asked for before a profile."""
        return self._access.vendor.clock_command

    async def registers(self, request: Registers) -> AsyncGenerator[Answer, None]:
        """One command and one answer for each register."""
        for obis in request.registers:
            event = await self._ask(self._access.register_command, f"{request_code(obis)}()")
            if isinstance(event, CommandError):
                yield refused_register(self._source(), obis, event.text)
            else:
                yield register_answer(self._source(), obis, event.telegram, self._conversation.parity_errors)

    async def profile(self, request: Profile) -> AsyncGenerator[Answer, None]:
        """One command and one answer for each window, oldest first.

        MeterDiffers at the end when the meter does not answer any window of a load profile, by whichever command, save
        those that lie before rows that it has brought: there is nothing in them."""
        table = table_of(request.obis, self._access.vendor)
        commands = self._access.profile_commands
        served = False
        text = ""
        for start, end in windows(request.start, request.end, self._access.vendor.window_days):
            window = replace(request, start=start, end=end)
            denied: list[str] = []
            for command in commands:
                event = await self._ask(command, self._range(table, window))
                if isinstance(event, Answered):
                    commands, served = (command,), True  # stay with the one that works
                    break
                denied += [command] if event.understood and event.text == _ERROR else []
            if isinstance(event, Answered):
                answer = await self._table_answer(event, table, window)
                yield answer
                if answer.sound and table.kind != "log":  # archived by now
                    await self._reach.brought(request.obis, command, answer.readings)
                continue
            if table.kind == "log" and event.understood:
                text, served, detail = event.text, True, _NO_ENTRIES
            elif await self._reach.past(request.obis, denied, end):
                detail = _NOTHING_THEN
            else:
                text, detail = event.text, f"the meter answers {event.text}"
                if not served:
                    self._reach.refused(request.obis)
            yield Answer(
                readings=(),
                detail="; ".join((detail, *self._complaints)),
                serials=self._serials,
                identification=self._identification,
            )
        if text and not served:
            raise MeterDiffers(
                f"answers {text} to {' and '.join(commands)} of {table.code} in every window: it has no such profile, "
                "nothing of it in this time, or does not let it be read with this password or without one "
                "(password_file, login)"
            )

    async def _table_answer(self, event: Answered, table: Table, window: Profile) -> Answer:
        parity_errors = self._conversation.parity_errors
        understood = partial(
            table_readings,
            event.telegram.data,
            telegram_faults(event.telegram, parity_errors),
            meter=self._meter.id,
            request=window,
            table=table,
            vendor=self._access.vendor,
            clock=self._access.clock,
            zone=self._zone,
            at=self._clock(),
        )
        # A month is understood in a moment; what is much longer must not hold up other lines.
        found = await asyncio.to_thread(understood) if len(event.telegram.data) > _LONG else understood()
        complaints = (*found.complaints, *self._complaints)
        return made(self._source(), found.readings, event.telegram, parity_errors, complaints=complaints)

    def _range(self, table: Table, window: Profile) -> str:
        vendor, access = self._access.vendor, self._access
        return range_request(
            table.code,
            vendor.window,
            vendor.window_time,
            window.start,
            window.end,
            access.clock,
            self._zone,
            season_digit=vendor.season_digit,
        ).decode("ascii")

    async def _ask(self, command: str, data: str) -> Answered | CommandError:
        actions = self._session.command(command, data, self._conversation.now)
        event = await self._conversation.until_event(actions)
        assert isinstance(event, Answered | CommandError)  # nothing else follows a command
        return event

    @property
    def _plain_command(self) -> str:
        """What reads a single register, also where registers come out of the readout."""
        command = self._access.register_command
        if command != "readout":
            return command
        return "R5" if self._access.profile_commands[0] in ("R5", "R6") else "R1"

    @property
    def _identification(self) -> str:
        return str(self._session.identification or "")

    def _source(self) -> Source:
        return Source(
            self._meter.id, self._clock(), self._zone, self._access.vendor, self._identification, self._serials
        )


def table_of(obis: Obis, vendor: Vendor) -> Table:
    """The vendor's table with this code; one that the profile does not name is asked for by its reduced code."""
    for table in vendor.tables:
        if Obis.parse(table.code, vendor.medium) == obis:
            return table
    kind = "log" if obis.c == _PROFILES and obis.d in _LOG_CODES else "profile"
    return Table.model_validate({"code": request_code(obis), "kind": kind})
