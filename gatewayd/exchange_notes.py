"""The exchange that is under way: its times, its bytes, and the archive entry that they make.

Rules: every byte that the recorder has taken goes into exactly one entry, but for what a babbling meter sends beyond
its day (chatter.py); what we sent goes into none. What a registrar
has told of its metering points becomes an entry for each of them, beside the one that has the bytes, in one
transaction.
"""

import dataclasses
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.archive.records import Bundle, Entry
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.chatter import Chatter
from gatewayd.driver import Clock
from gatewayd.model import DIRECT, Answer, Exchange, Kind, Meter, Outcome, Ratio, Reading, Request


def routed(meter: Meter, answer: Answer) -> Answer:
    """The answer with each reading at the metering point of a registrar that it belongs to."""
    if not meter.parts:
        return answer
    return dataclasses.replace(answer, readings=tuple([_routed(meter, reading) for reading in answer.readings]))


def _routed(meter: Meter, reading: Reading) -> Reading:
    owner = meter.owner(reading.obis).id if reading.meter == meter.id else reading.meter
    return reading if owner == reading.meter else replace(reading, meter=owner)


class Notes:
    """The exchange of one request after the other, in one session."""

    def __init__(
        self,
        meter: Meter,
        line: str,
        request: Request,
        clock: Clock,
        zone: ZoneInfo,
        chatter: Chatter | None = None,
    ) -> None:
        """`chatter`: what all meters have sent today that nobody understood."""
        self._chatter = chatter or Chatter()
        self._meter = meter
        self._line = line
        self._request = request
        self._clock = clock
        self._zone = zone
        self._started = self._looked = clock()
        self._received = b""
        self.channel: RecordingChannel | None = None

    def begin(self, request: Request) -> None:
        """The next request of the session."""
        self._request, self._started = request, self._clock()

    def answered(self, answer: Answer, readings: tuple[Reading, ...]) -> Entry | Bundle:
        """The driver is through with an exchange; `readings`: what of it is new to the archive, and what the gateway
        has made of it. A Bundle where some of them belong to metering points of a registrar."""
        meter, serial = self._meter, self._meter.serial or (answer.serials[0] if answer.serials else "")
        exchange = self._exchange(answer.outcome, answer.detail, answer.behind)
        record: Entry | Bundle = (
            self._bundle(exchange, readings, serial) if meter.parts else self._entry(exchange, meter, readings, serial)
        )
        self._told()
        return record

    def ended(self, outcome: Outcome, detail: str) -> Entry:
        """The session is over before the driver got an answer."""
        exchange = self._exchange(outcome, detail)
        entry = self._entry(exchange, self._meter, (), self._meter.serial)
        self._told()
        return entry

    @property
    def waiting(self) -> bool:
        """True when bytes were received that no exchange tells of yet."""
        return bool(self._received) or (self.channel is not None and self.channel.waiting)

    def _exchange(self, outcome: Outcome, detail: str, behind: int = 0) -> Exchange:
        now = self._looked = self._clock()
        if self.channel is not None:
            self._received += self.channel.take(behind)
        received = self._received
        if outcome is not Outcome.DONE and received:
            kept = self._chatter.kept(self._meter.id, len(received), now.astimezone(self._zone).date())
            if kept < len(received):
                much = f"the first {kept} of {len(received)} bytes are kept: the meter has sent too much today"
                received, detail = received[:kept], f"{detail}; {much}" if detail else much
        return Exchange(
            meter=self._meter.id,
            line=self._line,
            request=self._request.text,
            started_at=self._started,
            ended_at=max(now, self._started),
            received=received,
            outcome=outcome,
            detail=detail,
        )

    def _told(self) -> None:
        """The exchange is an entry. Not before: the bytes of what cannot be made into one go into the one that tells
        of the defect."""
        self._started, self._received = self._looked, b""

    def _bundle(self, exchange: Exchange, readings: tuple[Reading, ...], serial: str) -> Entry | Bundle:
        """The registrar's own entry, and one without bytes for each of its metering points of which there is news."""
        meter = self._meter
        readings = tuple([_routed(meter, reading) for reading in readings])
        places: dict[str, list[int]] = {part.meter.id: [] for part in meter.parts}
        own: list[int] = []
        for place, reading in enumerate(readings):
            places.get(reading.meter, own).append(place)
        order, entries = list(own), [self._entry(exchange, meter, tuple(readings[place] for place in own), serial)]
        for part in meter.parts:
            if found := places[part.meter.id]:
                told = dataclasses.replace(
                    exchange,
                    meter=part.meter.id,
                    request=f"{exchange.request} of {meter.id}",
                    received=b"",
                    detail=f"bytes: exchange of {meter.id}",
                )
                entries.append(self._entry(told, part.meter, tuple(readings[place] for place in found), serial))
                order += found
        if len(entries) == 1:
            return entries[0]
        back = sorted(range(len(order)), key=order.__getitem__)
        return Bundle(tuple(entries), tuple(back))

    def _entry(self, exchange: Exchange, meter: Meter, readings: tuple[Reading, ...], serial: str) -> Entry:
        return Entry(exchange, readings, self._ratios(meter, readings), serial, meter.point, meter.metering_type)

    def _ratios(self, meter: Meter, readings: tuple[Reading, ...]) -> tuple[Ratio, ...]:
        """The ratio in force for each; the values of a profile's row, of which a day has hundreds, share theirs."""
        if not meter.ratios:
            return (DIRECT,) * len(readings)
        found: list[Ratio] = []
        before: Reading | None = None
        for reading in readings:
            if before is None or reading.at is not before.at or reading.kind is not before.kind:
                interval = reading.kind is Kind.INTERVAL
                before, ratio = reading, meter.ratio_at(reading.at, self._zone, interval=interval)
            found.append(ratio)
        return tuple(found)
