"""A trace as text: rows of a terminal, nothing lost and nothing twice."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.channel.tracing import Traced, What
from gatewayd.cli.trace_text import NARROW, WIDE, TraceText, row_bytes
from gatewayd.daemon import event_from, event_object
from gatewayd.errors import GatewayError
from gatewayd.legal_time import PRAGUE

AT = datetime(2026, 11, 21, 21, 5, 1, 123456, tzinfo=UTC)


def after(seconds: float, what: What, data: bytes = b"", text: str = "") -> Traced:
    return Traced(AT + timedelta(seconds=seconds), what, tuple(data), text)


def rows(*events: Traced, row: int = WIDE) -> list[str]:
    text = TraceText(PRAGUE, row)
    return [line for event in events for line in text.rows(event)] + list(text.rest())


def test_a_sign_on() -> None:
    assert rows(
        after(0, What.OPENED),
        after(0.001, What.SET, text="300 7E1"),
        after(0.002, What.SENT, b"/?!\r\n"),
        after(0.6, What.RECEIVED, b"/LGZ4ZMD3104107.B32\r\n"),
        after(0.65, What.FAULT, text="line optical: unplugged"),
    ) == [
        "22:05:01.123456  --  opened",
        "22:05:01.124456  --  300 7E1",
        "22:05:01.125456  ->  2F 3F 21 0D 0A                                   /?!..",
        "                 ..  0.598 s without anything",
        "22:05:01.723456  <-  2F 4C 47 5A 34 5A 4D 44 33 31 30 34 31 30 37 2E  /LGZ4ZMD3104107.",
        "22:05:01.723456  <-  42 33 32 0D 0A                                   B32..",
        "22:05:01.773456  !!  line optical: unplugged",
    ]


def test_hidden_bytes() -> None:
    (row,) = rows(Traced(AT, What.SENT, (1, 0x50, None, None, 3)))
    assert row == "22:05:01.123456  ->  01 50 ** ** 03                                   .P**."


def test_characters_that_come_one_by_one_share_a_row() -> None:
    one_by_one = [after(n * 0.0333, What.RECEIVED, bytes((0x30 + n,))) for n in range(10)]
    assert rows(*one_by_one) == ["22:05:01.123456  <-  30 31 32 33 34 35 36 37 38 39                    0123456789"]


def test_a_pause_or_the_other_direction_begins_a_row() -> None:
    told = rows(
        after(0, What.RECEIVED, b"a"), after(0.11, What.RECEIVED, b"b"), after(0.12, What.SENT, b"c"), row=NARROW
    )
    assert [(line[17:19], line.split()[-1]) for line in told] == [("<-", "a"), ("<-", "b"), ("->", "c")]


def test_a_full_row_is_told_at_once_and_the_time_of_the_next_is_its_own() -> None:
    text = TraceText(PRAGUE, 4)
    assert [row.split()[-1] for row in text.rows(after(0, What.RECEIVED, b"abc"))] == []
    assert [row.split()[-1] for row in text.rows(after(0.05, What.RECEIVED, b"defghi"))] == ["abcd", "efgh"]
    (rest,) = text.rest()
    assert rest.startswith("22:05:01.173456  <-  69")
    assert list(text.rest()) == []


@given(
    st.lists(
        st.tuples(st.sampled_from([What.SENT, What.RECEIVED]), st.binary(min_size=1, max_size=40), st.integers(0, 700))
    )
)
def test_every_byte_is_there_once_and_in_order(told: list[tuple[What, bytes, int]]) -> None:
    at, events = AT, []
    for what, data, pause in told:
        at += timedelta(milliseconds=pause)
        events.append(Traced(at, what, tuple(data)))
    shown = [line for line in rows(*events) if line[17:19] in ("->", "<-")]
    for mark, what in (("->", What.SENT), ("<-", What.RECEIVED)):
        digits = "".join(line[21 : 21 + 3 * WIDE] for line in shown if line[17:19] == mark)
        assert bytes.fromhex(digits) == b"".join(data for kind, data, _ in told if kind is what)


@pytest.mark.parametrize(("columns", "row"), [(80, NARROW), (85, NARROW), (86, WIDE), (120, WIDE)])
def test_rows_fit_the_terminal(columns: int, row: int) -> None:
    assert row_bytes(columns) == row
    (line,) = rows(after(0, What.RECEIVED, b"x" * row), row=row)
    assert len(line) <= columns


@pytest.mark.parametrize(
    "event",
    [
        Traced(AT, What.SENT, (1, None, 0xFF)),
        after(0, What.RECEIVED, b"/LGZ"),
        after(0, What.SET, text="9600 7E1"),
        after(0, What.FAULT, text="ů"),
    ],
)
def test_an_event_as_json_and_back(event: Traced) -> None:
    document = event_object("optical", event)
    assert document["line"] == "optical"
    assert event_from(document) == event


def test_hidden_bytes_as_json() -> None:
    document = event_object("optical", Traced(AT, What.SENT, (1, 0x50, None, 3)))
    assert (document["hex"], document["text"]) == ("0150**03", ".P*.")
    assert document["at"] == "2026-11-21T21:05:01.123456Z"


@pytest.mark.parametrize(
    "document", [{}, {"event": "x", "at": "y"}, {"event": "sent", "at": "2026-11-21T21:05:01Z", "hex": "0"}]
)
def test_a_trace_of_another_version(document: dict[str, object]) -> None:
    if document.get("hex") == "0":
        document["hex"] = "zz"
    with pytest.raises(GatewayError, match="not known here"):
        event_from(document)
