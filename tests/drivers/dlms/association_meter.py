"""What a meter says in an association, for tests: APDUs put together by hand, ciphered with `cryptography` alone.

Rules: nothing here uses the package's encoders. Keys, titles and challenges are those of the Green Book's examples.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.association import Association
from drivers.dlms.wire.association_dialogue import Ask, Established
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.keys import Keys
from drivers.dlms.wire.security import Form, Policy

KEY, AUTHENTICATION_KEY, DEDICATED_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0)), b"\x77" * 16
KEYS = Keys(KEY, AUTHENTICATION_KEY, DEDICATED_KEY)
CLIENT, METER = bytes.fromhex("4D4D4D0000000001"), bytes.fromhex("4D4D4D0000BC614E")
CTOS, STOC = b"K56iVagY", b"P6wRJ21F"
BOTH = Policy.AUTHENTICATED | Policy.ENCRYPTED

INITIATE_RESPONSE = bytes.fromhex("08 00 06 5F1F0400 00501F 01F4 0007")
"""Green Book: the server takes 500 octets and no lists."""
ALL = "FFFFFF"
CLOCK = Attribute(8, bytes((0, 0, 1, 0, 0, 255)), 2)
REGISTER = Attribute(3, bytes((1, 0, 1, 8, 0, 255)), 2)
ENERGY = bytes.fromhex("06 00 00 30 39")
TIME = bytes.fromhex("09 0C 07EA0B1B05020000FF8000 00")


def initiate_response(conformance: str = ALL, max_pdu: int = 0) -> bytes:
    return bytes.fromhex("08 00 06 5F1F0400" + conformance) + max_pdu.to_bytes(2) + b"\x00\x07"


def tlv(tag: int, content: bytes) -> bytes:
    length = bytes((len(content),)) if len(content) < 0x80 else bytes((0x81, len(content)))
    return bytes((tag,)) + length + content


def aare(
    *,
    ciphered: bool = False,
    result: int = 0,
    source: int = 1,
    diagnostic: int = 0,
    title: bytes = b"",
    mechanism: int = 0,
    challenge: bytes = b"",
    information: bytes | None = INITIATE_RESPONSE,
) -> bytes:
    """An AARE; no `information`: without user-information."""
    name = bytes.fromhex("6085740508")
    content = tlv(0xA1, tlv(0x06, name + bytes((1, 3 if ciphered else 1))))
    content += tlv(0xA2, bytes((2, 1, result))) + tlv(0xA3, tlv(0xA0 + source, bytes((2, 1, diagnostic))))
    if title:
        content += tlv(0xA4, tlv(0x04, title))
    if mechanism:
        content += b"\x88\x02\x07\x80" + tlv(0x89, name + bytes((2, mechanism)))
    if challenge:
        content += tlv(0xAA, tlv(0x80, challenge))
    if information is not None:
        content += tlv(0xBE, tlv(0x04, information))
    return tlv(0x61, content)


def sealed(tag: int, plain: bytes, counter: int, *, key: bytes = KEY, control: int = 0x30) -> bytes:
    """A ciphered APDU of the meter, authenticated and encrypted; DB and DC with its system title."""
    iv = METER + counter.to_bytes(4)
    covered = bytes((control,)) + AUTHENTICATION_KEY
    protected = bytes((control,)) + counter.to_bytes(4) + AESGCM(key).encrypt(iv, plain, covered)[:-4]
    length = bytes((len(protected),)) if len(protected) < 0x80 else b"\x82" + len(protected).to_bytes(2)
    return bytes((tag,)) + (b"\x08" + METER if tag in (0xDB, 0xDC) else b"") + length + protected


def unsealed(apdu: bytes, *, key: bytes = KEY, title: bytes = CLIENT) -> bytes:
    """What the client has ciphered. InvalidTag when it is not authentic."""
    at = 1 + (1 + apdu[1] if apdu[0] in (0xDB, 0xDC) else 0)
    assert apdu[at] == len(apdu) - at - 1
    protected = apdu[at + 1 :]
    assert protected[0] == 0x30
    cipher = Cipher(AES(key), GCM(title + protected[1:5], protected[-12:], min_tag_length=12)).decryptor()
    cipher.authenticate_additional_data(protected[:1] + AUTHENTICATION_KEY)
    return cipher.update(protected[5:-12]) + cipher.finalize()


def gmac(title: bytes, counter: int, challenge: bytes) -> bytes:
    """The answer to a challenge by HLS-GMAC."""
    tag = AESGCM(KEY).encrypt(title + counter.to_bytes(4), b"", b"\x10" + AUTHENTICATION_KEY + challenge)[:12]
    return b"\x10" + counter.to_bytes(4) + tag


def counting(first: int = 1) -> Counting:
    return Counting(first)


class Counting:
    """Invocation counters: each call the next one."""

    def __init__(self, first: int) -> None:
        self.next = first

    def __call__(self) -> int:
        self.next += 1
        return self.next - 1


def ciphered(form: Form = Form.GLOBAL, **more: object) -> AssociationSettings:
    """Settings of an association that is authenticated and encrypted."""
    return AssociationSettings(title=CLIENT, keys=KEYS, policy=BOTH, form=form, **more)  # type: ignore[arg-type]


def opened(
    settings: AssociationSettings | None = None,
    information: bytes | None = None,
    first: int = 1,
) -> Association:
    """An association that stands, without authentication; `information`: the plain InitiateResponse."""
    settings = settings or AssociationSettings()
    assert settings.mechanism is Mechanism.NONE
    information = information or initiate_response()
    association = Association(settings, counting(first))
    association.open()
    if settings.ciphered:
        answer = aare(ciphered=True, title=METER, information=sealed(0x28, information, 1))
    else:
        answer = aare(information=information)
    assert isinstance(association.feed(answer), Established)
    return association


def apdu_of(step: object) -> bytes:
    """What is to be sent."""
    assert isinstance(step, Ask), step
    return step.apdu
