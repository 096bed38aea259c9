"""Metrics and health in the configuration: where they are listened for, if at all.

Rules: off where nothing is said; only on this machine, unless it is said that others may come. There is no password:
who reaches the port may read it.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from gatewayd.config.nodes import Fault
from gatewayd.options import Options

_WORDS = "an address of this machine and a port such as 127.0.0.1:9750 or [::1]:9750"
_PARTS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+|localhost)):([0-9]{1,5})")
_LOCALHOST = "127.0.0.1"


def _endpoint(text: str) -> str:
    """The text with the address in its usual form."""
    try:
        host, port = _split(text)
    except ValueError:
        raise ValueError(f"is not {_WORDS}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(text: str) -> tuple[str, int]:
    """ValueError for what is no endpoint."""
    found = _PARTS.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise ValueError(text)
    if found[1]:
        return str(IPv6Address(found[1])), int(found[3])
    return _LOCALHOST if found[2] == "localhost" else str(ip_address(found[2])), int(found[3])


Endpoint = Annotated[
    str, AfterValidator(_endpoint), WithJsonSchema({"type": "string", "format": "endpoint", "x-expected": _WORDS})
]


class ObservabilitySettings(Options):
    """Metrics and health over HTTP."""

    allow_remote: bool = False
    """Whether `listen` may be an address that other machines reach: without a password, and not encrypted."""
    listen: Endpoint | None = Field(default=None)
    """Address and port of /metrics, /healthz and /readyz, such as 127.0.0.1:9750; nobody listens where it is absent."""

    @field_validator("listen")
    @classmethod
    def _here_only(cls, listen: str | None, info: ValidationInfo) -> str | None:
        if listen is not None and not is_loopback(listen) and not info.data.get("allow_remote"):
            raise ValueError(
                "is not a loopback address, and there is no password: everybody who reaches it could read which meters "
                "there are and how they do; expected 127.0.0.1:9750 or the like, or allow_remote: true beside it"
            )
        return listen

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """Address and port; None: off."""
        return None if self.listen is None else _split(self.listen)


OBSERVABILITY = ObservabilitySettings()


def is_loopback(listen: str) -> bool:
    """Whether only this machine reaches it."""
    return ip_address(_split(listen)[0]).is_loopback


def warnings(settings: ObservabilitySettings) -> Iterator[Fault]:
    """What is worth knowing of settings that can be used."""
    if settings.listen is not None and not is_loopback(settings.listen):
        message = (
            f"{settings.listen} is reached from other machines, without a password and not encrypted; admit only the "
            "monitoring system (firewall), or have an agent on this machine scrape 127.0.0.1"
        )
        yield Fault(("observability", "listen"), message)
    elif settings.allow_remote:
        yield Fault(("observability", "allow_remote"), "does nothing where listen is no address that others reach")
