"""Netting of phases: the examples of the annex, series of phases, and what is missing of one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.metering.netting import Netted, Netting, Phase, net, netted, of_point
from gatewayd.metering.values import Channel, Layer, Method, Series
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import (
    EXPORT,
    IMPORT,
    SUMMER,
    amounts,
    changed,
    channel,
    day_of,
    value,
    without,
)

PLUS, MINUS = channel("house", IMPORT), channel("house", EXPORT)
SALDO, PER_PHASE = Netting.SALDO, Netting.PER_PHASE
EXAMPLES = [
    ((3, 1, -2), SALDO, (2, 0)),
    ((1, 0, -3), SALDO, (0, 2)),
    ((1, 1, -2), SALDO, (0, 0)),
    ((3, 1, -2), PER_PHASE, (4, 2)),
    ((1, 0, -3), PER_PHASE, (1, 3)),
    ((1, 1, -2), PER_PHASE, (2, 2)),
]


def phases(*texts: str) -> list[Phase]:
    return [Phase(day_of(SUMMER, text, f"L{n}")) for n, text in enumerate(texts, 1)]


def first(pair: tuple[Series, Series]) -> tuple[str, str]:
    return str(pair[0].values[0].amount), str(pair[1].values[0].amount)


@pytest.mark.parametrize(("signed", "netting", "expected"), EXAMPLES)
def test_the_worked_examples(signed: tuple[int, ...], netting: Netting, expected: tuple[int, int]) -> None:
    assert net([Decimal(one) for one in signed], netting) == Netted(Decimal(expected[0]), Decimal(expected[1]))
    made = netted(phases(*[str(one) for one in signed]), netting, PLUS, MINUS)
    assert [tuple(one.amount for one in pair) for pair in zip(*(one.values for one in made), strict=True)] == [
        tuple(Decimal(one) for one in expected)
    ] * 96
    assert [one.channel for one in made] == [PLUS, MINUS]


def test_digits_and_signs_stay_as_they_are() -> None:
    assert first(netted(phases("0.250", "0.5", "-1.25"), SALDO, PLUS, MINUS)) == ("0", "0.500")
    assert first(netted(phases("0.250", "-0.25"), SALDO, PLUS, MINUS)) == ("0.000", "0.000")


def test_both_directions_of_a_phase_count_in_one_interval() -> None:
    """A phase that took 3 and gave 1 within a quarter-hour has done both."""
    pair = [Phase(day_of(SUMMER, "3", "L1"), day_of(SUMMER, "1", "L1"))]
    assert first(netted(pair, PER_PHASE, PLUS, MINUS)) == ("3", "1")
    assert first(netted(pair, SALDO, PLUS, MINUS)) == ("2", "0")


@pytest.mark.parametrize("netting", list(Netting))
def test_without_a_phase_there_is_nothing(netting: Netting) -> None:
    at = day_of(SUMMER, "1").values[7].at
    whole = phases("3", "1", "-2")
    for gone in (without(whole[2].plus, at), changed(whole[2].plus, at, value(at, None))):
        for one in netted([*whole[:2], Phase(gone)], netting, PLUS, MINUS):
            assert [value.amount is None for value in one.values] == [n == 7 for n in range(96)]
            bad = one.values[7]
            assert (bad.status, bad.have, bad.want) == (RawStatus.MISSING, 2, 3)
            assert bad.reason == "only 2 of 3 intervals are there"


def test_the_status_of_every_phase_is_in_both_results() -> None:
    whole = phases("3", "1", "-2")
    at = whole[0].plus.values[0].at
    doubtful = Phase(changed(whole[1].plus, at, value(at, "1", RawStatus.DISTORTED)))
    for one in netted([whole[0], doubtful, whole[2]], SALDO, PLUS, MINUS):
        assert [value.status for value in one.values[:2]] == [RawStatus.DISTORTED, RawStatus.TRUE]
        assert one.values[1].method is Method.NETTED
        assert one.values[1].reason == "the simultaneous saldo of 3 intervals"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="point house: 4 phases to be netted, expected 1 to 3"):
        netted(phases("1", "1", "1", "1"), SALDO, PLUS, MINUS)
    with pytest.raises(ValueError, match="expected 1 to 3"):
        netted([], SALDO, PLUS, MINUS)
    with pytest.raises(ValueError, match=r"is in Wh, point L1 .* in kWh"):
        netted(phases("1"), SALDO, Channel("house", IMPORT, "Wh"), MINUS)


def coded(**amounts: str) -> dict[Obis, Series]:
    """The series of a point by group C of their codes, with a C before it."""
    codes = {Obis.parse(f"1-0:{name[1:]}.29.0"): text for name, text in amounts.items()}
    values = {obis: day_of(SUMMER, text).values for obis, text in codes.items()}
    return {obis: Series(channel("house", obis), Layer.INTERVAL, one) for obis, one in values.items()}


def test_a_point_with_the_codes_of_its_phases() -> None:
    series = coded(c21="3", c22="0", c41="1", c42="0", c61="0", c62="2", c23="9", c31="230")
    for netting, expected in ((SALDO, ("2", "0")), (PER_PHASE, ("4", "2"))):
        made = of_point(series, netting)
        assert made is not None
        assert first(made) == expected
        assert [one.channel for one in made] == [PLUS, MINUS]
    single = of_point(coded(c21="3", c22="1"), SALDO)
    assert single is not None
    assert first(single) == ("2", "0")


def test_a_point_that_has_the_sum_or_no_phases_is_not_netted() -> None:
    assert of_point(coded(c1="4", c21="3", c22="0"), SALDO) is None
    assert of_point(coded(c2="4", c21="3", c22="0"), SALDO) is None
    assert of_point(coded(c3="4", c23="1"), SALDO) is None
    with pytest.raises(ValueError, match="point house: phase L2 has -A and no \\+A; add the channel C=41"):
        of_point(coded(c21="1", c22="1", c42="1"), SALDO)


@given(st.lists(amounts, min_size=1, max_size=3))
def test_the_balance_is_the_same_in_both_settings(signed: list[Decimal]) -> None:
    saldo, single = net(signed, SALDO), net(signed, PER_PHASE)
    assert saldo.plus - saldo.minus == single.plus - single.minus == sum(signed)
    assert min(saldo.plus, saldo.minus) == 0
    assert min(single.plus, single.minus) >= 0
    assert saldo.plus <= single.plus
    if min(signed) >= 0 or max(signed) <= 0:
        assert saldo == single  # all in one direction: both settings are the same
