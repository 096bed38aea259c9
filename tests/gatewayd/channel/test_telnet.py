"""Telnet and COM-PORT-OPTION without a line: bytes in, events out; option negotiation that always ends.

The byte sequences of servers were captured from ser2net 4.3.11 and pyserial 3.5 (serial.rfc2217.PortManager); the
others are examples of RFC 854, 855, 860 and 2217.
"""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.channel.telnet import (
    SUBNEGOTIATION_LIMIT,
    Code,
    Confirmed,
    Data,
    Decoder,
    Event,
    Flow,
    ModemState,
    Negotiation,
    Options,
    Other,
    Setting,
    Signal,
    dtr,
    escape,
    modem_state_wanted,
    request,
    settings,
    shown,
)
from gatewayd.errors import ChannelError

SER2NET_GREETING = bytes.fromhex("fffb03 fffd03 fffb01 fffe01 fffd00 fffb00 fffd2c")
PORT_MANAGER_GREETING = bytes.fromhex("fffb01 fffb03 fffd00 fffb2c")
COM_PORT = 44


def joined(events: Iterable[Event]) -> list[Event]:
    """The events with adjoining data made one, so that the pieces in which they came do not show."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Data) and found and isinstance(found[-1], Data):
            found[-1] = Data(found[-1].data + event.data)
        else:
            found.append(event)
    return found


def decoded(pieces: Iterable[bytes]) -> tuple[list[Event], bool]:
    """The events, and whether a ChannelError ended them."""
    decoder = Decoder()
    events: list[Event] = []
    try:
        for piece in pieces:
            events.extend(decoder.feed(piece))  # keeps what came before an error
    except ChannelError:
        return joined(events), True
    return joined(events), False


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def negotiated(said: bytes) -> tuple[Options, bytes]:
    options = Options()
    options.begin()
    replies = b"".join(options.answer(event) for event in Decoder().feed(said) if isinstance(event, Negotiation))
    return options, replies


VECTORS: list[tuple[str, list[Event]]] = [
    ("2f 3f 21 0d 0a", [Data(b"/?!\r\n")]),
    ("ffff 80 0d 00 0a", [Data(b"\xff\x80\r\x00\n")]),
    ("41 fff1 42 fff6", [Data(b"A"), Signal(241), Data(b"B"), Signal(246)]),
    ("fffd06 fffc2c", [Negotiation(Code.DO, 6), Negotiation(Code.WONT, COM_PORT)]),
    ("fffa2c65 00002580 fff0", [Confirmed(Setting.BAUDRATE, 9600)]),
    ("fffa2c65 00002580 00000000 fff0", [Confirmed(Setting.BAUDRATE, 9600)]),  # sredird, as pyserial's client notes
    ("fffa2c65 ffff ffff ffff ffff fff0", [Confirmed(Setting.BAUDRATE, 0xFFFFFFFF)]),
    ("fffa2c66 07 fff0 fffa2c67 03 fff0", [Confirmed(Setting.DATASIZE, 7), Confirmed(Setting.PARITY, 3)]),
    ("fffa2c68 02 fff0 fffa2c69 01 fff0", [Confirmed(Setting.STOPSIZE, 2), Confirmed(Setting.CONTROL, 1)]),
    ("fffa2c6c fff0 fffa2c6d fff0", [Flow(held=True), Flow(held=False)]),
    ("fffa2c6b 00 fff0 fffa2c6b b0 fff0", [ModemState(0x00), ModemState(0xB0)]),
    ("fffa2c6b ffff fff0 fffa2c6b fff0", [ModemState(0xFF), Other(b"\x2c\x6b")]),
    ("fffa2c64 73657232 6e6574 fff0", [Other(b"\x2c\x64ser2net")]),
    ("fffa18 01 fff0 fffa fff0", [Other(b"\x18\x01"), Other(b"")]),
    ("fffa2c01 00002580 fff0", [Other(b"\x2c\x01\x00\x00\x25\x80")]),  # a request is not an answer
]


@pytest.mark.parametrize(("raw", "events"), VECTORS, ids=[raw for raw, _ in VECTORS])
def test_events(raw: str, events: list[Event]) -> None:
    data = bytes.fromhex(raw)
    assert decoded([data]) == (events, False)
    assert decoded(bytes((byte,)) for byte in data) == (events, False)
    around = joined([Data(b"<"), *events, Data(b">")])
    assert decoded([b"<" + data + b">"]) == (around, False)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("fffa2c65 000025 fff0", "SET-BAUDRATE of 3 bytes instead of 4"),
        ("fffa2c66 fff0", "SET-DATASIZE of 0 bytes instead of 1"),
        ("fffa2c65 0000 fffb 2580 fff0", "IAC 251 in the middle"),
        ("fffa2c65 0000 fffa", "IAC 250 in the middle"),
    ],
)
def test_what_cannot_be_understood_is_an_error_after_the_data_before_it(raw: str, message: str) -> None:
    decoder = Decoder()
    events = decoder.feed(b"abc" + bytes.fromhex(raw))
    assert next(events) == Data(b"abc")
    with pytest.raises(ChannelError, match=message):
        list(events)


@pytest.mark.parametrize("filling", [b"x", b"\xff\xff"])
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a_subnegotiation_has_a_maximum(filling: bytes, piece: int) -> None:
    room = SUBNEGOTIATION_LIMIT - len(b"\xff\xfa\x18\xff\xf0")
    longest = b"\xff\xfa\x18" + filling * (room // len(filling)) + b"\xff\xf0"
    longest += b"" if len(longest) == SUBNEGOTIATION_LIMIT else b"?"
    too_long = b"\xff\xfa\x18" + filling * (room // len(filling) + 1) + b"\xff\xf0"
    endless = b"\xff\xfa\x18" + filling * 50_000

    def pieces(data: bytes) -> list[bytes]:
        return [data[start : start + piece] for start in range(0, len(data), piece)]

    (first, *_), failed = decoded(pieces(longest))
    assert not failed
    assert first == Other(b"\x18" + b"\xff" * (room // 2) if filling == b"\xff\xff" else b"\x18" + filling * room)
    assert decoded(pieces(too_long)) == ([], True)
    assert decoded(pieces(endless)) == ([], True)


@given(st.binary(max_size=600), st.lists(st.integers(0, 2000), max_size=12))
def test_any_payload_in_any_pieces_arrives_as_it_was(payload: bytes, places: list[int]) -> None:
    events, failed = decoded(cut(escape(payload), places))
    assert not failed
    assert events == ([Data(payload)] if payload else [])


_TELNETTISH = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\xff", b"\xff\xff", b"\xff\xfa\x2c", b"\xff\xf0", b"\xff\xfa\x2c\x65\x00\x00\x01\x2c\xff\xf0"]
        ),
        st.binary(max_size=6),
        st.tuples(st.just(0xFF), st.integers(240, 255), st.integers(0, 255)).map(bytes),
    ),
    max_size=40,
).map(b"".join)


@given(st.one_of(st.binary(max_size=900), _TELNETTISH), st.lists(st.integers(0, 2000), max_size=12))
def test_arbitrary_bytes_give_events_or_a_channel_error_whatever_the_pieces(data: bytes, places: list[int]) -> None:
    whole, failed = decoded([data])
    assert decoded(cut(data, places)) == (whole, failed)
    assert decoded(bytes((byte,)) for byte in data) == (whole, failed)


@given(_TELNETTISH)
def test_what_is_asked_of_the_options_never_grows(data: bytes) -> None:
    """Answers to an arbitrary peer are at most as many as its requests, and a repetition of them gets none at all."""
    requests = [event for event in decoded([data])[0] if isinstance(event, Negotiation)]
    requests = [event for event in requests if event.option != 6]
    options = Options()
    options.begin()
    for event in requests:
        assert len(options.answer(event)) in (0, 3)
    for event in requests * 2:  # on, then off for good: two answers are the most for each side of an option
        options.answer(event)
    assert all(options.answer(event) == b"" for event in requests * 3)


@pytest.mark.parametrize(
    ("setting", "value", "raw"),
    [
        (Setting.BAUDRATE, 300, "fffa2c01 0000012c fff0"),
        (Setting.BAUDRATE, 0xFF00, "fffa2c01 0000ffff00 fff0"),
        (Setting.DATASIZE, 7, "fffa2c02 07 fff0"),
        (Setting.CONTROL, 1, "fffa2c05 01 fff0"),
    ],
)
def test_requests(setting: Setting, value: int, raw: str) -> None:
    assert request(setting, value) == bytes.fromhex(raw)


def test_rates_and_framings_have_the_numbers_of_rfc_2217() -> None:
    assert list(settings(300, 7, "E", 1).values()) == [300, 7, 3, 1]
    assert list(settings(9600, 8, "N", 2).values()) == [9600, 8, 1, 2]
    assert settings(1, 8, "O", 1)[Setting.PARITY] == 2
    assert [shown(setting, value) for setting, value in settings(300, 7, "E", 1).items()] == [
        "a rate of 300 Bd",
        "7 data bits",
        "parity even",
        "1 stop bits",
    ]
    assert shown(Setting.PARITY, 99) == "parity 99"


# -- options -----------------------------------------------------------------------------------------------------------


def test_what_we_ask_for() -> None:
    assert Options().begin() == bytes.fromhex("fffb2c fffb00 fffb03 fffd00 fffd03")


def test_ser2net_whose_requests_cross_ours_needs_no_further_word() -> None:
    options, replies = negotiated(SER2NET_GREETING)
    assert replies == bytes.fromhex("fffe01")  # no echo, which nobody asked for
    assert options.missing == options.refused == ""


def test_pyserial_offers_the_com_port_option_and_answers_ours() -> None:
    options, replies = negotiated(PORT_MANAGER_GREETING)
    assert replies == bytes.fromhex("fffe01 fffd2c")
    assert options.missing == "eight bits from the meter (BINARY)"
    (will_binary,) = decoded([bytes.fromhex("fffb00")])[0]
    assert isinstance(will_binary, Negotiation)
    assert options.answer(will_binary) == b""
    assert options.missing == options.refused == ""


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("fffe2c", "COM-PORT-OPTION"),
        ("fffe00", r"eight bits towards the meter \(BINARY\)"),
        ("fffc00", r"eight bits from the meter \(BINARY\)"),
        ("fffe2c fffc00", r"COM-PORT-OPTION and eight bits from the meter \(BINARY\)"),
        ("fffd2c fffe2c", "COM-PORT-OPTION"),  # changes its mind
    ],
)
def test_a_refusal_of_what_is_needed_is_remembered(said: str, refused: str) -> None:
    options, _ = negotiated(bytes.fromhex(said) + bytes.fromhex("fffd2c fffd00 fffb00"))
    assert options.refused == refused.replace("\\", "")
    assert negotiated(bytes.fromhex("fffe03 fffc03"))[0].refused == ""  # go-ahead is not needed


@pytest.mark.parametrize(
    ("said", "replies"),
    [
        ("fffd18", "fffc18"),  # terminal type: WONT
        ("fffb18", "fffe18"),
        ("fffd18 fffd18 fffd18", "fffc18"),
        ("fffc18 fffe18", ""),
        ("fffd06 fffd06", "fffb06 fffb06"),  # RFC 860: each timing mark is answered
        ("fffb06 fffc06", ""),
        ("fffd03 fffd03", ""),
        ("fffd03 fffe03 fffd03 fffe03", "fffc03"),
        ("fffb2c fffb2c fffc2c fffc2c", "fffd2c fffe2c"),
    ],
)
def test_answers(said: str, replies: str) -> None:
    assert negotiated(bytes.fromhex(said))[1] == bytes.fromhex(replies)


def test_two_of_us_come_to_an_end() -> None:
    one, other = Options(), Options()
    for_one, for_other = other.begin(), one.begin()
    for _ in range(4):
        for_other, for_one = (
            b"".join(one.answer(event) for event in Decoder().feed(for_one) if isinstance(event, Negotiation)),
            b"".join(other.answer(event) for event in Decoder().feed(for_other) if isinstance(event, Negotiation)),
        )
    assert (for_one, for_other) == (b"", b"")
    assert one.missing == other.missing == ""


def test_control_lines_are_asked_for_as_rfc_2217_says() -> None:
    """SET-CONTROL 8 and 9 (DTR), SET-MODEMSTATE-MASK with all bits; DCD is bit 7 of the modem state."""
    assert dtr(on=True) == bytes.fromhex("fffa2c05 08 fff0")
    assert dtr(on=False) == bytes.fromhex("fffa2c05 09 fff0")
    assert modem_state_wanted() == bytes.fromhex("fffa2c0b ffff fff0")
    assert [ModemState(value).carrier for value in (0x00, 0x7F, 0x80, 0xB8)] == [False, False, True, True]
