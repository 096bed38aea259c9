"""Ratios and configuration in force: what applied when a reading was taken is found again after any time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewayd.archive import segments
from gatewayd.archive.query import Selection
from gatewayd.archive.records import Entry
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveError
from gatewayd.model import DIRECT, Meter, MeteringType, Point, Ratio, ValueSide
from tests.crash.rig import content, rounds, seal
from tests.gatewayd.archive.samples import append, entry, everything, exchange, opened, reading, reading_from

FIRST = Ratio(ct="200/5", vt="22000/100", since=date(2024, 5, 1))
SECOND = Ratio(ct="300/5", vt="22000/100", since=date(2026, 11, 1))
EIC, EAN = "27ZG100Z0012345X", "859182400100366666"


def meter(*ratios: Ratio, name: str = "em-1001") -> Meter:
    return Meter(name, "iec62056_21", "optical", ratios=ratios)


def versions(folder: Path, number: int = 1) -> list[tuple[object, ...]]:
    return [row[:7] for row in content(segments.segment_path(folder, number))["ratio"]]


def test_the_configuration_is_declared_before_any_reading(tmp_path: Path) -> None:
    primary = Ratio(ct="100/1", multiplier=Decimal("0.10"), value_side=ValueSide.PRIMARY, since=date(2025, 1, 1))
    with opened(tmp_path) as store:
        store.declare([meter(FIRST, SECOND), meter(primary, name="em-2001")])
    assert versions(tmp_path) == [
        (1, "em-1001", "200/5", "22000/100", "1", "secondary", "2024-05-01"),
        (2, "em-1001", "300/5", "22000/100", "1", "secondary", "2026-11-01"),
        (3, "em-2001", "100/1", "", "0.10", "primary", "2025-01-01"),
    ]


def test_what_is_known_is_not_declared_again(tmp_path: Path) -> None:
    for _ in range(3):
        with opened(tmp_path) as store:
            store.declare([meter(FIRST, SECOND)])
            append(store, entry(reading(1), ratio=FIRST))
            seal(store)
            store.declare([meter(FIRST, SECOND)])
    for number in segments.segment_numbers(tmp_path):
        assert [row[0] for row in versions(tmp_path, number)] == [1, 2]


CHANGES = [
    {"ct": "250/5"},
    {"vt": "35000/100"},
    {"multiplier": Decimal(2)},
    {"multiplier": Decimal("1.0")},
    {"value_side": ValueSide.PRIMARY},
    {"since": date(2024, 5, 2)},
    {"since": datetime(2024, 5, 1, 10, 15, tzinfo=timezone(timedelta(hours=2)))},
    {"ct": ""},
]


def test_an_instant_is_kept_with_its_offset_and_the_archive_is_sound(tmp_path: Path) -> None:
    """Also the first of the two hours of autumn, which the wall clock alone does not tell from the second."""
    offset = timezone(timedelta(hours=2))
    twice = Ratio(ct="400/5", since=datetime(2026, 10, 25, 2, 30, tzinfo=offset))
    with opened(tmp_path) as store:
        store.declare([meter(FIRST, twice)])
        append(store, entry(reading(1), ratio=twice))
        seal(store)
    assert [row[6] for row in versions(tmp_path)] == ["2024-05-01", "2026-10-25T02:30:00+02:00"]
    (found,) = everything(tmp_path)
    assert found.ratio == twice
    assert found.ratio.since == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert verify(tmp_path).ok


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_a_version_of_its_own(tmp_path: Path, change: dict[str, object]) -> None:
    changed = replace(FIRST, **change)  # type: ignore[arg-type]  # one field of Ratio each
    with opened(tmp_path) as store:
        before = append(store, entry(reading(1), ratio=FIRST))
        store.declare([meter(FIRST, changed)])
        after = append(store, entry(reading(2), ratio=changed))
        again = append(store, entry(reading(3), ratio=FIRST))
    assert before[0].ratio_id == again[0].ratio_id != after[0].ratio_id
    assert len(versions(tmp_path)) == 2
    stored = everything(tmp_path)
    assert [item.ratio for item in stored] == [FIRST, changed, FIRST]
    assert [str(item.ratio.multiplier) for item in stored][1] == str(changed.multiplier)


def test_the_same_ratio_of_two_meters_is_two_versions(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        (one,) = append(store, entry(reading(1), ratio=FIRST))
        (two,) = append(store, entry(reading(2, meter="em-2001"), ratio=FIRST))
    assert one.ratio_id != two.ratio_id


def test_a_reading_keeps_its_ratio_through_any_number_of_rotations(tmp_path: Path) -> None:
    """The ids are what publishing hands out, so that they must mean the same for ever."""
    given_out: dict[Ratio, int] = {}
    with opened(tmp_path) as store:
        for turn in range(8):
            ratios = (FIRST, replace(SECOND, ct=f"{300 + turn}/5"), DIRECT)
            for place, ratio in enumerate(ratios):
                (item,) = append(store, entry(reading(turn * 10 + place), ratio=ratio))
                assert given_out.setdefault(ratio, item.ratio_id) == item.ratio_id
                assert item.primary == (item.reading.value or 0) * ratio.factor
            seal(store)
    with opened(tmp_path) as store:
        (item,) = append(store, entry(reading(99), ratio=FIRST))
        assert item.ratio_id == given_out[FIRST]
    assert len(set(given_out.values())) == len(given_out) == 10
    for item in everything(tmp_path):
        assert item.ratio_id == given_out[item.ratio]
    numbers = segments.segment_numbers(tmp_path)
    assert len(versions(tmp_path, numbers[-1])) == 10, "each segment can be read by itself"
    assert all(
        versions(tmp_path, number) == versions(tmp_path, numbers[-1])[: 3 + turn]
        for turn, number in enumerate(numbers[:-1])
    )
    assert verify(tmp_path).ok


def test_a_damaged_segment_takes_no_ratio_id_with_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(reading(1), ratio=FIRST))
        seal(store)
        (second,) = append(store, entry(reading(2), ratio=SECOND))
    path = segments.segment_path(tmp_path, 2)
    data = bytearray(path.read_bytes())
    data[data.index(b"0000002.375")] ^= 1
    path.write_bytes(data)
    with opened(tmp_path) as store:  # still readable, so that it goes on
        (third,) = append(store, entry(reading(3), ratio=replace(SECOND, ct="400/5")))
        assert third.ratio_id == second.ratio_id + 1
    with (tmp_path / path.name).open("r+b") as file:
        file.truncate(file.seek(0, 2) - 4096)
    with opened(tmp_path) as store:
        (again,) = append(store, entry(reading(4), ratio=FIRST))
        assert again.ratio_id == 1
        assert again.ratio == FIRST


def test_serial_point_and_type_are_those_of_the_reading(tmp_path: Path) -> None:
    """A meter is exchanged, a point renamed: what was archived stays with what it was read from."""
    point = Point(EIC, EAN)

    def one(number: int, serial: str, at: Point, kind: MeteringType = MeteringType.C) -> Entry:
        return Entry(exchange(), (reading(number),), (DIRECT,), serial, at, kind)

    with opened(tmp_path) as store:
        append(store, one(1, "35031234", point))
        append(store, one(2, "35031234", Point(EIC)))
        seal(store)
        append(store, one(3, "41000001", point, MeteringType.A))
        append(store, one(4, "41000001", Point()))
        append(store, one(5, "35031234", point))
    stored = everything(tmp_path)
    assert [item.serial for item in stored] == ["35031234", "35031234", "41000001", "41000001", "35031234"]
    assert [item.point for item in stored] == [point, Point(EIC), point, Point(), point]
    devices = [content(segments.segment_path(tmp_path, number))["device"] for number in (1, 2)]
    assert [row[5] for row in devices[1]] == ["A", "C", "C"]
    assert len(devices[0]) == 2
    with reading_from(tmp_path) as reader:
        assert [item.seq for item in reader.select(Selection(point=EIC))] == [1, 2, 3, 5]
        assert [item.seq for item in reader.select(Selection(point=EAN))] == [1, 3, 5]


def test_a_ratio_for_each_reading() -> None:
    with pytest.raises(ValueError, match="ratio"):
        Entry(exchange(), (reading(1), reading(2)), (DIRECT,))


def test_a_refused_entry_leaves_no_version_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        (one,) = append(store, entry(reading(1), ratio=FIRST))
        with pytest.raises(ArchiveError):
            append(store, entry(reading(2), ratio=SECOND, detail="\ud800"))
        (two,) = append(store, entry(reading(3), ratio=replace(SECOND, ct="400/5")))
        assert two.ratio_id == one.ratio_id + 1
    assert verify(tmp_path).ok
    assert len(versions(tmp_path)) == 2


ratios = st.builds(
    Ratio,
    ct=st.sampled_from(["", "200/5", "300/5"]),
    vt=st.sampled_from(["", "22000/100"]),
    multiplier=st.sampled_from([Decimal(1), Decimal("1.0"), Decimal(2)]),
    value_side=st.sampled_from(list(ValueSide)),
    since=st.sampled_from([date(1970, 1, 1), date(2026, 11, 1)]),
)


@pytest.mark.timeout(900)
@settings(max_examples=rounds(10, 300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["em-1001", "em-2001"]), ratios, st.booleans()), min_size=1, max_size=12))
def test_any_sequence_of_ratios(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Ratio, bool]]) -> None:
    folder = tmp_path_factory.mktemp("archive")
    ids: dict[tuple[str, Ratio, str], int] = {}
    with opened(folder) as store:
        for number, (name, ratio, rotate) in enumerate(steps):
            (item,) = append(store, entry(reading(number, meter=name), ratio=ratio))
            key = (name, ratio, str(ratio.multiplier))
            # The exchange has the meter's name too; a version belongs to the meter of the reading.
            assert ids.setdefault(key, item.ratio_id) == item.ratio_id
            if rotate:
                seal(store)
    assert sorted(ids.values()) == list(range(1, len(ids) + 1))
    for item, (name, ratio, _) in zip(everything(folder), steps, strict=True):
        assert (item.reading.meter, item.ratio, str(item.ratio.multiplier)) == (name, ratio, str(ratio.multiplier))
        assert item.ratio_id == ids[name, ratio, str(ratio.multiplier)]
