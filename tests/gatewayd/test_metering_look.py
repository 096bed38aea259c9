"""What steps look at: values as they stand."""

from datetime import UTC, datetime
from decimal import Decimal

from gatewayd.daemon.metering_look import _channel
from gatewayd.metering.derivation import Standing
from gatewayd.metering.record import Derived
from gatewayd.metering.values import Channel, Layer, Value, missing
from gatewayd.model import RawStatus
from tests.gatewayd.metering_world import IMPORT

FIRST, LAST = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 13, tzinfo=UTC)


def test_a_series_whose_newest_version_has_no_unit_has_that_of_the_others() -> None:
    """Nothing was read in the newest one, so nobody told it."""
    there = Standing(7, Derived(Value(FIRST, 3600, Decimal(1), RawStatus.TRUE)), "kWh")
    standing = {FIRST: there, LAST: Standing(9, Derived(missing(LAST, 3600)), "")}
    assert _channel(("north", Layer.INTERVAL, IMPORT), standing) == Channel("north", IMPORT, "kWh")
    assert _channel(("north", Layer.INTERVAL, IMPORT), {LAST: standing[LAST]}).unit == ""
