"""From a telegram to an Answer: which readings, how the exchange ended, and what there is to say of it.

Rules: pure. A register that was asked for and did not come is a reading all the same; complaints go to the detail and
do not make an exchange unsound, a fault of the telegram does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from drivers.iec62056_21 import readings as telegrams
from drivers.iec62056_21.clock import Heard, clock_reading, codes_of, described
from drivers.iec62056_21.conversation import Span
from drivers.iec62056_21.vendors import Vendor
from drivers.iec62056_21.wire.telegram import Check, Telegram
from gatewayd.model import Answer, Clock, Kind, Outcome, Reading, Registers
from gatewayd.obis import CURRENT, Obis
from gatewayd.status import Fault, judge

_OUTCOME_OF = {
    Check.RIGHT: Outcome.DONE,
    Check.NONE_DEFINED: Outcome.DONE,
    Check.BCC_WRONG: Outcome.CHECK_FAILED,
    Check.CRC_WRONG: Outcome.CHECK_FAILED,
    Check.CUT_SHORT: Outcome.TRUNCATED,
}


@dataclass(frozen=True, slots=True)
class Source:
    """Whose telegram it is, and when it was read. `serials` are what the meter said of itself before."""

    meter: str
    at: datetime
    zone: ZoneInfo
    vendor: Vendor
    identification: str = ""
    serials: tuple[str, ...] = ()


def readout_answer(
    source: Source, telegram: Telegram, parity_errors: int, request: Registers | Clock, span: Span
) -> Answer:
    """All data sets of a readout, or those that were asked for; and the clock, where the meter shows it. Of a request
    for the clock nothing else, where it does."""
    faults = telegrams.telegram_faults(telegram, parity_errors)
    found = _readings(source, telegram, faults)
    heard = Heard(source.at, span, telegram.data)
    clock = clock_reading([(one, heard) for one in found], source.vendor, source.zone)
    serials = telegrams.serial_numbers(found)
    if isinstance(request, Clock) and clock is not None:
        return made(source, (clock,), telegram, parity_errors, serials, (described(clock),))
    wanted = codes_of(source.vendor) if isinstance(request, Clock) else request.registers
    readings = chosen(found, wanted, lambda obis: not_sent(source, obis, faults))
    return made(source, _with(clock, readings), telegram, parity_errors, serials)


def _with(clock: Reading | None, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The clock stands where the meter has shown it in one piece, else behind everything that it has shown."""
    if clock is None:
        return readings
    place = next((place for place, one in enumerate(readings) if one.obis == clock.obis and one.obis_raw), None)
    return (*readings, clock) if place is None else (*readings[:place], clock, *readings[place + 1 :])


def register_answer(source: Source, obis: Obis, telegram: Telegram, parity_errors: int) -> Answer:
    """What came in answer to the command for one register, `1.8.0(123*kWh)` or only `(123*kWh)`."""
    faults = telegrams.telegram_faults(telegram, parity_errors)
    # A bracket without a code is the register that was asked for; its bytes stay those that the meter sent.
    code = request_code(obis) if telegram.data.lstrip().startswith(b"(") else ""
    written = code.encode("ascii")
    data = written + telegram.data.lstrip() if code else telegram.data
    found = _readings(source, Telegram(telegram.identification, data, telegram.check, telegram.detail), faults)
    if code and found:
        found = (replace(found[0], raw=found[0].raw.removeprefix(written)), *found[1:])
    same = any(reading.obis == obis or _same_object(obis, reading.obis) for reading in found)
    readings = found if same else (*found, not_sent(source, obis, faults))
    return made(source, readings, telegram, parity_errors, telegrams.serial_numbers(found))


def refused_register(source: Source, obis: Obis, text: str) -> Answer:
    """The meter does not have the register."""
    return Answer(
        readings=(not_sent(source, obis, ()),),
        detail=f"{request_code(obis)}: the meter answers {text}",
        serials=source.serials,
        identification=source.identification,
    )


def made(
    source: Source,
    readings: tuple[Reading, ...],
    telegram: Telegram,
    parity_errors: int,
    serials: tuple[str, ...] = (),
    complaints: tuple[str, ...] = (),
) -> Answer:
    """The answer with its outcome: that of the telegram, whatever there is to complain of in its values."""
    outcome = _OUTCOME_OF[telegram.check]
    details = [telegram.detail] if telegram.detail else []
    if parity_errors:
        details += [] if details else [f"{parity_errors} characters with wrong parity"]
        outcome = Outcome.CHECK_FAILED if outcome is Outcome.DONE else outcome
    return Answer(
        readings=readings,
        outcome=outcome,
        detail="; ".join((*details, *complaints)),
        serials=(*source.serials, *(serial for serial in serials if serial not in source.serials)),
        identification=source.identification,
    )


def not_sent(source: Source, obis: Obis, faults: tuple[Fault, ...]) -> Reading:
    """A register that was asked for and did not come."""
    verdict = judge((*faults, Fault.NOT_IN_READOUT))
    return Reading(
        meter=source.meter,
        obis=obis,
        obis_raw="",
        kind=Kind.REGISTER,
        at=source.at,
        raw=b"",
        raw_text="",
        status=verdict.status,
        flags=verdict.flags,
    )


def chosen(
    found: tuple[Reading, ...], registers: tuple[Obis, ...], not_sent: Callable[[Obis], Reading]
) -> tuple[Reading, ...]:
    """All readings, or those of the wanted registers in the meter's order and then what did not come."""
    if not registers:
        return found
    there = {reading.obis for reading in found}
    wanted: set[Obis] = set()
    missing: list[Obis] = []
    for obis in registers:
        same = {obis} if obis in there else {other for other in there if other and _same_object(obis, other)}
        wanted |= same
        missing += [] if same else [obis]
    came = tuple(reading for reading in found if reading.obis in wanted)
    return came + tuple(map(not_sent, missing))


def request_code(obis: Obis) -> str:
    """The code as a meter wants it in a command: `1.8.0`, `C.1.0`, history with two digits, `1.8.0*05`."""
    current = Obis(obis.a, obis.b, obis.c, obis.d, obis.e, CURRENT)
    code = current.reduced().removesuffix(f"*{CURRENT}")
    return f"{code}{'&' if obis.manual else '*'}{obis.f:02d}" if obis.historical else code


def _readings(source: Source, telegram: Telegram, faults: tuple[Fault, ...]) -> tuple[Reading, ...]:
    return telegrams.readings(
        telegram, faults, meter=source.meter, at=source.at, zone=source.zone, vendor=source.vendor
    )


def _same_object(asked: Obis, sent: Obis | None) -> bool:
    """Abstract objects (C.1.0, F.F) have no medium and no channel, but some meters write 1-0:F.F for them."""
    return sent is not None and asked.c >= 94 and (asked.a, asked.b) == (0, 0) and asked.groups[2:] == sent.groups[2:]
