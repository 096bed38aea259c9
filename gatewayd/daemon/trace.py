"""Traces of lines: a line whose traffic can be watched, its events as JSON, and the stream of a running gateway.

Rules: an event as JSON has the same fields on the control socket and on the screen of `gatewayd trace --json`; hidden
bytes are `**` in `hex` and `*` in `text`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gatewayd.channel import Channel
from gatewayd.channel.masking import Shown
from gatewayd.channel.tracing import Tap, Traced, TracingChannel, What
from gatewayd.control import Request as Asked
from gatewayd.control import Stream
from gatewayd.errors import ChannelTimeout, GatewayError
from gatewayd.model import Answer, Meter, Request
from gatewayd.station import Line, OnCall, Station

_BYTES = (What.SENT, What.RECEIVED)


def event_object(line: str, event: Traced) -> dict[str, object]:
    """An event as JSON: `{"at", "line", "event", "hex", "text"}`; the time has microseconds."""
    head: dict[str, object] = {
        "at": event.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "line": line,
        "event": event.what.value,
    }
    if event.what in _BYTES:
        return {**head, "hex": hexadecimal(event.data, ""), "text": printed(event.data)}
    return {**head, "text": event.text}


def event_from(document: Mapping[str, Any]) -> Traced:
    """The reverse of `event_object`. GatewayError when it is none: the gateway is of another version."""
    try:
        what = What(document["event"])
        digits = document.get("hex", "")
        data = tuple(
            None if digits[n : n + 2] == "**" else int(digits[n : n + 2], 16) for n in range(0, len(digits), 2)
        )
        text = "" if what in _BYTES else str(document["text"])
        return Traced(datetime.fromisoformat(document["at"]), what, data, text)
    except (KeyError, TypeError, ValueError) as error:
        raise GatewayError(f"the running gateway sends a trace that is not known here: {error!r}") from error


def hexadecimal(data: Shown, between: str = " ") -> str:
    """`2F 3F 21`; `**` for what is hidden."""
    return between.join("**" if byte is None else f"{byte:02X}" for byte in data)


def printed(data: Shown) -> str:
    """The characters that can be printed (ASCII), a point for the others, an asterisk for what is hidden."""
    return "".join("*" if byte is None else chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


def traced(line: Line, tap: Tap) -> Line:
    """The same line; whatever happens on its channels is told to `tap`."""

    async def opened(station: Station, on_call: OnCall) -> Channel:
        try:
            channel = await line.open(station, on_call)
        except GatewayError as error:
            tap.put(What.FAULT, text=str(error))
            raise
        tap.put(What.OPENED)
        return TracingChannel(channel, tap)

    return replace(line, open=opened)


async def open_alone(line: Line) -> Channel:
    """Open a line without any meter: to listen, or to ask whoever is there. ChannelError; GatewayError for a modem."""
    if line.calls:
        raise GatewayError(f"line {line.id} is a modem: it has to call somebody first")
    return await line.open(Station(Meter("", "", line.id), _Nobody()), lambda _record: None)


class _Nobody:
    """The driver of no meter."""

    credentials = ""

    def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        raise GatewayError(f"there is no meter to be asked for {request.text}")


async def hear(channel: Channel) -> None:
    """Receive and send nothing, until cancelled. ChannelError when the line fails."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await channel.receive(deadline=loop.time() + 1.0)
        except ChannelTimeout:
            continue


def trace_stream(taps: Mapping[str, Tap], ended: Callable[[str, str], None] = lambda _user, _line: None) -> Stream:
    """The answer to a request `trace` of the control socket: the events of the line that it names. `ended` is told who
    has looked on at which line, for the audit log."""

    async def stream(request: Asked) -> AsyncGenerator[dict[str, object], None]:
        name = request.get("line")
        tap = taps.get(name)
        if tap is None:
            raise GatewayError(f"line '{name}' is not configured; known: {', '.join(taps) or 'none'}")
        try:
            with tap.subscribe() as events:
                yield {"line": name, "event": "listening"}
                while True:
                    yield event_object(name, await events.get())
        finally:
            ended(request.user, name)

    return stream
