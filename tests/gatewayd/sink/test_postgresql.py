"""What of the PostgreSQL sink needs no database: options, COPY text, words for faults; and peers that are none."""

import asyncio
import builtins
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError, InterfaceError  # type: ignore[import-untyped] # pg8000 ships no types
from pydantic import ValidationError

from gatewayd.errors import SinkError
from gatewayd.model import Archived, Flag, Kind, Point, Ratio, RawStatus, ValueSide
from gatewayd.sink import FAREWELL_S
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.postgresql.faults import RightMissing, Target, is_alive, refusal, sink_fault
from gatewayd.sink.postgresql.migrations import shipped
from gatewayd.sink.postgresql.options import PostgresqlOptions
from gatewayd.sink.postgresql.rows import SERIES_KEPT, CopyText, field, insert, insert_ratios
from gatewayd.sink.postgresql.session import Session
from gatewayd.sink.postgresql.sink import PostgresqlSink
from tests.gatewayd.sink.samples import START, interval, register
from tests.interop.postgresql import assert_no_threads

TARGET = Target("db.example", 5432, "meters", "gw", "gatewayd", 30.0, True)
REQUIRED = {"host": "db.example", "database": "meters", "username": "gw"}
DEADLINE_S = 10.0


# ----------------------------------------------------------------------------------------------------- the options


def test_options_have_defaults_that_work() -> None:
    options = PostgresqlOptions.model_validate(REQUIRED)
    assert (options.port, options.db_schema, options.tls, options.batch, options.linger_s, options.timeout_s) == (
        5432,
        "gatewayd",
        None,
        20_000,
        1.0,
        30.0,
    )
    sink = PostgresqlSink("pg", options, "gw-1")
    assert (sink.id, sink.batch, sink.linger_s) == ("pg", 20_000, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"db_schema": "Gatewayd"},
        {"db_schema": "1st"},
        {"db_schema": 'a"b'},
        {"db_schema": "a" * 64},
        {"db_schema": "pg_mine"},
        {"db_schema": "information_schema"},
        {"batch": 0},
        {"batch": 50_001},
        {"timeout_s": 0},
        {"password": "pa55"},
        {"tls": {"key_file": "key.pem"}},
        {"tls": {"verify": False}},
        {"username": ""},
    ],
    ids=str,
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PostgresqlOptions.model_validate({**REQUIRED, **wrong})


def test_every_option_is_described() -> None:
    assert all(info.description for info in PostgresqlOptions.model_fields.values())


def test_files_of_tls_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"tls\.ca_file\) cannot be used: No such file"):
        asyncio.run(enter(sink(1, tls={"ca_file": tmp_path / "absent.pem"})))


# --------------------------------------------------------------------------------------------------- the COPY text


def columns(*readings: Archived, text: CopyText | None = None) -> list[list[str]]:
    lines = (text or CopyText()).lines(readings).decode()
    assert lines.endswith("\n")
    return [line.split("\t") for line in lines.removesuffix("\n").split("\n")]


def test_a_reading_becomes_a_line_with_all_columns() -> None:
    reading = interval(
        7,
        "0036486",
        ratio=Ratio(ct="200/5"),
        flags=Flag.DST | Flag.LATE,
        status=RawStatus.PROVISIONAL,
        scaler=-9,
        more=("a", 'b"'),
        meter_time="0261121",
    )
    reading = msgspec.structs.replace(reading, point=Point("27ZG600Z0424987D", "859182400000000000"))
    assert columns(reading) == [
        [
            "7",
            "2026-11-21T20:00:07+00:00",
            "2026-11-21T20:00:08+00:00",
            "em-1001",
            "35031234",
            "27ZG600Z0424987D",
            "859182400000000000",
            "1-0:1.29.0*255",
            "1.29.0",
            "interval",
            "kWh",
            "900",
            "0.000036486",
            "0.001459440",
            "0036486",
            "2",
            str((1 << 4) + (1 << 11)),
            "3",
            '["a","b\\\\""]',
            "0261121",
        ]
    ]


def test_what_is_empty_missing_or_the_same_is_null() -> None:
    missing = register(1, "7FFF", "Ser#/1", status=RawStatus.MISSING, unit="", serial="", interval_s=900)
    [found] = columns(missing, register(2, "", "1-0:1.8.0*255"))[:1]
    assert found[4:15] == [r"\N", r"\N", r"\N", "Ser#/1", r"\N", "register", r"\N", r"\N", r"\N", r"\N", "7FFF"]
    empty = columns(register(2, "", "1-0:1.8.0*255"))[0]
    assert (empty[8], empty[12], empty[14], empty[18], empty[19]) == (r"\N",) * 5


def test_a_missing_reading_has_no_number_though_its_text_is_one() -> None:
    assert columns(register(1, "32767", status=RawStatus.MISSING))[0][12:15] == [r"\N", r"\N", "32767"]


def test_instants_that_neighbours_share_and_do_not_share() -> None:
    other = datetime(2027, 1, 1, 0, 0, 0, 5, tzinfo=UTC)
    found = columns(register(1, at=START), register(2, at=START), register(3, at=other), register(4, at=START))
    assert [line[1] for line in found] == [
        "2026-11-21T20:00:00+00:00",
        "2026-11-21T20:00:00+00:00",
        "2027-01-01T00:00:00.000005+00:00",
        "2026-11-21T20:00:00+00:00",
    ]
    assert found[2][2] == "2027-01-01T00:00:01.000005+00:00"


def test_series_that_differ_in_one_thing_are_told_apart() -> None:
    first = register(1)
    others = [
        register(2, meter="em-2"),
        register(3, code="1.8.1"),
        register(4, unit="MWh"),
        register(5, kind=Kind.MAXIMUM),
        register(6, serial="1"),
        interval(7, code="1.8.0"),
        msgspec.structs.replace(register(8), point=Point("27ZG600Z0424987D")),
        msgspec.structs.replace(first, seq=9, reading=msgspec.structs.replace(first.reading, obis=None)),
        msgspec.structs.replace(register(10), point=Point("", "859182400000000000")),
    ]
    text = CopyText()
    found = columns(first, *others, first, text=text)
    alone = [columns(reading)[0] for reading in (first, *others, first)]
    assert found == alone
    assert len({tuple(line[3:12]) for line in found}) == len(others) + 1


def test_only_so_many_series_are_remembered() -> None:
    text = CopyText()
    readings = [register(n, meter=f"em-{n}") for n in range(SERIES_KEPT + 5)]
    assert [line[3] for line in columns(*readings, text=text)] == [f"em-{n}" for n in range(SERIES_KEPT + 5)]
    assert len(text._series) <= SERIES_KEPT


@pytest.mark.parametrize(("scaler", "raw"), [(200_001, "1"), (-200_001, "1"), (10**12, "1"), (10**20, "0")])
def test_a_scaler_beyond_everything_is_refused_and_fills_no_memory(scaler: int, raw: str) -> None:
    with pytest.raises(BatchRefused, match=f"a scaler of {scaler} makes no number"):
        CopyText().lines([register(1, raw, scaler=scaler)])


def test_a_product_beyond_computing_is_refused() -> None:
    with pytest.raises(BatchRefused, match="a number is beyond computing: Overflow"):
        CopyText().lines([register(1, "9" * 1_000_000, ratio=Ratio(ct="200/5"))])


@given(st.integers(0, 10**32 - 1), st.integers(-30, 30), st.booleans())
def test_numbers_have_their_digits_and_no_exponent(number: int, scaler: int, negative: bool) -> None:
    reading = register(1, f"{'-' if negative else ''}{number}", scaler=scaler, ratio=Ratio(ct="200/5"))
    value, primary = columns(reading)[0][12:14]
    expected = reading.reading.value
    assert expected is not None and reading.primary is not None
    assert value == format(expected, "f") and primary == format(reading.primary, "f")
    assert "E" not in value + primary


def unescaped(text: str) -> str:
    """As the PostgreSQL manual says of COPY's text format, in another way than the code under test."""
    assert not set(text) & set("\t\n\r\0")
    result, rest = "", text
    while rest:
        if rest[0] == "\\":
            result += {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}[rest[1]]
            rest = rest[2:]
        else:
            result += rest[0]
            rest = rest[1:]
    return result


@given(st.text(st.one_of(st.sampled_from("\t\n\r\\\0.Nn"), st.characters(exclude_categories=["Cs"])), min_size=1))
def test_texts_come_back_from_what_copy_reads(text: str) -> None:
    assert unescaped(field(text)) == text.replace("\0", "␀")
    assert field(text) != r"\N" and field(text) != r"\."


def test_a_lone_surrogate_stops_nothing() -> None:
    archived = register(1)
    spoiled = msgspec.structs.replace(archived.reading, raw_text="\udc80x")
    assert b"\t?x\t" in CopyText().lines([msgspec.structs.replace(archived, reading=spoiled)])


def test_ratios_and_names_are_quoted() -> None:
    ratio = Ratio("200/5", "", Decimal("5E-9"), ValueSide.PRIMARY, date(2026, 1, 2))
    statement = insert_ratios("o'gw", {4: ratio})
    assert "VALUES ('o''gw', 4, '200/5', NULL, 0.000000005, 'primary', '2026-01-02')" in statement
    assert "SELECT 'o''gw', seq" in insert("o'gw")


def test_of_a_ratio_that_begins_in_mid_day_the_database_has_the_day() -> None:
    ratio = Ratio("200/5", since=datetime(2026, 1, 2, 0, 30, tzinfo=timezone(timedelta(hours=1))))
    assert "'secondary', '2026-01-02')" in insert_ratios("gw", {4: ratio})


# -------------------------------------------------------------------------------------------------- words for faults


def answer(state: str, message: str = "its words", severity: str = "ERROR") -> DatabaseError:
    return DatabaseError({"S": severity, "V": severity, "C": state, "M": message})


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("28P01", "does not accept user gw with this password; check username and password"),
        ("28000", "does not let user gw in; its pg_hba.conf or the role must be changed there (its words)"),
        ("3D000", "has no database meters; an administrator must run there: createdb --owner=gw meters"),
        ("53100", "has no space left on its disk; its administrator must make room"),
        ("53200", "is short of resources; its administrator must act (its words)"),
        ("53300", "has too many connections; raise max_connections there or close some"),
        ("57014", "did not finish a statement within 30 s; is it overloaded, stopped or behind a firewall?"),
        ("57P01", "was shut down or ended the connection; is it being restarted?"),
        ("57P02", "was shut down or ended the connection; is it being restarted?"),
        ("57P03", "is starting up, shutting down or recovering; it takes no connections at present"),
        ("57P04", "has just lost the database meters: somebody dropped it"),
        ("08006", "broke the connection"),
        (
            "25006",
            "is read-only: a standby, or default_transaction_read_only is on; host must be the primary server",
        ),
        ("40P01", "gave up a transaction that stood in the way of others (its words)"),
        (
            "42P01",
            "has other tables in schema gatewayd than gatewayd made (its words); did somebody change them?",
        ),
        ("XX001", "cannot do it: its words (SQLSTATE XX001)"),
    ],
)
def test_an_answer_in_plain_words(state: str, words: str) -> None:
    assert str(sink_fault(answer(state), TARGET)) == f"database db.example:5432 {words}"
    assert refusal(answer(state)) is None


def test_a_missing_right_comes_with_the_statement_that_gives_it() -> None:
    fault = sink_fault(answer("42501"), TARGET)
    assert isinstance(fault, RightMissing)
    assert fault.remedy == (
        'GRANT USAGE ON SCHEMA "gatewayd" TO "gw"; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA "gatewayd" TO "gw"'
    )
    assert fault.remedy in str(fault)


@pytest.mark.parametrize("state", ["22003", "22P05", "23514"])
def test_content_is_refused(state: str) -> None:
    assert str(refusal(answer(state))) == f"PostgreSQL refuses it: its words (SQLSTATE {state})"


def test_only_a_refused_statement_leaves_the_connection_alive() -> None:
    assert is_alive(answer("22003"))
    assert not is_alive(answer("57P01", severity="FATAL"))
    assert not is_alive(TimeoutError())
    assert not is_alive(InterfaceError("network error"))


def test_an_older_error_that_was_being_handled_is_not_taken_for_the_cause() -> None:
    broken = InterfaceError("network error")
    broken.__context__ = answer("22003")
    assert not is_alive(broken) and refusal(broken) is None
    assert str(sink_fault(broken, TARGET)) == "database db.example:5432 broke the connection"


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (TimeoutError("timed out"), "did not answer within 30 s; is it overloaded, stopped or behind a firewall?"),
        (ConnectionRefusedError(111, "x"), "refuses the connection; is it running, are host and port right?"),
        (socket.gaierror(-2, "x"), "is not known by that name; check host and the name service"),
        (BrokenPipeError(32, "x"), "broke the connection"),
        (OSError(113, "No route to host"), "cannot be reached: No route to host"),
        (OSError("cannot read from timed out object"), "broke the connection"),
        (KeyError(b"H"), "does not answer as PostgreSQL does (KeyError); are host and port right?"),
    ],
    ids=repr,
)
def test_a_fault_of_the_network_in_plain_words(cause: Exception, words: str) -> None:
    assert str(sink_fault(cause, TARGET)) == f"database db.example:5432 {words}"
    if isinstance(cause, OSError):
        wrapped = InterfaceError("network error")
        wrapped.__cause__ = cause
        assert str(sink_fault(wrapped, TARGET)) == f"database db.example:5432 {words}"


class Stumbling:
    """In the place of pg8000's connection."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def run(self, sql: str) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "usable"),
    [
        (answer("22003"), True),
        (answer("57P01", severity="FATAL"), False),
        (TimeoutError(), False),
        (KeyError(b"?"), False),
        (InterfaceError("network error"), False),
    ],
    ids=repr,
)
def test_a_connection_is_used_again_only_after_a_refused_statement(error: Exception, usable: bool) -> None:
    """An answer that comes late would be taken for that to the next statement."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as tcp:
        session = Session(TARGET, tcp, None)
        session._connection = Stumbling(error)
        with pytest.raises(SinkError):
            session.query("SELECT 1")
        assert session.usable is usable
        if not usable:
            with pytest.raises(SinkError, match="broke the connection"):
                session.query("SELECT 1")


# ------------------------------------------------------------------------------------------- what is no PostgreSQL


def sink(port: int, **options: Any) -> PostgresqlSink:
    settings = {**REQUIRED, "host": "127.0.0.1", "port": port, "timeout_s": DEADLINE_S, **options}
    return PostgresqlSink("pg", PostgresqlOptions.model_validate(settings), "gw-1")


async def enter(of: PostgresqlSink) -> None:
    async with asyncio.timeout(2 * DEADLINE_S), of.connect():
        pytest.fail("there is no database")


@contextmanager
def peer(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that takes one connection and does something with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve, name="peer")
        thread.start()
        yield server.getsockname()[1]
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def until_gone(connection: socket.socket) -> None:
    connection.settimeout(DEADLINE_S)
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"?\0\0\0\x08what" + bytes(20_000))
    until_gone(connection)


def hang_up(connection: socket.socket) -> None:
    connection.recv(4096)


def no_tls(connection: socket.socket) -> None:
    connection.recv(8)
    connection.sendall(b"N")
    until_gone(connection)


NO_ANSWER = r"did not answer within 0\.5 s; is it overloaded, stopped or behind a firewall\?"
NOT_POSTGRES = r"does not answer as PostgreSQL does \(\w+\); are host and port right\?"


@pytest.mark.parametrize(
    ("behaviour", "options", "words"),
    [
        (until_gone, {"timeout_s": 0.5}, NO_ANSWER),
        (until_gone, {"timeout_s": 0.5, "tls": {}}, NO_ANSWER),
        (hang_up, {}, "broke the connection"),
        (hang_up, {"tls": {}}, "broke the connection"),
        (garbage, {}, NOT_POSTGRES),
        (garbage, {"tls": {}}, NOT_POSTGRES),
        (no_tls, {"tls": {}}, "has no TLS; set ssl = on there, or leave tls out"),
    ],
)
def test_a_peer_that_is_no_database(
    behaviour: Callable[[socket.socket], None], options: dict[str, Any], words: str
) -> None:
    with peer(behaviour) as port, pytest.raises(SinkError, match=rf"^database 127\.0\.0\.1:{port} {words}$"):
        asyncio.run(enter(sink(port, **options)))
    assert_no_threads("sink pg")


@pytest.mark.parametrize("options", [{}, {"tls": {}}], ids=["plain", "tls"])
def test_cancelled_while_logging_in(options: dict[str, Any]) -> None:
    async def scenario(port: int, asked: threading.Event) -> None:
        entering = asyncio.create_task(enter(sink(port, timeout_s=60, **options)))
        assert await asyncio.to_thread(asked.wait, DEADLINE_S)
        entering.cancel()
        async with asyncio.timeout(FAREWELL_S):
            await asyncio.wait((entering,))
        assert entering.cancelled()

    asked = threading.Event()

    def say_yes_to_tls(connection: socket.socket) -> None:
        connection.recv(8)
        connection.sendall(b"S")
        connection.recv(1)  # of the handshake, or what follows without TLS
        asked.set()
        until_gone(connection)

    with peer(say_yes_to_tls) as port:
        asyncio.run(scenario(port, asked))
    assert_no_threads("sink pg")


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(SinkError, match=rf"^database 127\.0\.0\.1:{port} refuses the connection; is it running"):
            asyncio.run(enter(sink(port)))


def test_a_password_that_cannot_be_read() -> None:
    with pytest.raises(SinkError, match=r"^environment variable GATEWAYD_TEST_ABSENT is not set \(password_env\)$"):
        asyncio.run(enter(sink(1, password_env="GATEWAYD_TEST_ABSENT")))


def test_without_pg8000_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *arguments: Any, **more: Any) -> Any:  # the signature of __import__
        if name.split(".")[0] == "pg8000":
            raise ModuleNotFoundError("No module named 'pg8000'", name="pg8000")
        return real(name, *arguments, **more)

    for name in [name for name in sys.modules if name.startswith(("pg8000", "gatewayd.sink.postgresql."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", absent)
    from gatewayd.sink.postgresql.options import PostgresqlOptions as Options
    from gatewayd.sink.postgresql.sink import PostgresqlSink as Fresh

    fresh = Fresh("pg", Options.model_validate(REQUIRED), "gw-1")
    expected = r"^the PostgreSQL sink needs pg8000, which is not installed: pip install gatewayd\[postgresql\]$"
    with pytest.raises(SinkError, match=expected):
        asyncio.run(enter(fresh))


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in shipped()] == list(range(1, len(shipped()) + 1))
