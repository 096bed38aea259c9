"""From one configuration to another while everything runs: what is touched, and what is not."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatewayd import daemon
from gatewayd.config import Config, parse
from gatewayd.daemon import reload
from gatewayd.daemon.lines import Lines, Worker
from gatewayd.daemon.reload import Difference, _detail, _document, _file_loaded, differences, fixed, summary
from gatewayd.errors import ConfigError, GatewayError
from gatewayd.live import LineState, UnderWay
from gatewayd.tallies import Sessions

PATIENCE = 20.0
AT = datetime(2026, 11, 21, 20, tzinfo=UTC)


def configuration(
    lines: dict[str, int], meters: dict[str, str], *, more: str = "", job: str = "{registers: all, every: 1h}"
) -> Config:
    """Lines by their ports, meters by their lines."""
    text = "gateway: {id: gw-1}\narchive: {path: /nowhere}\nlines:\n"
    text += "".join(f"  {name}: {{type: tcp, host: 127.0.0.1, port: {port}}}\n" for name, port in lines.items())
    text += "meters:\n" if meters else ""
    for meter, line in meters.items():
        text += f"  - {{id: {meter}, driver: iec62056_21, line: {line}, jobs: [{job}]}}\n"
    return parse(text + more, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)


# -- what is another one -----------------------------------------------------------------------------------------------


def test_differences_have_names() -> None:
    sinks = "sinks: [{id: m, type: mqtt, host: localhost}]\n"
    before = configuration({"a": 1, "b": 2}, {"x": "a", "y": "b"}, more=sinks)
    after = configuration({"a": 1, "b": 3, "c": 4}, {"x": "a", "z": "c"}, more="acquisition: {sessions: 8}\n")
    found = differences(before, after)
    assert found == {
        "lines": Difference(("c",), ("b",), ()),
        "meters": Difference(("z",), (), ("y",)),
        "points": Difference(),
        "sinks": Difference((), (), ("m",)),
        "settings": Difference((), ("acquisition.sessions",), ()),
    }
    assert summary(found) == (
        "1 line added, 1 line changed, 1 meter added, 1 meter removed, 1 sink removed, 1 setting changed"
    )
    assert summary(differences(before, before)) == "nothing has changed"


def test_points_are_named_whatever_of_them_is_another_one() -> None:
    """Nothing but points is another one: that is no "nothing has changed" (a defect that a reviewer found)."""

    def points(text: str) -> Config:
        job = '{profile: P.01, at: "03:00"}'
        return configuration({"a": 1}, {"x": "a", "y": "a"}, more=f"points: [{text}]\n", job=job)

    before = points("{id: north, meter: x}, {id: gone, sum: {north: 1}}")
    after = points("{id: north, meter: x, substitution: {enabled: true}}, {id: new, sum: {north: 2}}")
    found = differences(before, after)
    assert found["points"] == Difference(("new",), ("north",), ("gone",))
    assert summary(found) == "1 point added, 1 point changed, 1 point removed"
    assert _detail(found)["points_added_ids"] == ["new"], "also in the audit log"
    many = points("{id: north, meter: x}, " + ", ".join(f"{{id: v-{n}, sum: {{north: 1}}}}" for n in range(1100)))
    assert _document(differences(before, many))["summary"] == "1100 points added, 1 point removed"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("{id: gw-1}", "{id: gw-2}", "gateway.id"),
        ("{id: gw-1}", "{id: gw-1, timezone: Europe/London}", "gateway.timezone"),
        ("{id: gw-1}", "{id: gw-1, clock: trusted}", "gateway.clock"),
        ("/nowhere", "/elsewhere", "archive.path"),
        ("/nowhere}", "/nowhere, segment_mb: 64}", "archive.segment_mb"),
        ("/nowhere}", "/nowhere}\ncontrol: {group: meters}", "control.group"),
    ],
)
def test_what_only_a_start_can_change(old: str, new: str, key: str) -> None:
    text = "gateway: {id: gw-1}\narchive: {path: /nowhere}\n"
    before, after = (
        parse(one, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS) for one in (text, text.replace(old, new))
    )
    (finding,) = fixed(before, after)
    assert finding.key == key and "restart" in finding.message
    assert fixed(before, before) == ()


def test_retention_may_change() -> None:
    text = "gateway: {id: gw-1}\narchive: {path: /nowhere}\n"
    before, after = (
        parse(one, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)
        for one in (text, text.replace("/nowhere", "/nowhere, retention_months: 48"))
    )
    assert fixed(before, after) == ()
    assert differences(before, after)["settings"].changed == ("archive.retention_months",)


# -- lines that run ----------------------------------------------------------------------------------------------------


class Work:
    """A worker that talks to `talks_to` until it is let go, and tells what happens to it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.talks_to: tuple[str, ...] = ()
        self.let_go = asyncio.Event()

    def state(self) -> LineState:
        return LineState(self.name, under_way=tuple(UnderWay(meter, self.name, AT) for meter in self.talks_to))

    async def run(self, stop: asyncio.Event) -> None:
        self.log.append(f"{self.name} begins")
        try:
            await stop.wait()
            if self.talks_to:
                await self.let_go.wait()
        except asyncio.CancelledError:
            self.log.append(f"{self.name} is cancelled")
            raise
        self.log.append(f"{self.name} ends")


class Plant:
    """Lines whose workers are doubles."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.lines = Lines(self._build)

    def _build(self, config: Config) -> Sequence[Worker]:
        used = {meter.line for meter in config.meters}
        return [cast("Any", Work(name, self.log)) for name in config.lines if name in used]

    def worker(self, name: str) -> Work:
        (found,) = [cast("Work", one) for one in self.lines.workers if one.name == name]
        return found

    async def turn(self, config: Config) -> list[str]:
        """Another configuration; what that has done."""
        plan = self.lines.planned(config)
        await self.lines.change(plan, PATIENCE)
        self.lines.resume(plan, config)
        return await self.told()

    async def told(self) -> list[str]:
        """What has happened since somebody asked last, when nothing more happens by itself."""
        for _ in range(20):
            await asyncio.sleep(0)
        told, self.log[:] = list(self.log), []
        return told


def played(main: Callable[[Plant], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(PATIENCE):
            plant = Plant()
            try:
                await main(plant)
            finally:
                await plant.lines.stop(PATIENCE)

    asyncio.run(whole())


LINES, METERS = {"a": 1, "b": 2}, {"x": "a", "y": "b", "z": "b"}
BEFORE = configuration(LINES, METERS)


def test_what_is_as_before_is_not_touched() -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        assert await plant.told() == ["a begins", "b begins"]
        first = plant.worker("a")
        with_c = configuration(LINES | {"c": 3}, METERS | {"w": "c"})
        assert await plant.turn(with_c) == ["c begins"]
        assert await plant.turn(configuration(LINES | {"c": 3}, dict(reversed((METERS | {"w": "c"}).items())))) == []
        assert await plant.turn(BEFORE) == ["c ends"]
        assert plant.worker("a") is first
        assert plant.lines.worker_of("w") is None

    played(main)


def test_a_session_of_a_meter_that_is_changed_is_ended() -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        plant.worker("b").talks_to = ("y",)
        assert await plant.turn(configuration(LINES, {"x": "a", "z": "b"})) == ["b is cancelled", "b begins"]

    played(main)


def test_a_session_on_a_line_that_is_changed_is_ended() -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        plant.worker("b").talks_to = ("y",)
        assert await plant.turn(configuration(LINES | {"b": 77}, METERS)) == ["b is cancelled", "b begins"]
        plant.worker("b").talks_to = ("y",)
        assert await plant.turn(configuration({"a": 1}, {"x": "a"})) == ["b is cancelled"]

    played(main)


def test_a_session_of_a_meter_that_stays_is_finished_before_its_line_goes_on() -> None:
    """And nobody has the line meanwhile, a technician neither."""

    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        old = plant.worker("b")
        old.talks_to = ("y",)
        assert await plant.turn(configuration(LINES, {"x": "a", "y": "b"})) == []
        with pytest.raises(GatewayError, match="line b is being changed"):
            plant.lines.worker_of("y")
        assert plant.lines.worker_of("x") is cast("Any", plant.worker("a"))
        old.let_go.set()
        assert await plant.told() == ["b ends", "b begins"]
        assert plant.lines.worker_of("y") is cast("Any", plant.worker("b"))
        assert plant.worker("b") is not old

    played(main)


def test_several_changes_while_a_session_is_finished() -> None:
    """There is one successor, that of the last configuration; and a change of the meter ends its session after all."""

    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        old = plant.worker("b")
        old.talks_to = ("y",)
        for number in range(3):
            assert await plant.turn(configuration(LINES, METERS | {f"n{number}": "b"})) == []
        other = configuration(LINES, METERS, job="{registers: all, every: 2h}")
        assert sorted(await plant.turn(other)) == ["a begins", "a ends", "b begins", "b is cancelled"]

    played(main)


def test_a_stop_ends_what_is_being_finished_as_well() -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        plant.worker("b").talks_to = ("y",)
        await plant.turn(configuration(LINES, {"x": "a", "y": "b"}))
        await plant.lines.stop(PATIENCE)
        assert "b is cancelled" in await plant.told()

    played(main)


def test_a_worker_with_a_defect_ends_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()

        async def broken(_stop: asyncio.Event) -> None:
            raise RuntimeError("a defect")

        plan = plant.lines.planned(configuration(LINES, {"x": "a", "y": "b"}))
        cast("Any", plan.workers[0]).run = broken
        await plant.lines.change(plan, PATIENCE)
        plant.lines.resume(plan, configuration(LINES, {"x": "a", "y": "b"}))
        assert await plant.told() == ["b ends"]
        assert "line b ended by a defect in gatewayd" in caplog.text
        assert await plant.turn(BEFORE) == ["b begins"]

    played(main)


def test_meters_that_share_a_place_for_conversations_are_built_again_when_there_are_more_places() -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        more = configuration(LINES, METERS, more="acquisition: {sessions: 8}\n")
        assert sorted(await plant.turn(more)) == ["a begins", "a ends", "b begins", "b ends"]

    played(main)


def test_a_configuration_that_cannot_be_built_changes_nothing() -> None:
    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()

        def broken(_config: Config) -> Sequence[Worker]:
            raise RuntimeError("a defect")

        plant.lines._build = broken
        with pytest.raises(RuntimeError):
            plant.lines.planned(configuration({"a": 7}, {"x": "a"}))
        assert await plant.told() == []

    played(main)


def test_a_line_that_a_defect_has_ended_begins_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewayd.daemon.lines.AFTER_DEFECT_SECONDS", 0.0)

    async def main(plant: Plant) -> None:
        async def broken(_stop: asyncio.Event) -> None:
            raise RuntimeError("a defect")

        plan = plant.lines.planned(BEFORE)
        first, _ = plan.workers
        cast("Any", first).run = broken
        plant.lines.resume(plan, BEFORE)
        while "a begins" not in plant.log:
            await asyncio.sleep(0)
        assert plant.worker("a") is not cast("Any", first)
        assert caplog.text.count("ended by a defect in gatewayd") == 1

    played(main)


def test_a_defect_in_the_middle_of_a_change_leaves_no_line_unserved(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        """Store and sinks, of which this test wants nothing."""

        def __getattr__(self, name: str) -> Any:
            async def nothing(*_: object) -> None:
                pass

            return nothing if name in ("flush", "end") else lambda *_: None

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(reload, "_forget", broken)

    async def main(plant: Plant) -> None:
        plant.lines.start(BEFORE)
        await plant.told()
        after = configuration(LINES | {"b": 77}, METERS)
        gateway = cast("Any", Nothing())
        gateway.lines, gateway.sinks, gateway.config = plant.lines, Nothing(), BEFORE
        gateway.store = Nothing()
        told: list[Config] = []

        async def heard(config: Config) -> None:
            told.append(config)

        gateway.heeding = [heard]
        with pytest.raises(GatewayError, match="defect"):
            await reload._change(gateway, after, plant.lines.planned(after), cast("Any", Nothing()))
        assert await plant.told() == ["b ends", "b begins"]
        assert gateway.config is after
        assert told == [after]

    played(main)


def test_a_meter_that_is_gone_was_never_read() -> None:
    """And one that is changed was."""
    tally, nothing = Sessions(last_success={"x": AT, "y": AT}), SimpleNamespace(standing={})
    upkeep = SimpleNamespace(forget=lambda _: None, watch=lambda *_: None)
    acquisition = SimpleNamespace(tally=tally, alarms=nothing, upkeep=upkeep)
    gateway = cast("Any", SimpleNamespace(acquisition=acquisition, config=BEFORE, taps={}))
    reload._forget(gateway, configuration(LINES, {"x": "b", "z": "b"}))
    assert tally.last_success == {"x": AT}


def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    """Every reload after this one would wait with it."""
    os.mkfifo(tmp_path / "gatewayd.yaml")
    with pytest.raises(ConfigError, match=r"gatewayd\.yaml: is no file; put the configuration in its place"):
        _file_loaded(tmp_path / "gatewayd.yaml")
