"""The foreign stack (gurux-dlms) as the other side of ciphering, and the keys of the Green Book's examples.

Rules: what gurux prints is swallowed here; its types are not known, so that its bytes become `bytes` at once.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Security
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXDLMSChippering import GXDLMSChippering
from gurux_dlms.objects.enums import SecuritySuite

from drivers.dlms.wire.keys import Keys, Suite
from drivers.dlms.wire.security import Policy

KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
CLIENT = bytes.fromhex("4D4D4D0000000001")
METER = bytes.fromhex("4D4D4D0000BC614E")
LONG_KEYS = Keys(bytes(range(0x20, 0x40)), bytes(range(0xA0, 0xC0)))
AUTHENTICATED, ENCRYPTED = Policy.AUTHENTICATED, Policy.ENCRYPTED
BOTH = AUTHENTICATED | ENCRYPTED
POLICIES = (AUTHENTICATED, ENCRYPTED, BOTH)
GET_REQUEST = bytes.fromhex("C0 01 00 00 08 00 00 01 00 00 FF 02 00")
"""Green Book, annex of examples: GET of the time of the clock."""
GET_RESPONSE = bytes.fromhex("C4 01 C1 00 09 0C 07EA0B1A04101E00FF800000")
"""By hand: a get-response with the twelve octets of a date-time."""


def keys_for(suite: Suite) -> Keys:
    return LONG_KEYS if suite is Suite.SUITE_2 else KEYS


def gurux_protect(
    apdu: bytes,
    *,
    tag: int,
    keys: Keys,
    suite: Suite,
    policy: Policy,
    title: bytes,
    counter: int,
    key: bytes = b"",
    broadcast: bool = False,
) -> bytes:
    """What gurux makes of a plain APDU under the given tag; `key` where it is not the global one."""
    parameter = _parameter(tag, keys, suite, policy, title, counter, key)
    parameter.broadcast = broadcast
    with contextlib.redirect_stdout(io.StringIO()):
        return bytes(GXCiphering.encrypt(parameter, bytearray(apdu)))


def gurux_open(apdu: bytes, *, keys: Keys, title: bytes, key: bytes = b"") -> bytes:
    """What gurux reads in a ciphered APDU. It verifies the tag only where nothing is encrypted."""
    parameter = _parameter(0, keys, Suite.SUITE_0, Policy(0), title, 0, key)
    with contextlib.redirect_stdout(io.StringIO()):
        return bytes(GXDLMSChippering.decryptAesGcm(None, parameter, GXByteBuffer(bytearray(apdu))))


def _parameter(tag: int, keys: Keys, suite: Suite, policy: Policy, title: bytes, counter: int, key: bytes) -> Any:
    block_cipher = bytearray(key or keys.block_cipher)
    parameter = AesGcmParameter(tag, bytearray(title), block_cipher, bytearray(keys.authentication))
    parameter.security = Security(int(policy))
    parameter.securitySuite = SecuritySuite(int(suite))
    parameter.invocationCounter = counter
    return parameter
