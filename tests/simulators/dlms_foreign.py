"""A foreign DLMS client (gurux-dlms) on a real socket or pseudo-terminal, for the tests of the simulated meter.

Rules: everything above the bytes is gurux: its frames, its ciphering, its A-XDR; nothing of the gateway and nothing of
the simulator. gurux has no types and prints what it decrypts, so that both end here.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gurux_dlms import GXDateTime, GXReplyData
from gurux_dlms.enums import Authentication, Conformance, DataType, InterfaceType, Security
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.objects.GXDLMSClock import GXDLMSClock
from gurux_dlms.objects.GXDLMSData import GXDLMSData
from gurux_dlms.objects.GXDLMSProfileGeneric import GXDLMSProfileGeneric
from gurux_dlms.objects.GXDLMSRegister import GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from tests.simulators.dlms_meter import AUTHENTICATION_KEY, BLOCK_KEY, InProcess
from tests.simulators.reader import PATIENCE_S, Simulator, TooLate

CLIENT_TITLE = b"GXCLNT\x00\x01"


@dataclass(frozen=True, slots=True)
class Who:
    """How the foreign client associates."""

    client: int = 16
    authentication: str = "NONE"
    password: bytes = b""
    security: str = "NONE"
    wrapper: bool = False
    max_pdu: int = 0xFFFF
    counter: int = 1
    suite: int = 0
    block_key: bytes = field(default=BLOCK_KEY, repr=False)
    authentication_key: bytes = field(default=AUTHENTICATION_KEY, repr=False)
    general: bool = False
    dedicated: bytes = b""
    physical: int = 17
    max_info: int = 128


class Refused(Exception):
    """The meter answers with this data-access-result or action-result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"result {code}")
        self.code = code


class Foreign:
    """A gurux client that is connected. Any: gurux tells no types."""

    def __init__(self, who: Who, send: Callable[[bytes], object], receive: Callable[[float], bytes]) -> None:
        framing = InterfaceType.WRAPPER if who.wrapper else InterfaceType.HDLC
        server = 1 if who.wrapper else GXDLMSSecureClient.getServerAddress(1, who.physical)
        self.gx: Any = GXDLMSSecureClient(
            True, who.client, server, getattr(Authentication, who.authentication), who.password, framing
        )
        self.gx.hdlcSettings.maxInfoRX = self.gx.hdlcSettings.maxInfoTX = who.max_info
        self.gx.maxReceivePDUSize = who.max_pdu
        if not who.general:
            self.gx.proposedConformance &= ~Conformance.GENERAL_PROTECTION
        ciphering = self.gx.ciphering
        ciphering.security = getattr(Security, who.security)
        ciphering.securitySuite = SecuritySuite(who.suite)
        ciphering.systemTitle = CLIENT_TITLE
        ciphering.blockCipherKey = who.block_key
        ciphering.authenticationKey = who.authentication_key
        ciphering.invocationCounter = who.counter
        ciphering.dedicatedKey = who.dedicated or None
        self._hdlc = not who.wrapper
        self._send = send
        self._receive = receive

    def connect(self) -> None:
        """Link and association, as far as the proofs."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._connect()

    def _connect(self) -> None:
        if self._hdlc:
            self.gx.parseUAResponse(self.ask(self.gx.snrmRequest()).data)
        self.gx.parseAareResponse(self.ask(self.gx.aarqRequest()).data)
        if self.gx.isAuthenticationRequired:
            reply = self.ask(self.gx.getApplicationAssociationRequest())
            self.gx.parseApplicationAssociationResponse(reply.data)

    def ask(self, frames: Any) -> Any:
        """Send one frame after the other, and the last one's whole reply; gurux raises what the meter refuses."""
        reply = GXReplyData()
        with contextlib.redirect_stdout(io.StringIO()):
            for frame in frames if isinstance(frames, list) else [frames]:
                reply.clear()
                self._exchange(bytes(frame), reply)
                while reply.isMoreData():
                    self._exchange(bytes(self.gx.receiverReady(reply)), reply)
        if reply.error:
            raise Refused(int(reply.error))
        return reply

    def _exchange(self, frame: bytes, reply: Any) -> None:
        # The frames of a long request come one by one, and each but the last is answered by RR.
        self._send(frame)
        deadline = time.monotonic() + PATIENCE_S
        arrived = bytearray()
        notify = GXReplyData()
        while True:
            more = self._receive(deadline)
            assert more, f"the line went down after {arrived.hex()}"
            arrived += more
            if self.gx.getData(bytearray(arrived), reply, notify):
                return

    def read(self, item: Any, attribute: int) -> Any:
        """The value of an attribute as gurux has it."""
        reply = self.ask(self.gx.read(item, attribute))
        return self.gx.updateValue(item, attribute, reply.value)

    def clock(self) -> datetime:
        """The meter's time. GXDateTime holds a datetime with an offset."""
        at = self.read(GXDLMSClock("0.0.1.0.0.255"), 2)
        assert isinstance(at, GXDateTime)
        assert isinstance(at.value, datetime)
        return at.value

    def register(self, code: str) -> tuple[int, int, int]:
        """Value as sent, scaler and unit."""
        register = GXDLMSRegister(code)
        self.read(register, 3)
        value = self.ask(self.gx.read(register, 2)).value
        return int(value), round(_exponent(register.scaler)), int(register.unit)

    def text(self, code: str) -> bytes:
        """An octet-string of class 1."""
        return bytes(self.ask(self.gx.read(GXDLMSData(code), 2)).value)

    def objects(self) -> list[tuple[int, str]]:
        """Class and logical name of what the association sees."""
        reply = self.ask(self.gx.getObjectsRequest())
        found = self.gx.parseObjects(reply.data, False, False)
        return [(int(each.objectType), str(each.logicalName)) for each in found]

    def profile(self, code: str) -> Any:
        """A profile with its capture objects."""
        profile = GXDLMSProfileGeneric(code)
        self.read(profile, 3)
        return profile

    def by_range(self, profile: Any, first: datetime, last: datetime) -> list[list[Any]]:
        """The rows between two instants, as gurux has them."""
        return self._rows(profile, self.gx.readRowsByRange(profile, GXDateTime(first), GXDateTime(last)))

    def by_entry(self, profile: Any, first: int, count: int) -> list[list[Any]]:
        """`count` rows from the `first`."""
        return self._rows(profile, self.gx.readRowsByEntry(profile, first, count))

    def _rows(self, profile: Any, frames: Any) -> list[list[Any]]:
        value = self.ask(frames).value
        self.gx.updateValue(profile, 2, value)
        return [list(row) for row in profile.buffer]

    def action(self, item: Any, method: int, number: int, kind: Any = DataType.INT16) -> None:
        self.ask(self.gx.method(item, method, number, kind))

    def leave(self) -> None:
        """Release, and the end of the link."""
        self.gx.useProtectedRelease = True
        with contextlib.redirect_stdout(io.StringIO()):
            released = self.gx.releaseRequest()
        self.ask(released)
        if frames := self.gx.disconnectRequest():
            self.ask(frames)


def _exponent(scaler: Any) -> int:
    """gurux has the power of ten: 0.1 is -1."""
    return len(f"{scaler:f}".rstrip("0").partition(".")[2]) * -1 if scaler < 1 else len(str(int(scaler))) - 1


def in_process(meter: InProcess, who: Who) -> Foreign:
    """A foreign client of a meter in this process, associated."""
    waiting: list[bytes] = []

    def receive(_: float) -> bytes:
        return waiting.pop(0) if waiting else b""

    foreign = Foreign(who, lambda data: waiting.append(meter.hear(data)), receive)
    foreign.connect()
    return foreign


@contextmanager
def over_tcp(simulator: Simulator, who: Who) -> Iterator[Foreign]:
    """A foreign client with a TCP connection, associated."""
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=PATIENCE_S) as peer:

        def receive(deadline: float) -> bytes:
            if not select.select([peer], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TooLate("no answer")
            return peer.recv(4096)

        foreign = Foreign(who, peer.sendall, receive)
        foreign.connect()
        yield foreign


@contextmanager
def over_pty(link: Path, who: Who) -> Iterator[Foreign]:
    """A foreign client with a pseudo-terminal, associated."""
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    try:

        def receive(deadline: float) -> bytes:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TooLate("no answer")
            return os.read(descriptor, 4096)

        foreign = Foreign(who, lambda data: os.write(descriptor, data), receive)
        foreign.connect()
        yield foreign
    finally:
        os.close(descriptor)
