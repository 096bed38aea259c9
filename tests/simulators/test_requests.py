"""What a simulated meter makes of a reader's bytes: whole, byte by byte, with noise around, and any bytes at all."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from simulators.requests import BUFFERED, Break, Command, Inbox, Next, OptionSelect, ProgrammingRequest, Repeat, SignOn
from tests.simulators.reader import BREAK, PASSWORD, command, with_even_parity

STREAM = (
    PASSWORD
    + b"\x01R5\x021.8.0()\x03^"  # 52^35^02^1.8.0()^03 = 5E
    + b"\x06\x15"
    + b"\x01R1\x02C.1.0()\x03~"  # the right BCC is another one
    + b"\x01R1\x03\x60"  # 52^31^03 = 60: no data set at all
    + BREAK
)
REQUESTS = [
    Command("P1", "(00000000)", intact=True),
    Command("R5", "1.8.0()", intact=True),
    Next(),
    Repeat(),
    Command("R1", "C.1.0()", intact=False),
    Command("R1", "", intact=True),
    Break(),
]


def taken(*pieces: bytes) -> list[ProgrammingRequest]:
    inbox = Inbox()
    found = []
    for piece in pieces:
        inbox.add(piece)
        while (request := inbox.take_programming()) is not None:
            found.append(request)
    return found


def test_requests_whole_with_parity_and_with_noise() -> None:
    assert taken(STREAM) == REQUESTS
    assert taken(with_even_parity(STREAM)) == REQUESTS
    assert taken(b"\x00\x7f\x55/?!\r\n" + STREAM + b"\x00\x02") == REQUESTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cutting_never_changes_the_result(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(STREAM)]
    assert taken(*(STREAM[start:end] for start, end in itertools.pairwise(at))) == REQUESTS


def test_a_command_that_was_cut_short_does_not_spoil_the_next_one() -> None:
    assert taken(b"\x01R5\x02P.01(", command("R5", "1.8.0()")) == [Command("R5", "1.8.0()", intact=True)]


def test_a_bcc_may_be_any_character() -> None:
    # 52^35^02^x^03: x = 60 gives ACK, 73 gives NAK, 6C gives LF.
    for data, check in ((b"`", b"\x06"), (b"s", b"\x15"), (b"l", b"\n")):
        assert taken(b"\x01R5\x02" + data + b"\x03" + check) == [Command("R5", data.decode(), intact=True)]


def test_what_is_older_than_the_buffer_is_forgotten() -> None:
    inbox = Inbox()
    inbox.add(b"\x01R5\x02" + b"x" * BUFFERED + b"\x03\x00")
    assert inbox.take_programming() is None
    inbox.add(PASSWORD)
    assert inbox.take_programming() == REQUESTS[0]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_requests_or_nothing(pieces: list[bytes]) -> None:
    for request in taken(*pieces):
        assert isinstance(request, Command | Next | Repeat | Break)


def test_sign_ons_name_their_table() -> None:
    inbox = Inbox()
    inbox.add(b"/?12!\r\n/2!\r\n/x!\r\n\x06051\r\n")
    assert inbox.take() == SignOn("12", even_parity=False, table="?")
    assert inbox.take() == SignOn("", even_parity=False, table="2")
    assert inbox.take() == OptionSelect("0", "5", "1")
    assert inbox.take() is None
