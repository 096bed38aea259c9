"""The thin loop of `gatewayd probe`: attempt -> line -> channel -> judge; and what the IEC driver knows of answers.

Rules: what to send and what an answer means is decided in gatewayd/probe; here it is only sent, waited for and said.
Whoever answered is left in peace: a break or a disconnect, and silence before anything else is tried.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from drivers.iec62056_21.vendors import AUTO, GENERIC, choose
from drivers.iec62056_21.wire.framing import BREAK, Identification, find_identification, sign_on
from gatewayd.channel import Channel, Framing
from gatewayd.errors import ChannelError, ChannelTimeout
from gatewayd.probe.advice import Tried
from gatewayd.probe.attempts import PAUSE_S, SETTLE_S, Attempt, Finding, Iec

_SEND_SECONDS = 10.0
_LONGEST = 4096
_MORE_SECONDS = 1.5
"""IEC 62056-21 6.4.1: longest pause between two characters."""
_LEAVE_SECONDS = 3.0

# Manufacturers' letters (FLAG association), the ones that are often met.
_MAKERS = {
    "ABB": "ABB",
    "APA": "Apator",
    "ELS": "Elster",
    "EMH": "EMH metering",
    "ESY": "EasyMeter",
    "ISK": "Iskraemeco",
    "ITR": "Itron",
    "KAM": "Kamstrup",
    "LGZ": "Landis+Gyr",
    "LOG": "Logarex",
    "LUG": "Landis+Gyr (heat)",
    "SAG": "Sagemcom",
    "ZPA": "ZPA Smart Energy",
}


def iec_words(address: str = "") -> Iec:
    """The words of IEC 62056-21 for an attempt. ValueError for an address that cannot be sent."""

    def signed_on(data: bytes, over: bool, baud: int) -> Finding | None:
        found = find_identification(data)
        return None if found is None else _identified(found[0], baud, address, pushes=False)

    def telegram(data: bytes, over: bool, baud: int) -> Finding | None:
        found = find_identification(data)
        if found is None or not (over or b"!" in data[found[1] :]):
            return None
        return _identified(found[0], baud, "", pushes=True)

    return Iec(sign_on(address), BREAK, signed_on, telegram)


def _identified(said: Identification, baud: int, address: str, *, pushes: bool) -> Finding:
    mode = "D" if pushes else said.mode
    profile = choose(AUTO, str(said)).name
    hdlc = "\\2" in said.sequences
    notes = []
    if profile == GENERIC:
        notes.append("no vendor profile knows this identification; the generic one reads most meters")
    if hdlc:
        notes.append("offers HDLC (mode E); it can be read in mode C as well")
    if pushes:
        notes.append("pushes by itself")
    start = {} if baud == 300 or pushes else {"start_baud": str(baud)}
    if pushes and baud != 9600:
        start = {"start_baud": str(baud)}
    named = {"address": f'"{address}"'} if address else {}
    options = {
        "mode": "D" if pushes else "A" if mode == "A" else "C",
        "vendor": AUTO if profile == GENERIC else profile,
        **start,
        **named,
    }
    return Finding(
        protocol=f"IEC 62056-21 mode {'E' if hdlc and not pushes else mode}",
        baud=baud,
        framing=Framing.E71,
        driver="iec62056_21",
        mode="E" if hdlc and not pushes else mode,
        identification=str(said),
        maker=_MAKERS.get(said.manufacturer.upper(), ""),
        offered_baud=None if pushes or mode == "A" else said.rate,
        profile=profile,
        address=address,
        options=tuple(options.items()),
        notes=tuple(notes),
    )


async def probe(
    channel: Channel,
    attempts: Sequence[Attempt],
    on_attempt: Callable[[int, Attempt], None],
    on_tried: Callable[[Tried], None],
) -> tuple[Tried, ...]:
    """Make the attempts until one group has found something. ChannelError when the line fails.

    A rate that the port refuses is passed over, unless it took it before: then the port is gone."""
    tried: list[Tried] = []
    taken: set[tuple[int, Framing]] = set()
    refusal: ChannelError | None = None
    successful = None
    for number, attempt in enumerate(attempts):
        if successful is not None and attempt.group != successful:
            break
        on_attempt(number, attempt)
        line = (attempt.baud, attempt.framing)
        try:
            await channel.set_line(*line, deadline=asyncio.get_running_loop().time() + _SEND_SECONDS)
        except ChannelTimeout:
            raise
        except ChannelError as error:
            if line in taken:
                raise
            refusal, one = error, Tried(attempt, b"", refused=True)
        else:
            taken.add(line)
            one = await _try(channel, attempt)
        tried.append(one)
        on_tried(one)
        if one.finding is not None:
            successful = attempt.group
    if refusal is not None and not taken:
        raise refusal
    return tuple(tried)


async def _try(channel: Channel, attempt: Attempt) -> Tried:
    loop = asyncio.get_running_loop()
    if attempt.wake_up:
        await channel.send(attempt.nuls, deadline=loop.time() + _SEND_SECONDS)
        await channel.set_line(attempt.baud, attempt.framing, deadline=loop.time() + _SEND_SECONDS)  # until it has left
        await _pause(channel, PAUSE_S)
    elif attempt.send:
        await _pause(channel, SETTLE_S)
    try:
        if attempt.send:
            await channel.send(attempt.send, deadline=loop.time() + _SEND_SECONDS)
        received, finding = await _answer(channel, attempt)
    except asyncio.CancelledError:
        await _leave(channel, attempt)  # whoever has heard the question would wait for minutes
        raise
    if attempt.goodbye and Tried(attempt, received, finding).foreign:
        await channel.send(attempt.goodbye, deadline=loop.time() + _SEND_SECONDS)
        await _silence(channel)
    return Tried(attempt, received, finding)


async def _leave(channel: Channel, attempt: Attempt) -> None:
    """Say goodbye and see it off the wire, without waiting for an answer."""
    if not attempt.goodbye:
        return
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ChannelError):
        await channel.send(attempt.goodbye, deadline=loop.time() + _LEAVE_SECONDS)
        await channel.set_line(attempt.baud, attempt.framing, deadline=loop.time() + _LEAVE_SECONDS)


async def _answer(channel: Channel, attempt: Attempt) -> tuple[bytes, Finding | None]:
    loop = asyncio.get_running_loop()
    until = loop.time() + attempt.line_seconds(len(attempt.send)) + attempt.wait
    latest = until + 2 * attempt.wait + _MORE_SECONDS
    received = b""
    while len(received) < _LONGEST:
        try:
            received += await channel.receive(deadline=until)
        except ChannelTimeout:
            return received, attempt.judge(received, True)
        finding = attempt.judge(received, False)
        if finding is not None:
            return received, finding
        if attempt.send:
            until = min(max(until, loop.time() + _MORE_SECONDS), latest)
    return received, attempt.judge(received, True)


async def _pause(channel: Channel, seconds: float) -> None:
    """Nothing is sent for so long; what comes belongs to nothing."""
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await channel.receive(deadline=until)
        except ChannelTimeout:
            return


async def _silence(channel: Channel) -> None:
    """Until nothing has come for a moment, or it has taken too long."""
    loop = asyncio.get_running_loop()
    latest = loop.time() + _LEAVE_SECONDS
    while loop.time() < latest:
        try:
            await channel.receive(deadline=min(loop.time() + 1.0, latest))
        except ChannelTimeout:
            return
