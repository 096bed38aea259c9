"""What may leave in programming mode: reads, the password, and writes that are allowed one by one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.outgoing import Login, Outgoing
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.session import Send, SessionSettings
from tests.drivers.iec62056_21.conversation import IDENTIFICATION, examples
from tests.drivers.iec62056_21.interview import ACK, P0, command, knows

NAMES = st.sampled_from([f"{letter}{digit}" for letter in "WREPB" for digit in range(10)]) | st.text(max_size=3)
DATA = st.text(st.characters(max_codepoint=0x150), max_size=20) | st.sampled_from(
    ["0.9.1(153012)", "0.9.1", "()", "\x03x\x01W1\x020.9.1(1)\x03", "(00000000)"]
)
PAIRS = st.frozensets(
    st.tuples(st.sampled_from(["W1", "W5", "E2"]), st.sampled_from(["0.9.1", "0.9.2", ""])), max_size=3
)
WRITE = re.compile(rb"\x01[^RPB]|\x01[PB][^012]")
"""Anything but a read, a password and a break."""


def ready(writes: frozenset[tuple[str, str]] = frozenset()) -> ProgrammingSession:
    session = ProgrammingSession(SessionSettings(), knows, writes)
    session.start(0.0)
    for said in (IDENTIFICATION, P0, ACK):
        session.feed(said, 1.0)
    return session


def leaves(session: ProgrammingSession, name: str, data: str) -> bytes:
    """What is sent for a command; nothing when it is refused."""
    try:
        actions = session.command(name, data, 2.0)
    except PermissionError:
        return b""
    return b"".join(action.data for action in actions if isinstance(action, Send))


@given(NAMES, DATA)
@examples(300)
def test_nothing_that_writes_leaves_by_default(name: str, data: str) -> None:
    sent = leaves(ready(), name, data)
    assert not WRITE.search(sent)
    assert sent.count(b"\x01") <= 1
    assert sent == b"" or re.fullmatch(r"R[1-6]", name)


@given(NAMES, DATA, PAIRS)
@examples(300)
def test_only_the_exact_pair_of_command_and_address_leaves(
    name: str, data: str, allowed: frozenset[tuple[str, str]]
) -> None:
    sent = leaves(ready(allowed), name, data)
    if sent and not re.fullmatch(r"R[1-6]", name):
        assert (name, data.split("(")[0]) in allowed
        assert sent == command(name, data)


@given(st.sampled_from(["W1", "W5", "E2"]), st.sampled_from(["0.9.1", "0.9.2", "1.8.0"]))
@examples(20)
def test_an_allowed_write_leaves_as_it_is(name: str, address: str) -> None:
    assert leaves(ready(frozenset({(name, address)})), name, f"{address}(1)") == command(name, f"{address}(1)")
    assert leaves(ready(frozenset({(name, address)})), name, f"{address}0(1)") == b""
    assert leaves(ready(frozenset({(name, address + "0")})), name, f"{address}(1)") == b""


def test_a_refusal_names_the_option_and_the_session_goes_on() -> None:
    session = ready()
    with pytest.raises(PermissionError, match="`writes`"):
        session.command("W5", "0.9.1(153012)", 2.0)
    assert leaves(session, "R5", "0.9.1()") == command("R5", "0.9.1()")


def test_the_password_is_no_command() -> None:
    assert leaves(ready(), "P1", "(00000000)") == b""
    with pytest.raises(PermissionError):
        Outgoing().password(Login("W1", "(1)"))
    with pytest.raises(PermissionError):
        Outgoing().password(Login("P1", "(1\x03)"))
    assert Outgoing().password(Login("P2", "(1)")) == command("P2", "(1)")


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x02", "\x03", "\x06", "\x1f", "\x7f", "é", "\r"])
def test_characters_that_could_begin_or_end_a_message_are_refused(character: str) -> None:
    for name, writes in (("R5", frozenset[tuple[str, str]]()), ("W5", frozenset({("W5", "0.9.1")}))):
        with pytest.raises(PermissionError, match="printable"):
            Outgoing(writes).command(name, f"0.9.1({character})")
