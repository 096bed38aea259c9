"""A simulated DLMS meter in the test's own process, and a client of it that is written out by hand.

Rules: the meter is built from its command line, as its process would be; the client shares nothing with the simulator
nor with the gateway: frames, APDUs and ciphering are those of IEC 62056-46, 62056-5-3 and NIST SP 800-38D.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simulators import build_dlms
from simulators.dlms_hdlc import Out
from simulators.options_dlms import dlms

CLIENT, SERVER = b"\x21", b"\x02\x23"  # client 16; logical device 1, physical 17
NOW = "2026-06-15T10:07:00"
BLOCK_KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
CLIENT_TITLE = b"BYHAND01"
METER_TITLE = bytes.fromhex("53494D0000000001")

# AARQ, LN without ciphering, no authentication, all of GET, SET, ACTION, selective access, blocks, lists; no limit.
INITIATE = bytes.fromhex("01000000065f1f04005e1f1dffff")
AARQ = bytes.fromhex("601d a109 0607 60857405080101 be10 040e") + INITIATE
GET_CLOCK = bytes.fromhex("c001c1 0008 0000010000ff 02 00")
GET_SERIAL = bytes.fromhex("c001c1 0001 0000600100ff 02 00")
GET_LOGICAL_NAMES = bytes.fromhex("c001c1 000f 0000280000ff 02 00")
SERIAL_ANSWER = bytes.fromhex("c401c100 0908") + b"35031234"


@dataclass(slots=True)
class InProcess:
    """The meter, and everything that it has put out for the last bytes."""

    plan: build_dlms.Plan
    inside: build_dlms.Inside
    outs: list[Out]

    def hear(self, data: bytes) -> bytes:
        """What the meter sends for these bytes."""
        self.outs = self.inside.framing.feed(data)
        return b"".join(out.data for out in self.outs)


def meter(*arguments: str | Path) -> InProcess:
    """The meter that this command line makes. Its clock stands at NOW unless told otherwise."""
    given = ["--tcp", "0", *map(str, arguments)]
    if "--now" not in given:
        given += ["--now", NOW]
    values = dlms.make_context("dlms", given).params
    plan = build_dlms.plan(values)
    made = InProcess(plan, build_dlms.inside(plan), [])
    made.inside.framing.disconnected()
    return made


# ------------------------------------------------------------------------------------------------------------- HDLC


def check(data: bytes) -> bytes:
    """CRC-16/X-25, bit by bit."""
    remainder = 0xFFFF
    for byte in data:
        for bit in range(8):
            wrong = (remainder ^ byte >> bit) & 1
            remainder = remainder >> 1 ^ (0x8408 if wrong else 0)
    return (remainder ^ 0xFFFF).to_bytes(2, "little")


def frame(
    control: int, information: bytes = b"", *, segmented: bool = False, server: bytes = SERVER, client: bytes = CLIENT
) -> bytes:
    """A frame of the client."""
    middle = server + client + bytes([control])
    length = 4 + len(middle) + (len(information) + 2 if information else 0)
    body = (0xA800 if segmented else 0xA000) + length
    octets = body.to_bytes(2) + middle
    if information:
        octets += check(octets) + information
    return b"\x7e" + octets + check(octets) + b"\x7e"


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame of the meter, taken apart without believing it."""

    server: bytes
    control: int
    information: bytes
    segmented: bool
    header_sound: bool
    frame_sound: bool


def frames(data: bytes) -> list[Heard]:
    """Frames that follow each other without anything between them; server addresses of one byte and of two."""
    found = []
    while data:
        assert data[0] == 0x7E and data[1] & 0xF0 == 0xA0, data.hex()
        length = int.from_bytes(data[1:3]) & 0x7FF
        body, data = data[1 : length + 1], data[length + 2 :]
        at = 3
        while not body[at] & 1:
            at += 1
        server, control, at = body[3 : at + 1], body[at + 1], at + 2
        with_information = at != len(body) - 2
        found.append(
            Heard(
                server,
                control,
                body[at + 2 : -2],
                bool(body[0] & 0x08),
                not with_information or check(body[:at]) == body[at : at + 2],
                check(body[:-2]) == body[-2:],
            )
        )
    return found


class ByHand:
    """A client in HDLC whose link is set up: counts its frames, and asks for segments by RR."""

    def __init__(self, made: InProcess, *, associate: bool = True) -> None:
        self.meter = made
        self.sent = self.got = 0
        made.hear(frame(0x93))
        if associate:
            self.aare = self.ask(AARQ)

    def i_frame(self, apdu: bytes) -> bytes:
        """The next I frame; it is counted."""
        control = 0x10 | self.got << 5 | self.sent << 1
        self.sent = (self.sent + 1) % 8
        return frame(control, b"\xe6\xe6\x00" + apdu)

    def rr(self) -> bytes:
        return frame(0x11 | self.got << 5)

    def raw(self, apdu: bytes) -> bytes:
        """The first bytes that come for an APDU."""
        return self.meter.hear(self.i_frame(apdu))

    def ask(self, apdu: bytes) -> bytes:
        """The whole APDU that comes for one."""
        return self.collect(self.raw(apdu))

    def collect(self, data: bytes) -> bytes:
        """The APDU whose first frames are `data`."""
        lsdu = b""
        while True:
            heard = frames(data)
            for each in heard:
                assert each.frame_sound and each.header_sound and each.control & 1 == 0
                assert each.control >> 1 & 7 == self.got, "out of sequence"
                self.got = (self.got + 1) % 8
                lsdu += each.information
            if not heard[-1].segmented:
                assert lsdu[:3] == b"\xe6\xe7\x00"
                return lsdu[3:]
            data = self.meter.hear(self.rr())


# ---------------------------------------------------------------------------------------------------------- wrapper


def wrapped(apdu: bytes, client: int = 16, server: int = 1) -> bytes:
    return b"\x00\x01" + client.to_bytes(2) + server.to_bytes(2) + len(apdu).to_bytes(2) + apdu


def in_wrapper(made: InProcess, apdu: bytes, client: int = 16) -> bytes:
    """The APDU that comes for one in a wrapper; empty when nothing comes."""
    data = made.hear(wrapped(apdu, client))
    assert not data or data[:8] == b"\x00\x01\x00\x01" + client.to_bytes(2) + (len(data) - 8).to_bytes(2)
    return data[8:]


# --------------------------------------------------------------------------------------------------------- ciphering


def seal(
    plain: bytes, counter: int, *, control: int = 0x30, title: bytes = CLIENT_TITLE, key: bytes = BLOCK_KEY
) -> bytes:
    """SC | IC | content | tag, authenticated."""
    head = bytes([control]) + counter.to_bytes(4)
    gcm, nonce, extra = AESGCM(key), title + counter.to_bytes(4), bytes([control]) + AUTHENTICATION_KEY
    if control & 0x20:
        sealed = gcm.encrypt(nonce, plain, extra)
        return head + sealed[:-4]
    return head + plain + gcm.encrypt(nonce, b"", extra + plain)[:12]


def unseal(sealed: bytes, *, title: bytes = METER_TITLE, key: bytes = BLOCK_KEY) -> tuple[bytes, bool]:
    """Plaintext and whether the tag is right. A tag of 12 octets is the beginning of the one that comes out."""
    control, counter, content, tag = sealed[0], sealed[1:5], sealed[5:-12], sealed[-12:]
    gcm, nonce, extra = AESGCM(key), title + counter, bytes([control]) + AUTHENTICATION_KEY
    if not control & 0x20:
        return content, gcm.encrypt(nonce, b"", extra + content)[:12] == tag
    # Counter mode: encrypting the ciphertext gives the plaintext.
    plain = gcm.encrypt(nonce, content, None)[:-16]
    return plain, gcm.encrypt(nonce, plain, extra)[-16:-4] == tag


def glo(tag: int, sealed: bytes) -> bytes:
    """A service-specific ciphered APDU of less than 128 octets."""
    assert len(sealed) < 0x80
    return bytes([tag, len(sealed)]) + sealed


def ciphered_aarq(counter: int, *, control: int = 0x30) -> bytes:
    """AARQ: LN with ciphering, title, no authentication (the meter is asked with --authentication none)."""
    information = glo(0x21, seal(INITIATE, counter, control=control))
    title = b"\x04" + bytes([len(CLIENT_TITLE)]) + CLIENT_TITLE
    fields = bytes.fromhex("a1090607 60857405080103") + bytes([0xA6, len(title)]) + title
    fields += bytes([0xBE, len(information) + 2, 0x04, len(information)]) + information
    return bytes([0x60, len(fields)]) + fields


def keys(directory: Path) -> list[str]:
    """The options that hand the keys over."""
    (directory / "block").write_text(BLOCK_KEY.hex())
    (directory / "authentication").write_text(AUTHENTICATION_KEY.hex())
    return ["--key-file", str(directory / "block"), "--auth-key-file", str(directory / "authentication")]
