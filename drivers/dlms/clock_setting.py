"""Putting the meter's clock right: by shift_time, within the limits of the configuration, and never across the end of
an interval (IEC 62056-6-2, Clock, method 6; attribute 2 where that is allowed).

Rules: nothing is sent unless `set_clock` is configured. What is going to be done is an Answer before it is done, what
has become of it is one behind it, and both are deeds for the audit log. A clock that shows no instant, or is further
off than is allowed, is for a person to judge. A time that is written is on the base that the clock has: it moves by no
more than a shift would. The clock is looked at again in any case.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import gcd

from drivers.dlms.asking import Asking
from drivers.dlms.captures import PERIOD, attribute
from drivers.dlms.clock import CLASS_ID, TIME, RoundTrip, Shown, seconds_text, shown
from drivers.dlms.options import SetClock
from drivers.dlms.wire.association_dialogue import ServiceRefused
from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.axdr_value import Tag
from drivers.dlms.wire.cosem_time import (
    NO_DEVIATION,
    NOT_SPECIFIED,
    ClockRules,
    ClockStatus,
    Deviation,
    parse_date_time,
    wall_of,
)
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from gatewayd.driver import Clock
from gatewayd.errors import GatewayError, MeterDiffers
from gatewayd.model import Answer, Deed, DeedResult
from gatewayd.obis import Obis

DEED = "clock-set"
_SHIFT_TIME = 6
_QUARTER = 900
"""Seconds of the interval in which energy is settled."""
_PROFILES = tuple(attribute(bytes(Obis(1, 0, 99, index, 0).groups), PERIOD) for index in (1, 2))
"""Capture periods of the load profiles 1 and 2: their intervals are not crossed either."""
_DISTANCE = timedelta(seconds=5)
"""The clock is not touched so close to the end of an interval, before or behind it; a slow line adds its round trip."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


class ClockSetter:
    """One clock that is to be put right."""

    def __init__(self, session: Asking, meter: str, rules: ClockRules, now: Clock, limits: SetClock | None) -> None:
        self._session = session
        self._meter = meter
        self._rules = rules
        self._now = now
        self._limits = limits
        self._grid = timedelta(seconds=_QUARTER)

    async def put_right(self, before: Shown) -> AsyncGenerator[Answer, None]:
        """What will be done, and what has been done. MeterDiffers where it may not or cannot be done; what the clock
        showed is in an Answer before that."""
        shift, refusal = await self._judged(before)
        what = described(before)
        if refusal or not shift:
            yield Answer((before.reading,), detail=f"{what}; not set: {refusal or 'it is right enough'}")
            if refusal:
                raise MeterDiffers(f"has a clock that is not set: {refusal} ({what})")
            return
        announced = self._deed(DeedResult.ANNOUNCED, before, shift)
        yield Answer((before.reading,), detail=f"{what}; shift_time({shift:+d}) follows", deeds=(announced,))
        # To archive that took its time, and the clock went on meanwhile.
        if self._crosses(before, shift):
            yield self._ended(DeedResult.GIVEN_UP, before, shift, f"not set: {_NOT_NOW}")
            raise MeterDiffers(f"has a clock that is not set: {_NOT_NOW} ({what})")
        try:
            done = await self._set(shift, before)
        except MeterDiffers as error:
            yield self._ended(DeedResult.REFUSED, before, shift, f"not set: {error}")
            raise
        except GatewayError as error:
            yield self._ended(DeedResult.UNCLEAR, before, shift, f"shift_time({shift:+d}) was sent: {error}")
            raise
        try:
            after = await self._look()
        except GatewayError:
            yield self._ended(DeedResult.DONE, before, shift, f"{done}; before: {what}")
            raise
        result = "it cannot be read again" if after is None else described(after)
        ended = self._ended(DeedResult.DONE, before, shift, f"{done}; before: {what}; now: {result}")
        yield ended if after is None else replace(ended, readings=(after.reading,))
        if after is not None and _worse(before, after):
            raise MeterDiffers(
                f"has a clock that is not better for being set ({done}; before: {what}; now: {result}): look at the "
                "meter before set_clock is used again"
            )

    def _deed(self, result: DeedResult, before: Shown, shift: int, said: str = "") -> Deed:
        assert before.deviation is not None  # _judged has seen that
        facts: list[tuple[str, str | int | None]] = [
            ("shift_s", shift),
            ("deviation_s", seconds_text(before.deviation)),
            ("clock", before.reading.raw_text),
        ]
        return Deed(DEED, result, (*facts, ("said", said)) if said else tuple(facts))

    def _ended(self, result: DeedResult, before: Shown, shift: int, said: str) -> Answer:
        return Answer((), detail=said, deeds=(self._deed(result, before, shift, said),))

    async def _judged(self, before: Shown) -> tuple[int, str]:
        """Seconds to shift it by, and why it may not be shifted."""
        limits, deviation = self._limits, before.deviation
        if limits is None:
            return 0, "set_clock is not configured for this meter"
        if deviation is None:
            return 0, "it shows no time from which it could be shifted"
        if abs(deviation) < timedelta(seconds=limits.min_deviation_s):
            return 0, ""
        if abs(deviation) > timedelta(seconds=limits.max_shift_s):
            return 0, f"that is more than set_clock.max_shift_s ({limits.max_shift_s} s): look at the meter first"
        uncertainty = before.trip.uncertainty
        if uncertainty >= abs(deviation):
            return 0, f"the answer took so long that the deviation is uncertain by {seconds_text(uncertainty)} s"
        seconds = (abs(deviation) + _SECOND / 2) // _SECOND
        shift = seconds if deviation < timedelta(0) else -seconds
        self._grid = await self._intervals()
        return (0, _NOT_NOW) if self._crosses(before, shift) else (shift, "")

    async def _intervals(self) -> timedelta:
        """The ends of all intervals are on this grid: quarter-hours, and what the load profiles capture."""
        seconds = _QUARTER
        for result in await self._session.get_many(_PROFILES):
            period = 0 if isinstance(result, DataAccess) else result.value.content
            seconds = gcd(seconds, period) if isinstance(period, int) else seconds
        return timedelta(seconds=seconds)

    def _crosses(self, before: Shown, shift: int) -> bool:
        """Whether the end of an interval is between the meter's old and new time, or too near to one of them."""
        assert before.deviation is not None  # _judged has seen that
        old = self._now() + before.deviation
        new = old + timedelta(seconds=shift)
        distance = _DISTANCE + 2 * before.trip.uncertainty
        first, last = min(old, new) - distance, max(old, new) + distance
        return (first - _EPOCH) // self._grid != (last - _EPOCH) // self._grid

    async def _set(self, shift: int, before: Shown) -> str:
        parameter = value(Tag.LONG, shift).raw
        try:
            result = await self._session.action(CLASS_ID, TIME.logical_name, _SHIFT_TIME, parameter)
            if result == ActionResult.SUCCESS:
                return f"the clock was shifted by {shift:+d} s"
            why = result.text
        except ServiceRefused:  # a meter that has no methods at all says it like this
            why = "it does not carry out the service"
        assert self._limits is not None  # _judged has seen that
        if self._limits.method != "set":
            raise MeterDiffers(
                f"refuses shift_time({shift:+d}): {why}; where this client may write the time instead, say "
                "set_clock.method: set"
            )
        if self._crosses(before, shift):
            raise MeterDiffers(f"refuses shift_time({shift:+d}): {why}, and its time is not written: {_NOT_NOW}")
        written = await self._session.set_(TIME, value(Tag.OCTET_STRING, self._right(before)).raw)
        if written != DataAccess.SUCCESS:
            raise MeterDiffers(f"refuses shift_time({shift:+d}): {why}, and its time: {written.text}")
        return f"shift_time({shift:+d}) was refused ({why}) and the time was written"

    def _right(self, before: Shown) -> bytes:
        """What the clock would show now if it were right, to the nearest second, with the deviation and the season that
        it shows: a clock on UTC or on winter time stays there."""
        assert before.deviation is not None  # _judged has seen that
        shows = parse_date_time(before.reading.raw)
        passed = self._now() - before.trip.middle
        wall = wall_of(shows) + passed - before.deviation + _SECOND / 2
        weekday = NOT_SPECIFIED if shows.weekday == NOT_SPECIFIED else wall.isoweekday()
        deviation = NO_DEVIATION if self._rules.deviation is Deviation.IGNORED else shows.deviation
        status = NOT_SPECIFIED if shows.status is None else shows.status & ClockStatus.DAYLIGHT_SAVING
        return (
            wall.year.to_bytes(2)
            + bytes((wall.month, wall.day, weekday, wall.hour, wall.minute, wall.second, 0))
            + deviation.to_bytes(2, signed=True)
            + bytes((status,))
        )

    async def _look(self) -> Shown | None:
        sent = self._now()
        result = await self._session.get(TIME)
        if isinstance(result, DataAccess):
            return None
        return shown(self._meter, result.value, RoundTrip(sent, max(self._now(), sent)), self._rules)


_NOT_NOW = "not now: the end of an interval would be in between or too near; ask again in a minute"


def _worse(before: Shown, after: Shown) -> bool:
    """Whether the clock is further off than before, or shows no time any more; a doubt is none."""
    if before.deviation is None or after.deviation is None:
        return True
    return abs(after.deviation) > abs(before.deviation) + after.trip.uncertainty


def described(clock: Shown) -> str:
    """How right the clock is, in words."""
    if clock.deviation is None:
        return f"the clock shows {clock.reading.raw_text or 'nothing'}, which is no time"
    side = "behind" if clock.deviation < timedelta(0) else "ahead"
    return f"the clock is {seconds_text(abs(clock.deviation))} s {side}"
