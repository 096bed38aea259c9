"""What a simulated DLMS meter sends unasked: DataNotification, plain or ciphered (IEC 62056-5-3).

    list     array of structure {logical name, value, structure {scaler, unit}}, with the time of the meter
    czech    the customer port of Czech distributors: structure {enum, array of structure {class (2), logical name (6),
             attribute (1), value}}, the nine octets without a tag; no time, no unit

Rules: a notification is made from the meter's clock and objects when it is due; a receiver that cannot be reached is
tried again when the next one is due.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from simulators import dlms_values as axdr
from simulators.dlms_clock import Clock, Writing
from simulators.dlms_counters import Counters
from simulators.dlms_objects import obis
from simulators.dlms_profile import total
from simulators.dlms_registers import INSTANTANEOUS, REGISTERS, scaler_unit
from simulators.dlms_security import GENERAL_GLO, Keys, seal

DATA_NOTIFICATION = 0x0F
CONNECT_S = 5.0

log = logging.getLogger("simulators.dlms")


class Layout(StrEnum):
    """How the body is laid out, spelled as on the command line."""

    LIST = "list"
    CZECH = "czech"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where notifications go: `udp`, `tcp`, or `line`, which has no address."""

    kind: str
    host: str = ""
    port: int = 0


class Notifications:
    """Makes one APDU after the other. With `keys` each is general-glo, protected by `control`."""

    def __init__(
        self,
        clock: Clock,
        writing: Writing,
        seed: int,
        layout: Layout,
        *,
        keys: Keys | None,
        control: int,
        title: bytes,
        counters: Counters,
    ) -> None:
        self._clock = clock
        self._writing = writing
        self._seed = seed
        self._layout = layout
        self._keys = keys
        self._control = control
        self._title = title
        self._counters = counters
        self._number = 0

    def next(self) -> bytes:
        """The next notification."""
        self._number = self._number % 0xFF_FFFF + 1
        plain = bytes([DATA_NOTIFICATION]) + self._number.to_bytes(4) + self._time_and_body()
        if self._keys is None:
            return plain
        counter = self._counters.next()
        sealed = seal(plain, self._keys, control=self._control, title=self._title, counter=counter)
        names = axdr.count(len(self._title)) + self._title
        return bytes([GENERAL_GLO]) + names + axdr.count(len(sealed)) + sealed

    def _time_and_body(self) -> bytes:
        now = self._clock.now()
        values = [
            (obis(code), axdr.u32(total(now, channel, self._seed)), 0, unit)
            for channel, (code, unit) in enumerate(REGISTERS[:4], 1)
        ]
        values += [(obis(code), axdr.u32(number), scaler, unit) for code, unit, scaler, number in INSTANTANEOUS]
        match self._layout:
            case Layout.LIST:
                rows = [
                    axdr.structure(axdr.octets(name), value, scaler_unit(scaler, unit))
                    for name, value, scaler, unit in values
                ]
                return b"\x0c" + self._writing.octets(now) + axdr.array(rows)
            case Layout.CZECH:
                rows = [b"\x02\x02" + (3).to_bytes(2) + name + b"\x02" + value for name, value, _, _ in values]
                return b"\x00" + axdr.structure(axdr.enum(0), axdr.array(rows))


def push_for_ever(
    receiver: Receiver, every_s: float, make: Callable[[], bytes], note: Callable[[str], None]
) -> NoReturn:
    """Send what `make` makes, the first one at once; keeps a TCP connection as long as it lasts."""
    kind = socket.SOCK_DGRAM if receiver.kind == "udp" else socket.SOCK_STREAM
    peer: socket.socket | None = None
    due = time.monotonic()
    while True:
        try:
            if peer is None:
                peer = socket.socket(socket.AF_INET, kind)
                peer.settimeout(CONNECT_S)
                peer.connect((receiver.host, receiver.port))
            peer.sendall(make())
            note("pushed")
        except OSError as error:
            log.info("push: %s", error)
            if peer is not None:
                peer.close()
            peer = None
        # The rhythm is what is simulated; nothing is awaited.
        due += every_s
        time.sleep(max(0.0, due - time.monotonic()))


def in_background(receiver: Receiver, every_s: float, make: Callable[[], bytes], note: Callable[[str], None]) -> None:
    """A thread of its own: the line waits for its reader, a push waits for nobody. It ends with the process."""
    arguments = (receiver, every_s, make, note)
    threading.Thread(target=push_for_ever, args=arguments, name="push", daemon=True).start()
