"""Simulated IEC 62056-21 meters, put together from the values of their command line.

Rules: nothing is opened here; a mistake is named with its option. All meters of a line share its port, its journal and
its generator of random numbers; each has its own memory of wrong passwords.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from simulators import faults, options_programming
from simulators.bus import Bus
from simulators.dialogue import Dialogue
from simulators.faults import Fault, SessionFaults
from simulators.iec62056_21 import Meter, Mode, Parity, Settings
from simulators.journal import Journal
from simulators.line import Line
from simulators.port import Port
from simulators.profile import Stretch
from simulators.programming import Programming
from simulators.telegram import Advance, Telegram, check_advances, load
from simulators.transport import Transport
from simulators.wake_up import Sleeper

DEFAULT_IDENTIFICATION = {
    Mode.A: "SIMZGATEWAYD",
    Mode.B: "SIMEGATEWAYD",
    Mode.C: "SIM5GATEWAYD",
    Mode.D: "SIM5GATEWAYD",
    Mode.E: "SIM5\\2GATEWAYD",
}
START_BAUD = 300
PUSH_BAUD = 9600
KEYS = ("address", "readout", "identification", "password", "profile", "dead")


@dataclass(frozen=True, slots=True)
class _Own:
    """What one meter does not share with the others; `option` is where it was said."""

    option: str
    readout: Path
    address: str | None = None
    identification: str | None = None
    password: str | None = None
    profile: Path | None = None
    dead: bool = False


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the meters of a line have in common."""

    port: Port
    journal: Journal
    misbehaviours: tuple[Fault, ...]
    session_faults: SessionFaults
    tables: tuple[Stretch, ...]
    randomness: random.Random


# Any: click hands over each value with the type of its option, which a mapping cannot say. So everywhere below.
def start_baud(given: dict[str, Any]) -> int:
    """The rate of a sign-on, or of mode D."""
    return int(given["baud"]) if given["baud"] else (PUSH_BAUD if given["mode"] == Mode.D else START_BAUD)


def bus(given: dict[str, Any], transport: Transport, baud: int) -> Bus:
    """The line with its meters."""
    owns = [_own(text) for text in given["others"]]
    if given["readout"] is not None:
        owns.insert(0, _Own("--readout", given["readout"], given["address"], given["identification"]))
    if not owns:
        raise click.UsageError("give --readout FILE or --meter")
    try:
        misbehaviours = tuple(faults.parse(text) for text in given["misbehave"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--misbehave") from error
    randomness = random.Random(given["seed"])
    line = Line(transport, baud=baud, pace=given["pace"], check_baud=given["check_baud"], randomness=randomness)
    shared = _Shared(
        Port(line),
        Journal(given["journal"]),
        misbehaviours,
        SessionFaults(misbehaviours),
        options_programming.tables(given, given["seed"] or 0),
        randomness,
    )
    meters = tuple(_meter(own, given, shared, baud) for own in owns)
    sleeper = Sleeper(baud) if given["needs_wake_up"] else None
    return Bus(shared.port, meters, shared.journal, start_baud=baud, sleeper=sleeper)


def _own(text: str) -> _Own:
    parts = {key: value for key, _, value in (part.partition("=") for part in text.split(","))}
    if unknown := [key for key in parts if key not in KEYS]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(KEYS)}", param_hint="--meter")
    if not parts.get("readout"):
        raise click.BadParameter(f"no readout=FILE in {text!r}", param_hint="--meter")
    return _Own(
        option="--meter",
        readout=Path(parts["readout"]),
        address=parts.get("address"),
        identification=parts.get("identification"),
        password=parts.get("password"),
        profile=Path(parts["profile"]) if "profile" in parts else None,
        dead="dead" in parts,
    )


def _meter(own: _Own, given: dict[str, Any], shared: _Shared, baud: int) -> Meter:
    mode = Mode(given["mode"])
    telegram = _load(own.readout, own.option)
    identification = _identification(own.identification, telegram, mode)
    reaction_ms = given["reaction_ms"]
    if reaction_ms is None:
        # 6.3.14.3: a small third letter announces a meter that may answer after 20 ms.
        reaction_ms = 20.0 if identification[2:3].islower() else 200.0
    settings = Settings(
        mode=mode,
        identification=identification,
        address=own.address,
        start_baud=baud,
        reaction_s=reaction_ms / 1000,
        ack_wait_s=given["ack_wait"],
        push_every_s=given["push_every"],
        parity=Parity(given["parity"]),
        hdlc_s=given["hdlc_s"],
        programming=given["programming"],
        dead=own.dead,
    )
    kept = shared.tables
    if own.profile is not None:
        kept = (*options_programming.profile_file(own.profile, own.option), *kept)
    programming = Programming(options_programming.access(given, own.password), kept, shared.journal.note)
    dialogue = Dialogue(
        programming,
        shared.port,
        shared.journal,
        shared.session_faults,
        reaction_s=settings.reaction_s,
        inactivity_s=given["inactivity"],
        randomness=shared.randomness,
    )
    return Meter(
        settings,
        {"?": telegram, **_more_tables(given["more_tables"])},
        shared.port,
        dialogue,
        shared.journal,
        misbehaviours=shared.misbehaviours,
        advances=_advances(telegram, given["advance"]),
        randomness=shared.randomness,
    )


def _load(readout: Path, option: str) -> Telegram:
    try:
        return load(readout.read_bytes())
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _more_tables(texts: tuple[str, ...]) -> dict[str, Telegram]:
    tables = {}
    for text in texts:
        digit, _, file = text.partition("=")
        if len(digit) != 1 or digit not in "0123456789" or not file:
            raise click.BadParameter(f"{text!r} is not N=FILE", param_hint="--table")
        tables[digit] = _load(Path(file), "--table")
    return tables


def _advances(telegram: Telegram, advance: tuple[str, ...]) -> tuple[Advance, ...]:
    try:
        advances = tuple(_advance(text) for text in advance)
        check_advances(telegram, advances)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--advance") from error
    return advances


def _advance(text: str) -> Advance:
    code, _, step = text.partition("=")
    try:
        number = Decimal(step)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not OBIS=STEP with a decimal STEP") from None
    if not code or not code.isascii() or not number.is_finite():
        raise ValueError(f"{text!r} is not OBIS=STEP with a decimal STEP")
    return Advance(code, number)


def _identification(given: str | None, telegram: Telegram, mode: Mode) -> bytes:
    if given is None:
        return telegram.identification or DEFAULT_IDENTIFICATION[mode].encode()
    if not given.isascii() or not given.isprintable() or not given:
        raise click.BadParameter("printable ASCII characters only", param_hint="--identification")
    return given.removeprefix("/").encode()
