"""What the documents say is true: examples load, tables are those of the code, links lead somewhere."""

import re
import textwrap
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from gatewayd.config import Config, load, parse
from gatewayd.config.definition import SINK_KEYS
from gatewayd.config.values import written
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.model import MeteringType, Ratio
from gatewayd.policy import POLICIES, POLICY
from gatewayd.sink.line_protocol.lines import Lines
from gatewayd.sink.line_protocol.point_lines import PointLines
from scripts.status_table import PAGE, page
from tests.gatewayd.sink.derived_samples import derived
from tests.gatewayd.sink.samples import interval

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "drivers").rglob("*.md")])
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))


def test_the_status_page_is_the_table_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m scripts.status_table"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_configuration_loads_without_a_warning(example: Path) -> None:
    config = load(example, DRIVER_OPTIONS, SINK_OPTIONS)
    assert config.warnings == ()


def test_the_example_shows_every_option() -> None:
    text = (ROOT / "config" / "gatewayd.yaml").read_text(encoding="utf-8")
    for options in (*DRIVER_OPTIONS.values(), *SINK_OPTIONS.values()):
        missing = [name for name in options.model_fields if not re.search(rf"\b{name}\b", text)]
        assert not missing, f"config/gatewayd.yaml does not show {missing} of {options.__name__}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_room_is_on_the_page_of_the_architecture() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path.stem for path in (ROOT / "gatewayd").glob("*.py") if not path.stem.startswith("__")]
    missing = [room for room in rooms if f"{room}.py" not in page]
    assert not missing, f"docs/ARCHITECTURE.md does not name {missing}"


def test_the_configuration_of_the_readme_loads() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    config = parse(block, "README.md", DRIVER_OPTIONS, SINK_OPTIONS)
    assert config.meters[0].id == "em-1001"
    assert config.warnings == ()


def test_the_defaults_of_metering_types_are_those_of_the_code() -> None:
    """docs/acquisition.md: what differs from type to type stands in a table, the rest is the same for all."""
    text = (ROOT / "docs" / "acquisition.md").read_text(encoding="utf-8")
    rows = {
        cells[0].split("`")[1]: cells[1:]
        for line in text.splitlines()
        if line.startswith("| `") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
    }
    assert rows.keys() == {"at", "on", "deadline", "retry_window"}
    for place, kind in enumerate(MeteringType):
        policy = POLICIES[kind]
        assert rows["at"][place] == _clock(policy.at)
        assert rows["on"][place] == str(policy.on or "daily")
        assert rows["deadline"][place] == _clock(policy.deadline)
        assert rows["retry_window"][place] == written(policy.retry_window)
        same = policy.period, policy.evaluation, policy.backfill_months, policy.clock_limit, policy.set_clock
        assert same == (timedelta(minutes=15), timedelta(minutes=15), 36, timedelta(seconds=9), False)
    assert written(POLICY.period) == "15m" and "`period` (the metering period) 15m" in text


def _clock(at: time | None) -> str:
    return "none" if at is None else f"{at:%H:%M}"


def test_the_examples_of_acquisition_load() -> None:
    text = (ROOT / "docs" / "acquisition.md").read_text(encoding="utf-8")
    types, jobs, registrar = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    meter = "    driver: dlms\n    line: station\n    dlms: {transport: wrapper}\n"
    policy = _parsed(types + meter).meters[0].policy
    assert (policy.evaluation, policy.deadline, policy.retry_window) == (timedelta(hours=1), None, timedelta(days=5))
    orders = _parsed("meters:\n  - id: em-1\n" + meter + textwrap.indent(jobs, "    ")).meters[0].jobs
    assert len(orders) == jobs.count("- {")
    (reg,) = _parsed("meters:\n" + registrar).meters
    assert [point.id for point in reg.parts] == ["reg-1-feeder-1", "reg-1-feeder-2"]


def _parsed(meters: str) -> Config:
    frame = "gateway: {id: gw-1}\narchive: {path: /tmp/none}\nlines: {station: {type: tcp, host: localhost, port: 9}}\n"
    return parse(frame + meters, "acquisition.md", DRIVER_OPTIONS, SINK_OPTIONS)


def test_the_line_in_the_guide_to_sinks_is_one_that_is_written() -> None:
    """In a code span of its own, with the time of the reading in docs/mqtt/README.md."""
    at = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
    reading = interval(8120, "000.125", at=at, ratio=Ratio("200/5", "22000/100"))
    line = Lines("reading", "gw-1").text([reading]).decode().strip()
    assert f"`{line}`" in (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")


def test_the_line_of_a_derived_value_in_the_guide_is_one_that_is_written() -> None:
    at = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
    line = PointLines("reading", "gw-1", versions=False).text([derived(4711, version=2, at=at, validated=True)])
    assert f"`{line.decode().strip()}`" in (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")


def test_the_guide_to_sinks_names_only_options_that_there_are() -> None:
    known = {name for options in SINK_OPTIONS.values() for name in options.model_fields}
    known |= {"retention_months", "undelivered_months"} | set(SINK_KEYS)
    text = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
    written = set(re.findall(r"`(?:archive\.)?([a-z]+_[a-z_]+)(?::[^`]*)?`", text))
    foreign = {"max_queued_messages", "fsync", "full_page_writes", "synchronous_commit", "drop_after"}
    foreign |= {"reading_points", "derived_newest", "point_event"}  # what is written to
    foreign |= {"vm_rows_ignored_total", "vm_rows_invalid_total", "clean_session", "line_protocol"}
    assert written - foreign <= known, sorted(written - foreign - known)


def test_the_readme_shows_the_two_commands_first() -> None:
    commands = re.findall(r"^    (\S.*?)(?:\s+#.*)?$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[:2] == ["./dev demo", "./dev test"]
