"""The foreign stack (gurux-dlms) as the meter: what it pushes comes out of listening with the values that went in.

What gurux prints is swallowed; its classes have no types, so that its bytes become `bytes` at once.
"""

from __future__ import annotations

import contextlib
import io

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSNotify
from gurux_dlms.enums import Conformance, InterfaceType, Security
from gurux_dlms.secure import GXDLMSSecureNotify

from drivers.dlms.push_options import PushOptions
from drivers.dlms.wire.security import Keys
from gatewayd.model import Answer, Outcome
from tests.drivers.dlms.push_bytes import context, heard

TITLE = bytes.fromhex("4D4D4D0000BC614E")
KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
BODY = bytes.fromhex("0204 0906 0100010800FF 0600001092 0906 0000600100FF 09820100") + bytes(range(256))
INTERFACES = {"hdlc": InterfaceType.HDLC, "wrapper": InterfaceType.WRAPPER}
PROTECTIONS = {
    "authenticated": Security.AUTHENTICATION,
    "encrypted": Security.ENCRYPTION,
    "authenticated-encrypted": Security.AUTHENTICATION_ENCRYPTION,
}


def said_by_gurux(interface: str, security: str = "", size: int = 0xFFFF, information: int = 2030) -> list[bytes]:
    """The frames in which gurux pushes BODY; in blocks where it does not fit into `size` octets."""
    kind = GXDLMSSecureNotify if security else GXDLMSNotify
    notify = kind(True, 1, 16, INTERFACES[interface])
    notify.conformance = Conformance.GENERAL_BLOCK_TRANSFER | Conformance.GENERAL_PROTECTION
    notify.settings.hdlc.maxInfoTX = information
    notify.settings.maxPduSize = size
    if security:
        notify.ciphering.systemTitle = TITLE
        notify.ciphering.blockCipherKey = KEYS.block_cipher
        notify.ciphering.authenticationKey = KEYS.authentication
        notify.ciphering.invocationCounter = 77
        notify.ciphering.security = PROTECTIONS[security]
    with contextlib.redirect_stdout(io.StringIO()):
        return [bytes(frame) for frame in notify.generateDataNotificationMessages(None, GXByteBuffer(BODY))]


def check(answer: Answer) -> None:
    assert answer.outcome is Outcome.DONE
    energy, serial = answer.readings
    assert (energy.code, energy.raw_text, energy.raw) == ("1-0:1.8.0*255", "4242", bytes.fromhex("0600001092"))
    assert (serial.code, serial.raw) == ("0-0:96.1.0*255", bytes.fromhex("09820100") + bytes(range(256)))


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("framing", ["auto", "named"])
def test_plain(interface: str, framing: str) -> None:
    options = PushOptions.model_validate({"framing": interface if framing == "named" else "auto"})
    (answer,) = heard(said_by_gurux(interface), context(options))
    check(answer)


@pytest.mark.parametrize("interface", INTERFACES)
def test_in_blocks(interface: str) -> None:
    frames = said_by_gurux(interface, size=100)
    assert len(frames) > 2
    (answer,) = heard(frames)
    check(answer)


def test_in_blocks_and_segments() -> None:
    frames = said_by_gurux("hdlc", size=100, information=64)
    assert sum(frame[1] & 0x08 != 0 for frame in frames) > 2
    (answer,) = heard(frames)
    check(answer)
    for lost in range(len(frames)):
        answers = heard(frames[:lost] + frames[lost + 1 :])
        assert not any(answer.sound for answer in answers)


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("security", PROTECTIONS)
def test_ciphered(interface: str, security: str) -> None:
    options = PushOptions.model_validate({"security": security})
    (answer,) = heard(said_by_gurux(interface, security), context(options, keys=KEYS, title=TITLE))
    check(answer)
    assert ("nothing proves" in answer.detail) is (security == "encrypted")
    strict = heard(said_by_gurux(interface, security), context(keys=KEYS))
    assert [each.sound for each in strict] == [security == "authenticated-encrypted"]
