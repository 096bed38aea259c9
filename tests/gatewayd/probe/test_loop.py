"""The loop of a probe over a channel double: what is sent when, and that whoever answered is left in peace."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from gatewayd.channel import Framing
from gatewayd.daemon import iec_words, probe
from gatewayd.errors import ChannelError, ChannelTimeout
from gatewayd.probe.advice import Tried, advice
from gatewayd.probe.attempts import Attempt, Protocol, Scope, plan
from gatewayd.probe.frames import FIRST, disconnect, read_register, snrm

IDENTIFICATION = b"/SIM5HOME\r\n"


class Peer:
    """Answers what was sent, at the rates that it knows; time goes on only when nothing comes."""

    def __init__(self, answers: Mapping[bytes, Sequence[bytes]], rate: int | None = None) -> None:
        self.answers = answers
        self.rate = rate
        self.log: list[object] = []
        self._waiting: list[bytes] = []
        self._baud = 0
        self._busy_s = 0.0

    @property
    def parity_errors(self) -> int:
        return 0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self.log.append(data)
        self._busy_s = len(data) * 10 / self._baud
        if self.rate in (None, self._baud):
            self._waiting += self.answers.get(data, ())

    async def receive(self, *, deadline: float) -> bytes:
        self._busy_s = 0.0
        if self._waiting:
            return self._waiting.pop(0)
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        self.log.append("waited")
        loop.skip(deadline)  # type: ignore[attr-defined]
        raise ChannelTimeout("nothing received in time")

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        loop.skip(loop.time() + self._busy_s)  # type: ignore[attr-defined]
        self._baud, self._busy_s = baud, 0.0
        self.log.append(baud)

    async def close(self) -> None:
        pass


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop whose time can be moved on."""

    _skipped = 0.0

    def time(self) -> float:
        return super().time() + self._skipped

    def skip(self, until: float) -> None:
        self._skipped += max(until - self.time(), 0)


def run(peer: Peer, attempts: Sequence[Attempt]) -> tuple[tuple[Tried, ...], float]:
    """What was tried, and how long that took in the time of the loop."""

    async def main() -> tuple[tuple[Tried, ...], float]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        tried = await probe(peer, attempts, lambda *_: None, lambda _: None)
        return tried, loop.time() - begun

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(main())


def attempts(*protocols: Protocol, **scope: object) -> tuple[Attempt, ...]:
    return plan(Scope(frozenset(protocols), **scope), iec_words())  # type: ignore[arg-type]


def test_a_meter_at_the_second_rate_and_its_farewell() -> None:
    peer = Peer({b"/?!\r\n": [b"/?!\r\n", IDENTIFICATION[:5], IDENTIFICATION[5:]]}, rate=9600)
    tried, _ = run(peer, attempts(Protocol.IEC, Protocol.DLMS))
    assert [one.finding is not None for one in tried] == [False, True]
    sent = [entry for entry in peer.log if entry != "waited"]
    assert sent == [300, b"/?!\r\n", 9600, b"/?!\r\n", b"\x01B0\x03q"]
    assert tried[1].received == b"/?!\r\n" + IDENTIFICATION


class Slow(Peer):
    """Its identification comes with pauses of a second, as the standard allows (6.4.1: up to 1.5 s)."""

    async def receive(self, *, deadline: float) -> bytes:
        loop = asyncio.get_running_loop()
        if self._waiting and loop.time() + 1.0 < deadline:
            loop.skip(loop.time() + 1.0)  # type: ignore[attr-defined]
            return self._waiting.pop(0)
        if self._waiting:
            loop.skip(deadline)  # type: ignore[attr-defined]
            raise ChannelTimeout("nothing received in time")
        return await super().receive(deadline=deadline)


def test_a_meter_may_take_its_time_once_it_has_begun() -> None:
    peer = Slow({b"/?!\r\n": [IDENTIFICATION[:4], IDENTIFICATION[4:7], IDENTIFICATION[7:9], IDENTIFICATION[9:]]})
    tried, _ = run(peer, attempts(Protocol.IEC, bauds=(300,)))
    assert [one.finding is not None for one in tried] == [True]


def test_a_meter_that_drips_without_end_is_not_waited_for() -> None:
    peer = Slow({b"/?!\r\n": [b"x"] * 1000})
    tried, seconds = run(peer, attempts(Protocol.IEC, bauds=(300,))[:1])
    assert len(tried[0].received) < 10
    assert seconds < 20


def test_a_meter_that_is_awake_is_not_woken_up() -> None:
    peer = Peer({b"/?!\r\n": [IDENTIFICATION]})
    tried, _ = run(peer, attempts(Protocol.IEC, has_rate=False))
    assert [one.attempt.wake_up for one in tried] == [False]


def test_a_meter_that_was_asleep_says_so_in_its_options() -> None:
    peer = Peer({b"/?!\r\n": [IDENTIFICATION]})
    tried, _ = run(peer, attempts(Protocol.IEC, has_rate=False)[1:])
    assert tried[0].finding is not None
    assert ("wake_up", "yes") in tried[0].finding.options


def test_silence_takes_the_time_that_was_told() -> None:
    for protocols in ((Protocol.IEC,), (Protocol.DLMS, Protocol.MODBUS), (Protocol.PUSH,)):
        planned = attempts(*protocols)
        tried, seconds = run(Peer({}), planned)
        assert len(tried) == len(planned)
        assert seconds == pytest.approx(sum(one.seconds for one in planned), abs=0.1 * len(planned) + 0.5)


def test_an_echo_is_nobody_and_needs_no_farewell() -> None:
    peer = Peer({b"/?!\r\n": [b"/?!\r\n"]})
    tried, _ = run(peer, attempts(Protocol.IEC, bauds=(300,)))
    assert [one.finding for one in tried] == [None, None]
    assert all(one.echoed and not one.foreign for one in tried)
    assert b"\x01B0\x03q" not in peer.log


def test_what_was_heard_and_not_understood_gets_a_farewell_too() -> None:
    """It may be an identification that a bad line has garbled: the meter waits for what comes next."""
    peer = Peer({b"/?!\r\n": [b"\x12SIM5HOME"]})
    tried, _ = run(peer, attempts(Protocol.IEC, bauds=(300,)))
    assert tried[0].foreign == b"\x12SIM5HOME"
    assert peer.log.count(b"\x01B0\x03q") == 2


def test_the_wake_up() -> None:
    peer = Peer({})
    run(peer, attempts(Protocol.IEC, bauds=(300,))[1:])
    assert peer.log == [300, bytes(66), 300, "waited", b"/?!\r\n", "waited"]


def test_a_server_of_hdlc_is_disconnected() -> None:
    ua = bytes.fromhex("7EA01E210373C37A8180120501800601800704000000010804000000" + "01533B7E")
    peer = Peer({snrm(FIRST): [ua]}, rate=2400)
    tried, _ = run(peer, attempts(Protocol.DLMS, Protocol.MODBUS))
    assert [one.attempt.baud for one in tried] == [9600, 2400]
    assert tried[-1].finding is not None
    assert [entry for entry in peer.log if isinstance(entry, bytes)][-1] == disconnect(FIRST)


def test_all_units_of_a_bus_at_the_rate_that_was_right() -> None:
    answers = {
        read_register(2): [bytes.fromhex("028302" + "30F1")],
        read_register(5): [bytes.fromhex("05030200E6" + "C80E")],
    }
    tried, _ = run(Peer(answers, rate=19200), attempts(Protocol.MODBUS))
    found = [(one.finding.address, one.finding.framing.value) for one in tried if one.finding is not None]
    assert found == [("2", "8E1"), ("5", "8E1")]
    assert len(tried) == 24, "no unit is left out, and nothing comes behind"


def test_a_flood_ends() -> None:
    peer = Peer({b"/?!\r\n": [b"\xaa" * 1000] * 10})
    tried, _ = run(peer, attempts(Protocol.IEC, bauds=(300,))[:1])
    assert 4096 <= len(tried[0].received) < 6000


class Choosy(Peer):
    """A port that takes a rate `times` times, others without end."""

    def __init__(self, times: Mapping[int, int]) -> None:
        super().__init__({})
        self.times = dict(times)

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        if self.times.setdefault(baud, 1000) <= 0:
            raise ChannelError(f"refuses {baud} Bd")
        self.times[baud] -= 1
        await super().set_line(baud, framing, deadline=deadline)


def test_a_rate_that_the_port_refuses_is_passed_over() -> None:
    tried, _ = run(Choosy({115200: 0, 300: 0}), attempts(Protocol.PUSH, Protocol.IEC))
    assert [one.attempt.baud for one in tried if one.refused] == [115200, 300, 300]
    assert len(tried) == 10
    assert "this port refuses 115200 Bd 8N1, 300 Bd 7E1" in "".join(advice(tried))


def test_a_port_that_refuses_what_it_took_before_is_gone() -> None:
    with pytest.raises(ChannelError, match="refuses 9600"):
        run(Choosy({9600: 3}), attempts(Protocol.PUSH, Protocol.MODBUS))


def test_a_port_that_refuses_everything() -> None:
    with pytest.raises(ChannelError, match="refuses 300"):
        run(Choosy({300: 0}), attempts(Protocol.IEC, bauds=(300,)))


def test_a_line_that_fails_ends_the_probe() -> None:
    class Failing(Peer):
        async def receive(self, *, deadline: float) -> bytes:
            raise ChannelError("unplugged")

    with pytest.raises(ChannelError, match="unplugged"):
        run(Failing({}), attempts(Protocol.IEC))


@pytest.mark.parametrize("protocol", [Protocol.DLMS, Protocol.IEC])
def test_whoever_was_asked_is_left_in_peace_when_the_probe_is_interrupted(protocol: Protocol) -> None:
    """Ctrl-C right after the question: a server would hold the connection for minutes."""
    (attempt, *_) = plan(Scope(frozenset({protocol}), bauds=(9600,)), iec_words())

    class Interrupted(Peer):
        async def receive(self, *, deadline: float) -> bytes:
            if attempt.send in self.log:
                raise asyncio.CancelledError
            return await super().receive(deadline=deadline)

    peer = Interrupted({})
    with pytest.raises(asyncio.CancelledError):
        run(peer, [attempt])
    sent = [entry for entry in peer.log if entry != "waited"]
    assert sent == [9600, attempt.send, attempt.goodbye, 9600], "the last one waits until it is off the wire"
