"""Foreign errors of an HTTP connection in plain words: what happened and what to look at.

Rules: the text of one fault is always the same, so that a change of text is a change of state; no password in it.
"""

import http.client
import socket
import ssl

from urllib3.exceptions import ConnectTimeoutError, HTTPError, IncompleteRead, ReadTimeoutError

from gatewayd.sink.tls import tls_reason


def too_slow(timeout_s: float) -> str:
    return f"did not answer within {timeout_s:g} s; is it overloaded, stopped or behind a firewall?"


def words(error: Exception, timeout_s: float) -> str:
    """What `error` means to the operator, to be put behind the name of the database."""
    # urllib3 wraps what the socket said while connecting.
    cause = error.__cause__ if isinstance(error, HTTPError) and error.__cause__ is not None else error
    match cause:
        case TimeoutError() | ReadTimeoutError() | ConnectTimeoutError():
            return too_slow(timeout_s)
        case ConnectionRefusedError():
            return "refuses the connection; is it running, are host and port of url right?"
        case socket.gaierror():
            return "is not known by that name; check url and the name service"
        case ssl.SSLCertVerificationError():
            return f"has a TLS certificate that is not trusted: {cause.verify_message}; see tls.ca_file"
        case ssl.SSLError():
            why = tls_reason(cause)
            return f"broke off the TLS handshake ({why}); is this its TLS port, does it want our certificate?"
        case ConnectionError() | IncompleteRead() | http.client.IncompleteRead():
            return "broke the connection"
        case OSError():
            return f"cannot be reached: {cause.strerror or cause}"
        case http.client.HTTPException():
            return "answers something that is not HTTP; is this its HTTP port?"
        case _:
            return "broke the connection"
