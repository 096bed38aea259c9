"""Statuses: the worst wins in any order, and the one table knows every fault (PPDS annex 5, 2.12)."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.model import NO_FLAGS, Flag, Outcome, RawStatus
from gatewayd.status import OUTCOMES, SOUND, TABLE, Fault, Verdict, judge

statuses = st.sampled_from(list(RawStatus))
many = st.lists(statuses, max_size=6)
faults = st.lists(st.sampled_from(list(Fault)), max_size=6)


def test_the_order_of_weight() -> None:
    assert RawStatus.TRUE < RawStatus.SUBSTITUTE < RawStatus.PROVISIONAL < RawStatus.DISTORTED < RawStatus.MISSING


def test_nothing_at_all_is_true() -> None:
    assert RawStatus.worst([]) is RawStatus.TRUE
    assert RawStatus.worst(iter(())) is RawStatus.TRUE


@given(statuses, statuses, statuses)
def test_the_worst_is_associative_commutative_and_idempotent(a: RawStatus, b: RawStatus, c: RawStatus) -> None:
    worst = RawStatus.worst
    assert worst([a, worst([b, c])]) == worst([worst([a, b]), c]) == worst([a, b, c])
    assert worst([a, b]) == worst([b, a])
    assert worst([a, a]) == a
    assert worst([a, RawStatus.TRUE]) == a
    assert worst([a, RawStatus.MISSING]) == RawStatus.MISSING


@given(many, many)
def test_the_worst_of_parts_is_the_worst_of_all(one: list[RawStatus], other: list[RawStatus]) -> None:
    assert RawStatus.worst([RawStatus.worst(one), RawStatus.worst(other)]) == RawStatus.worst(one + other)


@given(many, statuses)
def test_another_input_never_makes_a_status_better(inputs: list[RawStatus], more: RawStatus) -> None:
    assert RawStatus.worst([*inputs, more]) >= RawStatus.worst(inputs)
    assert isinstance(RawStatus.worst([*inputs, more]), RawStatus)


def test_every_fault_has_a_rule_that_says_why() -> None:
    assert set(TABLE) == set(Fault)
    for rule in TABLE.values():
        assert rule.flag in Flag and rule.flag != NO_FLAGS
        assert rule.meaning


def test_every_end_of_an_exchange_is_explained() -> None:
    assert list(OUTCOMES) == list(Outcome)
    assert all(OUTCOMES.values())


def test_every_fault_can_be_told_apart_by_its_flag() -> None:
    """But for those that mean the same to whoever uses the value: the word itself is kept beside it."""
    alike = [
        {Fault.POWER_FAILED, Fault.POWER_CAME_BACK},
        {Fault.TIME_TWICE, Fault.SEASON_DOUBTFUL},
        {Fault.TIME_INVALID, Fault.CLOCK_DOUBTFUL},
        {Fault.SEASON_CHANGED, Fault.SEASON_SUMMER},
        {Fault.METER_FATAL, Fault.METER_ERROR_BEGAN, Fault.METER_ERROR_ENDED},
        {Fault.PARAMETERS_SET, Fault.LOG_ERASED, Fault.PROFILE_ERASED, Fault.UNIT_CHANGED},
        {Fault.OTHER_SERIAL, Fault.METER_EXCHANGED},
        {Fault.NOT_IN_READOUT, Fault.BOUNDARY_MISSED, Fault.INTERVAL_NOT_IN_METER},
        {Fault.TOTAL_WENT_BACK, Fault.REGISTER_BACKWARD},
        {Fault.GATEWAY_CLOCK_SET, Fault.GATEWAY_CLOCK_UNKNOWN},
    ]
    same_flag = {frozenset(f for f in Fault if TABLE[f].flag == rule.flag) for rule in TABLE.values()}
    assert {group for group in same_flag if len(group) > 1} == set(map(frozenset, alike))


@pytest.mark.parametrize(
    ("fault", "status", "flag"),
    [
        # A value that came, but not as the meter sent it, is distorted and kept.
        (Fault.CHECK_CHARACTER, RawStatus.DISTORTED, Flag.BCC_FAILED),
        (Fault.CHECKSUM, RawStatus.DISTORTED, Flag.CRC_FAILED),
        (Fault.BLOCK_CUT_SHORT, RawStatus.DISTORTED, Flag.TRUNCATED),
        (Fault.PARITY, RawStatus.DISTORTED, Flag.PARITY_ERROR),
        (Fault.NOT_DECODABLE, RawStatus.DISTORTED, Flag.UNDECODABLE),
        # A value that is not there is missing.
        (Fault.SENTINEL, RawStatus.MISSING, Flag.SENTINEL),
        (Fault.EMPTY, RawStatus.MISSING, Flag.NO_VALUE),
        (Fault.NOT_IN_READOUT, RawStatus.MISSING, Flag.NOT_SENT),
        # A doubt about when or which meter does not change what was measured.
        (Fault.TIME_TWICE, RawStatus.TRUE, Flag.TIME_AMBIGUOUS),
        (Fault.TIME_INVALID, RawStatus.TRUE, Flag.CLOCK_INVALID),
        (Fault.OTHER_SERIAL, RawStatus.TRUE, Flag.SERIAL_MISMATCH),
        (Fault.OTHER_RATIO, RawStatus.TRUE, Flag.RATIO_MISMATCH),
        (Fault.SEASON_DOUBTFUL, RawStatus.DISTORTED, Flag.TIME_AMBIGUOUS),
        # What a meter says of an interval (requirements 4.1): measured all the same, or not to be believed.
        (Fault.POWER_FAILED, RawStatus.TRUE, Flag.POWER_DOWN),
        (Fault.POWER_CAME_BACK, RawStatus.TRUE, Flag.POWER_DOWN),
        (Fault.CLOCK_SET, RawStatus.TRUE, Flag.CLOCK_ADJUSTED),
        (Fault.INTERVAL_PARTIAL, RawStatus.DISTORTED, Flag.PARTIAL_INTERVAL),
        (Fault.METER_RESET, RawStatus.TRUE, Flag.RESET),
        (Fault.SEASON_CHANGED, RawStatus.TRUE, Flag.DST),
        (Fault.SEASON_SUMMER, RawStatus.TRUE, Flag.DST),
        (Fault.VALUE_DISTURBED, RawStatus.DISTORTED, Flag.DISTURBED),
        (Fault.CLOCK_DOUBTFUL, RawStatus.DISTORTED, Flag.CLOCK_INVALID),
        (Fault.METER_FATAL, RawStatus.DISTORTED, Flag.METER_ERROR),
        (Fault.BIT_UNKNOWN, RawStatus.DISTORTED, Flag.STATUS_UNKNOWN),
        # Of increments that the gateway makes: what lies between two totals, or nothing that could be known.
        (Fault.BOUNDARY_MISSED, RawStatus.MISSING, Flag.NOT_SENT),
        (Fault.METER_EXCHANGED, RawStatus.DISTORTED, Flag.SERIAL_MISMATCH),
        (Fault.TOTAL_WENT_BACK, RawStatus.DISTORTED, Flag.BACKWARD),
        (Fault.ROLLED_OVER, RawStatus.TRUE, Flag.OVERFLOW),
        (Fault.UNIT_CHANGED, RawStatus.DISTORTED, Flag.CONFIG_CHANGED),
        (Fault.GATEWAY_CLOCK_SET, RawStatus.DISTORTED, Flag.GATEWAY_CLOCK),
        # Of intervals that never came, came late or twice.
        (Fault.INTERVAL_NOT_IN_METER, RawStatus.MISSING, Flag.NOT_SENT),
        (Fault.METER_NOT_READ, RawStatus.MISSING, Flag.NOT_READ),
        (Fault.CONFLICTING, RawStatus.DISTORTED, Flag.CONFLICT),
        (Fault.DOUBLE_ROW, RawStatus.DISTORTED, Flag.DUPLICATE),
        (Fault.CAME_LATE, RawStatus.TRUE, Flag.LATE),
        # What the gateway finds itself: a clock that is off does not change what was measured.
        (Fault.CLOCK_DEVIATES, RawStatus.TRUE, Flag.CLOCK_DEVIATION),
        (Fault.GATEWAY_CLOCK_UNKNOWN, RawStatus.TRUE, Flag.GATEWAY_CLOCK),
        (Fault.REGISTER_BACKWARD, RawStatus.DISTORTED, Flag.BACKWARD),
    ],
)
def test_what_a_fault_does_to_a_value(fault: Fault, status: RawStatus, flag: Flag) -> None:
    assert judge([fault]) == Verdict(status, flag)


def test_without_faults_a_value_is_sound() -> None:
    assert judge(()) == SOUND == Verdict(RawStatus.TRUE, NO_FLAGS)


@given(faults)
def test_several_faults_give_the_worst_status_and_all_flags(found: list[Fault]) -> None:
    verdict = judge(found)
    assert verdict.status == RawStatus.worst(TABLE[fault].status for fault in found)
    assert set(verdict.flags.texts) == set(chain.from_iterable(TABLE[fault].flag.texts for fault in found))


@given(faults, faults)
def test_it_does_not_matter_in_which_order_faults_are_found(one: list[Fault], other: list[Fault]) -> None:
    assert judge(one + other) == judge(other + one) == judge(set(one) | set(other))
    assert judge(one + other).status >= judge(one).status
