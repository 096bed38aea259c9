"""docs/monitoring.md and config/observability/: every metric that they use exists, and what they say is true."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gatewayd.config import ObservabilitySettings, parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS
from gatewayd.daemon.metric_names import FAMILIES
from scripts.metrics_table import PAGE, page

FOLDER = Path(__file__).resolve().parents[2] / "config" / "observability"
LABELS = {name: {*family.labels} for family in FAMILIES for name in family.names}
ALWAYS = {"job", "instance"}
"""Labels that Prometheus adds."""
OF_PROMETHEUS = {"up"}
FUNCTIONS = {
    *("absent", "abs", "changes", "count", "delta", "deriv", "histogram_quantile", "increase", "max", "min", "rate"),
    *("min_over_time", "predict_linear", "sum", "time", "topk", "vector", "label_values"),
}
WORDS = {"and", "or", "unless", "by", "on", "ignoring", "group_left"}
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def names_of(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels in a PromQL expression. Simple, and strict: what it does not know fails."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    labels = set(re.findall(rf"({NAME.pattern})\s*(?:=~|!~|!=|=)\s*\"\"", text))
    text = re.sub(r"\{[^}]*\}", "", text)
    for inside in re.findall(r"\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)", text):
        labels |= set(NAME.findall(inside))
    text = re.sub(r"\b(?:by|on|ignoring|group_left)\s*\([^)]*\)", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    words = {word for word in NAME.findall(re.sub(r"\b[0-9][0-9a-z.]*", "", text)) if word not in WORDS}
    return words - FUNCTIONS, labels - {"le"}


def rules() -> Iterator[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
    for group in document["groups"]:
        yield from group["rules"]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> list[tuple[str, str]]:
    """Where each stands, and itself."""
    found = [(f"alert {rule['alert']}", rule["expr"]) for rule in rules()]
    return found + [
        (f"panel {panel['title']} {target['refId']}", target["expr"])
        for panel in panels()
        for target in panel.get("targets", ())
    ]


def test_the_names_of_an_expression() -> None:
    expression = 'topk(20, sum by (a, b) (rate(x_total{c="d)e", f=~"$g"}[5m]))) / on (h) group_left () (1e3 * y) > 0.5'
    assert names_of(expression) == ({"x_total", "y"}, {"a", "b", "c", "f", "h"})


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=[where for where, _ in expressions()])
def test_every_metric_and_label_in_use_exists(where: str, expression: str) -> None:
    metrics, labels = names_of(expression)
    assert metrics and metrics <= LABELS.keys() | OF_PROMETHEUS, where
    known = ALWAYS.union(*(LABELS.get(metric, set()) for metric in metrics))
    assert labels <= known, f"{where}: {labels - known}"


def promtool(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is not installed; run: apt-get install --no-install-recommends prometheus")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)


def test_prometheus_takes_the_scrape_the_alerts_and_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    for name in ("scrape.yaml", "alerts.yaml"):
        shutil.copy(FOLDER / name, tmp_path)
    done = promtool("check", "config", "scrape.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list(rules()))} rules found" in done.stdout
    records = [
        {"record": f"panel{number}:x", "expr": expression.replace("$__rate_interval", "5m")}
        for number, (_, expression) in enumerate(expressions())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should() -> None:
    """tests/docs/alerts.yaml: series, and the alerts that stand at a time."""
    done = promtool("test", "rules", "alerts.yaml", cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_say_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]
        labels = set(re.findall(r"\$labels\.([a-z]+)", str(rule["annotations"])))
        metrics, _ = names_of(rule["expr"])
        assert labels <= ALWAYS.union(*(LABELS.get(metric, set()) for metric in metrics)), rule["alert"]


def test_the_dashboard_can_be_imported() -> None:
    """Ids are unique, nothing overlaps, every panel says what it shows."""
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    taken: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        targets = panel.get("targets", [])
        assert panel["type"] == "row" or targets, panel["title"]
        assert len({target["refId"] for target in targets}) == len(targets)
        for target in targets:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert "$instance" in target["expr"], f"{panel['title']}: one gateway cannot be chosen"


UNSHOWN = {
    *("gatewayd_meter_info", "gatewayd_configuration_fault", "gatewayd_configuration_loaded_timestamp_seconds"),
    *("gatewayd_start_time_seconds", "gatewayd_scrape_seconds", "gatewayd_gateway_clock_error_seconds"),
    *("gatewayd_meter_known_since_timestamp_seconds", "gatewayd_not_ready_reasons", "process_max_fds"),
}
"""For alerts, joins, and whoever looks closer."""


def test_the_dashboard_shows_what_an_operator_looks_for() -> None:
    of_panels = [expression for where, expression in expressions() if where.startswith("panel")]
    shown = set[str]().union(*(names_of(expression)[0] for expression in of_panels))
    assert {family.name for family in FAMILIES if not shown & {*family.names}} == UNSHOWN


def test_the_table_is_that_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run: python -m scripts.metrics_table"
    assert all(f"| `{family.name}` |" in text for family in FAMILIES)


def test_the_alerts_of_the_page_exist() -> None:
    known = {rule["alert"] for rule in rules()}
    named = set(re.findall(r"`(Gatewayd[A-Za-z]+)`", PAGE.read_text(encoding="utf-8")))
    assert named and named <= known, named - known


def test_the_configuration_of_the_page_loads() -> None:
    (block,) = re.findall(r"^    (observability: .*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    config = parse(
        f"gateway: {{id: gw-1}}\narchive: {{path: /tmp/none}}\n{block}\n", "page", DRIVER_OPTIONS, SINK_OPTIONS
    )
    assert config.observability == ObservabilitySettings(listen="127.0.0.1:9750")
    (target,) = yaml.safe_load((FOLDER / "scrape.yaml").read_text())["scrape_configs"][0]["static_configs"][0][
        "targets"
    ]
    assert target == config.observability.listen
