"""What the gateway itself finds on what a driver has read: flags, alarms and entries of the audit log.

Rules: nothing is changed but status and flags, and those only for the worse. What is known of a meter from before (its
serial number, where its totals stood, whether its clock was right) holds when the archive has taken it, not sooner. An
alarm stands until a session has shown that it is over, and is said with each answer until then.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from gatewayd import backward, clocks, identity
from gatewayd.archive.last_seen import newest_registers, newest_serials
from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store
from gatewayd.backward import Total
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError
from gatewayd.identity import Known
from gatewayd.model import Answer, Flag, Kind, Meter, RawStatus, Reading
from gatewayd.policy import Policy
from gatewayd.status import Fault, judge
from gatewayd.verdicts import checked_serial, plain_serial

CATEGORY, EXCHANGED, DEVIATION = "meter", "meter-exchanged", "clock-deviation"
_SEEN = "seen "
_IDENTITY, _CLOCK = f"{_SEEN}identity", f"{_SEEN}clock"
"""Keys of the memory."""
_OFF, _RIGHT = b"off", b"right"


@dataclass(frozen=True, slots=True)
class Examined:
    """An answer's readings as they go into the archive; what is wrong with the meter; what was seen to happen to it."""

    readings: tuple[Reading, ...]
    alarms: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    """Alarms that an answer before had, and that this one has shown to be over."""
    audits: tuple[Audit, ...] = ()


_Code = tuple[str, str]
"""Meter and code of a register; a registrar's metering points have ids of their own."""


@dataclass(slots=True)
class _Draft:
    """What answers have shown of a meter, until the archive has taken them."""

    clock_off: bool | None = None
    known: Known | None = None
    exchanged: bool = False
    totals: dict[_Code, Total] = field(default_factory=dict)


class Sitting:
    """One session's examination."""

    def __init__(self, examiner: "Examiner", meter: Meter, policy: Policy) -> None:
        self.deviation: timedelta | None = None
        """The meter's clock minus the gateway's as this session has seen it; None: it did not show it."""
        self._examiner = examiner
        self._meter = meter
        self._policy = policy
        self._draft = _Draft()

    @property
    def evidence(self) -> bool:
        """Whether the meter's word that it has no row of an interval is to be believed: not where its clock is off by
        more than half an interval."""
        return clocks.is_evidence(self.deviation, self._policy)

    async def ready(self, answer: Answer) -> None:
        """To be awaited before `look`: what the archive knows of the meter and is not known here yet. What it cannot
        tell is as if nothing were known."""
        await self._examiner.load(self._meter, answer)

    def look(self, answer: Answer) -> Examined:
        """What is to be archived of an answer."""
        examiner, meter, now = self._examiner, self._meter, self._examiner.now()
        draft = self._draft  # of the answers before as well, where the archive has not taken those yet
        audits: list[Audit] = []
        for reading in answer.readings:
            deviation = clocks.deviation_of(reading)
            self.deviation = deviation if deviation is not None else self.deviation
        off = self.deviation is not None and clocks.is_off(self.deviation, self._policy)
        over: tuple[str, ...] = ()
        if self.deviation is not None:
            before = draft.clock_off if draft.clock_off is not None else examiner.clocks_off.get(meter.id, False)
            draft.clock_off = off
            if before and not off:
                over = (clocks.alarm_text(self._policy),)
            if off is not before:
                audits.append(_audit(now, DEVIATION, meter, "began" if off else "over", clocks.text_of(self.deviation)))
        if answer.sound:  # what the meter calls itself in an answer that is not may be anything
            known = draft.known or examiner.known.get(meter.id, Known())
            draft.known, exchanged = identity.seen(known, meter.serial, answer.serials, now)
            if exchanged:
                draft.exchanged, draft.totals = True, {}
                told = f"serial number {draft.known.new}, before {draft.known.old}"
                audits.append(_audit(now, EXCHANGED, meter, "seen", told))
        readings = tuple(self._judged(checked_serial(meter, answer), off))
        alarms = tuple(dict.fromkeys((*answer.alarms, *self._alarms(off, now))))
        return Examined(readings, alarms, over, tuple(audits))

    def kept(self) -> None:
        """The archive has taken all that `look` has given."""
        self._examiner.take(self._meter, self._draft)
        self._draft = _Draft()

    def _alarms(self, off: bool, now: datetime) -> Iterable[str]:
        examiner, meter = self._examiner, self._meter
        if off or (self.deviation is None and examiner.clocks_off.get(meter.id, False)):
            yield clocks.alarm_text(self._policy)
        text = identity.alarm_text(self._draft.known or examiner.known.get(meter.id, Known()), meter.serial, now)
        if text:
            yield text

    def _judged(self, readings: Sequence[Reading], off: bool) -> Iterable[Reading]:
        unsure = not self._examiner.sure()
        for reading in readings:
            total = reading.kind is Kind.REGISTER and backward.is_total(reading.obis)
            if not (off or unsure or total):  # nearly always
                yield reading
                continue
            faults: list[Fault] = []
            deviates = off and clocks.by_meter(reading)
            if deviates:
                faults.append(Fault.CLOCK_DEVIATES)
            if unsure and (deviates or clocks.by_gateway(reading)):  # whose clock is wrong nobody knows
                faults.append(Fault.GATEWAY_CLOCK_UNKNOWN)
            if total:
                faults += self._went_back(reading)
            yield _worse(reading, faults) if faults else reading

    def _went_back(self, reading: Reading) -> tuple[Fault, ...]:
        now, draft = backward.total_of(reading), self._draft
        if now is None:
            return ()
        code = reading.meter, reading.code
        before = draft.totals.get(code) or (None if draft.exchanged else self._examiner.totals.get(code))
        draft.totals[code] = now
        fault = None if before is None else backward.fault_of(before, now)
        return () if fault is None else (fault,)


class Examiner:
    """What is known of all meters. `store`: where that is kept over restarts, None for a gateway that begins anew each
    time; `synchronised`: whether the gateway's own clock may be relied on, None where that is not asked."""

    def __init__(
        self, store: Store | None = None, clock: Clock | None = None, synchronised: Callable[[], bool] | None = None
    ) -> None:
        self.known: dict[str, Known] = {}
        self.totals: dict[_Code, Total] = {}
        self.clocks_off: dict[str, bool] = {}
        self._store = store
        self._clock = clock or _now
        self._synchronised = synchronised
        self._loaded: set[str] = set()  # meters whose totals are known as far as the archive has them
        self._named: dict[str, str] = {}  # what meters were called in the archive, as far as nobody has asked yet
        self._changed: set[str] = set()
        self._recalled = store is None
        self._first = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def sitting(self, meter: Meter, policy: Policy) -> Sitting:
        """For a session that begins."""
        await self._recall()
        return Sitting(self, meter, policy)

    def now(self) -> datetime:
        """The gateway's clock."""
        return self._clock()

    def sure(self) -> bool:
        """Whether the gateway's clock may be relied on."""
        return self._synchronised is None or self._synchronised()

    async def save(self) -> None:
        """Behind each session: write down what has changed, which is little but at the first. One writes for all that
        wait. What could not be written is written the next time; losing it costs a second entry of the audit log for
        what was told already."""
        if self._store is None or not self._changed:
            return
        async with self._writing:
            meters = sorted(self._changed)
            self._changed.clear()  # what changes from here on is for the next time
            if not meters:
                return
            try:
                await self._store.remember_all([row for one in meters for row in self._rows(one)])
            except ArchiveError:
                self._changed |= set(meters)

    def _rows(self, meter: str) -> Iterable[tuple[str, str, bytes]]:
        if meter in self.known:
            yield meter, _IDENTITY, identity.written(self.known[meter])
        if meter in self.clocks_off:
            yield meter, _CLOCK, _OFF if self.clocks_off[meter] else _RIGHT

    async def load(self, meter: Meter, answer: Answer) -> None:
        """What the archive knows of the meter, as far as it is needed for the answer."""
        if self._store is None:
            return
        folder = self._store.folder
        if answer.serials and not meter.serial:
            serial = self._named.pop(meter.id, "")
            if serial:
                self.known.setdefault(meter.id, Known((serial,)))
        asked = {
            one.meter for one in answer.readings if one.kind is Kind.REGISTER and backward.is_total(one.obis)
        } - self._loaded
        for owner in sorted(asked):
            found = await asyncio.to_thread(newest_registers, folder, owner)
            if owner in self._loaded:
                continue
            self._loaded.add(owner)
            for one in found:
                total = backward.total_of(one.reading)
                if total is not None and _of(meter, one.serial, one.reading, answer.serials):
                    self.totals[owner, one.reading.code] = total

    def take(self, meter: Meter, draft: _Draft) -> None:
        """The archive has taken what belongs to the draft."""
        if draft.clock_off is not None and draft.clock_off is not self.clocks_off.get(meter.id, False):
            self.clocks_off[meter.id] = draft.clock_off
            self._changed.add(meter.id)
        if draft.exchanged:
            for owner in (meter.id, *(part.meter.id for part in meter.parts)):
                for code in [code for code in self.totals if code[0] == owner]:
                    del self.totals[code]
        if draft.known is not None and draft.known != self.known.get(meter.id, Known()):
            self.known[meter.id] = draft.known
            self._changed.add(meter.id)
        self.totals |= draft.totals

    async def _recall(self) -> None:
        if self._store is None:
            return
        async with self._first:  # hundreds of sessions begin at once, and each would read what is known of all meters
            if not self._recalled:
                self._recalled = True
                await self._recall_from(self._store)

    async def _recall_from(self, store: Store) -> None:
        try:
            stored = await store.recall_all(_SEEN)
        except ArchiveError:
            return
        identities = {meter: value for (meter, key), value in stored.items() if key == _IDENTITY}
        self.known = {meter: identity.read(value) for meter, value in identities.items()} | self.known
        clocks_off = {meter: value == _OFF for (meter, key), value in stored.items() if key == _CLOCK}
        self.clocks_off = clocks_off | self.clocks_off
        self._named = await asyncio.to_thread(newest_serials, store.folder)


def _of(meter: Meter, serial: str, reading: Reading, serials: Sequence[str]) -> bool:
    """Whether a reading out of the archive is of the meter that answers now. Where another one than configured had
    answered, the archive has the serial number that it should have had."""
    strange = not plain_serial(serial) or Flag.SERIAL_MISMATCH in reading.flags
    named = serials or ((meter.serial,) if meter.serial else ())
    return strange or not named or identity.same((serial,), named)


def _worse(reading: Reading, faults: Sequence[Fault]) -> Reading:
    status, flags = judge(faults)
    return replace(reading, status=RawStatus.worst((reading.status, status)), flags=reading.flags | flags)


def _audit(at: datetime, kind: str, meter: Meter, result: str, detail: str) -> Audit:
    return Audit(at, "gateway", CATEGORY, kind, meter.id, result, detail)


def _now() -> datetime:
    return datetime.now(UTC)
