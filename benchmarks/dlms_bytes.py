"""The bytes of the DLMS benchmarks, and what gurux-dlms makes of them.

Rules: both sides get the same bytes; gurux is used as its examples use it. What it prints is swallowed.
"""

import contextlib
import io
from collections.abc import Sequence
from datetime import date

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.AesGcmParameter import AesGcmParameter
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.GXDLMSChippering import GXDLMSChippering
from gurux_dlms.objects import (
    GXDLMSCaptureObject,
    GXDLMSClock,
    GXDLMSData,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)

ROWS = 96
CHANNELS = 4
REGISTERS = tuple(bytes((1, 0, c, 8, 0, 255)) for c in (1, 2, 5, 8))
CLOCK, STATUS = bytes((0, 0, 1, 0, 0, 255)), bytes((0, 0, 96, 10, 1, 255))


def buffer(day: date) -> bytes:
    """Rows of clock, status and four registers, in A-XDR: the quarters of a day in winter, the first one at 00:00."""
    octets = day.year.to_bytes(2) + bytes((day.month, day.day, day.isoweekday()))
    return b"\x01" + bytes((ROWS,)) + b"".join(_row(octets, number) for number in range(ROWS))


def _row(day: bytes, number: int) -> bytes:
    hour, quarter = divmod(number, 4)
    stamp = day + bytes((hour, 15 * quarter, 0, 0)) + b"\xff\xc4\x00"
    values = b"".join(b"\x06" + (1_000_000 * c + 7 * number).to_bytes(4) for c in range(1, CHANNELS + 1))
    return b"\x02\x06\x09\x0c" + stamp + b"\x11\x00" + values


def plain_response(day: date = date(2026, 11, 27)) -> bytes:
    """GET response with the buffer."""
    return b"\xc4\x01\xc1\x00" + buffer(day)


def gurux_rows(apdu: bytes) -> list[list[object]]:
    """What gurux makes of a GET response: getData, then updateValue of the profile."""
    client = _client(InterfaceType.PDU)
    reply = GXReplyData()
    client.getData(GXByteBuffer(apdu), reply, None)
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    columns = [GXDLMSClock(_name(CLOCK)), GXDLMSData(_name(STATUS)), *map(GXDLMSRegister, map(_name, REGISTERS))]
    profile.captureObjects.extend((column, GXDLMSCaptureObject(2, 0)) for column in columns)
    client.updateValue(profile, 2, reply.value)
    return list(profile.buffer)


def gurux_decrypt(apdu: bytes, title: bytes, key: bytes, authentication: bytes) -> bytes:
    """What gurux reads in a ciphered APDU."""
    parameter = AesGcmParameter(0, bytearray(title), bytearray(key), bytearray(authentication))
    parameter.security = Security.NONE
    with contextlib.redirect_stdout(io.StringIO()):
        return bytes(GXDLMSChippering.decryptAesGcm(None, parameter, GXByteBuffer(bytearray(apdu))))


def gurux_frames(connected: bytes, frames: Sequence[bytes]) -> bytes:
    """The APDU that gurux joins of the UA frame and the segments behind it, each of them acknowledged."""
    client = _client(InterfaceType.HDLC)
    client.snrmRequest()
    reply = GXReplyData()
    client.getData(GXByteBuffer(connected), reply, None)
    client.parseUAResponse(reply.data)
    client.read(GXDLMSProfileGeneric("1.0.99.1.0.255"), 2)
    reply = GXReplyData()
    for number, frame in enumerate(frames):
        if number:
            client.receiverReady(reply)
        client.getData(GXByteBuffer(frame), reply, None)
    return bytes(reply.data.array())


def _client(kind: InterfaceType) -> GXDLMSClient:
    return GXDLMSClient(True, 16, 1, Authentication.NONE, None, kind)


def _name(octets: bytes) -> str:
    return ".".join(map(str, octets))
