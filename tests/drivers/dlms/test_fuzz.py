"""Any octets into every parser: values, "need more", or ProtocolError; nothing else, and in time.

Each target gets SECONDS (fuzzing.py); what was ever found is in fuzz_vectors.txt and is tried, too.
GATEWAYD_FUZZ_SECONDS and GATEWAYD_FUZZ_SEED in the environment make it longer, or the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import takewhile
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from drivers.dlms.layouts import layouts
from drivers.dlms.objects import parse_view
from drivers.dlms.push_readings import Source, readings_of
from drivers.dlms.rows import rows_of
from drivers.dlms.value_text import bits_of, date_time_of, number_of, text_of
from drivers.dlms.wire import acse, initiate, services
from drivers.dlms.wire.association import Association, State
from drivers.dlms.wire.association_dialogue import Ask, Established
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.attribute import Attribute, capture_object
from drivers.dlms.wire.axdr import Value, decode
from drivers.dlms.wire.cosem_time import parse_date_time
from drivers.dlms.wire.data_notification import parse_notification
from drivers.dlms.wire.general_block_transfer import parse_block
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import Send, Wait
from drivers.dlms.wire.hdlc_frame import Damaged, Frame
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.hdlc_parameters import parse as parse_parameters
from drivers.dlms.wire.hdlc_reader import FrameReader
from drivers.dlms.wire.push_event import Spoilt
from drivers.dlms.wire.push_message import end_of_apdu, parse_message
from drivers.dlms.wire.push_reader import Framing, PushReader
from drivers.dlms.wire.security import Form, Keys, Opener, Protection, SecurityError, Suite
from drivers.dlms.wire.services import Data
from drivers.dlms.wire.wrapper import WrapperReader
from drivers.dlms.wire.wrapper import decode as decode_datagram
from gatewayd.errors import GatewayError, ProtocolError
from gatewayd.model import Clock, Reading, Registers, Request, Scan
from simulators.dlms_frames import Frame as Told
from simulators.dlms_frames import encode
from tests.drivers.dlms import apdu_vectors, push_bytes
from tests.drivers.dlms.adversary import (
    AUTHENTICATION_KEY,
    BLOCK_KEY,
    METER_TITLE,
    PLAIN_HDLC,
    PLAIN_WRAPPER,
    Case,
    Heard,
    ciphered,
    profile_of,
)
from tests.drivers.dlms.asked_meter import NOW, PRAGUE
from tests.drivers.dlms.fuzzing import any_value, hunt, remade, spoilt
from tests.drivers.dlms.hdlc_bytes import CAPTURES

VECTORS = Path(__file__).with_name("fuzz_vectors.txt")
HEADER = 8


# -- sound octets to begin with ---------------------------------------------------------------------------------------


@cache
def sessions() -> dict[str, tuple[bytes, ...]]:
    """What the simulated meter says: frames, wrapped APDUs, ciphered ones."""
    with TemporaryDirectory() as folder:
        both = ciphered("global", False, "authenticated-encrypted", "hls-gmac")
        kinds = {"hdlc": PLAIN_HDLC, "wrapper": PLAIN_WRAPPER, "ciphered": both}
        made = {name: kind.made(Path(folder)) for name, kind in kinds.items()}
        requests: tuple[Request, ...] = (Registers(), profile_of(), Scan())
        return {name: tuple(said for one in requests for said in case.ask(one).said) for name, case in made.items()}


@cache
def apdus() -> tuple[bytes, ...]:
    """Plain ones of both sides."""
    written = [octets for octets in vars(apdu_vectors).values() if isinstance(octets, bytes) and octets]
    return (*(said[HEADER:] for said in sessions()["wrapper"]), *written)


@cache
def values() -> tuple[bytes, ...]:
    """Every value in them."""
    found: list[bytes] = []
    for apdu in apdus():
        with suppress(ProtocolError):
            match services.parse_response(apdu):
                case services.GetNormalResponse(_, Data(value)):
                    found.append(value.raw)
                case services.GetListResponse(_, content):
                    listed = services.parse_list(content, content[0])
                    found += [result.raw for result in listed if isinstance(result, Data)]
    return tuple(dict.fromkeys(found))


@cache
def pushes() -> tuple[bytes, ...]:
    """Pushed APDUs without a frame."""
    return (push_bytes.PLAIN, push_bytes.CZECH_PORT, bytes.fromhex(push_bytes.HEADER) + b"\x00")


# -- targets ----------------------------------------------------------------------------------------------------------


def whole_and_in_pieces(read: Callable[[Iterable[bytes]], object], octets: bytes) -> None:
    assert read([octets]) == read(octets[at : at + 1] for at in range(len(octets))), "depends on how it is cut"


def frame_reader(octets: bytes) -> None:
    def read(pieces: Iterable[bytes]) -> list[Frame | Damaged]:
        reader = FrameReader()
        events = [event for piece in pieces for event in reader.feed(piece)]
        return [*events, *reader.finish()]

    whole_and_in_pieces(read, octets)
    for event in read([octets]):
        assert event.encoded in octets if isinstance(event, Frame) else event.raw in octets


def link(octets: bytes) -> None:
    """SNRM and a request are sent; what comes is `octets`, in pieces, with silence in between."""
    with suppress(GatewayError):
        session = Link(address(16), address(1, 17))
        session.start(0.0)
        session.feed(UA, 0.0)
        session.send(b"\xc0\x01\xc1", 0.0)
        sent = 0
        for at in range(0, len(octets), 40):
            actions = session.feed(octets[at : at + 40], 0.1)
            sent += sum(isinstance(action, Send) for action in actions)
            assert sum(isinstance(action, Wait) for action in actions) <= 1
            assert sent <= 3 + 2 * len(octets), "talks without end"
        for _ in range(1000):
            if not session.expired(1000.0):
                return
        raise AssertionError("waits for ever")


def wrapper_reader(octets: bytes) -> None:
    def read(pieces: Iterable[bytes]) -> list[object]:
        reader = WrapperReader()
        events: list[object] = []
        with suppress(ProtocolError):
            for piece in pieces:
                events += reader.feed(piece)
            reader.feed(b"")
        return events

    whole_and_in_pieces(read, octets)
    with suppress(ProtocolError):
        assert decode_datagram(octets).encoded == octets


def opening(octets: bytes) -> None:
    for parse in (acse.parse_aare, acse.parse_aarq, acse.parse_rlre, acse.parse_rlrq):
        with suppress(ProtocolError):
            parse(octets)
    for again in (initiate.parse_initiate_request, initiate.parse_initiate_response):
        with suppress(ProtocolError):
            parsed = again(octets)
            assert again(parsed.encoded) == parsed


def service(octets: bytes) -> None:
    with suppress(ProtocolError):
        services.parse_request(octets)
    with suppress(ProtocolError):
        response = services.parse_response(octets)
        assert services.parse_response(response.encoded) == response
    for count in (1, 3):
        with suppress(ProtocolError):
            assert len(services.parse_list(octets, count)) == count
    for parse in (services.parse_data, services.parse_action_content, parse_block, parse_parameters):
        with suppress(ProtocolError):
            parse(octets)


def axdr(octets: bytes) -> None:
    with suppress(ProtocolError):
        value, end = decode(octets)
        assert value.raw == octets[:end]
        assert decode(value.raw) == (value, end)
        _sound(value)


def _sound(value: Value) -> None:
    """Texts of a value: whatever it is, there is one."""
    assert isinstance(text_of(value), str)
    assert isinstance(bits_of(value), str)
    number_of(value)
    time = date_time_of(value)
    if time is not None:
        instant = time.instant(PRAGUE)
        assert instant.at is None or instant.at.utcoffset() is not None
    for child in value.children[:50]:
        _sound(child)


def times(octets: bytes) -> None:
    with suppress(ProtocolError):
        instant = parse_date_time(octets).instant(PRAGUE)
        assert instant.at is None or instant.at.utcoffset() is not None


def _openers() -> Iterator[Opener]:
    keys = Keys(BLOCK_KEY, AUTHENTICATION_KEY)
    for policy in (Protection.AUTHENTICATED, Protection.AUTHENTICATED | Protection.ENCRYPTED):
        yield Opener(keys, Suite.SUITE_0, policy, bytes.fromhex(METER_TITLE), -1, frozenset(Form) - _DEDICATED)


@cache
def opened_soundly() -> frozenset[bytes]:
    """What the meter has said, in plain."""
    found: set[bytes] = set()
    for said in sessions()["ciphered"]:
        for one in _openers():
            with suppress(SecurityError):
                found.add(one.open(said[HEADER:]).apdu)
    return frozenset(found)


def opener(octets: bytes) -> None:
    """Nothing that was changed is opened, but for the two errors that come plain. Its length may be written in more
    octets than it takes: that is outside of what is authenticated, and changes nothing of what was said."""
    for one in _openers():
        with suppress(SecurityError):
            opened = one.open(octets)
            said = any(octets in said for said in sessions()["ciphered"])  # whole, or inside of an AARE
            same = opened.authenticated and opened.apdu in opened_soundly()
            assert said or same or (not opened.authenticated and octets[0] in (0xD8, 0x0E))


_DEDICATED = {Form.DEDICATED, Form.GENERAL_DEDICATED}


def association(octets: bytes) -> None:
    """As the AARE, and as the answer to a request, again and again: states, blocks, what is passed over."""
    attribute = Attribute(3, bytes((1, 0, 1, 8, 0, 255)), 2)
    first = Association(AssociationSettings())
    first.open()
    with suppress(GatewayError):
        first.feed(octets)
    second = Association(AssociationSettings())
    second.open()
    assert isinstance(second.feed(AARE), Established)
    second.get([(attribute, None)])
    with suppress(GatewayError):
        for _ in range(300):
            step = second.feed(octets)
            if second.state is State.READY:
                return
            assert isinstance(step, Ask) or second.state is State.ASKED
        raise AssertionError("hears the same again and again")
    assert second.state in (State.READY, State.OVER)


def push_reader(framing: Framing) -> Callable[[bytes], None]:
    def run(octets: bytes) -> None:
        def read(pieces: Iterable[bytes]) -> list[object]:
            reader = PushReader(framing)
            events = [event for piece in pieces for event in reader.feed(piece)]
            found = [*events, *reader.finish()]
            if (
                framing is Framing.AUTO
            ):  # bare APDUs are looked at now and then: what is behind them may wait for silence
                return list(takewhile(lambda event: not isinstance(event, Spoilt), found))
            return [_without_octets(event) for event in found]

        octets = octets[:3000]  # each octet by itself, with all framings at once, is slow
        whole_and_in_pieces(read, octets)

    return run


def _without_octets(event: object) -> object:
    """A header of the wrapper is named as far as it has come when it is seen to be wrong."""
    wrapper = isinstance(event, Spoilt) and event.reason.endswith("where a wrapper of version 1 is due")
    return "no wrapper" if wrapper else event


def push_message(octets: bytes) -> None:
    with suppress(ProtocolError):
        parse_notification(octets)
    with suppress(ProtocolError):
        assert 0 < end_of_apdu(octets) <= len(octets)
    for layout in ("auto", *layouts()):
        with suppress(ProtocolError):
            source = Source("em-1", NOW, PRAGUE, title=b"KAM12345", layout=layout)
            heard = readings_of(parse_message(octets), source)
            for reading in heard.readings:
                sound_reading(reading)


def structures(octets: bytes) -> None:
    """Object lists, capture objects, rows: whatever value it is."""
    with suppress(ProtocolError):
        value, _ = decode(octets)
        view = parse_view(value, bytes((0, 0, 40, 0, 0, 255)))
        for entry in view.entries:
            for number, mode in entry.attributes:
                assert view.attribute_words(mode) and view.readable(entry, number) in (True, False)
            assert all(view.method_words(mode) for _, mode in entry.methods)
        for one in (value, *value.children):
            capture_object(one)
        for width, clock in ((6, 0), (1, None), (2, 1)):
            with suppress(ProtocolError):
                rows = rows_of(value, width, clock)
                assert all(len(row.values) in (0, width) for row in rows)


def sound_reading(reading: Reading) -> None:
    assert reading.at.utcoffset() is not None
    assert (type(reading.raw), type(reading.raw_text), type(reading.unit)) == (bytes, str, str)
    assert -128 <= reading.scaler <= 127
    assert all(type(text) is str for text in reading.more)
    assert reading.value is None or reading.value.is_finite()
    reading.raw_text.encode("utf-8")


UA = encode(Told(b"\x21", b"\x02\x23", 0x73, b"", False))
AARE = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040040121dffff0007")

Make = Callable[[Random], bytes]


def _spoilt(*seeds: Callable[[], Iterable[bytes]]) -> Make:
    return lambda random: spoilt(random, [octets for seed in seeds for octets in seed()])


def _remade(random: Random) -> bytes:
    """A value in which something is another one; some of them entirely others."""
    octets = random.choice(values())
    for _ in range(random.choice((1, 1, 2, 5))):
        octets = remade(random, decode(octets)[0])
        with suppress(ProtocolError):
            decode(octets)
            continue
        break
    return octets if random.random() < 0.8 else any_value(random)


def _framed_pushes() -> Iterator[bytes]:
    yield from (push_bytes.capture(name) for name in push_bytes.NAMES if (CAPTURES / f"{name}.log").exists())
    yield from pushes()
    yield from (push_bytes.wrapped(apdu) for apdu in pushes())
    yield from (push_bytes.mbus(apdu, 40) for apdu in pushes())
    yield from (push_bytes.hdlc(apdu, 30) for apdu in pushes())


TARGETS: dict[str, tuple[Make, Callable[[bytes], None]]] = {
    "frame-reader": (_spoilt(lambda: sessions()["hdlc"]), frame_reader),
    "link": (_spoilt(lambda: sessions()["hdlc"]), link),
    "wrapper-reader": (_spoilt(lambda: [said[:300] for said in sessions()["wrapper"]]), wrapper_reader),
    "opening": (_spoilt(lambda: [AARE, *apdus()]), opening),
    "service": (_spoilt(apdus, values), service),
    "axdr": (_spoilt(values), axdr),
    "axdr-remade": (_remade, axdr),
    "times": (lambda random: spoilt(random, [bytes.fromhex("07ea0b15060d041400ffc400")])[:12], times),
    "opener": (_spoilt(lambda: [said[HEADER:] for said in sessions()["ciphered"]]), opener),
    "association": (_spoilt(apdus), association),
    "push-auto": (_spoilt(_framed_pushes), push_reader(Framing.AUTO)),
    "push-hdlc": (_spoilt(_framed_pushes, lambda: sessions()["hdlc"]), push_reader(Framing.HDLC)),
    "push-mbus": (_spoilt(_framed_pushes), push_reader(Framing.MBUS)),
    "push-raw": (_spoilt(pushes), push_reader(Framing.RAW)),
    "push-wrapper": (_spoilt(_framed_pushes), push_reader(Framing.WRAPPER)),
    "push-message": (_spoilt(pushes), push_message),
    "push-remade": (lambda random: bytes.fromhex(push_bytes.HEADER) + _remade(random), push_message),
    "structures": (_remade, structures),
}


@pytest.mark.parametrize("name", TARGETS)
def test_any_octets(name: str) -> None:
    make, run = TARGETS[name]
    assert hunt(name, make, run) > 3


# -- the whole driver, with a meter whose values are of any type ------------------------------------------------------


REQUESTS: dict[str, Request] = {
    "driver-registers": Registers(),
    "driver-profile": profile_of(),
    "driver-scan": Scan(),
    "driver-clock": Clock(),
}


def driver(request: Request) -> Callable[[bytes], None]:
    """`octets` are a seed: which answers have another value, and which one."""

    def run(octets: bytes) -> None:
        random = Random(octets)
        rate = random.choice((0.05, 0.3, 1.0))

        def other_values(number: int, said: bytes) -> Iterable[bytes]:
            if said[HEADER : HEADER + 2] != b"\xc4\x01" or said[HEADER + 3] or random.random() > rate:
                return (said,)
            apdu = said[HEADER : HEADER + 4] + remade(random, decode(said[HEADER + 4 :])[0])
            return (said[:6] + len(apdu).to_bytes(2) + apdu,)

        with TemporaryDirectory() as folder:
            case: Case = PLAIN_WRAPPER.made(Path(folder), "--no-lists", "--profile-days", "3")
        for _ in range(2):  # what was learnt is used
            heard: Heard = case.ask(request, other_values)
            for reading in heard.readings:
                sound_reading(reading)

    return run


@pytest.mark.parametrize("name", REQUESTS)
def test_values_of_any_type(name: str) -> None:
    assert hunt(name, lambda random: random.randbytes(8), driver(REQUESTS[name])) > 0


# -- what was found ---------------------------------------------------------------------------------------------------


def vectors() -> list[tuple[str, str]]:
    lines = VECTORS.read_text(encoding="ascii").splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(("name", "octets"), vectors())
def test_what_was_found(name: str, octets: str) -> None:
    run = driver(REQUESTS[name]) if name in REQUESTS else TARGETS[name][1]
    run(bytes.fromhex(octets))
