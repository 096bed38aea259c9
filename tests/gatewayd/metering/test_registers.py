"""Registers of a channel out of archived readings: primary states, digits, and where another register begins."""

from dataclasses import replace as replaced
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from gatewayd.metering.points import Installed
from gatewayd.metering.registers import register_codes, registers
from gatewayd.metering.values import Channel
from gatewayd.model import DIRECT, Archived, Kind, Ratio
from gatewayd.obis import Obis
from tests.gatewayd.metering.archived_rows import ENERGY, TOTAL, legal, point, row

CHANNEL = Channel("north", ENERGY, "kWh")
RATE = Obis.parse("1-0:1.8.1")
RATIO = Ratio("200/5", "22000/100")


def read(
    seq: int,
    clock: str,
    text: str,
    *,
    meter: str = "em-1",
    obis: Obis = TOTAL,
    ratio: Ratio = DIRECT,
    unit: str = "kWh",
) -> Archived:
    return row(
        seq, legal(clock), text, meter=meter, obis=obis, ratio=ratio, unit=unit, seconds=None, kind=Kind.REGISTER
    )


def test_states_are_primary_and_know_what_their_last_digit_is_worth() -> None:
    found = [read(1, "08:00", "0000012.345", ratio=RATIO), read(2, "09:00", "0000012.346", ratio=RATIO)]
    (total,), rates = registers(point(), found, CHANNEL)
    assert [one.amount for one in total.states] == [Decimal("108636.000"), Decimal("108644.800")]
    assert (total.digit, total.meter, total.channel.obis, rates) == (Decimal("8.8"), "em-1", TOTAL, ())
    assert [(one.at, one.seconds, one.inputs) for one in total.states] == [
        (legal("08:00"), 0, (1,)),
        (legal("09:00"), 0, (2,)),
    ]


def test_units_become_that_of_the_channel_and_others_are_passed_over() -> None:
    found = [read(1, "08:00", "1500", unit="Wh"), read(2, "09:00", "7", unit="m3"), read(3, "10:00", "", unit="Wh")]
    ((total,), _) = registers(point(), found, CHANNEL)
    assert [one.amount for one in total.states] == [Decimal("1.500")] and total.digit == Decimal("0.001")


def test_totals_and_tariffs_are_told_apart_and_nothing_else_belongs_to_them() -> None:
    found = [
        read(1, "08:00", "3"),
        read(2, "08:00", "1", obis=RATE),
        read(3, "08:00", "2", obis=Obis.parse("1-0:1.8.1*01")),
        read(4, "08:00", "2", obis=Obis.parse("1-0:2.8.0")),
        row(5, legal("08:00"), "9", obis=TOTAL),
        read(6, "08:00", "9", meter="em-9"),
    ]
    totals, rates = registers(point(), found, CHANNEL)
    assert [[one.amount for one in each.states] for each in (*totals, *rates)] == [[3], [1]]
    assert register_codes(ENERGY, range(1, 2)) == (TOTAL, RATE)


@pytest.mark.parametrize(
    ("channel", "own", "others"),
    [
        ("7-0:3.0.0", "7-0:3.0.0", ["7-0:3.1.0", "7-0:3.8.0", "7-0:1.0.0", "7-0:3.0.0*01"]),
        ("7-0:13.2.0", "7-0:13.2.0", ["7-0:13.0.0", "7-0:13.8.0"]),
        ("8-0:1.0.0", "8-0:1.0.0", ["9-0:1.0.0", "8-0:1.8.0"]),
        ("6-0:6.26.0", "6-0:6.26.0", ["6-0:6.8.0"]),
        ("1-0:1.29.1", "1-0:1.8.1", ["1-0:1.8.0", "1-0:1.8.2"]),
    ],
)
def test_the_register_of_a_channel_of_any_medium_and_of_one_tariff(channel: str, own: str, others: list[str]) -> None:
    code = Obis.parse(own)
    found = [read(n, f"{8 + n:02d}:00", "9", obis=Obis.parse(one)) for n, one in enumerate(others, 2)]
    (total,), rates = registers(
        point(), [read(1, "08:00", "3", obis=code), *found], Channel("north", Obis.parse(channel), "kWh")
    )
    assert (total.channel.obis, [one.amount for one in total.states], rates) == (code, [Decimal(3)], ())
    assert register_codes(Obis.parse(channel), ())[0] == replaced(code, e=0)


def test_tariffs_of_gas_are_told_apart_too() -> None:
    gas = Channel("north", Obis.parse("7-0:3.0.0"), "m3")
    found = [read(n, "08:00", text, obis=Obis.parse(f"7-0:3.0.{n}"), unit="m3") for n, text in enumerate("312")]
    totals, rates = registers(point(), found, gas)
    assert [[one.amount for one in each.states] for each in (*totals, *rates)] == [[3], [1], [2]]
    assert register_codes(gas.obis, (1, 2)) == tuple(one.channel.obis for one in (*totals, *rates))


def test_another_meter_ratio_or_serial_number_is_another_register() -> None:
    exchanged = point(Installed("em-1"), Installed("em-2", legal("09:00")))
    found = [read(1, "08:00", "900"), read(2, "10:00", "5", meter="em-2"), read(3, "07:00", "1", meter="em-2")]
    found.append(read(4, "09:30", "901"))  # after its time at the point
    totals, _ = registers(exchanged, found, CHANNEL)
    assert [(one.meter, [state.amount for state in one.states]) for one in totals] == [
        ("em-1", [Decimal(900)]),
        ("em-2", [Decimal(5)]),
    ]

    changed = [read(1, "08:00", "900"), read(2, "09:00", "901", ratio=RATIO), read(3, "10:00", "902", ratio=RATIO)]
    assert [len(one.states) for one in registers(point(), changed, CHANNEL)[0]] == [1, 2]

    serials = ("", "123", "", "456")
    numbered = [replace(read(n, f"{7 + n:02d}:00", "900"), serial=serial) for n, serial in enumerate(serials, 1)]
    assert [len(one.states) for one in registers(point(), numbered, CHANNEL)[0]] == [3, 1]


def test_the_newest_of_an_instant_counts_whatever_the_order() -> None:
    found = [read(n, f"{8 + n % 3:02d}:00", f"{100 + n}") for n in range(1, 10)]
    expected = registers(point(), found, CHANNEL)
    assert [one.amount for one in expected[0][0].states] == [109, 107, 108]
    mixed = list(found)
    Random(1).shuffle(mixed)
    assert registers(point(), mixed, CHANNEL) == expected
