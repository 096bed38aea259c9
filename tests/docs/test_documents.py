"""What the documents say is true: examples load, tables are those of the code, links lead somewhere."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.config import load, parse
from gatewayd.config.definition import SINK_KEYS
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.model import Ratio
from gatewayd.sink.line_protocol.lines import Lines
from scripts.status_table import PAGE, page
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


def test_the_configuration_of_the_readme_loads() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    config = parse(block, "README.md", DRIVER_OPTIONS, SINK_OPTIONS)
    assert config.meters[0].id == "em-1001"
    assert config.warnings == ()


def test_the_line_in_the_guide_to_sinks_is_one_that_is_written() -> None:
    """In a code span of its own, with the time of the reading in docs/mqtt/README.md."""
    at = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
    reading = interval(8120, "000.125", at=at, ratio=Ratio("200/5", "22000/100"))
    line = Lines("reading", "gw-1").text([reading]).decode().strip()
    assert f"`{line}`" in (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")


def test_the_guide_to_sinks_names_only_options_that_there_are() -> None:
    known = {name for options in SINK_OPTIONS.values() for name in options.model_fields}
    known |= {"retention_months", "undelivered_months"} | set(SINK_KEYS)
    text = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
    written = set(re.findall(r"`(?:archive\.)?([a-z]+_[a-z_]+)(?::[^`]*)?`", text))
    foreign = {"max_queued_messages", "fsync", "full_page_writes", "synchronous_commit", "drop_after"}
    foreign |= {"vm_rows_ignored_total", "vm_rows_invalid_total", "clean_session", "line_protocol"}
    assert written - foreign <= known, sorted(written - foreign - known)


def test_the_readme_shows_the_two_commands_first() -> None:
    commands = re.findall(r"^    (\S.*?)(?:\s+#.*)?$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[:2] == ["./dev demo", "./dev test"]
