"""Foreign errors of an MQTT connection in plain words: what happened and what to look at.

Rules: the text of one fault is always the same, so that a change of text is a change of state; no password in it.
aiomqtt wraps the errors of sockets and of waiting and hides them from tracebacks; they are still its __context__.
"""

import socket
import ssl

from aiomqtt import MqttCodeError, MqttError
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from gatewayd.errors import SinkError

_REFUSED = {
    1: "speaks another version of MQTT (3.1.1 is needed)",
    2: "does not accept the client id; set client_id",
    3: "says that its service is unavailable",
}
_KEEP_ALIVE = 0x8D
# paho translates the return codes of MQTT 3.1.1 (3.2.2.3) into the reason codes of MQTT 5.
_V311 = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}


def sink_fault(error: Exception, host: str, port: int, username: str | None, timeout_s: float) -> SinkError:
    """The SinkError that tells what `error` means to the operator."""
    return SinkError(f"broker {host}:{port} {_words(error, username, timeout_s)}")


def _words(error: Exception, username: str | None, timeout_s: float) -> str:
    if isinstance(error, MqttConnectError):
        return _refusal(error.rc, username)
    if isinstance(error, MqttCodeError) and isinstance(error.rc, ReasonCode) and error.rc.value == _KEEP_ALIVE:
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
            return f"has a TLS certificate that is not trusted: {cause.verify_message}"
        case ssl.SSLError():
            return "broke off the TLS handshake; is this its TLS port?"
        case ConnectionError():
            return "broke the connection"
        case OSError():
            return f"cannot be reached: {cause.strerror or cause}"
        case ValueError():
            return f"cannot be used: {cause}"
        case _:
            return "broke the connection"


def _refusal(code: int | ReasonCode | None, username: str | None) -> str:
    value = code.value if isinstance(code, ReasonCode) else code
    reason = _V311.get(value or 0, value or 0)
    who = f"user '{username}'" if username else "a client without a user"
    match reason:
        case 4:
            return f"does not let {who} in: wrong user or password"
        case 5:
            # Mosquitto answers a wrong password with this code.
            return f"does not let {who} in: wrong user or password, or not authorised"
        case _:
            return _REFUSED.get(reason, f"refuses the client with code {value}")
