"""Generated profiles: each value can be computed from its instant, days are days of legal time, incidents show."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from simulators.generator import generate, parse_happening, parse_plan
from tests.simulators.reader import ACK, LINES, QUICK, command, connect, data_block, enter, simulate

HOURS = {"0": timedelta(hours=1), "1": timedelta(hours=2), "2": timedelta(0)}


def amount(end: datetime, channel: int, seed: int = 0) -> int:
    """The documented function, in thousandths, written down a second time."""
    minute = (end - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(minutes=1)
    return (7919 * minute + 104729 * channel + 1299709 * seed) % 100000


def parsed(text: str) -> list[tuple[str, datetime, list[str]]]:
    """(status, end, values) of every row."""
    rows = []
    for line in text.splitlines():
        fields = line.rstrip(")").split("(", 1)[1].split(")(")
        if line.startswith("P."):
            at = datetime.strptime(fields[0][1:], "%y%m%d%H%M%S").replace(tzinfo=timezone(HOURS[fields[0][0]]))
            status, period = fields[1], timedelta(minutes=int(fields[2]))
        else:
            rows.append((status, at.astimezone(UTC), fields))
            at += period
    return rows


def generated(plan: str, *happenings: str, seed: int = 0) -> str:
    incidents = tuple(map(parse_happening, happenings))
    return b"".join(stretch.text() for stretch in generate(parse_plan(plan), incidents, seed)).decode()


def test_the_first_rows_by_hand() -> None:
    # 2026-01-01 00:15 in Prague is 2025-12-31 23:15 UTC, Unix minute 29453715;
    # 29453715 * 7919 = 233243969085, and 104729 for each channel.
    lines = generated("P.01:15:2:2026-01-01:2026-01-01").splitlines()
    assert lines[0] == "P.01(0260101001500)(0000)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)"
    assert lines[1] == "(73.814)(78.543)"
    assert len(lines) == 97


def test_every_value_is_the_documented_function_of_its_end() -> None:
    rows = parsed(generated("P.01:15:4:2026-01-01:2026-01-03", seed=7))
    assert len(rows) == 3 * 96
    for number, (status, end, values) in enumerate(rows):
        assert end == datetime(2025, 12, 31, 23, 15, tzinfo=UTC) + number * timedelta(minutes=15)
        assert status == "0000"
        assert values == [f"{amount(end, n, 7) / 1000:06.3f}" for n in range(1, 5)]


@pytest.mark.parametrize(
    ("day", "count", "change", "header"),
    [
        ("2026-03-29", 92, datetime(2026, 3, 29, 1, 15, tzinfo=UTC), "P.01(1260329031500)(0008)(15)(1)"),
        ("2026-10-25", 100, datetime(2026, 10, 25, 1, 15, tzinfo=UTC), "P.01(0261025021500)(0008)(15)(1)"),
    ],
)
def test_change_days_have_92_and_100_quarters(day: str, count: int, change: datetime, header: str) -> None:
    text = generated(f"P.01:15:1:{day}:{day}")
    rows = parsed(text)
    assert len(rows) == count
    assert all(after[1] - before[1] == timedelta(minutes=15) for before, after in itertools.pairwise(rows))
    assert [end for status, end, _ in rows if status == "0008"] == [change]
    assert header in text
    assert text.count("P.01") == 3


def test_daily_and_hourly_profiles() -> None:
    text = generated("P.02:1440:1:2026-03-27:2026-03-31")
    heads = [line for line in text.splitlines() if line.startswith("P.")]
    assert [head[:26] for head in heads] == [
        "P.02(0260328000000)(0000)(",
        "P.02(1260330000000)(0008)(",
        "P.02(1260331000000)(0000)(",
    ]
    assert [end.isoformat() for _, end, _ in parsed(text)] == [
        "2026-03-27T23:00:00+00:00",
        "2026-03-28T23:00:00+00:00",
        "2026-03-29T22:00:00+00:00",
        "2026-03-30T22:00:00+00:00",
        "2026-03-31T22:00:00+00:00",
    ]
    assert len(parsed(generated("P.01:60:8:2026-07-01:2026-07-02"))) == 48


def test_a_power_failure_has_a_header_with_0080() -> None:
    rows = parsed(generated("P.01:15:1:2026-02-01:2026-02-01", "power-failure=02602011000;02602011015"))
    assert len(rows) == 96
    assert [end.hour * 60 + end.minute for status, end, _ in rows if status == "0080"] == [540, 555]


def test_a_clock_that_was_set_makes_two_rows_in_one_interval() -> None:
    text = generated("P.01:15:1:2026-02-01:2026-02-01", "clock-set=02602011000")
    rows = parsed(text)
    assert len(rows) == 97
    (early, late) = [(end, values) for status, end, values in rows if status == "0020"]
    assert early[0] == datetime(2026, 2, 1, 8, 52, 30, tzinfo=UTC)
    assert late[0] == datetime(2026, 2, 1, 9, 0, tzinfo=UTC)
    thousandths = [int(values[0].replace(".", "")) for _, values in (early, late)]
    assert sum(thousandths) == amount(late[0], 1)
    assert thousandths[1] - thousandths[0] in (0, 1)
    assert "P.01(0260201101500)(0000)" in text


def test_missing_rows_leave_a_gap_and_a_new_header() -> None:
    text = generated("P.01:15:1:2026-02-01:2026-02-01", "missing=02602011000;02602011045")
    assert len(parsed(text)) == 92
    heads = [line for line in text.splitlines() if line.startswith("P.")]
    assert [head[:26] for head in heads] == ["P.01(0260201001500)(0000)(", "P.01(0260201110000)(0000)("]
    assert len(parsed(generated("P.01:15:1:2026-02-01:2026-02-01", "missing=02602010015;02602020000"))) == 0


def test_incidents_may_coincide() -> None:
    both = ("power-failure=02602011000", "clock-set=02602011000")
    rows = parsed(generated("P.01:15:1:2026-02-01:2026-02-01", *both))
    assert [status for status, _, _ in rows if status != "0000"] == ["00A0", "00A0"]


@pytest.mark.parametrize(
    ("plan", "complaint"),
    [
        ("P.01", "CODE:"),
        ("P.01:7:1:2026-01-01:2026-01-02", "7 minutes"),
        ("P.01:120:1:2026-01-01:2026-01-02", "120 minutes"),
        ("P.01:0:1:2026-01-01:2026-01-02", "0 minutes"),
        ("P.01:15:0:2026-01-01:2026-01-02", "0 is not"),
        ("P.01:15:9:2026-01-01:2026-01-02", "9 is not"),
        ("P.01:15:1:2026-01-02:2026-01-01", "range"),
        ("P.01:15:1:2026-01-01:2056-01-01", "range"),
        ("P.01:15:1:2026-13-01:2026-01-01", "month"),
    ],
)
def test_what_cannot_be_generated_is_named(plan: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_plan(plan)


@pytest.mark.parametrize(("text", "complaint"), [("flood=02602011000", "flood"), ("missing=soon", "soon")])
def test_what_cannot_happen_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_happening(text)


def test_a_generated_profile_is_served(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES)
    plans = (
        "--generate-profile",
        "P.01:15:1:2026-03-28:2026-03-30",
        "--generate-profile",
        "P.02:1440:1:2026-03-28:2026-03-30",
        "--incident",
        "power-failure=02603291000",
        "--seed",
        "5",
    )
    arguments = ("--readout", file, *plans, "--no-password", "--block", "50", "--tcp", "0", *QUICK)
    with simulate(*arguments) as meter, connect(meter) as line:
        enter(line)
        line.send(command("R5", "P.01(02603290200;12603290330)"))
        ends = [datetime(2026, 3, 29, 1, 0, tzinfo=UTC) + number * timedelta(minutes=15) for number in range(3)]
        rows = [b"(%02d.%03d)\r\n" % divmod(amount(end, 1, 5), 1000) for end in ends]
        heads = (b"P.01(1260329030000)(0000)", b"P.01(1260329031500)(0008)", b"P.01(1260329033000)(0000)")
        text = b"".join(head + b"(15)(1)(1.29.0)(kWh)\r\n" + row for head, row in zip(heads, rows, strict=True))
        line.expect(data_block(text))
        line.send(command("R6", "P.01(02603290200;12603290330)"))
        for at in range(0, len(text), 50):
            line.expect(data_block(text[at : at + 50], more=at + 50 < len(text)))
            line.send(ACK)
        line.send(command("R5", "P.01(02603291000;02603291000)"))
        assert line.read_to(b"\x03").startswith(b"\x02P.01(1260329110000)(0080)")
        line.read(1)
        line.send(command("R5", "P.02(;)"))
        assert line.read_to(b"\x03").count(b"\r\n") == 6
