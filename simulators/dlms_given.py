"""The values of the simulated DLMS meter's command line, one by one, as what they mean.

Rules: a mistake is named with its option, and no secret is in the text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from simulators import dlms_faults, generator
from simulators.dlms_acse import OFFERED, Conformance
from simulators.dlms_clock import Deviation, Writing
from simulators.dlms_faults import OF_CIPHERING, OF_HDLC, Fault
from simulators.dlms_making import Store
from simulators.dlms_profile import BY_ENTRY, BY_RANGE, Manner
from simulators.dlms_push import Receiver
from simulators.dlms_security import Keys, Mechanism, Security
from simulators.profile import LEGAL

_RECEIVER = re.compile(r"(?P<kind>udp|tcp):(?P<host>[^:]+):(?P<port>\d{1,5})")
_SELECTORS = {"both": {BY_RANGE, BY_ENTRY}, "range": {BY_RANGE}, "entry": {BY_ENTRY}, "none": set[int]()}


# Any: click hands over each value with the type of its option, which a mapping cannot say. So everywhere below.
def keys(given: dict[str, Any], *, needed: bool) -> Keys | None:
    sizes = (32,) if given["suite"] == 2 else (16,)
    files = {"--key-file": given["key_file"], "--auth-key-file": given["auth_key_file"]}
    for option, file in files.items():
        if needed and file is None:
            raise click.UsageError(f"{option} is needed for hls-gmac and for ciphering")
    if given["key_file"] is None or given["auth_key_file"] is None:
        return None
    block, authentication = (hexadecimal(option, file.read_text(), sizes) for option, file in files.items())
    return Keys(block, authentication, given["suite"])


def hexadecimal(option: str, text: str, sizes: tuple[int, ...]) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) not in sizes:
        raise click.BadParameter(
            f"not {' or '.join(str(2 * size) for size in sizes)} hexadecimal digits", param_hint=option
        )
    return octets


def secret(given: dict[str, Any], mechanism: Mechanism) -> bytes:
    text = given["password"]
    if text is None:
        if mechanism not in (Mechanism.NONE, Mechanism.HLS_GMAC):
            raise click.UsageError(f"--password is needed for --authentication {given['authentication']}")
        return b""
    if not text.startswith("0x"):
        return str(text).encode()
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        raise click.BadParameter("0x is followed by hexadecimal digits", param_hint="--password") from None


def conformance(given: dict[str, Any], lists: bool) -> Conformance:
    offered = OFFERED | (Conformance.GENERAL_BLOCK_TRANSFER if given["general_blocks"] else Conformance(0))
    for name in given["without"]:
        offered &= ~Conformance[name.upper().replace("-", "_")]
    if not lists:
        offered &= ~Conformance.MULTIPLE_REFERENCES
    if given["selective"] == "none":
        offered &= ~Conformance.SELECTIVE_ACCESS
    return offered


def store(given: dict[str, Any]) -> Store:
    try:
        happenings = tuple(map(generator.parse_happening, given["incidents"]))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--incident") from error
    if given["null_compression"] and given["compact_array"]:
        raise click.UsageError("--null-compression or --compact-array: the elements of a compact array have one type")
    manner = Manner(
        Writing(Deviation(given["deviation"]), given["dst_bit"]),
        given["null_compression"],
        given["compact_array"],
        frozenset(_SELECTORS[given["selective"]]),
    )
    intervals = given["profile_values"] == "intervals"
    return Store(given["seed"], given["profile_days"], manner, happenings, intervals)


def faults(given: dict[str, Any], security: Security) -> tuple[Fault, ...]:
    try:
        faults = tuple(dlms_faults.parse(text) for text in given["faults"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from error
    for fault in faults:
        if fault.kind in OF_HDLC and given["framing"] != "hdlc":
            raise click.BadParameter(f"{fault.kind} needs --framing hdlc", param_hint="--fault")
        if fault.kind in OF_CIPHERING and security is Security.NONE:
            raise click.BadParameter(f"{fault.kind} needs --security", param_hint="--fault")
    return faults


def start(text: str) -> datetime | None:
    if text == "real":
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither ISO 8601 nor real", param_hint="--now") from None
    return (at if at.tzinfo else at.replace(tzinfo=LEGAL)).astimezone(UTC)


def receiver(given: dict[str, Any]) -> Receiver | None:
    text = given["push_to"]
    if (text is None) != (given["push_every"] is None):
        raise click.UsageError("--push-every and --push-to go together")
    if text is None or text == "line":
        return None if text is None else Receiver("line")
    match = _RECEIVER.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 0x10000:
        raise click.BadParameter(f"{text!r} is not udp:HOST:PORT, tcp:HOST:PORT or line", param_hint="--push-to")
    return Receiver(match["kind"], match["host"], int(match["port"]))
