"""The link of a simulated meter: the secondary station of HDLC (IEC 62056-46 6.4), its segments and its faults.

Rules: written from the standard alone; what is damaged, for another station or not of this client is not answered; an
answer that is asked for again is sent again, unchanged. What is to be sent comes out as a list of Out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from simulators.dlms_faults import Faults, Kind
from simulators.dlms_frames import DISC, DM, FINAL, FLAG, FRMR, SNRM, UA, UI, Frame, Frames, encode, numbers

REQUEST, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
NOISE = 12


@dataclass(frozen=True, slots=True)
class Out:
    """Bytes to send, `after` seconds later than otherwise; `hang_up`: and then the connection is broken."""

    data: bytes
    after: float = 0.0
    hang_up: bool = False


@dataclass(frozen=True, slots=True)
class Station:
    """Who this meter is on the line, and what it offers in its UA."""

    logical: int
    physical: int | None
    max_info: int
    window: int


class Link:
    """The meter's end. `answer` gets the client's address and an APDU, and gives the APDU to answer with, if any."""

    def __init__(
        self,
        station: Station,
        answer: Callable[[int, bytes], bytes | None],
        reset: Callable[[], None],
        faults: Faults,
        randomness: random.Random,
        note: Callable[[str], None],
    ) -> None:
        self._station = station
        self._answer = answer
        self._reset = reset
        self._faults = faults
        self._random = randomness
        self._note = note
        self._frames = Frames()
        self._peer: tuple[bytes, bytes] | None = None
        self._dead = False
        self._clear()

    def _clear(self) -> None:
        self._to_send = 0  # N(S) of the next frame
        self._due = 0  # N(S) that the client's next frame has to have
        self._info, self._window = 128, 1
        self._received = b""
        self._waiting: list[bytes] = []  # segments of the answer that were not sent yet
        self._on_the_way: list[tuple[int, bytes, bool]] = []  # N(S), information, segmented: sent and not acknowledged
        self._held_back = False  # RNR was said

    def disconnected(self) -> None:
        """The client is gone."""
        self._frames = Frames()
        self._peer = None
        self._dead = False
        self._clear()
        self._reset()

    @property
    def linked(self) -> bool:
        return self._peer is not None

    def feed(self, data: bytes) -> list[Out]:
        """What to send for these bytes."""
        out: list[Out] = []
        for frame in self._frames.feed(data):
            if self._is_ours(frame.destination) and len(frame.source) == 1:
                out += self._react(frame)
        return out

    def push(self, client: int, apdu: bytes) -> list[Out]:
        """Frames with unnumbered information, which nobody asked for."""
        lsdu = RESPONSE + apdu
        pieces = [lsdu[at : at + self._station.max_info] for at in range(0, len(lsdu), self._station.max_info)]
        ours = _encoded_address(self._station)
        theirs = bytes([client << 1 | 1])
        return [
            Out(encode(Frame(theirs, ours, UI | FINAL, piece, number + 1 < len(pieces))))
            for number, piece in enumerate(pieces)
        ]

    def _is_ours(self, destination: bytes) -> bool:
        logical, physical = numbers(destination)
        return logical == self._station.logical and physical in (None, self._station.physical)

    def _react(self, frame: Frame) -> list[Out]:
        kind = frame.control & ~FINAL
        if kind == SNRM:
            return self._set_up(frame)
        if self._dead:
            return []
        if self._peer != (frame.source, frame.destination):
            # 6.4.4.3: in disconnected mode everything but SNRM is answered by DM.
            return [Out(encode(Frame(frame.source, frame.destination, DM | FINAL, b"", False)))]
        if kind == DISC:
            self._note("disc")
            answer = self._frame(UA | FINAL)
            self.disconnected()
            return [Out(answer)]
        if frame.control & 0x0F == 0x01 or frame.control & 0x0F == 0x05:
            return self._acknowledged(frame.control >> 5)
        if frame.control & 1 == 0:
            return self._information(frame)
        return [self._frmr(frame)]

    def _set_up(self, frame: Frame) -> list[Out]:
        client, _ = numbers(frame.source)
        self._note(f"snrm {client}")
        self._clear()
        self._reset()
        self._faults.begin_session()
        self._dead = self._faults.shows(Kind.SILENT) is not None
        self._peer = (frame.source, frame.destination)
        if self._dead:
            return []
        if self._faults.shows(Kind.DM):
            answer = self._frame(DM | FINAL)
            self._peer = None
            return [Out(answer)]
        theirs = _negotiation(frame.information)
        station = self._station
        # Identifiers 05 to 08: what the client transmits and receives; ours answer the other way round.
        self._info = min(station.max_info, max(32, theirs.get(6, 128)))
        self._window = min(station.window, max(1, theirs.get(8, 1)))
        receive = min(2030, max(32, theirs.get(5, 128)))
        receive_window = min(station.window, max(1, theirs.get(7, 1)))
        group = bytes([5, 2]) + self._info.to_bytes(2) + bytes([6, 2]) + receive.to_bytes(2)
        group += bytes([7, 4]) + self._window.to_bytes(4) + bytes([8, 4]) + receive_window.to_bytes(4)
        return [Out(self._frame(UA | FINAL, b"\x81\x80" + bytes([len(group)]) + group))]

    def _information(self, frame: Frame) -> list[Out]:
        ns, nr = frame.control >> 1 & 7, frame.control >> 5
        if ns != self._due:
            # The frame before came again: its answer was lost.
            if (ns + 1) % 8 == self._due and self._held_back:
                return [Out(self._frame(0x05 | FINAL | self._due << 5))]
            if (ns + 1) % 8 == self._due:
                return self._again() if self._on_the_way else [Out(self._frame(self._rr()))]
            return [self._frmr(frame)]
        self._due = (ns + 1) % 8
        self._on_the_way = [each for each in self._on_the_way if (each[0] - nr) % 8 < self._window]
        self._received += frame.information
        if frame.segmented:
            return [Out(self._frame(self._rr()))] if frame.control & FINAL else []
        lsdu, self._received = self._received, b""
        if not lsdu.startswith(REQUEST):
            return [self._frmr(frame)]
        assert self._peer is not None
        self._faults.next_answer()
        if self._faults.shows(Kind.SILENT):
            self._dead = True
            return []
        if self._faults.shows(Kind.FRMR):
            return [self._frmr(frame)]
        if self._faults.shows(Kind.DM):
            answer = self._frame(DM | FINAL)
            self._peer = None
            return [Out(answer)]
        client, _ = numbers(self._peer[0])
        apdu = self._answer(client, lsdu[len(REQUEST) :])
        if apdu is None:
            return [Out(self._frame(self._rr()))]
        lsdu = RESPONSE + apdu
        self._on_the_way = []
        self._waiting = [lsdu[at : at + self._info] for at in range(0, len(lsdu), self._info)]
        if self._faults.shows(Kind.RNR):
            self._held_back = True
            return [Out(self._frame(0x05 | FINAL | self._due << 5))]
        return self._more()

    def _acknowledged(self, nr: int) -> list[Out]:
        """RR or RNR of the client: it wants the next segments, or what is on its way once more."""
        if self._held_back:
            self._held_back = False
            return self._more()
        expected = {each[0] for each in self._on_the_way}
        if nr in expected:
            self._on_the_way = self._on_the_way[[each[0] for each in self._on_the_way].index(nr) :]
            return self._again()
        if nr != self._to_send:
            return []
        self._on_the_way = []
        return self._more() if self._waiting else [Out(self._frame(self._rr()))]

    def _more(self) -> list[Out]:
        """The next segments, one window of them."""
        while self._waiting and len(self._on_the_way) < self._window:
            piece = self._waiting.pop(0)
            self._on_the_way.append((self._to_send, piece, bool(self._waiting)))
            self._to_send = (self._to_send + 1) % 8
            middle = self._waiting and not piece.startswith(RESPONSE)
            if middle and self._faults.shows(Kind.LOST_SEGMENT):
                # It is lost for good: the next one follows with the number after it.
                self._on_the_way.pop()
                continue
        return self._again(first_time=True)

    def _again(self, first_time: bool = False) -> list[Out]:
        assert self._peer is not None
        out: list[Out] = []
        for number, (ns, piece, segmented) in enumerate(self._on_the_way):
            final = FINAL if number + 1 == len(self._on_the_way) else 0
            frame = Frame(*self._peer, ns << 1 | self._due << 5 | final, piece, segmented)
            late = 0.0
            if first_time and not segmented and not piece.startswith(RESPONSE):
                fault = self._faults.shows(Kind.LATE_LAST_SEGMENT)
                late = fault.seconds if fault else 0.0
            out += self._faulty(frame, late)
        return out

    def _faulty(self, frame: Frame, late: float) -> list[Out]:
        """The frame as the line delivers it."""
        shows = self._faults.shows
        if shows(Kind.LOST_FRAME):
            return []
        data = encode(frame, spoil_header=bool(shows(Kind.BAD_HCS)), spoil_frame=bool(shows(Kind.BAD_FCS)))
        if shows(Kind.OTHER_STATION):
            data = encode(Frame(frame.destination, b"\x7d", frame.control, RESPONSE + b"\xc4\x01", False)) + data
        if shows(Kind.NOISE):
            data = noise(self._random) + data
        if shows(Kind.HANG_UP):
            return [Out(data[: len(data) // 2], late, hang_up=True)]
        return [Out(data, late)]

    def _rr(self) -> int:
        return 0x01 | FINAL | self._due << 5

    def _frame(self, control: int, information: bytes = b"") -> bytes:
        assert self._peer is not None
        return encode(Frame(*self._peer, control, information, False))

    def _frmr(self, cause: Frame) -> Out:
        # 6.4.4.4.6: the rejected control field, our numbers, and why (here: a control field that makes no sense).
        return Out(self._frame(FRMR | FINAL, bytes([cause.control, self._due << 5 | self._to_send << 1, 0x01])))


def noise(randomness: random.Random) -> bytes:
    """Random bytes without a flag: with one, no reader could tell them from a frame at once."""
    return bytes(randomness.choices([byte for byte in range(256) if byte != FLAG], k=NOISE))


def _negotiation(information: bytes) -> dict[int, int]:
    """What the client's SNRM names, by identifier."""
    found: dict[int, int] = {}
    at = 3
    while information[:2] == b"\x81\x80" and at + 1 < len(information):
        size = information[at + 1]
        found[information[at]] = int.from_bytes(information[at + 2 : at + 2 + size])
        at += 2 + size
    return found


def _encoded_address(station: Station) -> bytes:
    """The station's address in one or two bytes; in four where a part needs it."""
    if station.physical is None:
        return bytes([station.logical << 1 | 1])
    if max(station.logical, station.physical) < 0x80:
        return bytes([station.logical << 1, station.physical << 1 | 1])
    upper, lower = station.logical, station.physical
    return bytes([upper >> 7 << 1, (upper & 0x7F) << 1, lower >> 7 << 1, (lower & 0x7F) << 1 | 1])
