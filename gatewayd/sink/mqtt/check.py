"""`gatewayd sink check` for a broker: connect beside the running gateway, publish a retained probe, read it back.

Rules: the probe lies on a topic of the gateway's own that nobody else uses, and is cleared again; what cannot be found
out is said to be so. What a broker loses by itself (its own persistence, the queues of absent subscribers) cannot be
seen from outside: docs/sinks.md.
"""

import asyncio
import ipaddress
from typing import TYPE_CHECKING

from aiomqtt import MqttError

from gatewayd.errors import SinkError
from gatewayd.sink.check import Level, Remark, error, fine, warning
from gatewayd.sink.mqtt.client import SUCCESS_BELOW, Publication, code_of
from gatewayd.sink.payload import to_json

if TYPE_CHECKING:
    from gatewayd.sink.mqtt.delivery import MqttDelivery
    from gatewayd.sink.mqtt.sink import MqttSink

PROBE_S = 3.0
"""How long the probe may take to come back."""


async def check(sink: "MqttSink") -> list[Remark]:
    """See Sink.check."""
    if not sink.quiet:
        raise ValueError("a check needs a sink of its own: the broker would throw the running gateway out")
    async with sink.connection() as delivery:
        found = [*_connection(sink, delivery), *_granted(sink, delivery)]
        if any(remark.level is Level.ERROR for remark in found):
            return found
        return [
            *found,
            *await _probe(sink, delivery),
            *await _discovery(sink, delivery),
            *await _requests(sink, delivery),
        ]


def _connection(sink: "MqttSink", delivery: "MqttDelivery") -> list[Remark]:
    version = "5" if delivery.is_v5 else "3.1.1"
    found = [fine(f"connected to {sink.place} with MQTT {version} as {sink.who}")]
    if sink.options.tls is not None:
        pinned = sink.options.tls.ca_file
        found.append(fine(f"encrypted; believed: {pinned or 'the authorities of the system'}"))
    elif not _is_here(sink.options.host):
        secret = "readings and the password" if sink.options.username else "readings"
        found.append(warning(f"{secret} can be read and changed on the way to {sink.place}", "set tls: {ca_file: ...}"))
    if not delivery.is_v5:
        found.append(
            warning(
                "a broker of MQTT 3.1.1 acknowledges messages that it may not take",
                f"see to it that {sink.who} may write {sink.topics.prefix}/{sink.gateway}/#",
            )
        )
    return found


def _granted(sink: "MqttSink", delivery: "MqttDelivery") -> list[Remark]:
    granted = delivery.client.granted
    found = []
    if getattr(granted, "RetainAvailable", 1) == 0:
        found.append(error("the broker keeps no retained messages", "allow them (mosquitto: retain_available true)"))
    if getattr(granted, "MaximumQoS", 1) == 0:
        found.append(error("the broker takes only QoS 0, which loses messages", "allow QoS 1 (mosquitto: max_qos 1)"))
    limit = delivery.client.packet_limit
    if limit is not None and limit < sink.options.message_limit:
        found.append(fine(f"the broker takes packets of up to {limit} bytes; messages are kept below that"))
    return found


async def _probe(sink: "MqttSink", delivery: "MqttDelivery") -> list[Remark]:
    """Retained, and then subscribed to: it has to come with the mark of a retained message."""
    topic = f"{sink.topics.prefix}/{sink.gateway}/check"
    payload = to_json({"schema": "gatewayd.check/1", "gateway": sink.gateway, "sink": sink.id})
    try:
        await delivery.send([Publication(topic, payload, retain=True)], None)
    except SinkError as fault:
        return [error(str(fault), "change the access list of the broker, or the user")]
    found = [fine(f"a probe on {topic} was acknowledged")]
    try:
        codes = await delivery.client.subscribe(topic, qos=1)
        async with asyncio.timeout(PROBE_S):
            message = await delivery.received.get()
    except MqttError as fault:
        raise sink.fault(fault) from fault
    except TimeoutError:
        may = any(code_of(code) < SUCCESS_BELOW for code in codes)
        what = "did not come back" if may else "may not be read back"
        found.append(
            warning(
                f"the probe {what}: {sink.who} may not read it, or the broker dropped it",
                f"let {sink.who} read {topic}, or look from another client whether readings arrive",
            )
        )
    else:
        if message.payload == payload and message.retain:
            found.append(fine("the probe came back, retained and unchanged"))
        else:
            found.append(error("what came back is not the retained probe", "look who else writes to this topic"))
    await delivery.send([Publication(topic, b"", retain=True)], None)
    return found


async def _discovery(sink: "MqttSink", delivery: "MqttDelivery") -> list[Remark]:
    """Whether sensors may be announced: an empty retained message takes back one that never was."""
    if sink.options.home_assistant is None:
        return []
    topic = f"{sink.options.home_assistant.prefix}/sensor/{sink.gateway}/check/config"
    try:
        await delivery.send([Publication(topic, b"", retain=True)], None)
    except SinkError as fault:
        return [error(str(fault), "let it write there, or take out home_assistant")]
    return [fine(f"sensors may be announced below {sink.options.home_assistant.prefix}/")]


async def _requests(sink: "MqttSink", delivery: "MqttDelivery") -> list[Remark]:
    if sink.options.replay is None:
        return []
    try:
        codes = await delivery.client.subscribe(sink.topics.replay, qos=1)
    except MqttError as fault:
        raise sink.fault(fault) from fault
    if any(code_of(code) >= SUCCESS_BELOW for code in codes):
        return [error(f"{sink.who} may not read {sink.topics.replay}", "let it read there, or take out replay")]
    return [fine(f"requests on {sink.topics.replay} are heard")]


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
