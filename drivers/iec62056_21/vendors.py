"""Vendor profiles: what differs from meter to meter is data, in vendors/*.yaml, each with its source.

Rules: a profile is chosen by name, or by the meter's identification when the configuration says `auto`; a meter that
no profile knows is read by `generic`. A profile that contradicts itself does not load. A bit of a status word that no
source explains is not in its map: then the values under it are distorted and flagged, not guessed at.
"""

import re
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import Field, field_validator

from gatewayd.obis import Obis
from gatewayd.options import Options
from gatewayd.status_word import StatusBits

Rate = Literal[300, 600, 1200, 2400, 4800, 9600, 19200]
"""The rates that an acknowledgement can choose (IEC 62056-21 6.3.14)."""


class WakeUp(Options):
    """Characters that wake a battery-powered meter before the sign-on (IEC 62056-21 annex B)."""

    seconds: Decimal = Field(default=Decimal("2.2"), gt=0, le=10)
    """How long NUL characters are sent."""
    pause_s: Decimal = Field(default=Decimal("1.6"), ge=0, le=10)
    """How long nothing is sent after them."""


class Password(Options):
    """How the meter wants its password (IEC 62056-21 6.3.5, P0 to P2)."""

    command: Literal["P1", "P2"] = "P1"
    """The command that carries it."""
    length: int = Field(default=0, ge=0, le=32)
    """A shorter password is filled up to this length; 0 leaves it as it is."""
    fill: Annotated[str, Field(pattern=r"^[ -~]?$")] = "0"
    """The character that fills it up, on the left."""
    needed: bool = True
    """False where profiles can be read without one."""


class StatusWord(StatusBits):
    """The status word of a table: its width in bits, and what each bit means (names of gatewayd.status.Fault)."""

    bits: Literal[8, 16, 24, 32] = 16
    """Width as the meter writes it: two hexadecimal digits for eight bits."""


class Table(Options):
    """One load profile or event log of the meter."""

    code: str
    """The code as the meter wants it in a request: P.01."""
    kind: Literal["profile", "log"] = "profile"
    """Rows are intervals, or events."""
    status: StatusWord | None = None
    """Its status word; absent: the vendor's for this kind."""
    time: Literal["end", "start"] = "end"
    """Which end of the interval the meter's time stamps name (VDEW, EMH, MetCom: the end)."""

    @field_validator("code")
    @classmethod
    def _code(cls, value: str) -> str:
        Obis.parse(value)
        return value


class Vendor(Options):
    """One profile."""

    name: str
    """Name in the configuration."""
    identification: str = Field(default="")
    """Regular expression for the beginning of the identification message, for `vendor: auto`; empty where no real
    identification is known, and then the profile is chosen by its name only."""
    medium: int = Field(default=1, ge=0, le=15)
    """Group A of reduced OBIS codes: 1 electricity, 6 heat, 7 gas."""
    models: tuple[str, ...] = ()
    """The models that it is for, as people call them."""
    start_baud: Rate | None = None
    """Rate of the sign-on where it is not 300 Bd."""
    max_baud: Rate = 19200
    """Highest rate that its ports really keep up."""
    wake_up: WakeUp | None = None
    """What wakes the meter before a sign-on; absent where it is always awake."""
    clock: Literal["legal", "standard", "utc"] = "legal"
    """What its clock shows: legal time, standard time all the year, UTC."""
    clock_codes: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] = ("0.9.1", "0.9.2")
    """Codes of its time and of its date; 0-0:1.0.0 has both and is always understood."""
    clock_command: bool = False
    """Whether time and date are read by commands before a profile. False where that is not known: it costs two
    questions in each session."""
    season_digit: bool = True
    """False where the digit before a time means nothing (always 0)."""
    access: Literal["readout", "R1", "R2", "R5"] = "readout"
    """How single registers are read: out of the data readout, or each by a command in programming mode."""
    password: Password = Password()
    """How it wants its password."""
    serial_code: str = ""
    """Code by which a read command brings its serial number (0.0.0, C.1.0); empty where that is not known."""
    profile_command: Literal["R5", "R6", "R1", "R2", "R3"] = "R5"
    """Command that reads profiles; R5 sends all in one block, R6 in partial blocks with a check each."""
    profile_fallback: Literal["R5", "R6"] | None = "R6"
    """Second command, where the first is answered by an error (old A1500: R5 only; some Iskra: R6 only)."""
    window: str = "{start};{after}"
    """What stands in the brackets of a request for a range. `{after}`, the next time behind the end that can be
    written, also brings the last row of meters that leave out what ends with the range; `{end}` where a meter refuses
    that."""
    window_time: str = "zYYMMDDhhmm"
    """How its times are written: z season digit, YY or YYYY, MM, DD, hh, mm, ss; everything else stands for itself."""
    window_days: int = Field(default=31, ge=1, le=400)
    """Longest range of one request; longer ones are cut."""
    profile_status: StatusWord = StatusWord()
    """Status word of its load profiles."""
    log_status: StatusWord = StatusWord()
    """Status word of its event logs."""
    tables: tuple[Table, ...] = (
        Table(code="P.01"),
        Table(code="P.02"),
        Table(code="P.98", kind="log"),
        Table(code="P.99", kind="log"),
    )
    """Profiles and logs that it has."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Where the facts come from."""

    @field_validator("identification")
    @classmethod
    def _identification(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("expected a regular expression for the whole message, which begins with /")
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"'{value}' is no regular expression: {error}") from None
        return value

    @field_validator("clock_codes")
    @classmethod
    def _clock_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Obis.parse(text)
        return value

    @field_validator("tables")
    @classmethod
    def _tables(cls, value: tuple[Table, ...]) -> tuple[Table, ...]:
        if len({Obis.parse(table.code) for table in value}) < len(value):
            raise ValueError("two tables have the same code")
        return value


GENERIC = "generic"
AUTO = "auto"


@cache
def vendors() -> dict[str, Vendor]:
    """All profiles by name."""
    folder = resources.files("drivers.iec62056_21") / "vendors"
    found = [
        Vendor.model_validate(yaml.safe_load(entry.read_text(encoding="utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return {vendor.name: vendor for vendor in sorted(found, key=lambda vendor: vendor.name)}


def choose(name: str, identification: str) -> Vendor:
    """The profile `name`, or for `auto` the one whose identification fits, else generic.

    `identification` is the whole message without its line end. Not more than one profile fits a real one: a test goes
    through all that are known.
    """
    known = vendors()
    if name != AUTO:
        return known[name]
    for vendor in known.values():
        if vendor.identification and re.match(vendor.identification, identification):
            return vendor
    return known[GENERIC]
