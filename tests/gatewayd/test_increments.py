"""Increments of registers: each rule by itself, and what must hold whatever the meter, the gateway and its clock do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.increments import LONGEST_HOLE, Sight, Terms, Track, increment_code, restored, step
from gatewayd.model import DIRECT, NO_FLAGS, Archived, Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.doubles import START

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
TOTAL, GAIN = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:1.29.0")
TERMS = Terms(TOTAL, QUARTER, PRAGUE)


def seen(quarter: int, text: str, late: float = 0.5, **more: object) -> Reading:
    """The register at a quarter-hour after START, so many seconds late."""
    at = START + quarter * QUARTER + timedelta(seconds=late)
    reading = Reading("em-1", TOTAL, "1.8.0", Kind.REGISTER, at, text.encode(), text, unit="kWh")
    return changed(reading, **more)


def changed(reading: Reading, **more: object) -> Reading:
    return msgspec.structs.replace(reading, **more)


def told(*readings: Reading | Sight, terms: Terms = TERMS) -> tuple[Track, list[tuple[Reading, ...]]]:
    """What comes of each reading."""
    track = Track()
    results = []
    for one in readings:
        track, made = step(track, terms, one if isinstance(one, Sight) else Sight(one))
        results.append(made)
    return track, results


def last(*readings: Reading | Sight, terms: Terms = TERMS) -> Reading:
    """The one interval that the last reading makes."""
    (made,) = told(*readings, terms=terms)[1][-1]
    return made


def verdict(reading: Reading) -> tuple[str, str, Flag]:
    return reading.raw_text, reading.status.text, reading.flags


# -- one increment -----------------------------------------------------------------------------------------------------


def test_an_increment_has_the_digits_and_the_time_of_its_registers() -> None:
    made = last(seen(0, "0008048.375", late=0.2, scaler=1), seen(1, "0008048.5", late=1.23, scaler=1))
    assert made == Reading(
        meter="em-1",
        obis=GAIN,
        obis_raw="1.8.0",
        kind=Kind.INTERVAL,
        at=START + QUARTER,
        raw=b"",
        raw_text="0.125",
        unit="kWh",
        scaler=1,
        more=("0008048.375", "0008048.5", "read +1.2 s"),
        interval_s=900,
    )
    assert made.value == Decimal("1.25")


@pytest.mark.parametrize(
    ("before", "after", "gained"),
    [
        ("1", "1", "0"),
        ("9" * 31 + ".9", "9" * 32 + ".01", "8" + "9" * 31 + ".11"),
        ("0." + "0" * 31 + "1", "12345678901234567890", "12345678901234567889." + "9" * 32),
        ("4567,890", "4568,000", "0.110"),
        ("-5", "-3", "2"),
    ],
)
def test_differences_are_exact(before: str, after: str, gained: str) -> None:
    assert last(seen(0, before), seen(1, after)).raw_text == gained


def test_the_first_reading_makes_nothing() -> None:
    track, results = told(seen(0, "100"))
    assert results == [()]
    assert (track.seen, track.base) == (START, START)


def test_the_worst_status_and_all_flags_of_both_ends() -> None:
    before = seen(0, "100", status=RawStatus.PROVISIONAL, flags=Flag.PARITY_ERROR)
    after = seen(1, "101", status=RawStatus.DISTORTED, flags=Flag.BCC_FAILED)
    assert verdict(last(before, after)) == ("1", "distorted", Flag.PARITY_ERROR | Flag.BCC_FAILED)
    assert verdict(last(before, seen(1, "101"))) == ("1", "provisional", Flag.PARITY_ERROR)


@pytest.mark.parametrize(("late", "partial"), [(9.0, False), (9.001, True), (40.0, True), (450.0, True)])
def test_a_boundary_read_late_makes_both_its_intervals_partial(late: float, partial: bool) -> None:
    """1 % of a quarter-hour are 9 s. A retry after 40 s is late, and no energy is lost by it."""
    flags, status = (Flag.PARTIAL_INTERVAL, "distorted") if partial else (NO_FLAGS, "true")
    readings = [seen(0, "100"), seen(1, "105", late=late), seen(2, "110"), seen(3, "115")]
    _, results = told(*readings)
    assert [verdict(*made) for made in results[1:]] == [
        ("5", status, flags),
        ("5", status, flags),
        ("5", "true", NO_FLAGS),
    ]


def test_what_is_read_later_than_half_of_the_period_is_no_boundary() -> None:
    _, results = told(seen(0, "100"), seen(1, "105", late=450.1), seen(2, "110"), seen(3, "115"))
    assert [verdict(*made) for made in results[1:]] == [
        ("", "missing", Flag.NOT_SENT),
        ("", "missing", Flag.NOT_SENT),
        ("5", "true", NO_FLAGS),
    ]


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 2), (5, 3), (15, 9), (60, 36)])
def test_the_tolerance_is_one_per_cent_and_two_seconds_at_least(minutes: int, seconds: int) -> None:
    assert Terms(TOTAL, timedelta(minutes=minutes), PRAGUE).tolerance == timedelta(seconds=seconds)


# -- no value that nobody measured -------------------------------------------------------------------------------------


def test_missed_boundaries_are_missing_and_the_next_increment_counts_from_a_boundary() -> None:
    track, results = told(seen(0, "100"), seen(1, "101"), seen(4, "104"), seen(5, "105"))
    assert [(made.at, *verdict(made)) for made in results[2]] == [
        (START + n * QUARTER, "", "missing", Flag.NOT_SENT) for n in (2, 3, 4)
    ]
    assert all((made.unit, made.obis_raw, made.more, made.value) == ("kWh", "1.8.0", (), None) for made in results[2])
    assert [(made.at, *verdict(made)) for made in results[3]] == [(START + 5 * QUARTER, "1", "true", NO_FLAGS)]
    assert track.base == START + 5 * QUARTER


def test_after_a_hole_only_a_reading_on_time_is_a_beginning() -> None:
    _, results = told(seen(0, "100"), seen(2, "102", late=60), seen(3, "103"), seen(4, "104"))
    assert [[one.raw_text for one in made] for made in results[1:]] == [["", ""], [""], ["1"]]


def test_of_a_long_hole_one_day_is_told() -> None:
    _, results = told(seen(0, "100"), seen(1000, "200"))
    made = results[1]
    assert len(made) == LONGEST_HOLE // QUARTER
    assert made[-1].at == START + 1000 * QUARTER
    assert {one.status for one in made} == {RawStatus.MISSING}


@pytest.mark.parametrize(
    ("lost", "flags"),
    [
        ({"raw_text": "", "status": RawStatus.MISSING, "flags": Flag.SENTINEL}, Flag.SENTINEL),
        ({"raw_text": "", "status": RawStatus.MISSING, "flags": Flag.NOT_SENT, "obis_raw": ""}, Flag.NOT_SENT),
        ({"raw_text": "nonsense", "status": RawStatus.DISTORTED, "flags": Flag.UNDECODABLE}, Flag.UNDECODABLE),
        ({"raw_text": "nonsense"}, Flag.NO_VALUE),
        ({"raw_text": "1" * 65}, Flag.NO_VALUE),
        ({"raw_text": "101", "status": RawStatus.MISSING, "flags": Flag.NO_VALUE}, Flag.NO_VALUE),
    ],
)
def test_a_register_without_a_total_costs_both_its_intervals(lost: dict[str, object], flags: Flag) -> None:
    _, results = told(seen(0, "100"), changed(seen(1, ""), **lost), seen(2, "102"), seen(3, "103"))
    assert [verdict(*made) for made in results[1:]] == [
        ("", "missing", flags),
        ("", "missing", Flag.NOT_SENT),
        ("1", "true", NO_FLAGS),
    ]
    assert results[1][0].unit == "kWh"


def test_a_total_that_goes_back_has_no_increment() -> None:
    _, results = told(seen(0, "100"), seen(1, "2.999"), seen(2, "4"))
    assert [verdict(*made) for made in results[1:]] == [("", "distorted", Flag.BACKWARD), ("1.001", "true", NO_FLAGS)]
    assert results[1][0].more == ("100", "2.999", "read +0.5 s")


BACK = ("", "distorted", Flag.BACKWARD)


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        (["5000", "0", "5000.5", "5001"], [BACK, BACK, ("0.5", "true", NO_FLAGS)]),  # zero while the meter starts
        (["5000", "0", "0", "5000"], [BACK, ("0", "true", NO_FLAGS), BACK]),
        (["5000", "10", "5", "4999", "5000"], [BACK, BACK, ("4994", "true", NO_FLAGS), BACK]),
        (["5000", "0", "1", "2", "3"], [BACK, *[("1", "true", NO_FLAGS)] * 3]),
    ],
)
def test_a_total_that_is_back_where_it_was_gained_nothing(
    totals: list[str], expected: list[tuple[str, str, Flag]]
) -> None:
    track, results = told(*(seen(number, text) for number, text in enumerate(totals)))
    assert [verdict(*made) for made in results[1:]] == expected
    kept = [
        Archived(number, one, one.at, "", 1, DIRECT, exchange)
        for exchange, made in enumerate(results)
        for number, one in enumerate((seen(exchange, totals[exchange]), *made))
    ]
    made, read = ([one for one in kept if one.reading.kind is kind] for kind in (Kind.INTERVAL, Kind.REGISTER))
    end = START + (len(totals) - 1) * QUARTER + timedelta(minutes=3)
    assert restored(TERMS, made, read, end).high == track.high, "a restart changes nothing"


def test_a_register_that_was_seen_to_go_back_spoils_the_interval_in_which_it_did_and_no_other() -> None:
    """The register itself is flagged before intervals are made of it."""
    back = seen(1, "1", status=RawStatus.DISTORTED, flags=Flag.BACKWARD | Flag.DST)
    _, results = told(seen(0, "100"), back, seen(2, "3"))
    assert [verdict(*made) for made in results[1:]] == [
        ("", "distorted", Flag.BACKWARD | Flag.DST),
        ("2", "true", Flag.DST),
    ]
    # Between two boundaries it was read once more: what is gained since the first of them is doubtful.
    between = seen(1, "101", status=RawStatus.DISTORTED, flags=Flag.BACKWARD)
    assert verdict(last(seen(0, "100"), between)) == ("1", "distorted", Flag.BACKWARD)


def test_whether_an_interval_rolled_over_is_said_by_its_own_ends() -> None:
    """A meter that shows zero while it starts looks like one that rolled over, where it stands so high."""
    rolled = seen(1, "000000", flags=Flag.OVERFLOW)
    _, results = told(seen(0, "999990"), rolled, seen(2, "999991", status=RawStatus.TRUE))
    assert [verdict(*made) for made in results[1:]] == [BACK, BACK]


def test_a_total_that_is_back_after_a_day_was_counted() -> None:
    hours = replace(TERMS, period=timedelta(hours=1))
    high = seen(0, "5000"), seen(4, "0"), *(seen(4 * hour, "1") for hour in range(2, 26))
    assert verdict(last(*high, seen(4 * 26, "5000"), terms=hours)) == ("4999", "true", NO_FLAGS)
    assert verdict(last(*high[:-1], seen(4 * 25, "5000"), terms=hours)) == BACK


def weighed(quarter: int, text: str, weight: str, pulses: int) -> Reading:
    return seen(quarter, text, more=(f"pulses {pulses}", f"weight {weight} kWh"))


def test_another_weight_of_a_pulse_is_no_energy() -> None:
    ends = weighed(0, "1000", "0.001", 1_000_000), weighed(1, "2000.002", "0.002", 1_000_001)
    assert verdict(last(*ends)) == ("", "distorted", Flag.CONFIG_CHANGED)
    assert verdict(last(*ends, weighed(2, "2000.004", "0.002", 1_000_002))) == ("0.002", "true", NO_FLAGS)


def test_a_ratio_that_somebody_sets_in_the_meter_makes_its_interval_doubtful() -> None:
    ends = seen(0, "5000"), seen(1, "200000", flags=Flag.RATIO_MISMATCH), seen(2, "200040", flags=Flag.RATIO_MISMATCH)
    assert verdict(last(*ends[:2])) == ("195000", "distorted", Flag.RATIO_MISMATCH | Flag.CONFIG_CHANGED)
    assert verdict(last(*ends)) == ("40", "true", Flag.RATIO_MISMATCH)


@pytest.mark.parametrize(
    ("before", "after", "exchanged"),
    [
        (Sight(seen(0, "1"), configured="a"), Sight(seen(1, "2"), configured="b"), True),
        (Sight(seen(0, "1"), configured="a"), Sight(seen(1, "2"), configured="a"), False),
        (Sight(seen(0, "1"), configured="a"), Sight(seen(1, "2")), False),
        # What the meter says of itself counts for more than what somebody has written.
        (
            Sight(seen(0, "1"), frozenset("b"), configured="a"),
            Sight(seen(1, "2"), frozenset("b"), configured="b"),
            False,
        ),
        (Sight(seen(0, "1"), frozenset("b"), configured="a"), Sight(seen(1, "2"), configured="a"), False),
    ],
)
def test_a_meter_that_tells_no_serial_number_is_another_one_when_that_is_configured(
    before: Sight, after: Sight, exchanged: bool
) -> None:
    expected = ("", "distorted", Flag.SERIAL_MISMATCH) if exchanged else ("1", "true", NO_FLAGS)
    assert verdict(last(before, after)) == expected


@pytest.mark.parametrize(
    ("before", "after", "scaler", "expected"),
    [
        ("999999.5", "0.25", 0, ("0.75", "true", Flag.OVERFLOW)),
        ("99999950", "25", -2, ("75", "true", Flag.OVERFLOW)),
        ("900000", "0", 0, ("100000", "true", Flag.OVERFLOW)),  # a tenth of the range, and no more
        ("899999", "0", 0, ("", "distorted", Flag.BACKWARD)),  # a meter that was reset
        ("500000", "499999", 0, ("", "distorted", Flag.BACKWARD)),
        ("1000000", "1", 0, ("", "distorted", Flag.BACKWARD)),  # the range is another one
        ("999999", "-1", 0, ("", "distorted", Flag.BACKWARD)),
        ("100", "101", 0, ("1", "true", NO_FLAGS)),
    ],
)
def test_a_register_begins_again_at_zero_only_where_that_is_configured(
    before: str, after: str, scaler: int, expected: tuple[str, str, Flag]
) -> None:
    ends = seen(0, before, scaler=scaler), seen(1, after, scaler=scaler)
    assert verdict(last(*ends, terms=replace(TERMS, rollover=Decimal("1e6")))) == expected
    if Flag.OVERFLOW in expected[2]:
        assert verdict(last(*ends)) == ("", "distorted", Flag.BACKWARD)


@pytest.mark.parametrize("change", [{"unit": "Wh"}, {"scaler": 3}])
def test_another_unit_cannot_be_compared(change: dict[str, object]) -> None:
    _, results = told(seen(0, "100"), changed(seen(1, "100000"), **change), changed(seen(2, "100001"), **change))
    assert verdict(*results[1]) == ("", "distorted", Flag.CONFIG_CHANGED)
    assert verdict(*results[2]) == ("1", "true", NO_FLAGS)


def test_no_increment_over_an_exchange_of_the_meter() -> None:
    old, new = frozenset({"123", "isk123"}), frozenset({"456"})
    _, results = told(
        Sight(seen(0, "100"), old),
        Sight(seen(1, "101"), frozenset({"123"})),
        Sight(seen(2, "102")),  # this session did not ask for the serial number
        Sight(seen(3, "103"), new),
        Sight(seen(4, "104"), new),
    )
    assert [verdict(*made) for made in results[1:]] == [
        ("1", "true", NO_FLAGS),
        ("1", "true", NO_FLAGS),
        ("", "distorted", Flag.SERIAL_MISMATCH),
        ("1", "true", NO_FLAGS),
    ]


# -- the same boundary again, and clocks -------------------------------------------------------------------------------


def test_the_first_reading_of_a_boundary_counts() -> None:
    track, results = told(seen(0, "100"), seen(1, "101"), seen(1, "101.5", late=8), seen(2, "102"))
    assert [[one.raw_text for one in made] for made in results] == [[], ["1"], [], ["1"]]
    assert track.end is not None and track.end.reading.raw_text == "102"


def test_a_retry_serves_as_a_beginning_where_the_first_reading_had_no_total() -> None:
    lost = seen(1, "", status=RawStatus.MISSING, flags=Flag.SENTINEL)
    _, results = told(seen(0, "100"), lost, seen(1, "101", late=8), seen(2, "102"))
    assert [[one.raw_text for one in made] for made in results] == [[], [""], [], ["1"]]


def test_a_clock_that_is_set_within_an_interval_is_told() -> None:
    steady = [timedelta(days=20000), timedelta(days=20000, seconds=9), timedelta(days=20000, seconds=-300)]
    sights = [Sight(seen(n, str(n)), skew=skew) for n, skew in enumerate([*steady, steady[-1], None])]
    _, results = told(*sights)
    assert [verdict(*made) for made in results[1:]] == [
        ("1", "true", NO_FLAGS),
        ("1", "distorted", Flag.GATEWAY_CLOCK),
        ("1", "true", NO_FLAGS),
        ("1", "true", NO_FLAGS),
    ]


def test_a_clock_that_is_set_back_gives_no_end_a_second_value() -> None:
    _, results = told(
        seen(0, "100"), seen(1, "101"), seen(2, "102"),
        seen(0, "103"), seen(1, "104"), seen(2, "105"), seen(3, "106"),
    )  # fmt: skip
    assert [[one.raw_text for one in made] for made in results] == [[], ["1"], ["1"], [], [], [], ["1"]]


def test_a_clock_that_was_far_ahead_costs_nothing_but_the_time_that_it_was() -> None:
    """Ends that were told as missing get the value that comes late."""
    _, results = told(
        seen(0, "100"),
        seen(1, "101"),
        seen(40, "102"),
        seen(2, "103"),
        seen(3, "104"),
        seen(39, "105"),
        seen(40, "106"),
    )
    assert [made.raw_text for made in results[2]] == [""] * 39
    assert [verdict(made) for made in results[4]] == [("1", "true", NO_FLAGS)]
    assert results[5] == ()
    assert [(one.at - START) // QUARTER for one in results[6]] == [40]


@pytest.mark.parametrize("zone", ["Europe/Prague", "Asia/Kathmandu"])
def test_boundaries_are_those_of_legal_time(zone: str) -> None:
    hour = Terms(TOTAL, timedelta(hours=1), ZoneInfo(zone))
    local = hour.boundary(START + timedelta(minutes=59)).astimezone(ZoneInfo(zone))
    assert (local.minute, local.second) == (0, 0)


@pytest.mark.parametrize(
    ("total", "gain"),
    [("1.8.0", "1.29.0"), ("1-0:2.8.1", "1-0:2.29.1"), ("1-1:21.8.0", "1-1:21.29.0")],
)
def test_the_code_of_an_increment(total: str, gain: str) -> None:
    assert increment_code(Obis.parse(total)) == Obis.parse(gain)


@pytest.mark.parametrize("code", ["1.7.0", "1.8.0*5", "7-0:3.8.0", "1-0:1.29.0"])
def test_what_is_no_total_has_no_increment(code: str) -> None:
    assert increment_code(Obis.parse(code)) is None


def test_a_clock_that_is_set_back_on_a_bad_line_gives_no_interval_two_values() -> None:
    track, valued = Track(), list[datetime]()
    for number in (*range(96), *range(2, 96)):
        bad = not number % 4
        register = seen(number, "" if bad else str(number), status=RawStatus.MISSING if bad else RawStatus.TRUE)
        track, made = step(track, TERMS, Sight(register))
        valued += [one.at for one in made if one.status is not RawStatus.MISSING]
    assert len(valued) == len(set(valued)) == 48


# -- whatever happens --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a quarter-hour brings."""

    gain: int
    late: float = 0.5
    reads: int = 1
    lost: bool = False
    exchanged: bool = False
    restarted: bool = False


events = st.lists(
    st.builds(
        Event,
        gain=st.integers(0, 900),
        late=st.sampled_from([0.0, 0.5, 9.0, 30.0, 449.0, 500.0]),
        reads=st.sampled_from([0, 1, 1, 1, 1, 2]),
        lost=st.sampled_from([False] * 7 + [True]),
        exchanged=st.sampled_from([False] * 9 + [True]),
        restarted=st.booleans(),
    ),
    max_size=24,
)


class Plant:
    """A meter whose register rolls over at 10,000, and an archive; what it really used is known."""

    def __init__(self) -> None:
        self.terms = replace(TERMS, rollover=Decimal(10000))
        self.track = Track()
        self.archive: list[Archived] = []
        self.exchange = 0

    def read(self, reading: Reading, serial: str) -> None:
        self.track, made = step(self.track, self.terms, Sight(reading, frozenset({serial})))
        self.exchange += 1
        for one in (reading, *made):
            place = len(self.archive) + 1
            self.archive.append(Archived(place, one, one.at, serial, 1, DIRECT, self.exchange))

    def restart(self, now: datetime) -> None:
        made = [one for one in self.archive if one.reading.kind is Kind.INTERVAL]
        read = [one for one in self.archive if one.reading.kind is Kind.REGISTER]
        here = self.terms.boundary(now)
        made = [one for one in made if one.reading.at >= now - LONGEST_HOLE]
        read = [one for one in read if here - QUARTER <= one.reading.at < now]
        self.track = restored(self.terms, made, read, now)

    @property
    def intervals(self) -> list[Reading]:
        return [one.reading for one in self.archive if one.reading.kind is Kind.INTERVAL]


def live(happened: Sequence[Event], *, early: bool = True) -> tuple[Plant, dict[datetime, tuple[Decimal, int]]]:
    """The plant afterwards, and the true total and meter of each boundary that counts: the first reading of it.
    `early`: with restarts also before the first interval."""
    plant, used, meter, ends = Plant(), 9000, 0, dict[datetime, tuple[Decimal, int]]()
    for number, event in enumerate(happened):
        used += event.gain
        meter += event.exchanged
        for again in range(event.reads):
            # What a second reading sees is more, so that it matters which one counts.
            text = "" if event.lost else str((used + again) % 10000)
            status = RawStatus.MISSING if event.lost else RawStatus.TRUE
            late = event.late + again
            plant.read(seen(number, text, late=late, status=status), f"serial {meter}")
            if plant.track.base == START + number * QUARTER and plant.track.base not in ends:
                ends[plant.track.base] = Decimal(used + again), meter
        if event.restarted and (early or plant.intervals):
            plant.restart(START + number * QUARTER + timedelta(seconds=800))
    return plant, ends


@given(events)
def test_true_increments_add_up_to_the_difference_of_the_registers(happened: list[Event]) -> None:
    plant, ends = live(happened)
    for made in plant.intervals:
        if made.raw_text:
            (before, old), (after, new) = ends[made.at - QUARTER], ends[made.at]
            assert Decimal(made.raw_text) == after - before >= 0
            assert old == new, "not over an exchange"


@given(events)
def test_a_sound_pair_of_boundaries_has_its_increment(happened: list[Event]) -> None:
    plant, ends = live(happened)
    valued = {made.at for made in plant.intervals if made.raw_text}
    for end, (_, meter) in ends.items():
        before = ends.get(end - QUARTER)
        assert (end in valued) == (before is not None and before[1] == meter)


@given(events)
def test_each_interval_since_the_first_reading_is_told_once(happened: list[Event]) -> None:
    plant, _ = live(happened)
    at = [made.at for made in plant.intervals]
    assert at == sorted(set(at))
    read = [number for number, event in enumerate(happened) if event.reads]
    if read and not any(event.restarted for event in happened):
        assert at == [START + n * QUARTER for n in range(read[0] + 1, read[-1] + 1)]


@given(events)
def test_a_restart_changes_nothing(happened: list[Event]) -> None:
    """From the first interval on: before that the archive may have nothing of the register."""
    plain, _ = live([replace(event, restarted=False) for event in happened])
    assert live(happened, early=False)[0].intervals == plain.intervals


anything = st.builds(
    seen,
    quarter=st.integers(-50, 5000),
    text=st.one_of(st.text(max_size=80), st.from_regex(r"[+-]?[0-9]{1,40}([.,][0-9]{0,20})?", fullmatch=True)),
    late=st.floats(0, 899),
    unit=st.sampled_from(["kWh", "Wh", ""]),
    scaler=st.integers(-128, 127),
    status=st.sampled_from(list(RawStatus)),
)


@given(st.lists(anything, max_size=8), st.sampled_from([None, Decimal(1), Decimal("1e18")]))
def test_any_readings_in_any_order_are_never_negative_energy(readings: list[Reading], rollover: Decimal | None) -> None:
    track, values = Track(), set[datetime]()
    for one in readings:
        track, made = step(track, replace(TERMS, rollover=rollover), Sight(one))
        assert len(made) <= LONGEST_HOLE // QUARTER
        for gain in made:
            assert gain.kind is Kind.INTERVAL and TERMS.boundary(gain.at) == gain.at
            assert gain.value is None or gain.value >= 0
            assert (gain.status is RawStatus.MISSING) <= (gain.raw_text == "")
            if gain.status is not RawStatus.MISSING:
                assert gain.at not in values
                values.add(gain.at)
