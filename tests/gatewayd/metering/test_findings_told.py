"""Which findings are written down with values."""

from datetime import date, timedelta
from decimal import Decimal

from gatewayd.legal_time import day_bounds
from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.findings_told import FEW, written
from gatewayd.metering.values import Channel, Layer, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

BEGIN, END = day_bounds(date(2026, 11, 20))
CHANNEL = Channel("north", Obis.parse("1-0:1.29.0"), "kWh")
QUARTER = timedelta(minutes=15)


def finding(
    n: int, layer: Layer = Layer.INTERVAL, severity: Severity = Severity.WARNING, code: str = "1-0:1.8.0"
) -> Finding:
    start = BEGIN + n * QUARTER
    end = END if layer is Layer.DAY else start + QUARTER
    return Finding(
        Rule.CONTROL, severity, "north", Obis.parse(code), layer, start, end, f"at {n}", Decimal(1), inputs=(3, 4, 5)
    )


def quarter(n: int) -> Value:
    return Value(BEGIN + (n + 1) * QUARTER, 900, Decimal(1), RawStatus.TRUE)


DAY = Value(END, 86400, Decimal(1), RawStatus.TRUE)


def test_those_that_touch_a_value_stand_with_it_and_with_their_inputs() -> None:
    told, more = written([finding(4), finding(5), finding(6)], CHANNEL, Layer.INTERVAL, [quarter(5)])
    assert [one["text"] for one in told] == ["at 5"] and more == {}
    assert told[0]["inputs"] == "3-5" and told[0]["rule"] == "control" and told[0]["amount"] == "1"


def test_a_critical_one_is_of_the_whole_day_and_all_channels() -> None:
    told, _ = written(
        [finding(90, severity=Severity.CRITICAL, code="1-0:2.8.0")], CHANNEL, Layer.INTERVAL, [quarter(1)]
    )
    assert len(told) == 1
    assert written([finding(1, code="1-0:2.8.0")], CHANNEL, Layer.INTERVAL, [quarter(1)])[0] == ()


def test_an_instant_belongs_to_the_interval_that_it_ends_or_is_in() -> None:
    one = Finding(
        Rule.BACKWARD, Severity.ERROR, "north", CHANNEL.obis, Layer.DAY, BEGIN + QUARTER, BEGIN + QUARTER, "x"
    )
    assert [len(written([one], CHANNEL, Layer.INTERVAL, [quarter(n)])[0]) for n in (0, 1)] == [1, 0]


def test_with_a_sum_stand_a_few_of_single_intervals_and_how_many_more_there_are() -> None:
    found = [finding(n) for n in range(FEW + 7)]
    told, more = written([*found, finding(0, Layer.DAY)], CHANNEL, Layer.DAY, [DAY])
    assert len(told) == FEW + 1 and more == {"control": 7}
    told, more = written(found, CHANNEL, Layer.INTERVAL, [quarter(n) for n in range(96)])
    assert len(told) == FEW + 7 and more == {}
