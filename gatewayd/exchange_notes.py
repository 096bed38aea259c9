"""The exchange that is under way: its times, its bytes, and the archive entry that they make.

Rules: every byte that the recorder has taken goes into exactly one entry; what we sent goes into none.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from gatewayd.archive.records import Entry
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.driver import Clock
from gatewayd.legal_time import legal_day
from gatewayd.model import DIRECT, Answer, Exchange, Kind, Meter, Outcome, Ratio, Reading, Request


class Notes:
    """The exchange of one request after the other, in one session."""

    def __init__(self, meter: Meter, line: str, request: Request, clock: Clock, zone: ZoneInfo) -> None:
        self._meter = meter
        self._line = line
        self._request = request
        self._clock = clock
        self._zone = zone
        self._started = clock()
        self._received = b""
        self.channel: RecordingChannel | None = None

    def begin(self, request: Request) -> None:
        """The next request of the session."""
        self._request, self._started = request, self._clock()

    def answered(self, answer: Answer, readings: tuple[Reading, ...]) -> Entry:
        """The driver is through with an exchange; `readings`: what of it is new to the archive, and what the gateway
        has made of it."""
        serial = self._meter.serial or (answer.serials[0] if answer.serials else "")
        return self._entry(answer.outcome, answer.detail, readings, serial, answer.behind)

    def ended(self, outcome: Outcome, detail: str) -> Entry:
        """The session is over before the driver got an answer."""
        return self._entry(outcome, detail, (), self._meter.serial)

    @property
    def waiting(self) -> bool:
        """True when bytes were received that no exchange tells of yet."""
        return bool(self._received) or (self.channel is not None and self.channel.waiting)

    def _entry(
        self, outcome: Outcome, detail: str, readings: tuple[Reading, ...], serial: str, behind: int = 0
    ) -> Entry:
        now = self._clock()
        if self.channel is not None:
            self._received += self.channel.take(behind)
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
        ratios = self._ratios(readings)
        entry = Entry(exchange, readings, ratios, serial, self._meter.point, self._meter.metering_type)
        # Only now: where readings cannot be made into an entry, the bytes go into the one that tells of the defect.
        self._started, self._received = now, b""
        return entry

    def _ratios(self, readings: tuple[Reading, ...]) -> tuple[Ratio, ...]:
        """The ratio in force for each; the values of a profile's row, of which a day has hundreds, share theirs."""
        if not self._meter.ratios:
            return (DIRECT,) * len(readings)
        found: dict[tuple[datetime, Kind], Ratio] = {}
        for reading in readings:
            if (reading.at, reading.kind) not in found:
                found[reading.at, reading.kind] = self._meter.ratio_on(_day(reading, self._zone))
        return tuple([found[reading.at, reading.kind] for reading in readings])


def _day(reading: Reading, zone: ZoneInfo) -> date:
    """The legal-time day of a reading; an interval that ends at midnight belongs to the day before."""
    return legal_day(reading.at, zone) if reading.kind is Kind.INTERVAL else reading.at.astimezone(zone).date()
