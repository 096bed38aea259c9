"""The profiles of the simulated DLMS meter: days of legal time, incidents, selective access, and how rows are written.

Bytes are written by hand from IEC 62056-6-2; values are computed from the seed as simulators/dlms_profile.py states.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.simulators.dlms_foreign import Foreign, Refused, Who, in_process
from tests.simulators.dlms_meter import ByHand, meter
from tests.simulators.test_dlms_foreign import total

QUARTER = timedelta(minutes=15)
PROFILE = "1.0.99.1.0.255"
GET_PROFILE = bytes.fromhex("c001c1 0007 0100630100ff 02")
CLOCK_OBJECT = bytes.fromhex("0204 120008 0906 0000010000ff 0f02 120000")


def by_range(first: str, last: str, columns: bytes = b"\x01\x00") -> bytes:
    """The request with a range descriptor; `first` and `last` are twelve octets in hexadecimal digits."""
    bounds = b"".join(b"\x09\x0c" + bytes.fromhex(bound) for bound in (first, last))
    return GET_PROFILE + b"\x01\x01\x02\x04" + CLOCK_OBJECT + bounds + columns


def by_entry(first: int, last: int, first_column: int = 1, last_column: int = 0) -> bytes:
    rows = b"".join(b"\x06" + number.to_bytes(4) for number in (first, last))
    columns = b"".join(b"\x12" + number.to_bytes(2) for number in (first_column, last_column))
    return GET_PROFILE + b"\x01\x02\x02\x04" + rows + columns


def day(client: Foreign, first: datetime, last: datetime) -> list[tuple[datetime, int, int]]:
    """Time, status and first value of the rows between two instants."""
    rows = client.by_range(client.profile(PROFILE), first, last)
    return [(row[0].value.astimezone(UTC), row[1], row[2]) for row in rows]


@pytest.mark.parametrize(
    ("now", "first", "quarters", "summer"),
    [
        ("2026-03-30T12:00:00", datetime(2026, 3, 28, 23, 0, tzinfo=UTC), 92, 92 - 7),
        ("2026-10-26T12:00:00", datetime(2026, 10, 24, 22, 0, tzinfo=UTC), 100, 11),
        ("2026-06-16T12:00:00", datetime(2026, 6, 14, 22, 0, tzinfo=UTC), 96, 96),
    ],
)
def test_days_have_92_96_and_100_quarters(now: str, first: datetime, quarters: int, summer: int) -> None:
    # Summer time begins with the instant 02:00 of the spring day; its end, 01:00 UTC, is the first in normal time.
    client = in_process(meter("--now", now), Who())
    rows = day(client, first + QUARTER, first + quarters * QUARTER)
    assert [at for at, _, _ in rows] == [first + number * QUARTER for number in range(1, quarters + 1)]
    assert sum(status == 8 for _, status, _ in rows) == summer
    assert [value for _, _, value in rows] == [total(at, 1) for at, _, _ in rows]


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        # 02:00 in summer time, and 02:00 once more, in normal time.
        ((), "07ea0a1907020000 00 ff88 80", "07ea0a1907020000 00 ffc4 00"),
        (("--deviation", "local-minus-utc"), "07ea0a1907020000 00 0078 80", "07ea0a1907020000 00 003c 00"),
        (("--deviation", "unspecified"), "07ea0a1907020000 00 8000 80", "07ea0a1907020000 00 8000 00"),
        (("--no-dst-bit",), "07ea0a1907020000 00 ff88 00", "07ea0a1907020000 00 ffc4 00"),
    ],
)
def test_the_hour_that_comes_twice_is_written_as_asked(options: tuple[str, ...], before: str, after: str) -> None:
    client = ByHand(meter("--now", "2026-10-26T12:00:00", *options))
    # Entries of 40 days, the last one at 11:00 UTC: 00:00 UTC is 44 quarters before the last of the previous day.
    rows = int((datetime(2026, 10, 26, 11, tzinfo=UTC) - datetime(2026, 10, 25, 0, tzinfo=UTC)) / QUARTER)
    entry = 40 * 96 - rows
    first = client.ask(by_entry(entry, entry, 1, 1))
    second = client.ask(by_entry(entry + 4, entry + 4, 1, 1))
    assert first == bytes.fromhex("c401c100 0101 0201 090c") + bytes.fromhex(before)
    assert second == bytes.fromhex("c401c100 0101 0201 090c") + bytes.fromhex(after)


def test_an_unspecified_deviation_of_a_range_means_legal_time() -> None:
    client = ByHand(meter())
    answer = client.ask(by_range("07ea060f01000000ff800080", "07ea060f01000000ff800080"))
    assert answer[:22] == bytes.fromhex("c401c100 0101 0206 090c 07ea060f01000000 00 ff88 80")


def test_columns_can_be_chosen_in_both_ways() -> None:
    client = ByHand(meter())
    column = bytes.fromhex("0101 0204 120003 0906 0100020800ff 0f02 120000")
    midnight = "07ea060f01000000 00 ff88 80"
    at = datetime(2026, 6, 14, 22, tzinfo=UTC)
    value = b"\x06" + total(at, 2).to_bytes(4)
    assert client.ask(by_range(midnight, midnight, column)) == bytes.fromhex("c401c100 0101 0201") + value
    entry = int((at - (datetime(2026, 6, 15, 8, tzinfo=UTC) - timedelta(days=40))) / QUARTER)
    assert client.ask(by_entry(entry, entry, 4, 4)) == bytes.fromhex("c401c100 0101 0201") + value


def test_a_range_without_rows_is_an_empty_array() -> None:
    client = ByHand(meter())
    future = "07eb060f02000000 00 ff88 80"
    assert client.ask(by_range(future, future)) == bytes.fromhex("c401c100 0100")


@pytest.mark.parametrize(("offered", "entry", "ranged"), [("range", 1, 0), ("entry", 0, 1), ("none", 1, 1)])
def test_selective_access_that_is_not_offered_is_refused(offered: str, entry: int, ranged: int) -> None:
    client = ByHand(meter("--selective", offered))
    midnight = "07ea060f01000000 00 ff88 80"
    refused = bytes.fromhex("c401c101 fa")
    answers = client.ask(by_entry(1, 1)), client.ask(by_range(midnight, midnight))
    assert [answer == refused for answer in answers] == [bool(entry), bool(ranged)]
    assert all(answer[:4].hex() == "c401c100" for answer in answers if answer != refused)


def test_a_range_on_another_object_is_refused() -> None:
    client = ByHand(meter())
    request = by_range("07ea060f01000000 00 ff88 80", "07ea060f01000000 00 ff88 80")
    other = request.replace(bytes.fromhex("120008 0906 0000010000ff"), bytes.fromhex("120003 0906 0100010800ff"))
    assert client.ask(other) == bytes.fromhex("c401c101 0d")


def test_incidents_leave_gaps_and_double_rows() -> None:
    incidents = ("missing=12606150100;12606150200", "clock-set=12606150400", "power-failure=12606150500")
    options = [text for incident in incidents for text in ("--incident", incident)]
    client = in_process(meter("--profile-values", "intervals", *options), Who())
    profile = client.profile(PROFILE)
    assert str(profile.captureObjects[2][0].logicalName) == "1.0.1.29.0.255"
    first = datetime(2026, 6, 14, 22, 0, tzinfo=UTC)
    rows = day(client, first, first + timedelta(hours=6))

    def value(at: datetime) -> int:
        return (int(at.timestamp()) // 60 * 7919 + 104729 + 1299709) % 100_000

    status = {at: state for at, state, _ in rows}
    ends = [first + number * QUARTER for number in range(25) if not 4 <= number <= 8]
    double = first + timedelta(hours=4) - QUARTER / 2
    assert [at for at, _, _ in rows] == sorted([*ends, double])
    assert status[first + timedelta(hours=2, minutes=15)] == 0x88, "power came back"
    assert status[first + timedelta(hours=5)] == 0x88
    assert status[double] == status[double + QUARTER / 2] == 0x28
    amounts = {at: amount for at, _, amount in rows}
    assert amounts[double] + amounts[double + QUARTER / 2] == value(double + QUARTER / 2)
    assert amounts[first] == value(first)


def test_null_compression_leaves_out_what_did_not_change() -> None:
    options = ("--null-compression", "--incident", "missing=12606150045")
    client = ByHand(meter(*options))
    answer = client.ask(by_range("07ea060f01000000 00 ff88 80", "07ea060f01010000 00 ff88 80"))
    ends = [datetime(2026, 6, 14, 22, tzinfo=UTC) + number * QUARTER for number in (0, 1, 2, 4)]
    values = [b"".join(b"\x06" + total(end, channel).to_bytes(4) for channel in (1, 2, 3, 4)) for end in ends]
    expected = bytes.fromhex("c401c100 0104")
    expected += bytes.fromhex("0206 090c 07ea060f01000000 00 ff88 80 1108") + values[0]
    # A regular time is null; after the gap it is written, and so is a status that changed.
    expected += bytes.fromhex("0206 00 00") + values[1] + bytes.fromhex("0206 00 00") + values[2]
    expected += bytes.fromhex("0206 090c 07ea060f01010000 00 ff88 80 1188") + values[3]
    assert answer == expected


def test_compact_array_has_the_types_once() -> None:
    client = ByHand(meter("--compact-array"))
    answer = client.ask(by_range("07ea060f01000000 00 ff88 80", "07ea060f01000f00 00 ff88 80"))
    ends = [datetime(2026, 6, 14, 22, tzinfo=UTC) + number * QUARTER for number in (0, 1)]
    values = [b"".join(total(end, channel).to_bytes(4) for channel in (1, 2, 3, 4)) for end in ends]
    rows = bytes.fromhex("0c 07ea060f01000000 00 ff88 80 08") + values[0]
    rows += bytes.fromhex("0c 07ea060f01000f00 00 ff88 80 08") + values[1]
    assert answer == bytes.fromhex("c401c100 13 0206 09 11 06060606") + bytes([len(rows)]) + rows


def test_daily_billing_and_events_have_their_own_rhythm() -> None:
    client = in_process(meter("--profile-days", "10", "--seed", "5"), Who())
    daily = client.profile("1.0.99.2.0.255")
    rows = client.by_entry(daily, 1, 10)
    midnights = [datetime(2026, 6, 5, 22, tzinfo=UTC) + timedelta(days=number) for number in range(10)]
    assert [row[0].value for row in rows] == midnights
    assert [row[2] for row in rows] == [total(at, 1, 5) for at in midnights]
    billing = client.by_entry(client.profile("0.0.98.1.0.255"), 11, 2)
    assert [row[0].value for row in billing] == [
        datetime(2026, 4, 30, 22, tzinfo=UTC),
        datetime(2026, 5, 31, 22, tzinfo=UTC),
    ]
    assert billing[1][1] == total(datetime(2026, 5, 31, 22, tzinfo=UTC), 1, 5)
    assert datetime(2026, 4, 30, 22, tzinfo=UTC) < billing[1][6].value < datetime(2026, 5, 31, 22, tzinfo=UTC)
    events = client.by_entry(client.profile("0.0.99.98.0.255"), 1, 100)
    assert 9 <= len(events) <= 10
    assert all(1 <= row[1] <= 20 for row in events)
    assert [row[0].value for row in events] == sorted(row[0].value for row in events)
    assert len(client.profile("0.0.99.98.1.255").captureObjects) == 3


def test_the_load_profile_says_how_it_is_kept() -> None:
    client = ByHand(meter("--profile-days", "2", "--incident", "missing=12606150045"))
    get = "c001c1 0007 0100630100ff {:02x} 00"
    period, method, sort, used, entries = (client.ask(bytes.fromhex(get.format(n))) for n in (4, 5, 6, 7, 8))
    assert period == bytes.fromhex("c401c100 06 00000384")
    assert method == bytes.fromhex("c401c100 16 01")
    assert sort == bytes.fromhex("c401c100") + CLOCK_OBJECT
    assert used == bytes.fromhex("c401c100 06 000000bf")
    assert entries == bytes.fromhex("c401c100 06 000000c0")


def test_an_unknown_selector_or_object_is_refused() -> None:
    client = ByHand(meter())
    assert client.ask(GET_PROFILE + b"\x01\x07\x00") == bytes.fromhex("c401c101 fa")
    foreign = in_process(meter(), Who())
    with pytest.raises(Refused) as caught:
        foreign.text("0.0.96.99.0.255")
    assert caught.value.code == 4
