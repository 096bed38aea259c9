"""TLS towards brokers and databases: whom we believe, and who we say we are.

Rules: the certificate and the name of the other side are always checked; with `ca_file` only that authority is believed
(pinned), without it those of the system. Files are read when a connection is opened, so that new ones need no restart;
`credential:NAME` is one that systemd hands to the service.
"""

import ssl
from pathlib import Path
from typing import Self

from pydantic import model_validator

from gatewayd.errors import SinkError
from gatewayd.options import Options, SecretUnavailable, located


class TlsOptions(Options):
    """TLS: an empty block means encrypted, with the authorities that the system believes."""

    ca_file: Path | None = None
    """File with the certificates of the only authorities that are believed; those of the system when absent."""
    cert_file: Path | None = None
    """File with our own certificate, for those who want to know who we are."""
    key_file: Path | None = None
    """File with the key of our own certificate; absent when it is in cert_file."""

    @model_validator(mode="after")
    def _key_needs_certificate(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file without cert_file; expected both, or neither")
        return self


def tls_context(options: TlsOptions) -> ssl.SSLContext:
    """The context for one connection; reads files, so not for the event loop. SinkError when one cannot be used."""
    try:
        ca_file, cert_file, key_file = (
            None if path is None else located(path) for path in (options.ca_file, options.cert_file, options.key_file)
        )
    except SecretUnavailable as error:
        raise SinkError(str(error)) from error
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SinkError(f"the file {options.ca_file} (tls.ca_file) cannot be used: {_reason(error)}") from error
    if cert_file is not None:
        try:
            # Without a password callback OpenSSL would ask on the terminal for that of an encrypted key.
            context.load_cert_chain(cert_file, key_file, password="")
        except (OSError, ssl.SSLError) as error:
            files = f"{options.cert_file} and {options.key_file}" if options.key_file else str(options.cert_file)
            raise SinkError(f"{files} (tls.cert_file, tls.key_file) cannot be used: {_reason(error)}") from error
    return context


def tls_reason(error: ssl.SSLError) -> str:
    """What OpenSSL says, in small letters."""
    return str(getattr(error, "reason", None) or "no reason given").lower().replace("_", " ")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no certificate or key in PEM form that fits ({tls_reason(error)})"
    return error.strerror or str(error)
