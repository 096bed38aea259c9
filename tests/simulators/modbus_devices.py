"""Simulated Modbus devices in the test's own process, and a client of them that is written out by hand.

Rules: the devices are built from their command line, as their process would be; the client shares nothing with the
simulator nor with the gateway. Values are written down here once more, from the description of the simulator.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path

from simulators import build_modbus
from simulators.journal import Journal
from simulators.modbus import Out, Station
from simulators.modbus_faults import Faults
from simulators.modbus_frames import Asked, Framing, Mbap, Rtu
from simulators.options_modbus import modbus
from tests.drivers.modbus.rtu_bytes import check

NOW = "2026-06-15T10:07:00+00:00"
SINCE_2020 = int((datetime.fromisoformat(NOW) - datetime(2020, 1, 1, tzinfo=UTC)).total_seconds())
STANDING = ("--now", NOW, "--frozen")


@cache
def plan(*arguments: str | Path) -> build_modbus.Plan:
    """The plan that this command line makes; its clock stands at NOW unless told otherwise."""
    given = ["--tcp", "0", *map(str, arguments)]
    if "--now" not in given:
        given += STANDING
    return build_modbus.plan({**modbus.make_context("modbus", given).params, "link": None})


@dataclass(slots=True)
class InProcess:
    """The devices of a line: requests in, and everything that goes out for them."""

    station: Station
    framing: Framing
    outs: list[Out]

    def hear(self, data: bytes) -> bytes:
        return self._said(self.framing.feed(data))

    def silence(self) -> bytes:
        return self._said(self.framing.silence())

    def _said(self, requests: list[Asked]) -> bytes:
        self.outs = [out for asked in requests for out in self.station.answer(asked)]
        return b"".join(out.data for out in self.outs)

    def ask(self, pdu: bytes, unit: int = 1) -> bytes:
        """The answer PDU over RTU; empty when nothing comes."""
        data = self.hear(frame(pdu, unit))
        assert not data or (data[0] == unit and check(data[:-2]) == data[-2:]), data.hex()
        return data[1:-2]

    def registers(self, address: int, count: int, function: int = 3, unit: int = 1) -> bytes:
        """Their octets; nothing else may come."""
        answer = self.ask(read(address, count, function), unit)
        assert answer[:2] == bytes([function, 2 * count]), answer.hex()
        return answer[2:]


def devices(*arguments: str | Path) -> InProcess:
    """The devices that this command line makes."""
    made = plan(*arguments)
    journal, randomness = Journal(made.journal), random.Random(made.seed)
    framing: Framing = Mbap() if made.tcp else Rtu()
    units = {unit.number: build_modbus.device(made, unit, journal) for unit in made.units}
    at = made.start
    assert at is not None
    faults = Faults(made.faults, randomness)
    station = Station(units, framing, faults, randomness, lambda: at, journal.note, made.gateway)
    return InProcess(station, framing, [])


def read(address: int, count: int, function: int = 3) -> bytes:
    """The request PDU."""
    return struct.pack(">BHH", function, address, count)


def frame(pdu: bytes, unit: int = 1) -> bytes:
    """An RTU frame."""
    body = bytes([unit]) + pdu
    return body + check(body)


def adu(pdu: bytes, transaction: int = 7, unit: int = 1) -> bytes:
    """A frame of Modbus TCP."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def expected(obis: str, unit: int = 1, seed: int = 1, seconds: int = SINCE_2020) -> Fraction:
    """Energy in Wh (varh, VAh); of everything else, which part of its nominal value it is."""
    key = zlib.crc32(f"{seed}/{unit}/{obis}".encode())
    if ".8." in obis:
        return Fraction(key % 10**7) + Fraction((100 + key // 10**7) * seconds, 3600)
    return Fraction(980 + (key + seconds) % 41, 1000)
