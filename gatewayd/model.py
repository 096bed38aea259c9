"""The words of the design as values: status, flags, ratios, meters, requests, exchanges and readings.

Rules: everything here is frozen; instants are aware and in UTC; energy is Decimal, text and bytes, never a float; a
missing value is a status and an empty text, never 0 or NaN. Readings are structs of msgspec and not dataclasses: they
are made a hundred thousand times a second (docs/adr/0007-outbox-and-sinks.md).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from enum import Enum, IntEnum, IntFlag, auto
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.obis import Obis


class RawStatus(IntEnum):
    """The five statuses of PPDS annex 5, 2.12, in the order of their weight: the worst wins."""

    TRUE = 0
    SUBSTITUTE = 1
    PROVISIONAL = 2
    DISTORTED = 3
    MISSING = 4

    @property
    def text(self) -> str:
        return self.name.lower()

    @classmethod
    def worst(cls, statuses: Iterable["RawStatus"]) -> "RawStatus":
        """The status of a sum, difference or aggregate; TRUE for no inputs at all."""
        return max(statuses, default=cls.TRUE)


class Flag(IntFlag):
    """Why: facts about a reading, independent of its status.

    The bits are stored in the archive for years: new flags are appended, none is ever renumbered.
    """

    POWER_DOWN = auto()
    RECOVERED = auto()
    CLOCK_ADJUSTED = auto()
    CLOCK_INVALID = auto()
    DST = auto()
    PARTIAL_INTERVAL = auto()
    RESET = auto()
    CONFIG_CHANGED = auto()
    MANUAL = auto()
    TAMPER = auto()
    OVERFLOW = auto()
    LATE = auto()
    DUPLICATE = auto()
    CONFLICT = auto()
    CONTROL_MISMATCH = auto()
    RATIO_MISMATCH = auto()
    SERIAL_MISMATCH = auto()
    BCC_FAILED = auto()
    CRC_FAILED = auto()
    TRUNCATED = auto()
    PARITY_ERROR = auto()
    UNDECODABLE = auto()
    SENTINEL = auto()
    NO_VALUE = auto()
    NOT_SENT = auto()
    TIME_AMBIGUOUS = auto()
    BACKWARD = auto()
    GATEWAY_CLOCK = auto()
    DISTURBED = auto()
    METER_ERROR = auto()
    STATUS_UNKNOWN = auto()
    CLOCK_DEVIATION = auto()
    NOT_READ = auto()

    @property
    def texts(self) -> list[str]:
        """The published names, in the order of the bits."""
        return [flag.name.lower() for flag in Flag if flag in self and flag.name]

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Flag":
        result = cls(0)
        for text in texts:
            result |= cls[text.upper()]
        return result


NO_FLAGS = Flag(0)


class Kind(Enum):
    """The four kinds of reading. The instant of an interval is its END."""

    REGISTER = "register"
    INTERVAL = "interval"
    MAXIMUM = "maximum"
    EVENT = "event"


class MeteringType(Enum):
    """Types of decree 359/2020: A profile with daily remote transfer, B other profile, C registers; AMM: smart."""

    A = "A"
    B = "B"
    C = "C"
    AMM = "AMM"


class ValueSide(Enum):
    """Which side of the instrument transformers the meter's values refer to."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


_CALM = Context(prec=28, traps=[])
"""An archive may hold any multiplier: one that is absurd is no reason to stop."""
_PAIR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", re.ASCII)


def transformation(text: str) -> Decimal:
    """The factor of a ratio written as `200/5` (primary/secondary); ValueError for anything else."""
    match = _PAIR.fullmatch(text)
    if match is None or Decimal(match[2]) == 0 or Decimal(match[1]) == 0:
        raise ValueError(f"'{text}' is not a ratio; expected primary/secondary such as 200/5")
    return Decimal(match[1]) / Decimal(match[2])


@dataclass(frozen=True, slots=True)
class Ratio:
    """Instrument transformers and multiplier of a metering point, valid from a legal-time day on, or from an instant.

    `ct` and `vt` are written primary/secondary; empty for a direct connection. The archive keeps every version. An
    instant is one of legal time with its offset, 2026-03-03T10:15+01:00: its date is that of the legal day.
    """

    ct: str = ""
    vt: str = ""
    multiplier: Decimal = Decimal(1)
    value_side: ValueSide = ValueSide.SECONDARY
    since: date | datetime = date(1970, 1, 1)
    factor: Decimal = field(init=False, repr=False, compare=False)
    """What a raw value is multiplied by to become primary: CT x VT x multiplier, or only the multiplier when
    the meter already shows primary values (PPDS annex 5, 2.1)."""

    def __post_init__(self) -> None:
        factor = self.multiplier
        for text in (self.ct, self.vt):
            if text:
                transformed = transformation(text)
                if self.value_side is ValueSide.SECONDARY:
                    factor = _CALM.multiply(factor, transformed)
        plain = factor.normalize(_CALM)  # 690/400 x 200/5 is 69, not 69.000: no digits that nobody measured
        if 0 < plain.adjusted() < _CALM.prec:
            plain = Decimal(format(plain, "f"))  # 1000, and not 1E+3
        object.__setattr__(self, "factor", plain)
        if isinstance(self.since, datetime) and self.since.utcoffset() is None:
            raise ValueError("a ratio that holds from an instant on needs its offset from UTC")

    @property
    def since_day(self) -> date:
        """The legal-time day from which, or in which, it holds."""
        return self.since.date() if isinstance(self.since, datetime) else self.since

    def holds(self, at: datetime, day: date) -> bool:
        """Whether it has begun at an instant, which lies in this legal-time day."""
        return self.since <= at if isinstance(self.since, datetime) else self.since <= day

    @property
    def _order(self) -> tuple[date, time]:
        return self.since_day, self.since.time() if isinstance(self.since, datetime) else time(0)


_MICROSECOND = timedelta(microseconds=1)
DIRECT = Ratio()


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point: EIC (16 characters) and/or electricity EAN (18 digits), either may be empty."""

    eic: str = ""
    ean: str = ""


NOWHERE = Point()
"""The metering point of a meter for which none is configured."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A device with a driver, a line, a metering type and a metering point."""

    id: str
    driver: str
    line: str
    metering_type: MeteringType = MeteringType.C
    serial: str = ""
    point: Point = NOWHERE
    ratios: tuple[Ratio, ...] = ()
    parts: "tuple[Part, ...]" = ()
    """Of a registrar: its metering points. What no part takes is the registrar's own."""

    def owner(self, code: Obis | None) -> "Meter":
        """Whose a reading is: the part that takes the code, else this meter itself."""
        if code is not None:
            for part in self.parts:
                if part.takes(code):
                    return part.meter
        return self

    def ratio_on(self, day: date) -> Ratio:
        """The ratio in force at the end of a legal-time day; direct connection when none was configured."""
        valid = [ratio for ratio in self.ratios if ratio.since_day <= day]
        return max(valid, key=lambda ratio: ratio._order, default=DIRECT)

    def ratio_at(self, at: datetime, zone: ZoneInfo, *, interval: bool = False) -> Ratio:
        """The ratio in force at an instant, or in the last moment of an interval that ends then; direct connection when
        none was configured."""
        moment = at - _MICROSECOND if interval else at
        day = moment.astimezone(zone).date()
        valid = [ratio for ratio in self.ratios if ratio.holds(moment, day)]
        return max(valid, key=lambda ratio: ratio._order, default=DIRECT)


@dataclass(frozen=True, slots=True)
class Part:
    """One metering point of a registrar: a meter of its own in the archive and for everybody behind it, with the
    registrar's driver, line and serial number. `channels`: A and B of the codes that are its own (1-2 is 1, 2);
    `codes`: single codes besides."""

    meter: Meter
    channels: tuple[tuple[int, int], ...] = ()
    codes: tuple[Obis, ...] = ()

    def takes(self, code: Obis) -> bool:
        """Whether a reading of this code belongs to the metering point."""
        return (code.a, code.b) in self.channels or code in self.codes


@dataclass(frozen=True, slots=True)
class Registers:
    """Registers are asked for. `registers` empty means the whole readout or every object that the map names."""

    registers: tuple[Obis, ...] = ()

    @property
    def text(self) -> str:
        """For logs and the archive; never holds a secret."""
        return "registers " + (" ".join(str(obis) for obis in self.registers) if self.registers else "all")


@dataclass(frozen=True, slots=True)
class Profile:
    """Rows of a load profile or event log are asked for: those whose instant (the END of an interval) lies after
    `start` and not after `end`; both UTC, `start` is earlier than `end`."""

    obis: Obis
    start: datetime
    end: datetime

    @property
    def text(self) -> str:
        """For logs and the archive; never holds a secret."""
        return f"profile {self.obis} {_minute(self.start)}/{_minute(self.end)}"


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Scan:
    """The objects that a meter has are asked for (COSEM: the view of its association)."""

    @property
    def text(self) -> str:
        """For logs and the archive."""
        return "scan"


@dataclass(frozen=True, slots=True)
class Clock:
    """The meter's clock is read; with `set`, put right as well, where the configuration allows that."""

    set: bool = False

    @property
    def text(self) -> str:
        """For logs and the archive."""
        return "clock set" if self.set else "clock"


@dataclass(frozen=True, slots=True)
class Listen:
    """What the meter sends by itself is heard, one Answer for each message, until the line fails or nobody wants to
    hear any more."""

    @property
    def text(self) -> str:
        """For logs and the archive."""
        return "listen"


Request = Registers | Profile | Scan | Clock | Listen
"""What is asked of a meter."""


@dataclass(frozen=True, slots=True)
class Increments:
    """By how much totals go up from boundary to boundary of legal time: the meter is asked for the registers, the rest
    is done by the gateway (gatewayd.increments). `rollover`: where they begin again at zero, in their unit."""

    registers: tuple[Obis, ...]
    period: timedelta
    rollover: Decimal | None = None

    @property
    def asked(self) -> Registers:
        """What the meter is asked for."""
        return Registers(self.registers)


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """A load profile or log is kept complete in the archive: what is new is asked for, then what is not there, the
    newest first (gatewayd/upkeep.py makes a Profile request of each piece).

    `months`: how far back what was never read is asked for. `period`: the length of its intervals where the
    configuration says so; None: as the meter tells. `channels`: what a row must have; () for whatever the meter keeps.
    """

    obis: Obis
    months: int = 36
    period: timedelta | None = None
    channels: tuple[Obis, ...] = ()

    @property
    def text(self) -> str:
        """For logs and the archive."""
        return f"load profile {self.obis}"


Order = Request | Increments | LoadProfile
"""What a job wants."""


@dataclass(frozen=True, slots=True)
class MeterObject:
    """An object that a meter says it has: COSEM class and version, what it means and what may be done with each
    attribute and method (by its number) in words, unit and scaler where the object has them."""

    class_id: int
    version: int
    obis: Obis
    meaning: str = ""
    attributes: tuple[tuple[int, str], ...] = ()
    methods: tuple[tuple[int, str], ...] = ()
    unit: str = ""
    scaler: int = 0


class Outcome(Enum):
    """How an exchange ended. The values are stored in the archive."""

    DONE = "done"
    CHECK_FAILED = "check_failed"
    TRUNCATED = "truncated"
    SILENT = "silent"
    REFUSED = "refused"
    PROTOCOL_ERROR = "protocol_error"
    LINE_FAILED = "line_failed"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and everything that the meter sent back, byte for byte.

    What we sent is not kept: it may hold passwords.
    """

    meter: str
    line: str
    request: str
    started_at: datetime
    ended_at: datetime
    received: bytes
    outcome: Outcome
    detail: str = ""


_NUMBER = re.compile(r"\s*[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)\s*", re.ASCII)


WEIGHT = "weight "
"""So begins what stands in `more` of a reading that was made of pulses: what one of them is worth."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one OBIS code at one instant, as the meter sent it.

    `raw` are the bytes of the value on the wire, `raw_text` the value as the meter wrote it, without unit, digits and
    blanks untouched; `more` the further values of the same data set (`(02.468*kW)(1703100930)` has one), and for an
    interval the meter's status word as it stands. `at` is the end of an interval, the instant of a maximum or event,
    else the time of reading. `obis` is None where the meter's own code (`obis_raw`) is no OBIS code.
    """

    meter: str
    obis: Obis | None
    obis_raw: str
    kind: Kind
    at: datetime
    raw: bytes
    raw_text: str
    unit: str = ""
    scaler: int = 0
    status: RawStatus = RawStatus.TRUE
    flags: Flag = NO_FLAGS
    more: tuple[str, ...] = ()
    interval_s: int | None = None
    meter_time: str = ""

    @property
    def code(self) -> str:
        """Canonical OBIS text, or what the meter wrote where that is no OBIS code."""
        return str(self.obis) if self.obis is not None else self.obis_raw

    @property
    def value(self) -> Decimal | None:
        """The number in the meter's text times 10^scaler, with the digits it has; None where there is no number.

        The text of an event is a status word, though `0020` looks like one."""
        return None if self.kind is Kind.EVENT else number(self.raw_text, self.scaler)


def number(raw_text: str, scaler: int = 0) -> Decimal | None:
    """`0008048.375` and `4567,890` as Decimal, digits after the point kept; None for anything but a plain number."""
    if not _NUMBER.fullmatch(raw_text):
        return None
    value = Decimal(raw_text.strip().replace(",", "."))
    if not scaler:
        return value
    # scaleb() would round to the 28 digits of the thread's context; a value of IEC 62056-21 may have 32.
    sign, digits, exponent = value.as_tuple()
    return Decimal((sign, digits, int(exponent) + scaler))


class DeedResult(Enum):
    """What became of a deed. The values are stored in the archive. UNCLEAR: nobody knows whether the meter did it."""

    ANNOUNCED = "announced"
    DONE = "done"
    GIVEN_UP = "given_up"
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that changes the meter: an entry of the audit log before it is done, and another one behind it. `facts`
    are what it was, by name; never a secret."""

    type: str
    result: DeedResult
    facts: tuple[tuple[str, str | int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a driver made of one exchange: the readings, and how the exchange ended from the protocol's view.

    `serials` are all texts by which the meter named itself, `identification` its answer to the sign-on; `objects` what
    a Scan has found; `deeds` are in the audit log before the driver goes on. `behind`: the last octets received that
    are no part of this exchange but of the next, where a meter that pushes has sent several messages at once. `alarms`
    say what is wrong with the meter although it was read (gatewayd/alarms.py)."""

    readings: tuple[Reading, ...]
    outcome: Outcome = Outcome.DONE
    detail: str = ""
    serials: tuple[str, ...] = ()
    identification: str = ""
    objects: tuple[MeterObject, ...] = ()
    deeds: tuple[Deed, ...] = ()
    behind: int = 0
    alarms: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """True when the exchange brought everything that was asked for, unharmed."""
        return self.outcome is Outcome.DONE


class Archived(msgspec.Struct, frozen=True, gc=False):
    """A reading with its place in the archive and the ratio that applied to it. `seq` is the gateway's own count."""

    seq: int
    reading: Reading
    received_at: datetime
    serial: str
    ratio_id: int
    ratio: Ratio
    exchange: int = 0
    point: Point = NOWHERE

    @property
    def primary(self) -> Decimal | None:
        """The value on the primary side, computed beside the raw one; None where there is no number."""
        value = self.reading.value
        return None if value is None else value * self.ratio.factor
