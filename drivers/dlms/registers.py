"""Registers and everything that is no profile: which attributes are asked for, in lists, and which readings they make.

Rules: the meter's view says of which class an object is; where it cannot be read, classes are tried and remembered. One
Answer for each batch, so that what has come is archived before the next is asked. A register that was named and that
the meter does not have, or does not give, is a reading that says so; of `all`, what is not given is only told.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace

from drivers.dlms.asking import Asking, name_of
from drivers.dlms.caches import Cache
from drivers.dlms.classes import Classes
from drivers.dlms.objects import View, view_of
from drivers.dlms.readings import (
    ACTIVITY_CALENDAR,
    CLOCK,
    DATA,
    DISCONNECT_CONTROL,
    MBUS_CLIENT,
    PROFILE,
    Source,
    attributes_of,
    missing,
    reading_of,
)
from drivers.dlms.scales import DEMAND_REGISTER, EXTENDED_REGISTER, PLAIN, REGISTER, Scales
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.driver import Clock
from gatewayd.errors import MeterDiffers
from gatewayd.model import Answer, Reading, Registers
from gatewayd.obis import Obis

_OF_ALL = frozenset(
    {DATA, REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER, CLOCK, ACTIVITY_CALENDAR, DISCONNECT_CONTROL, MBUS_CLIENT}
)
"""What `all` means: what holds values. Profiles are asked for by themselves."""
_PREFERRED = (REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER, DATA, CLOCK, DISCONNECT_CONTROL, ACTIVITY_CALENDAR)
"""Where objects of two classes have the same name."""
_BATCH = 48
"""Attributes of one Answer."""
_ABSTRACT_FROM = 94
"""Group C of abstract objects, which some meters write with a medium and a channel."""


@dataclass(frozen=True, slots=True)
class Target:
    """An object that is to be read. `obis` as the meter has it."""

    class_id: int
    obis: Obis

    @property
    def key(self) -> tuple[int, bytes]:
        return self.class_id, name_of(self.obis)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What reading registers needs to know of its meter."""

    meter: str
    rules: ClockRules
    now: Clock
    cache: Cache
    association: bytes
    marks: frozenset[tuple[int, int]] = frozenset()

    def source(self) -> Source:
        """For values that have come just now."""
        return Source(self.meter, self.now(), self.rules, self.marks)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be asked, and what need not be: codes that the meter does not have, with the reason."""

    targets: tuple[Target, ...]
    absent: tuple[tuple[Obis, str], ...] = ()
    remarks: tuple[str, ...] = ()


async def registers(
    session: Asking, surroundings: Surroundings, request: Registers, known: Sequence[Reading] = ()
) -> AsyncGenerator[Answer, None]:
    """An Answer for each batch; the first also has the readings that are `known` already, and those are not asked for
    again. MeterDiffers where `all` is asked for and the meter does not let its list of objects be read."""
    plan = await _planned(session, surroundings, request)
    there = {reading.obis for reading in known}
    targets = [target for target in plan.targets if target.obis not in there]
    scales = Scales(surroundings.cache, surroundings.now)
    begun: tuple[Reading, ...] = tuple(known)
    remarks = plan.remarks
    batches = list(_batches(targets)) or [[]]
    for number, batch in enumerate(batches, 1):
        answer = await _read(session, surroundings, scales, batch, named=bool(request.registers))
        absent = plan.absent if number == len(batches) else ()
        source = surroundings.source()
        yield replace(
            answer,
            readings=(*begun, *answer.readings, *(missing(source, obis) for obis, _ in absent)),
            detail="; ".join((*remarks, *filter(None, (answer.detail,)), *(f"{obis}: {why}" for obis, why in absent))),
        )
        begun, remarks = (), ()


async def _planned(session: Asking, surroundings: Surroundings, request: Registers) -> _Plan:
    view = await view_of(session, surroundings.cache, surroundings.association)
    if request.registers:
        wanted = tuple(dict.fromkeys(request.registers))
        return _from_view(view, wanted) if not view.refused else await _guessed(session, surroundings, wanted)
    if view.refused:
        raise MeterDiffers(
            f"does not let its list of objects be read ({view.refused}), so that nobody knows what all its registers "
            "are: name them in the job, or look at client, authentication and association_object"
        )
    return _all_of(view)


def _all_of(view: View) -> _Plan:
    entries = [entry for entry in view.entries if entry.class_id in _OF_ALL]
    readable = [entry for entry in entries if view.readable(entry, attributes_of(entry.class_id)[0])]
    remarks = [f"{view.skipped} entries of the list of objects are none"] if view.skipped else []
    if len(readable) < len(entries):
        remarks.append(f"{len(entries) - len(readable)} objects may not be read in this association")
    targets = dict.fromkeys(Target(entry.class_id, entry.obis) for entry in readable)
    return _Plan(tuple(targets), (), tuple(remarks))


def _from_view(view: View, wanted: tuple[Obis, ...]) -> _Plan:
    classes: dict[Obis, list[int]] = {}
    for entry in view.entries:
        classes.setdefault(entry.obis, []).append(entry.class_id)
    targets: dict[Target, None] = {}
    absent: list[tuple[Obis, str]] = []
    for obis in wanted:
        code = replace(obis, manual=False)  # how a billing period was ended is not part of a logical name
        there = code if code in classes else next((other for other in classes if _same_object(code, other)), None)
        if there is None:
            absent.append((obis, "not in the list of objects"))
            continue
        class_id = min(classes[there], key=_preference)
        if class_id == PROFILE:
            absent.append((obis, "is a profile: ask for it as one (profile)"))
        else:
            targets[Target(class_id, there)] = None
    return _Plan(tuple(targets), tuple(absent))


async def _guessed(session: Asking, surroundings: Surroundings, wanted: tuple[Obis, ...]) -> _Plan:
    classes = Classes(surroundings.cache)
    found = await classes.of(session, [replace(obis, manual=False) for obis in wanted])
    targets: list[Target] = []
    absent: list[tuple[Obis, str]] = []
    for obis in wanted:
        answer = found[replace(obis, manual=False)]
        if isinstance(answer, DataAccess):
            absent.append((obis, answer.text))
        else:
            targets.append(Target(answer, replace(obis, manual=False)))
    return _Plan(tuple(targets), tuple(absent))


def _preference(class_id: int) -> int:
    if class_id in _PREFERRED:
        return _PREFERRED.index(class_id)
    return len(_PREFERRED) + (class_id == PROFILE)


def _same_object(asked: Obis, there: Obis) -> bool:
    return asked.c >= _ABSTRACT_FROM and (asked.a, asked.b) == (0, 0) and asked.groups[2:] == there.groups[2:]


def _batches(targets: Sequence[Target]) -> Iterator[list[Target]]:
    batch: list[Target] = []
    attributes = 0
    for target in targets:
        size = len(attributes_of(target.class_id))
        if batch and attributes + size > _BATCH:
            yield batch
            batch, attributes = [], 0
        batch.append(target)
        attributes += size
    if batch:
        yield batch


async def _read(
    session: Asking, surroundings: Surroundings, scales: Scales, batch: Sequence[Target], *, named: bool
) -> Answer:
    """The readings of a batch. A `named` register that is refused is a reading that is missing."""
    scale = await scales.of(session, (target.key for target in batch))
    attributes = [
        Attribute(target.class_id, name_of(target.obis), index)
        for target in batch
        for index in attributes_of(target.class_id)
    ]
    results = iter(await session.get_many(attributes) if attributes else ())
    source = surroundings.source()
    readings: list[Reading] = []
    remarks: list[str] = []
    for target in batch:
        own = {index: next(results) for index in attributes_of(target.class_id)}
        factor = scale.get(target.key, PLAIN)
        reading = reading_of(source, target.class_id, target.obis, own, factor)
        if isinstance(reading, DataAccess):
            remarks.append(f"{target.obis}: {reading.text}")
            readings += [missing(source, target.obis)] if named else []
            continue
        if not factor.known:
            remarks.append(f"{target.obis}: its scaler cannot be read")
        readings.append(reading)
    return Answer(tuple(readings), detail="; ".join(remarks))
