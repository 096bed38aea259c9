"""Secrets in a trace: what was sent in secret is never seen in what comes back, however it comes; all else is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.channel.masking import EchoMask, Piece, hide, spoken_secret

AT = datetime(2026, 11, 21, 20, tzinfo=UTC)
PASSWORD = b"\x01P1\x02(00000000)\x03a"
SEVEN_BITS = st.binary(max_size=60).map(lambda data: bytes(byte & 0x7F for byte in data))


def text(pieces: list[Piece]) -> str:
    return "".join("*" if byte is None else chr(byte) for piece in pieces for byte in piece.data)


def feed(mask: EchoMask, *chunks: bytes) -> str:
    return "".join(text(mask.feed(AT, chunk)) for chunk in chunks) + text(mask.flush())


def masking(*secrets: bytes) -> EchoMask:
    mask = EchoMask()
    for secret in secrets:
        mask.sent(secret)
    return mask


def test_without_secrets_everything_is_shown_at_once() -> None:
    mask = EchoMask()
    assert text(mask.feed(AT, PASSWORD)) == PASSWORD.decode()
    assert mask.flush() == []


def test_an_echo_is_hidden_and_the_answer_behind_it_is_not() -> None:
    assert feed(masking(PASSWORD), PASSWORD + b"\x06") == "*" * len(PASSWORD) + "\x06"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_an_echo_in_any_pieces(sizes: list[int]) -> None:
    data, chunks = PASSWORD + b"\x06", []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    assert feed(masking(PASSWORD), *chunks, data) == "*" * len(PASSWORD) + "\x06"


def test_an_answer_without_an_echo_is_shown_with_the_next_event() -> None:
    mask = masking(PASSWORD)
    assert mask.feed(AT, b"\x06") == []
    assert text(mask.flush()) == "\x06"
    assert text(mask.feed(AT, b"1.8.0(00000001)")) == "1.8.0(00000001)"


def test_a_refusal_without_an_echo_is_shown() -> None:
    assert feed(masking(PASSWORD), b"\x01B0\x03q") == "\x01B0\x03q"


def test_a_garbled_echo_is_hidden_too() -> None:
    """One character wrong on the way: by content alone the password would stand around it."""
    for place in range(len(PASSWORD)):
        echo = PASSWORD[:place] + b"?" + PASSWORD[place + 1 :]
        assert "0000" not in feed(masking(PASSWORD), echo + b"\x06"), place


def test_noise_before_a_garbled_echo() -> None:
    echo = b"\x7f\x7f" + PASSWORD[:6] + b"?" + PASSWORD[7:]
    assert "0000" not in feed(masking(PASSWORD), echo + b"\x06")


def test_an_echo_that_is_cut_short_is_hidden() -> None:
    assert feed(masking(PASSWORD), PASSWORD[:8]) == "*" * 8
    assert feed(masking(PASSWORD), b"\x06", PASSWORD[:8]) == "\x06" + "*" * 8


def test_an_echo_with_parity_in_bit_7() -> None:
    mask = EchoMask()
    mask.sent(b"17", whole=False)
    assert feed(mask, b"\xb1\xb7") == "**"


def test_the_beginning_of_a_late_echo_is_hidden_when_nothing_follows() -> None:
    mask = EchoMask()
    mask.sent(b"12345678", whole=False)
    assert text(mask.feed(AT, b"x1234")) == "x"
    assert text(mask.flush()) == "****"


def test_noise_and_a_garbled_echo_in_pieces() -> None:
    """The window is as long as the secret and the noise before it."""
    assert feed(masking(b"12345678"), b"\x7f\x7f\x7f\x7f1234", b"5?78") == "\x7f" * 4 + "*" * 8


def test_two_echoes_at_once() -> None:
    mask = EchoMask()
    mask.sent(b"1234", whole=False)
    assert feed(mask, b"1234 and 1234.") == "**** and ****."


def test_the_end_of_an_echo_is_not_held_for_the_beginning_of_the_next_one() -> None:
    mask = masking(b"1212")
    assert text(mask.feed(AT, b"1212")) == "****"
    assert mask.flush() == []


def test_a_late_echo_is_still_known() -> None:
    mask = masking(PASSWORD)
    assert feed(mask, b"\x06" * 40) == "\x06" * 40
    assert feed(mask, b"x" + PASSWORD + b"y") == "x" + "*" * len(PASSWORD) + "y"


def test_the_times_of_the_pieces_stay() -> None:
    mask = masking(b"secret")
    later = AT + timedelta(seconds=1)
    assert mask.feed(AT, b"sec") == []
    assert mask.feed(later, b"ret, then an answer") == [
        Piece(AT, (None,) * 3),
        Piece(later, (None,) * 3 + tuple(b", then an answer")),
    ]


@given(st.lists(SEVEN_BITS, max_size=10), st.binary(min_size=1, max_size=8), st.booleans())
def test_nothing_is_lost_reordered_or_held_for_long(chunks: list[bytes], secret: bytes, whole: bool) -> None:
    mask = EchoMask()
    mask.sent(secret, whole=whole)
    shown: list[int | None] = []
    fed = 0
    for chunk in chunks:
        shown += [byte for piece in mask.feed(AT, chunk) for byte in piece.data]
        fed += len(chunk)
        assert fed - len(shown) <= len(secret) + 4
    shown += [byte for piece in mask.flush() for byte in piece.data]
    sent = b"".join(chunks)
    assert len(shown) == len(sent)
    assert all(seen is None or seen == byte for seen, byte in zip(shown, sent, strict=True))


@given(SEVEN_BITS, st.integers(1, 7))
def test_a_secret_is_nowhere_to_be_seen(around: bytes, size: int) -> None:
    data = around + b"12345678" + around
    mask = EchoMask()
    mask.sent(b"12345678", whole=False)
    assert "12345678" not in feed(mask, *(data[n : n + size] for n in range(0, len(data), size)))


@pytest.mark.parametrize(
    ("command", "secret"),
    [
        (b'AT+CPIN="1234"\r', b'1234"'),
        (b"at+cpin=1234\r", b"1234"),
        (b"ATD+420601123489\r", b"+420601123489"),
        (b"ATDT0601123489\r", b"0601123489"),
        (b"ATDP123,W4\r", b"123,W4"),
        (b"AT+CPIN?\r", b""),
        (b"AT&D2\r", b""),
        (b"ATS0=0\r", b""),
    ],
)
def test_what_is_secret_in_what_is_said_to_a_modem(command: bytes, secret: bytes) -> None:
    assert spoken_secret(command) == secret


def test_hide() -> None:
    assert hide(b"ATD123\r", b"123") == (*b"ATD", None, None, None, 13)
    assert hide(b"ATZ\r", b"") == tuple(b"ATZ\r")


# 1 and 32 characters are the shortest and the longest password; in the others no digit follows itself.
MESSAGES = [
    b"\x01P1\x02(7)\x03q",
    b"\x01P1\x02(73914628)\x03a",
    b"\x01P1\x02(abcdefghijklmnopqrstuvwxyz012345)\x03b",
]


def gives_away(shown: str, message: bytes) -> bool:
    """Whether two characters of the password stand together, or the only one."""
    password = message[5:-3].decode()
    parts = [password] if len(password) == 1 else [password[n : n + 2] for n in range(len(password) - 1)]
    return any(part in shown for part in parts)


@pytest.mark.parametrize("message", MESSAGES)
def test_an_echo_with_a_character_lost_or_too_many(message: bytes) -> None:
    for place in range(len(message)):
        for echo in (message[:place] + message[place + 1 :], message[:place] + b"\x7f" + message[place:]):
            assert not gives_away(feed(masking(message), echo + b"\x06"), message), echo
            drips = feed(masking(message), *(bytes((byte,)) for byte in echo), b"\x06")
            assert not gives_away(drips, message), echo


@pytest.mark.parametrize("message", MESSAGES)
def test_the_rest_of_an_echo_after_a_pause(message: bytes) -> None:
    for place in range(1, len(message)):
        mask = masking(message)
        shown = feed(mask, message[:place]) + feed(mask, message[place:] + b"\x06")
        assert shown == "*" * len(message) + "\x06", place


def test_the_rest_of_a_garbled_echo_after_a_pause() -> None:
    mask = masking(MESSAGES[1])
    assert not gives_away(feed(mask, b"\x01P?\x02(7") + feed(mask, b"3914628)\x03a\x06"), MESSAGES[1])


def test_a_garbled_echo_after_much_noise() -> None:
    echo = b"\x7f" * 40 + MESSAGES[1][:6] + b"?" + MESSAGES[1][7:]
    for size in (1, 7, 100):
        chunks = [echo[n : n + size] for n in range(0, len(echo), size)]
        assert not gives_away(feed(masking(MESSAGES[1]), *chunks, b"\x06"), MESSAGES[1]), size


@pytest.mark.parametrize("answer", [b"\x06", b"\x15", b"\x01B0\x03q", b"\x02(ERROR)\x03\x04", b"\x02()\x03\x02"])
@pytest.mark.parametrize("message", MESSAGES)
def test_every_answer_to_a_password_is_shown(message: bytes, answer: bytes) -> None:
    assert feed(masking(message), answer) == answer.decode()
    assert feed(masking(message), message + answer) == "*" * len(message) + answer.decode()


def test_the_data_of_the_meter_are_its_own_after_our_next_message() -> None:
    mask = masking(MESSAGES[1])
    assert text(mask.feed(AT, b"\x06")) == ""
    assert text(mask.turn()) == "\x06"
    data = b"\x020.0.0(73914628)\r\nC.1(P1\x02(7391)\x03\x01"  # ends with a BCC that is an SOH as well
    assert feed(mask, data) == data.decode()


def test_it_says_when_it_has_to_be_fed() -> None:
    mask = EchoMask()
    assert not mask.waiting
    mask.sent(MESSAGES[1])
    assert (mask.waiting, mask.holds) == (True, False)
    mask.feed(AT, MESSAGES[1][:8])
    assert (mask.waiting, mask.holds) == (True, True)
    mask.feed(AT, MESSAGES[1][8:])
    assert (mask.waiting, mask.holds) == (False, False)


def test_the_rest_of_an_echo_is_not_looked_for_after_our_next_message() -> None:
    mask = masking(MESSAGES[1])
    assert text(mask.feed(AT, MESSAGES[1][:12])) + text(mask.turn()) == "*" * 12
    assert feed(mask, b"\x02C.1.0(99628)\x03a") == "\x02C.1.0(99628)\x03a"


def test_an_answer_that_shares_a_word_with_the_secret_is_shown() -> None:
    assert feed(masking(b'AT+CPIN="4711"\r'), b"\r\n+CPIN: READY\r\n") == "\r\n+CPIN: READY\r\n"


@pytest.mark.parametrize(
    ("secret", "echo"),
    [
        (b"12345678", b"1?345678"),
        (b"12345678", b"12?45?78"),
        (b"12345678", b"?2345678"),
        (b"12345678", b"123456??"),
        (MESSAGES[1], b"\x01P1(739"),
    ],
)
def test_all_of_a_garbled_echo_is_hidden(secret: bytes, echo: bytes) -> None:
    assert feed(masking(secret), echo) == "*" * len(echo)


# By hand after the Green Book: an AARQ with a password in HDLC and in the wrapper, and what a meter answers to it.
_NAMES = bytes.fromhex("A109060760857405080101")
_AARQ = (
    bytes.fromhex("6036") + _NAMES + bytes.fromhex("8A0207808B0760857405080201AC0A80083132333435363738")
) + bytes.fromhex("BE10040E01000000065F1F0400007E1FFFFF")
_AARE = bytes.fromhex("6129") + _NAMES + bytes.fromhex("A203020100A305A103020100BE10040E0800065F1F040000501D01F40007")
_FRAMED = (
    (
        b"\x7e\xa0\x47\x03\x21\x10\x66\x3b\xe6\xe6\x00" + _AARQ + b"\x5a\x5a\x7e",
        b"\x7e\xa0\x38\x21\x03\x30\x66\x3b\xe6\xe7\x00" + _AARE + b"\x11\x22\x7e",
    ),
    (b"\x00\x01\x00\x10\x00\x01\x00\x38" + _AARQ, b"\x00\x01\x00\x01\x00\x10\x00\x2b" + _AARE),
)


@pytest.mark.parametrize(("request_", "answer"), _FRAMED, ids=("hdlc", "wrapper"))
def test_an_answer_in_the_same_words_as_the_request_is_the_meters_own(request_: bytes, answer: bytes) -> None:
    assert feed(masking(request_), answer) == answer.decode("latin-1")
    assert feed(masking(request_), request_ + answer) == "*" * len(request_) + answer.decode("latin-1")
    refusal = answer[:9] + b"\x0e\x01\x02\x06"
    assert feed(masking(request_), refusal) == refusal.decode("latin-1")


@pytest.mark.parametrize(("request_", "answer"), _FRAMED, ids=("hdlc", "wrapper"))
def test_a_garbled_echo_of_a_frame_is_hidden(request_: bytes, answer: bytes) -> None:
    garbled = bytearray(request_)
    for place in (3, 17, 40, 55):
        garbled[place] ^= 0x20
    lost = request_[:20] + request_[21:]
    for echo in (bytes(garbled), lost):
        shown = feed(masking(request_), echo)
        assert "2345" not in shown and "5678" not in shown
        assert set(shown) == {"*"}
