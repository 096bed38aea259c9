"""Foreign errors of an MQTT connection in plain words: what happened and what to look at.

Rules: the text of one fault is always the same, so that a change of text is a change of state; no password in it.
aiomqtt wraps the errors of sockets and of waiting and hides them from tracebacks; they are still its __context__.
"""

import socket
import ssl

from aiomqtt import MqttCodeError, MqttError
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from gatewayd.sink.mqtt.client import ClosedEarly, code_of
from gatewayd.sink.tls import tls_reason

BROKE = "broke the connection"
_KEEP_ALIVE = 0x8D
# CONNACK of MQTT 3.1.1 (3.2.2.3) and of MQTT 5 (3.2.2.2); paho translates the former into the latter.
_V311 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
_OTHER_VERSION = 0x84
_CONNACK = {
    0x81: "does not understand our CONNECT; is it an MQTT broker?",
    0x85: "does not accept the client id; set client_id",
    0x88: "says that its service is unavailable",
    0x89: "says that it is busy",
    0x8A: "has banned this client",
    0x8C: "wants a way of authentication that gatewayd does not know",
    0x95: "does not take packets as large as our CONNECT",
    0x9A: "keeps no retained messages, which the gateway needs (mosquitto: retain_available true)",
    0x9B: "takes only QoS 0, which loses messages (mosquitto: max_qos 1)",
    0x97: "says that its quota is exceeded",
    0x9C: "wants us to use another server",
    0x9D: "has moved to another server",
    0x9F: "says that we connect too often",
}
# PUBACK of MQTT 5 (3.4.2.1).
_PUBACK = {
    0x80: "refuses messages without saying why",
    0x83: "refuses messages for a reason of its own",
    0x90: "does not allow the topic {topic}",
    0x97: "says that its quota is exceeded",
    0x99: "says that the payload is not what it claims to be",
}
NEVER = frozenset({0x90, 0x99})
"""Refusals that concern this one message, and will be the same next time."""


def speaks_another_version(error: Exception) -> bool:
    """Whether the broker says that it does not know this version of MQTT."""
    return isinstance(error, MqttConnectError) and _code(error.rc) == _OTHER_VERSION


def refusal(code: int, who: str, topic: str) -> str:
    """What a PUBACK with an error code means."""
    if code == 0x87:
        return f"does not let {who} write to {topic}; its access list has to allow {topic.rsplit('/', 3)[0]}/#"
    return _PUBACK.get(code, f"refuses messages with code {code}").format(topic=topic)


def words(error: Exception, who: str, timeout_s: float, protocol: str) -> str:
    """What an error means to the operator, as the predicate of the broker."""
    if isinstance(error, MqttConnectError):
        return _not_let_in(_code(error.rc), who, protocol)
    if isinstance(error, ClosedEarly):
        return (
            "hung up without an answer; is it an MQTT broker, is this its port (TLS or not), does it know the client?"
        )
    if isinstance(error, MqttCodeError) and _code(error.rc) == _KEEP_ALIVE:
        return "has fallen silent; is it overloaded, stopped, or the network cut?"
    cause = error.__context__ if isinstance(error, MqttError) and error.__context__ is not None else error
    match cause:
        case TimeoutError():
            return f"did not answer within {timeout_s:g} s; is it overloaded, stopped or behind a firewall?"
        case ConnectionRefusedError():
            return "refuses the connection; is it running, are host and port right?"
        case socket.gaierror():
            return "is not known by that name; check host and the name service"
        case ssl.SSLCertVerificationError():
            return f"has a TLS certificate that is not trusted: {cause.verify_message}; check tls.ca_file and host"
        case ssl.SSLError():
            return (
                f"broke off the TLS handshake ({tls_reason(cause)}); is it its TLS port, does it want our certificate?"
            )
        case ConnectionError():
            return BROKE
        case OSError():
            return f"cannot be reached: {cause.strerror or cause}"
        case ValueError():
            return f"cannot be used: {cause}"
        case _:
            return _disconnected(error)


def _disconnected(error: Exception) -> str:
    """A DISCONNECT of MQTT 5 (3.14.2.1) gives a reason."""
    code = _code(error.rc) if isinstance(error, MqttCodeError) else 0
    match code:
        case 0x8E:
            return "threw this connection out: another client uses the same client_id"
        case 0x95:
            return "closed the connection: a message was larger than it takes; lower message_limit"
        case 0x8B:
            return "is shutting down"
        case 0x98:
            return "closed the connection: an administrator did it"
        case _:
            return BROKE


def _not_let_in(code: int, who: str, protocol: str) -> str:
    match code:
        case 0x86:
            return f"does not let {who} in: wrong user or password"
        case 0x87:
            # Mosquitto answers a wrong password with this code.
            return f"does not let {who} in: wrong user or password, or not authorised"
        case 0x84:
            asked = "5 or 3.1.1" if protocol == "auto" else protocol
            return f"speaks another version of MQTT ({asked} was asked for); set protocol: auto"
        case _:
            return _CONNACK.get(code, f"refuses the client with code {code}")


def _code(rc: int | ReasonCode | None) -> int:
    value = code_of(rc or 0)
    return _V311.get(value, value)
