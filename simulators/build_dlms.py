"""The simulated DLMS meter, put together from the values of its command line.

Rules: nothing is opened in `plan`; a mistake is named with its option, and no secret is in the text.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from simulators import dlms_given, options
from simulators.dlms import Framing, LinePush, Meter
from simulators.dlms_clock import Clock
from simulators.dlms_content import everything
from simulators.dlms_counters import Counters
from simulators.dlms_faults import Fault, Faults
from simulators.dlms_hdlc import Link, Out, Station
from simulators.dlms_making import Plate, Store
from simulators.dlms_objects import Objects
from simulators.dlms_optical import RATES, START_BAUD, Entry
from simulators.dlms_push import Layout, Notifications, Receiver, in_background
from simulators.dlms_security import Mechanism, Security
from simulators.dlms_server import Server, Settings
from simulators.dlms_wrapper import Wrapper
from simulators.journal import Journal
from simulators.line import Line
from simulators.transport import Transport

PTY_BAUD = 9600
CLIENT_TITLE = b"SIMCLNT1"
MECHANISMS = {each.name.lower().replace("_", "-"): each for each in Mechanism}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that was said, checked."""

    settings: Settings = field(repr=False)
    plate: Plate
    store: Store
    faults: tuple[Fault, ...]
    station: Station
    wrapper: bool
    start: datetime | None
    offset: timedelta
    drift_ppm: float
    counter_start: int
    own_counter: int
    counter_file: Path | None
    baud: int
    paced: bool
    reaction_s: float
    echo: bool
    optical: bool
    hdlc_s: float
    receiver: Receiver | None
    push_every_s: float
    push_layout: Layout
    push_security: Security
    journal: Path | None

    @property
    def start_baud(self) -> int:
        """The rate at which the line begins."""
        return START_BAUD if self.optical else self.baud


# Any: click hands over each value with the type of its option, which a mapping cannot say. So everywhere below.
def plan(given: dict[str, Any]) -> Plan:
    """The plan, or a usage error."""
    security, push_security = Security(given["security"]), Security(given["push_security"])
    mechanism = MECHANISMS[given["authentication"]]
    title = dlms_given.hexadecimal("--title", given["title"], (8,))
    ciphers = {security, push_security} != {Security.NONE}
    keys = dlms_given.keys(given, needed=ciphers or mechanism is Mechanism.HLS_GMAC)
    receiver = dlms_given.receiver(given)
    if given["framing"] == "hdlc" and given["client"] > 0x7F:
        raise click.BadParameter("a client has one byte in HDLC, 1 to 127", param_hint="--client")
    if given["optical"] and given["framing"] != "hdlc":
        raise click.UsageError("--optical goes with --framing hdlc")
    if given["optical"] and int(given["baud"] or PTY_BAUD) not in RATES:
        raise click.BadParameter("mode E offers 300 to 19200", param_hint="--baud")
    if receiver is not None and receiver.kind == "line" and given["optical"]:
        raise click.UsageError("--push-to line does not go with --optical")
    lists = not given["no_lists"]
    settings = Settings(
        client=given["client"],
        mechanism=mechanism,
        secret=dlms_given.secret(given, mechanism),
        security=security,
        keys=keys,
        title=title,
        max_pdu=given["max_pdu"],
        conformance=dlms_given.conformance(given, lists),
        refuse_lists=given["refuse_lists"],
    )
    return Plan(
        settings=settings,
        plate=Plate(
            given["serial"],
            given["firmware"],
            given["client"],
            given["server"],
            title,
            CLIENT_TITLE,
            security,
            given["suite"],
        ),
        store=dlms_given.store(given),
        faults=dlms_given.faults(given, security),
        station=Station(given["server"], given["physical"], given["max_info"], given["window"]),
        wrapper=given["framing"] == "wrapper",
        start=dlms_given.start(given["now"]),
        offset=timedelta(seconds=given["clock_offset"]),
        drift_ppm=given["drift_ppm"],
        counter_start=given["counter_start"],
        own_counter=given["own_counter"],
        counter_file=given["counter_file"],
        baud=int(given["baud"] or PTY_BAUD),
        paced=given["baud"] is not None,
        reaction_s=given["reaction_ms"] / 1000,
        echo=given["local_echo"],
        optical=given["optical"],
        hdlc_s=given["hdlc_s"],
        receiver=receiver,
        push_every_s=given["push_every"] or 0.0,
        push_layout=Layout(given["push_layout"]),
        push_security=push_security,
        journal=given["journal"],
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """What outlives a connection: all that a meter remembers."""

    clock: Clock
    counters: Counters
    faults: Faults
    journal: Journal
    randomness: random.Random


def kept(made: Plan, clock: Clock | None = None) -> Kept:
    """A meter's memory at its beginning; `clock`: another one than the plan's, which a test moves."""
    journal = Journal(made.journal)
    return Kept(
        clock=clock or Clock(made.start, made.offset, drift_ppm=made.drift_ppm),
        counters=Counters(made.counter_file, made.counter_start, made.own_counter, journal.note),
        faults=Faults(made.faults),
        journal=journal,
        randomness=random.Random(made.store.seed),
    )


@dataclass(frozen=True, slots=True)
class Inside:
    """The meter without its line: bytes in, bytes out."""

    framing: Framing
    clock: Clock
    counters: Counters
    journal: Journal
    randomness: random.Random


def inside(made: Plan, memory: Kept | None = None) -> Inside:
    """What answers, not connected to anything. With the memory of one before it is the same meter."""
    memory = memory or kept(made)
    randomness, journal, faults = memory.randomness, memory.journal, memory.faults
    objects = Objects(())
    server = Server(made.settings, objects, memory.counters, faults, randomness, journal.note)

    def of_view() -> list[bytes]:
        return [each.described() for each in objects.seen(server.view())]

    for each in everything(memory.clock, made.plate, made.store, memory.counters, of_view):
        objects.add(each)
    framing: Framing
    if made.wrapper:
        framing = Wrapper(made.station.logical, server.answer, server.reset, faults, randomness)
    else:
        framing = Link(made.station, server.answer, server.reset, faults, randomness, journal.note)
    return Inside(framing, memory.clock, memory.counters, journal, randomness)


def numbered(made: Plan, number: int) -> Plan:
    """The plan of the `number`-th meter of a fleet: other serial number, system title and seed."""
    title = (int.from_bytes(made.settings.title) + number) % (1 << 64)
    octets = title.to_bytes(8)
    return replace(
        made,
        settings=replace(made.settings, title=octets),
        plate=replace(made.plate, serial=options.numbered(made.plate.serial, number), title=octets),
        store=replace(made.store, seed=made.store.seed + number),
    )


class Wired:
    """A meter of a fleet, made when somebody connects: of those that nobody talks to there is but the memory."""

    def __init__(self, made: Plan, clock: Clock | None = None) -> None:
        self._made = made
        self._memory = kept(made, clock)
        self._framing: Framing | None = None

    def connected(self) -> None:
        """Somebody is there."""
        self._framing = inside(self._made, self._memory).framing
        self._framing.disconnected()

    def feed(self, data: bytes) -> list[Out]:
        """What to send for these bytes."""
        assert self._framing is not None
        return self._framing.feed(data)

    def disconnected(self) -> None:
        """Nobody is there any more."""
        self._framing = None


def meter(made: Plan, transport: Transport) -> Meter:
    """The meter on its line; a push to elsewhere begins here."""
    parts = inside(made)
    line = Line(transport, baud=made.start_baud, pace=made.paced, check_baud=made.paced, randomness=parts.randomness)
    line.echo = made.echo
    push = _push(made, parts)
    entry = None
    if made.optical:
        note = parts.journal.note
        entry = Entry(line, made.baud, reaction_s=made.reaction_s, hdlc_s=made.hdlc_s, note=note)
    return Meter(line, parts.framing, parts.journal, reaction_s=made.reaction_s, push=push, entry=entry)


def _push(made: Plan, parts: Inside) -> LinePush | None:
    if made.receiver is None:
        return None
    plain = made.push_security is Security.NONE
    notifications = Notifications(
        parts.clock,
        made.store.manner.writing,
        made.store.seed,
        made.push_layout,
        keys=None if plain else made.settings.keys,
        control=made.push_security.control,
        title=made.settings.title,
        counters=parts.counters,
    )
    client = made.settings.client
    if made.receiver.kind == "line":
        return LinePush(made.push_every_s, client, notifications.next)
    framed = partial(_framed, parts.framing, client, notifications)
    in_background(made.receiver, made.push_every_s, framed, parts.journal.note)
    return None


def _framed(framing: Framing, client: int, notifications: Notifications) -> bytes:
    return b"".join(out.data for out in framing.push(client, notifications.next()))
