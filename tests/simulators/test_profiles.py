"""Load profiles and logs of the simulated meter, cut to the range that was asked for.

The tables have the forms of EMH (LZQJ-XC, data formats 1.20: season digit, seconds, 32-bit status), MetCom (8-bit
status, full codes), LEM (EM4T II manual 4.2.6: no season digit) and the log of VDEW 2.1.2.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.profile import Stretch, answer, instant, load
from tests.simulators.reader import ACK, LINES, QUICK, Line, command, connect, data_block, enter, simulate

EMH = b"""P.01(1220823161500)(00000000)(15)(2)(1.5)(kW)(2.5)(kW)\r
(0.18374)(0.00078)\r
(0.16832)(0.00000)\r
(0.15000)(0.00001)\r
P.01(1220823170000)(00000080)(15)(2)(1.5)(kW)(2.5)(kW)\r
(0.00001)(---.-)\r
"""
SECOND_HEADER = b"P.01(1220823163000)(00000000)(15)(2)(1.5)(kW)(2.5)(kW)\r\n"
THIRD_HEADER = b"P.01(1220823164500)(00000000)(15)(2)(1.5)(kW)(2.5)(kW)\r\n"
ROWS = EMH.splitlines(keepends=True)
DAYS = b"""P.02(0220822000000)(00)(1440)(1)(1-0:1.8.0)(kWh)\r
(000001.0)\r
(000002.0)\r
"""
LOG = b"""P.98(1220823101112)(00000020)()(2)(0.9.1)()(0.9.2)()\r
(101500)(220823)\r
P.98(1220823120000)(00002000)()(0)\r
"""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A meter in programming mode that keeps three tables, two in one file; as with an editor, one with LF only."""
    readout, both, days = (tmp_path / name for name in ("lines.txt", "both.txt", "days.txt"))
    readout.write_bytes(LINES)
    both.write_bytes(EMH + LOG)
    days.write_bytes(DAYS.replace(b"\r\n", b"\n"))
    arguments = ("--readout", readout, "--profile", both, "--profile", days, "--no-password", "--tcp", "0", *QUICK)
    with simulate(*arguments) as meter, connect(meter) as connected:
        enter(connected)
        yield connected


def ask(line: Line, request: bytes, data: bytes) -> None:
    line.send(request)
    line.expect(data_block(data))


def test_everything_is_sent_as_it_is_kept(line: Line) -> None:
    for everything in ("P.01(;)", "P.01()", "P.01"):
        ask(line, command("R5", everything), EMH)
    ask(line, command("R5", "P.98(;)"), LOG)
    ask(line, command("R2", "P.02(;)"), DAYS)


@pytest.mark.parametrize(
    ("asked", "data"),
    [
        # Both ends belong to it.
        ("(12208231615;12208231645)", b"".join(ROWS[:4])),
        ("(12208231630;12208231630)", SECOND_HEADER + ROWS[2]),
        ("(12208231616;12208231659)", SECOND_HEADER + ROWS[2] + ROWS[3]),
        ("(12208231631;12208231700)", THIRD_HEADER + ROWS[3] + ROWS[4] + ROWS[5]),
        ("(12208231700;)", ROWS[4] + ROWS[5]),
        ("(;12208231615)", ROWS[0] + ROWS[1]),
        # The same instants in normal time, in UTC, in legal time without a digit, with seconds, and with punctuation.
        ("(02208231530;02208231530)", SECOND_HEADER + ROWS[2]),
        ("(22208231430;22208231430)", SECOND_HEADER + ROWS[2]),
        ("(2208231630;2208231630)", SECOND_HEADER + ROWS[2]),
        ("(1220823163000;1220823163000)", SECOND_HEADER + ROWS[2]),
        ("(22-08-23,16:30;22-08-23,16:30)", SECOND_HEADER + ROWS[2]),
        ("(12208231701;)", b"P.01(ERROR)"),
        ("(12208231616;12208231629)", b"P.01(ERROR)"),
        ("(12208231645;12208231615)", b"P.01(ERROR)"),
        ("(12208231615)", b"(ERROR)"),
        ("(12208231615;x)", b"(ERROR)"),
        ("(12213231615;)", b"(ERROR)"),
        ("(32208231615;)", b"(ERROR)"),
        ("(220823;)", b"(ERROR)"),
    ],
)
def test_a_range_has_a_header_of_its_own(line: Line, asked: str, data: bytes) -> None:
    ask(line, command("R5", f"P.01{asked}"), data)


@pytest.mark.parametrize("name", ["R3", "R4", "R6"])
def test_a_profile_in_partial_blocks(line: Line, name: str) -> None:
    assert len(EMH) <= 256
    ask(line, command(name, "P.01(12208231615;12208231700)"), EMH)
    ask(line, command(name, "P.01(12208231645;)"), THIRD_HEADER + ROWS[3] + ROWS[4] + ROWS[5])


def test_a_long_profile_in_partial_blocks(tmp_path: Path) -> None:
    readout, file = tmp_path / "lines.txt", tmp_path / "profile.txt"
    readout.write_bytes(LINES)
    file.write_bytes(EMH)
    arguments = ("--readout", readout, "--profile", file, "--no-password", "--block", "80", "--tcp", "0", *QUICK)
    with simulate(*arguments) as meter, connect(meter) as line:
        enter(line)
        line.send(command("R6", "P.01(;)"))
        line.expect(data_block(EMH[:80], more=True))
        line.send(ACK)
        line.expect(data_block(EMH[80:160], more=True))
        line.send(ACK)
        line.expect(data_block(EMH[160:]))
        # R1 knows no ranges.
        ask(line, command("R1", "P.01(;)"), b"(ERROR)")


def test_a_log_and_a_daily_profile_are_cut_too(line: Line) -> None:
    log = LOG.splitlines(keepends=True)
    ask(line, command("R5", "P.98(12208231011;12208231012)"), log[0] + log[1])
    ask(line, command("R5", "P.98(12208231012;)"), log[2])
    ask(
        line,
        command("R5", "P.02(02208230000;02208230000)"),
        DAYS.replace(b"0220822", b"0220823").replace(b"(000001.0)\r\n", b""),
    )
    ask(line, command("R5", "P.03(;)"), b"(ERROR)")
    ask(line, command("R5", "1.8.0()"), b"1.8.0(000123.456*kWh)")


def served(text: bytes, asked: str) -> bytes | None:
    return answer(list(load(text)), asked)


def test_a_log_entry_without_values_is_an_entry() -> None:
    assert served(b"P.98(1220823120000)(00002000)()(0)\r\n", "P.98(12208231200;12208231200)") is not None


def test_other_forms_keep_their_form() -> None:
    lem = b"P.01(121015061500)(00000000)(5)(1)(1.29.0)(kWh)\r\n(1)\r\n(2)\r\n(3)\r\n"
    cut = b"P.01(121015062500)(00000000)(5)(1)(1.29.0)(kWh)\r\n(3)\r\n"
    # 06:25 in October is summer time.
    assert served(lem, "P.01(11210150625;)") == cut
    assert served(lem, "P.01(1210150621;1210150625)") == cut
    short = b"1-0:P.01(01301310800)(08)(15)(1)(1-0:1.5.0)(kW)\r\n(1)\r\n(2)\r\n"
    cut = b"1-0:P.01(01301310815)(08)(15)(1)(1-0:1.5.0)(kW)\r\n(2)\r\n"
    assert served(short, "P.01(01301310815;01302010800)") == cut
    utc = b"P.01(2260701000000)(00)(15)(1)(1.5)(kW)\r\n(1)\r\n(2)\r\n"
    assert served(utc, "P.01(12607010215;)") == b"P.01(2260701001500)(00)(15)(1)(1.5)(kW)\r\n(2)\r\n"


def test_the_season_digit_follows_the_law_or_the_clock_of_the_meter() -> None:
    rows = b"".join(b"(%d)\r\n" % number for number in range(1, 10))
    head = b"P.01(%s)(00)(15)(1)(1.5)(kW)\r\n"
    spring = head % b"0260329013000" + rows
    assert served(spring, "P.01(12603290300;12603290300)") == head % b"1260329030000" + b"(3)\r\n"
    assert served(spring, "P.01(2603290145;2603290145)") == head % b"0260329014500" + b"(2)\r\n"
    autumn = head % b"1261025023000" + rows
    assert served(autumn, "P.01(12610250245;12610250245)") == head % b"1261025024500" + b"(2)\r\n"
    assert served(autumn, "P.01(02610250245;02610250245)") == head % b"0261025024500" + b"(6)\r\n"
    # Without a digit the hour that comes twice is asked for from its first to its second time.
    asked = served(autumn, "P.01(2610250245;2610250245)")
    assert asked == head % b"1261025024500" + b"(2)\r\n(3)\r\n(4)\r\n(5)\r\n(6)\r\n"
    # Normal time in July: a clock that knows no summer time.
    always = head % b"0260701000000" + rows
    assert served(always, "P.01(12607010115;12607010115)") == head % b"0260701001500" + b"(2)\r\n"


@pytest.mark.parametrize(
    "text", [b"", b"(1)\r\n", b"P.01(26)(00)(15)(1)(1.5)(kW)\r\n", b"P.01\r\n", EMH + b"rubbish\r\n"]
)
def test_what_is_no_table_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        list(load(text))


QUARTER = timedelta(minutes=15)
MOMENTS = st.integers(0, 2000).map(lambda number: datetime(2026, 3, 25, tzinfo=UTC) + number * QUARTER)


def ends(text: bytes) -> list[datetime]:
    """The ends of all rows, as a reader works them out from the headers."""
    found: list[datetime] = []
    for raw in text.decode().splitlines():
        if raw.startswith("P.01("):
            season, digits = raw[5], raw[6:18]
            at = datetime.strptime(digits + "+0000", "%y%m%d%H%M%S%z") - timedelta(hours={"0": 1, "1": 2}[season])
        else:
            found.append(at)
            at += QUARTER
    return found


@given(start=MOMENTS, lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4), cut=st.tuples(MOMENTS, MOMENTS))
def test_a_range_holds_exactly_the_rows_in_it(
    start: datetime, lengths: list[int], cut: tuple[datetime, datetime]
) -> None:
    clock = next(load(EMH)).clock
    stretches, at = [], start
    for length in lengths:
        rows = tuple(b"(%d)" % number for number in range(length))
        stretches.append(Stretch(b"P.01", at, clock, b"(00)(15)(1)(1.5)(kW)", QUARTER, rows))
        at += (length + 1) * QUARTER
    every = ends(b"".join(stretch.text() for stretch in stretches))
    assert every == [stretch.first + number * QUARTER for stretch in stretches for number in range(len(stretch.rows))]
    first, last = sorted(cut)
    text = answer(stretches, f"P.01(2{first:%y%m%d%H%M};2{last:%y%m%d%H%M})")
    assert text is not None
    kept = [end for end in every if first <= end <= last]
    assert (text == b"P.01(ERROR)") is (not kept)
    if kept:
        assert ends(text) == kept


@given(st.text(alphabet="P.01()0123456789;-:,xz", max_size=40))
def test_any_request_is_answered_or_refused(text: str) -> None:
    done = answer(list(load(EMH + LOG)), text)
    assert done is None or done.startswith(b"P.")


def test_instants_know_their_zone() -> None:
    noon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    for text in ("12607011200", "02607011100", "22607011000", "2607011200", "260701120000", "26-07-01,12:00"):
        assert instant(text)[0] == noon
    assert len(list(itertools.chain(load(EMH), load(DAYS)))) == 3
