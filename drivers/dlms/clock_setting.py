"""Putting the meter's clock right: by shift_time, within the limits of the configuration, and never across the end of
an interval (IEC 62056-6-2, Clock, method 6; attribute 2 where that is allowed).

Rules: nothing is sent unless `set_clock` is configured. What is going to be done is an Answer before it is done, what
has been done is one behind it: both are archived. A clock that shows no instant, or is further off than is allowed, is
for a person to judge. The clock is looked at again in any case.
"""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

from drivers.dlms.asking import Asking
from drivers.dlms.clock import CLASS_ID, TIME, RoundTrip, Shown, seconds_text, shown
from drivers.dlms.options import SetClock
from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.axdr_value import Tag
from drivers.dlms.wire.cosem_time import ClockRules, Deviation, encode_date_time
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from gatewayd.driver import Clock
from gatewayd.errors import MeterDiffers
from gatewayd.model import Answer

_SHIFT_TIME = 6
_QUARTER = timedelta(minutes=15)
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

    async def put_right(self, before: Shown) -> AsyncGenerator[Answer, None]:
        """What will be done, and what has been done. MeterDiffers where it may not or cannot be done; what the clock
        showed is in an Answer before that."""
        shift, refusal = self._judged(before)
        what = described(before)
        if refusal or not shift:
            yield Answer((before.reading,), detail=f"{what}; not set: {refusal or 'it is right enough'}")
            if refusal:
                raise MeterDiffers(f"has a clock that is not set: {refusal} ({what})")
            return
        yield Answer((before.reading,), detail=f"{what}; shift_time({shift:+d}) follows")
        # To archive that took its time, and the clock went on meanwhile.
        if self._crosses(before, shift):
            raise MeterDiffers(f"has a clock that is not set: {_NOT_NOW} ({what})")
        done = await self._set(shift, before)
        after = await self._look()
        readings = () if after is None else (after.reading,)
        result = "it cannot be read again" if after is None else described(after)
        yield Answer(readings, detail=f"{done}; before: {what}; now: {result}")

    def _judged(self, before: Shown) -> tuple[int, str]:
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
        return (0, _NOT_NOW) if self._crosses(before, shift) else (shift, "")

    def _crosses(self, before: Shown, shift: int) -> bool:
        """Whether the end of a quarter-hour is between the meter's old and new time, or too near to one of them."""
        assert before.deviation is not None  # _judged has seen that
        old = self._now() + before.deviation
        new = old + timedelta(seconds=shift)
        distance = _DISTANCE + 2 * before.trip.uncertainty
        first, last = min(old, new) - distance, max(old, new) + distance
        return (first - _EPOCH) // _QUARTER != (last - _EPOCH) // _QUARTER

    async def _set(self, shift: int, before: Shown) -> str:
        parameter = value(Tag.LONG, shift).raw
        result = await self._session.action(CLASS_ID, TIME.logical_name, _SHIFT_TIME, parameter)
        if result == ActionResult.SUCCESS:
            return f"the clock was shifted by {shift:+d} s"
        assert self._limits is not None  # _judged has seen that
        if self._limits.method != "set":
            raise MeterDiffers(
                f"refuses shift_time({shift:+d}): {result.text}; where this client may write the time instead, say "
                "set_clock.method: set"
            )
        if self._crosses(before, shift):
            raise MeterDiffers(
                f"refuses shift_time({shift:+d}): {result.text}, and its time is not written: {_NOT_NOW}"
            )
        written = await self._write_time()
        if written != DataAccess.SUCCESS:
            raise MeterDiffers(f"refuses shift_time({shift:+d}): {result.text}, and its time: {written.text}")
        return f"shift_time({shift:+d}) was refused ({result.text}) and the time was written"

    async def _write_time(self) -> DataAccess:
        """The gateway's time, to the nearest second."""
        now = (self._now() + _SECOND / 2).replace(microsecond=0)
        octets = encode_date_time(now, self._rules, with_deviation=self._rules.deviation is not Deviation.IGNORED)
        return await self._session.set_(TIME, value(Tag.OCTET_STRING, octets).raw)

    async def _look(self) -> Shown | None:
        sent = self._now()
        result = await self._session.get(TIME)
        if isinstance(result, DataAccess):
            return None
        return shown(self._meter, result.value, RoundTrip(sent, max(self._now(), sent)), self._rules)


_NOT_NOW = "not now: the end of an interval would be in between or too near; ask again in a minute"


def described(clock: Shown) -> str:
    """How right the clock is, in words."""
    if clock.deviation is None:
        return f"the clock shows {clock.reading.raw_text or 'nothing'}, which is no time"
    side = "behind" if clock.deviation < timedelta(0) else "ahead"
    return f"the clock is {seconds_text(abs(clock.deviation))} s {side}"
