"""One session with one meter: line -> channel -> driver -> exchange and readings -> archive.

Rules: whatever a session received is archived, however it ended, cancelled included; the readings of an answer are
archived before anybody else sees them; a fault of line or meter is a result, not an exception.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.channel import Channel
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.driver import Clock, Driver
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.legal_time import legal_day
from gatewayd.model import Answer, Archived, Exchange, Kind, Meter, Outcome, RawStatus, Reading, Request
from gatewayd.status import Fault, judge

SESSION_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Line:
    """An exclusive communication resource and how to open it. `open` raises ChannelError."""

    id: str
    open: Callable[[], Awaitable[Channel]]


@dataclass(frozen=True, slots=True)
class Station:
    """A meter with the driver that speaks to it."""

    meter: Meter
    driver: Driver


@dataclass(frozen=True, slots=True)
class Result:
    """What a session brought. `fault` is None when every exchange was sound and complete."""

    meter: str
    readings: tuple[Archived, ...]
    fault: GatewayError | None


class Acquisition:
    """Runs sessions: line -> channel -> driver -> exchange and readings -> archive."""

    def __init__(self, store: Store, clock: Clock, zone: ZoneInfo, session_seconds: float = SESSION_SECONDS) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._session_seconds = session_seconds

    async def run(
        self,
        line: Line,
        station: Station,
        request: Request,
        on_progress: Callable[[RecordingChannel], None] | None = None,
    ) -> Result:
        """One session. Faults of line and meter come back in the result; ArchiveError is raised."""
        notes = _Notes(station.meter, line.id, request, self._clock, self._zone)
        archived: list[Archived] = []
        fault: GatewayError | None = None
        end: GatewayError | None = None
        try:
            async with asyncio.timeout(self._session_seconds):
                channel = RecordingChannel(await _opened(line, station.meter))
                notes.channel = channel
                if on_progress is not None:
                    on_progress(channel)
                try:
                    async with aclosing(station.driver.execute(channel, request)) as answers:
                        async for answer in answers:
                            archived += await self._store.append(notes.answered(answer))
                            fault = fault or _fault_of(station.meter, line.id, answer)
                finally:
                    await channel.close()
        except TimeoutError:
            end = SessionDeadline(
                f"meter {station.meter.id} on line {line.id} was not finished after {self._session_seconds:.0f} s"
            )
        except ArchiveError:
            raise
        except GatewayError as error:
            end = error
        except asyncio.CancelledError:
            self._store.submit(notes.ended(Outcome.CANCELLED, "cancelled"))
            raise
        except Exception as error:  # a defect of ours is passed on; what the meter sent is kept all the same
            await self._store.append(notes.ended(Outcome.PROTOCOL_ERROR, f"defect in gatewayd: {error!r}"))
            raise
        if end is not None:
            await self._store.append(notes.ended(_outcome_of(end), str(end)))
        elif notes.waiting:
            await self._store.append(notes.ended(Outcome.DONE, "after the last answer"))
        # A refusal must not hide behind an earlier, smaller fault: it is what decides whether the session is repeated.
        if fault is None or isinstance(end, MeterRefused | SessionDeadline):
            fault = end
        return Result(station.meter.id, tuple(archived), fault)


async def _opened(line: Line, meter: Meter) -> Channel:
    try:
        return await line.open()
    except ChannelError as error:
        raise type(error)(f"meter {meter.id}: {error}") from error


class _Notes:
    """The exchange that is under way: its times, its bytes, and the archive entry that they make."""

    def __init__(self, meter: Meter, line: str, request: Request, clock: Clock, zone: ZoneInfo) -> None:
        self._meter = meter
        self._line = line
        self._request = request
        self._clock = clock
        self._zone = zone
        self._started = clock()
        self._received = b""
        self.channel: RecordingChannel | None = None

    def answered(self, answer: Answer) -> Entry:
        """The driver is through with an exchange."""
        readings = _checked_serial(self._meter, answer)
        serial = self._meter.serial or (answer.serials[0] if answer.serials else "")
        return self._entry(answer.outcome, answer.detail, readings, serial)

    def ended(self, outcome: Outcome, detail: str) -> Entry:
        """The session is over before the driver got an answer."""
        return self._entry(outcome, detail, (), self._meter.serial)

    @property
    def waiting(self) -> bool:
        """True when bytes were received that no exchange tells of yet."""
        return bool(self._received) or (self.channel is not None and self.channel.waiting)

    def _entry(self, outcome: Outcome, detail: str, readings: tuple[Reading, ...], serial: str) -> Entry:
        now = self._clock()
        if self.channel is not None:
            self._received += self.channel.take()
        exchange = Exchange(
            meter=self._meter.id,
            line=self._line,
            request=self._request.text,
            started_at=self._started,
            ended_at=max(now, self._started),
            received=self._received,
            outcome=outcome,
            detail=detail,
        )
        ratios = tuple(self._meter.ratio_on(_day(reading, self._zone)) for reading in readings)
        entry = Entry(exchange, readings, ratios, serial, self._meter.point, self._meter.metering_type)
        # Only now: where readings cannot be made into an entry, the bytes go into the one that tells of the defect.
        self._started, self._received = now, b""
        return entry


def _day(reading: Reading, zone: ZoneInfo) -> date:
    """The legal-time day of a reading; an interval that ends at midnight belongs to the day before."""
    return legal_day(reading.at, zone) if reading.kind is Kind.INTERVAL else reading.at.astimezone(zone).date()


def _outcome_of(fault: GatewayError) -> Outcome:
    match fault:
        case ProtocolError():
            return Outcome.PROTOCOL_ERROR
        case MeterSilent():
            return Outcome.SILENT
        case MeterRefused():
            return Outcome.REFUSED
        case SessionDeadline():
            return Outcome.DEADLINE
        case ChannelError():
            return Outcome.LINE_FAILED
        case _:
            return Outcome.PROTOCOL_ERROR


def _fault_of(meter: Meter, line: str, answer: Answer) -> GatewayError | None:
    """What an operator has to know of an answer that is not as it should be; its readings are archived all the same."""
    where = f"meter {meter.id} on line {line}"
    if answer.outcome is Outcome.REFUSED:
        return MeterRefused(f"{where}: {answer.detail}")
    if not answer.sound:
        return ProtocolError(f"{where}: {answer.detail}; its values are marked distorted")
    missing = [reading.code for reading in answer.readings if not reading.obis_raw]
    if missing:
        return MeterDiffers(f"{where} does not have {', '.join(missing)}")
    if not answer.readings:
        return ProtocolError(f"{where} sent a readout without a single value")
    if _other_serial(meter, answer):
        return MeterDiffers(f"{where}: serial {meter.serial} is configured, the meter says {answer.serials[0]}")
    return None


def _other_serial(meter: Meter, answer: Answer) -> bool:
    """True when a serial number is configured and the meter names only others. Leading zeros do not count."""
    if not meter.serial or not answer.serials:
        return False
    return _plain(meter.serial) not in {_plain(serial) for serial in answer.serials}


def _plain(serial: str) -> str:
    return serial.strip().lstrip("0").casefold()


def _checked_serial(meter: Meter, answer: Answer) -> tuple[Reading, ...]:
    if not _other_serial(meter, answer):
        return answer.readings
    status, flags = judge((Fault.OTHER_SERIAL,))
    return tuple(
        replace(reading, status=RawStatus.worst((reading.status, status)), flags=reading.flags | flags)
        for reading in answer.readings
    )
