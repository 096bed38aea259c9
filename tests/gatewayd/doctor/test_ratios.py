"""What `gatewayd doctor` says of the ratios that meters have set themselves."""

from datetime import UTC, date, datetime
from pathlib import Path

from gatewayd.doctor.findings import Level
from gatewayd.doctor.ratios import AREA, judged
from gatewayd.legal_time import PRAGUE
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.model import Kind, Ratio, Reading
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.metering_world import brought

AT = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


def point(name: str, meter: str, ct: str) -> MeteringPoint:
    return MeteringPoint(name, installed=(Installed(meter, ratios=(Ratio(ct, since=date(2020, 1, 1)),)),))


def ratio(meter: str, text: str, code: str = "1-0:0.4.2", at: datetime = AT) -> Reading:
    return Reading(meter, Obis.parse(code), code, Kind.REGISTER, at, text.encode(), text)


def test_one_that_differs_is_a_warning_with_its_remedy(tmp_path: Path) -> None:
    with opened(tmp_path / "archive") as store:
        store.submit(brought([ratio("em-1", "80"), ratio("em-1", "1000", "1-0:0.3.3")])).result(20)
        store.submit(brought([ratio("em-2", "40")])).result(20)
    north, south = point("north", "em-1", "200/5"), point("south", "em-2", "200/5")
    (one,) = judged([north, south], tmp_path / "archive", PRAGUE)
    assert (one.level, one.area, one.subject) == (Level.WARNING, AREA, "point north")
    assert one.text == "meter em-1: its CT ratio is 80, configured is 200/5"
    assert one.remedy == "correct whichever is wrong"


def test_those_that_agree_are_told_together_and_others_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path / "archive") as store:
        store.submit(brought([ratio("em-1", "80", at=AT.replace(day=19)), ratio("em-1", "40")])).result(20)
    north = point("north", "em-1", "200/5")
    (one,) = judged([north, point("south", "em-2", "200/5")], tmp_path / "archive", PRAGUE)
    assert (one.level, one.text) == (Level.FINE, "the meters of 1 point have the configured ratios themselves")
    assert judged([point("south", "em-2", "200/5")], tmp_path / "archive", PRAGUE) == []
    assert judged([north], tmp_path / "nothing", PRAGUE) == []
