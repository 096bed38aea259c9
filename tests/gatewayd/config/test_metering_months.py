"""Points of type C without a load profile in the configuration: what they become, and advice about them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from gatewayd.metering.points import MeteringPoint
from gatewayd.model import MeteringType
from gatewayd.obis import Obis
from tests.gatewayd.config.doubles import HEAD, faults, parse

METERS = """\
meters:
  - {id: em-1, driver: telegram, line: l, metering_type: C, jobs: [{registers: all, every: 1d}]}
  - {id: em-2, driver: telegram, line: l, metering_type: C, jobs: [{profile: 1-0:99.1.0}]}
  - {id: em-3, driver: telegram, line: l, metering_type: B}
"""


def made(points: str) -> dict[str, MeteringPoint]:
    return {point.id: point for point in parse(f"{HEAD}{METERS}points:\n{points}").points}


def test_type_c_without_a_load_profile_has_months_of_its_registers() -> None:
    found = made("  - {id: a, meter: em-1, channels: [1.8.0, 1-0:1.8.1]}\n  - {id: b, meter: em-2}\n")
    assert found["a"].boundary == timedelta(hours=36)
    assert found["a"].channels == (Obis.parse("1-0:1.8.0"), Obis.parse("1-0:1.8.1")), "as they are written"
    assert found["b"].boundary is None, "it keeps a load profile"
    assert made("  - {id: a, meter: em-1}\n")["a"].channels == ()
    assert made("  - {id: a, meter: em-3, metering_type: C, boundary: 3d}\n")["a"].boundary == timedelta(days=3)
    other = made("  - {id: a, meter: em-3}\n")["a"]
    assert (other.metering_type, other.boundary) == (MeteringType.B, None)
    mixed = "  - {id: a, meters: [{meter: em-1}, {meter: em-2, since: 2026-01-01}]}\n"
    assert made(mixed)["a"].boundary is None


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("{id: a, meter: em-1, boundary: 11d}", "is not a time from 1h to 10d such as 36h"),
        ("{id: a, meter: em-1, boundary: 30m}", "is not a time from 1h to 10d such as 36h"),
        ("{id: a, meter: em-2, boundary: 36h}", "does nothing: it is for points of type C whose meters keep no load"),
        ("{id: a, meter: em-1, channels: [1-0:1.29.0]}", "1.29.0 is no register of energy or volume"),
        ("{id: a, meter: em-1, netting: saldo}", "does nothing: the point has no intervals, only months"),
        (
            "{id: a, meter: em-1, metering_side: secondary, transformer: {sn_kva: 400, dp0_kw: 1, dpk_kw: 5}}",
            "is not enough without a load profile, so the losses are missing; expected pm_kw",
        ),
        (
            "{id: a, meter: em-1, metering_side: secondary, transformer: [{kind: vn_nn}, "
            "{sn_kva: 400, dp0_kw: 1, dpk_kw: 5, since: 2026-01-01}]}",
            "key='points[0].transformer[1].sn_kva', message='is not enough without a load profile",
        ),
        (
            "{id: a, meter: em-2, metering_side: secondary, transformer: {sn_kva: 4, dp0_kw: 1, dpk_kw: 5, pm_kw: 3}}",
            "key='points[0].transformer.pm_kw', message='does nothing: it is for points without a load profile",
        ),
        ("{id: a, meter: em-1}\n  - {id: b, sum: {a: 1}}", "a has no intervals, only months of its registers"),
    ],
)
def test_what_is_said_of_them(points: str, said: str) -> None:
    text = f"{HEAD}{METERS}points:\n  - {points}\n"
    found = faults(text) or [str(one) for one in parse(text).warnings]
    assert any(said in line for line in found), found


def test_their_losses_are_those_of_months() -> None:
    entry = "metering_side: secondary, transformer: {sn_kva: 400, dp0_kw: 0.6, dpk_kw: 4.6, pm_kw: 200, cos_phi: 0.95}"
    text = f"{HEAD}{METERS}points:\n  - {{id: a, meter: em-1, {entry}}}\n"
    assert not faults(text)
    assert not [one for one in parse(text).warnings if "points[" in str(one)]
    found = made(f"  - {{id: a, meter: em-1, {entry}}}\n")["a"].transformer
    assert found is not None and (found.peak_kw, found.power_factor) == (Decimal(200), Decimal("0.95"))
    assert found.calculated
