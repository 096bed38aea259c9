"""What a refusal, a silence or a forged word behind a secret means for the next sessions: the driver, the recorder of
the channel and gatewayd.refusals together. `asked` counts the sessions in which a meter was sent an AARQ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gatewayd.acquire import Acquisition, Line, OnCall, Station
from gatewayd.channel import Channel
from gatewayd.errors import GatewayError, PasswordUnclear
from gatewayd.model import Meter
from gatewayd.refusals import LeftAlone
from tests.drivers.dlms.association_meter import aare
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.test_driver import PASSWORD, TOTAL, Cabin, ciphered_cabin, objects
from tests.drivers.dlms.whole_meter import Access, Installation, MeterChannel, WholeMeter
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import PATIENCE, TestClock

Answer = Callable[[int, bytes], bytes]
REJECTED = aare(ciphered=True, result=1, diagnostic=13, information=None)
_REQUEST, _ANSWER = bytes.fromhex("E6E600"), bytes.fromhex("E6E700")


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ek").write_text(bytes(range(16)).hex())
    (tmp_path / "ak").write_text(bytes(range(0xD0, 0xE0)).hex())
    (tmp_path / "pw").write_text(PASSWORD)
    return {
        "system_title": "4D4D4D0000000001",
        "block_cipher_key_file": str(tmp_path / "ek"),
        "authentication_key_file": str(tmp_path / "ak"),
    }


class Bus:
    """A meter at the HDLC address 1 for every client. An empty answer: it says `polls` times that it is not ready, and
    then nothing."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.polls = 0
        self._polled = 0
        self._vr = self._vs = 0

    def hear(self, data: bytes) -> Iterable[bytes | GatewayError]:
        source, control = data[4], data[5]
        head = f"{source:02X} 03"
        if control in (0x93, 0x53):
            self._vr = self._vs = self._polled = 0
            return [frame(f"{head} 73")]
        if control & 1:
            return self._not_ready(head)
        if control >> 1 & 7 != self._vr:
            return []  # the same frame again
        self._vr = (self._vr + 1) % 8
        assert data[8:11] == _REQUEST
        apdu = self.answer(source >> 1, data[11:-3])
        if not apdu:
            return self._not_ready(head)
        ns, self._vs = self._vs, (self._vs + 1) % 8
        return [frame(f"{head} {self._vr << 5 | 0x10 | ns << 1:02X}", _ANSWER + apdu)]

    def _not_ready(self, head: str) -> Iterable[bytes]:
        self._polled += 1
        return [frame(f"{head} {self._vr << 5 | 0x11:02X}")] if self._polled <= self.polls else []


class Acquired:
    """Sessions of a driver as the daemon has them, the store in `folder`."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation = installation
        self.folder = folder / "store"
        self.folder.mkdir(exist_ok=True)

    def sessions(self, number: int = 1) -> list[GatewayError | None]:
        station = Station(Meter("em-2001", "dlms", "cabin"), self.installation.driver)

        async def connect(_who: Station, _on_call: OnCall) -> Channel:
            return ClosableChannel(self.installation.meter)

        async def run() -> list[GatewayError | None]:
            with opened(self.folder) as store:
                acquisition = Acquisition(store, TestClock(), ZoneInfo("Europe/Prague"))
                line = Line("cabin", connect)
                return [(await acquisition.run(line, station, TOTAL)).fault for _ in range(number)]

        return asyncio.run(asyncio.wait_for(run(), PATIENCE))


class ClosableChannel(MeterChannel):
    async def close(self) -> None:
        pass


def kinds(faults: Iterable[GatewayError | None]) -> list[str]:
    return ["" if fault is None else type(fault).__name__ for fault in faults]


def on_hdlc(meter: WholeMeter, answer: Answer | None = None, **options: Any) -> Installation:  # Any: as YAML has them
    return Installation(Bus(answer or meter.answer), baud=9600, **options)


# -- passwords and proofs that nobody answers ------------------------------------------------------------------------


@pytest.mark.parametrize("polls", [0, 3])
def test_a_password_that_is_not_answered_on_hdlc_is_tried_twice_and_no_third_time(tmp_path: Path, polls: int) -> None:
    """The meter takes the link, says so often that it is not ready, and UA to DISC: that is no word on the password."""
    (tmp_path / "pw").write_text(PASSWORD)
    asked: list[bytes] = []

    def answer(client: int, apdu: bytes) -> bytes:
        asked.append(apdu)
        return b""

    installation = on_hdlc(
        WholeMeter(objects()), answer, authentication="low", password_file=tmp_path / "pw", attempts=2
    )
    installation.meter.polls = polls
    faults = [fault for _ in range(3) for fault in Acquired(installation, tmp_path).sessions()]
    assert kinds(faults) == ["PasswordUnclear", "PasswordUnclear", "LeftAlone"]
    assert len(asked) == 2


def test_a_proof_that_is_not_answered_once_locks_nobody_out(secrets: dict[str, str], tmp_path: Path) -> None:
    """AARQ and proof are both secrets of one session: they count once."""
    assert proofs(secrets, tmp_path, "none", silent=1) == ["PasswordUnclear", ""]
    assert proofs(secrets, tmp_path, "none", silent=3) == [
        "PasswordUnclear",
        "PasswordUnclear",
        "LeftAlone",
        "LeftAlone",
    ]


def test_a_proof_with_keys_that_the_meter_has_shown_to_have_cannot_be_wrong(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    assert proofs(secrets, tmp_path, "authenticated-encrypted", silent=3) == ["MeterSilent"] * 3 + [""]


def proofs(secrets: dict[str, str], tmp_path: Path, security: str, silent: int) -> list[str]:
    """Sessions in which the meter does not answer the proof, and one more."""
    cabin = ciphered_cabin(secrets, security=security)
    meter = cabin.whole
    meter.clients[1] = Access(5, ciphered=security != "none")
    folder = tmp_path / f"{security} {silent}"
    folder.mkdir()
    acquired = Acquired(cabin, folder)
    assert kinds(acquired.sessions()) == [""]
    answer = meter.answer
    meter.answer = lambda client, apdu: b"" if apdu[0] in (0xCB, 0xC3) else answer(client, apdu)  # type: ignore[method-assign]
    faults = acquired.sessions(silent)
    meter.answer = answer  # type: ignore[method-assign]
    return kinds(faults + acquired.sessions())


# -- forged and real refusals in a ciphered association --------------------------------------------------------------


def forged(meter: WholeMeter, said: bytes, to: int) -> Answer:
    """`said` in place of what the meter answers to the APDU with this tag."""
    answer = meter.answer
    return lambda client, apdu: said if client == 1 and apdu[0] == to else answer(client, apdu)


@pytest.mark.parametrize(("authentication", "hdlc"), [("none", False), ("hls-gmac", True)])
@pytest.mark.parametrize(
    ("said", "to"),
    [
        (REJECTED, 0x60),
        (aare(result=1, diagnostic=1, information=None), 0x60),
        (bytes.fromhex("D8 01 05"), 0x60),
        (bytes.fromhex("D8 01 03"), 0x60),
        (bytes.fromhex("0E 01 00 06"), 0x60),
        (bytes.fromhex("D8 01 06 00000001"), 0x60),
        (bytes.fromhex("D8 01 05"), 0xC8),
        (bytes.fromhex("D8 01 03"), 0xCB),
        (bytes.fromhex("0E 01 00 06"), 0xCB),
    ],
    ids=lambda value: f"{value:02x}" if isinstance(value, int) else value[-6:].hex(),
)
def test_one_forged_refusal_locks_nobody_out_and_two_real_ones_do(
    secrets: dict[str, str], tmp_path: Path, said: bytes, to: int, authentication: str, hdlc: bool
) -> None:
    if to == 0xCB and authentication == "none":
        return
    cabin = ciphered_cabin(secrets, authentication=authentication)
    meter = cabin.whole
    meter.clients[1] = Access(5 if authentication == "hls-gmac" else 0, ciphered=True)
    options: dict[str, Any] = {"client": 1, "authentication": authentication, "security": "authenticated-encrypted"}
    options |= secrets
    installation: Installation = on_hdlc(meter, **options) if hdlc else cabin
    acquired = Acquired(installation, tmp_path)
    assert kinds(acquired.sessions()) == [""]
    answer = meter.answer
    for _ in range(2):  # never twice in a row
        speak(installation, meter, forged(meter, said, to))
        (fault,) = acquired.sessions()
        assert isinstance(fault, PasswordUnclear), fault
        speak(installation, meter, answer)
        assert kinds(acquired.sessions()) == [""]
    if to == 0xC8:
        return  # behind an AARE that was proved: not about the keys
    speak(installation, meter, forged(meter, said, to))
    meter.heard.clear()
    faults = acquired.sessions(4)
    assert [isinstance(fault, PasswordUnclear) for fault in faults] == [True, True, False, False]
    assert [isinstance(fault, LeftAlone) for fault in faults] == [False, False, True, True]


def speak(installation: Installation, meter: WholeMeter, answer: Answer) -> None:
    if isinstance(installation.meter, Bus):
        installation.meter.answer = answer
    else:
        meter.answer = answer  # type: ignore[assignment, method-assign]


def test_a_refusal_that_is_itself_proved_stands_at_once(secrets: dict[str, str], tmp_path: Path) -> None:
    """The meter says in a ciphered answer that it does not take the proof."""
    cabin = ciphered_cabin(secrets)
    cabin.whole._invoked = lambda apdu: b"\x03\x00"  # type: ignore[method-assign]
    acquired = Acquired(cabin, tmp_path)
    assert kinds(acquired.sessions(2)) == ["AuthenticationRefused", "LeftAlone"]


def test_a_password_that_is_refused_without_ciphering_stands_at_once(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(PASSWORD)
    meter = WholeMeter(objects(), {16: Access(1, b"another")})
    cabin = Cabin(meter, authentication="low", password_file=tmp_path / "pw")
    assert kinds(Acquired(cabin, tmp_path).sessions(2)) == ["AuthenticationRefused", "LeftAlone"]


def test_a_meter_that_cannot_just_now_has_not_refused_the_password(tmp_path: Path) -> None:
    """service-not-allowed, operation-not-possible to an AARQ passes by itself (u9n/dlms-cosem #74)."""
    (tmp_path / "pw").write_text(PASSWORD)
    meter = WholeMeter(objects(), {16: Access(1, PASSWORD.encode())})
    cabin = Cabin(meter, authentication="low", password_file=tmp_path / "pw")
    acquired, answer = Acquired(cabin, tmp_path), meter.answer
    for _ in range(2):
        speak(cabin, meter, lambda client, apdu: bytes.fromhex("D8 01 01"))
        assert kinds(acquired.sessions()) == ["AuthenticationUnclear"]
        speak(cabin, meter, answer)
        assert kinds(acquired.sessions()) == [""]
    speak(cabin, meter, lambda client, apdu: bytes.fromhex("D8 01 03"))
    assert kinds(acquired.sessions(2)) == ["AuthenticationRefused", "LeftAlone"]
