"""The benchmark runner: a missed bound is a failure that the exit code tells."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.result import Result

KEPT = 'Result("fast enough", 12.0, 10.0, 1.2, "at most 1.5", True, "ms")'
MISSED = 'Result("too slow", 30.0, 10.0, 3.0, "at most 1.5", False, "ms")'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three benchmarks and a module that is none."""
    folder = tmp_path / "some_benchmarks"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helpers.py").write_text("RUNS = 3\n")
    for name, results in (("good", f"[{KEPT}]"), ("bad", f"[{KEPT}, {MISSED}]"), ("empty", "[]")):
        (folder / f"{name}.py").write_text(f"from benchmarks.result import Result\ndef run():\n    return {results}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("some_benchmarks")]:
        monkeypatch.delitem(sys.modules, name)
    return "some_benchmarks"


def test_a_kept_bound_is_ok(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["good"], package) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["what", "measured", "reference", "ratio", "bound"]
    assert row.split() == ["fast", "enough", "12", "ms", "10", "ms", "1.2", "at", "most", "1.5", "ok"]


def test_a_missed_bound_fails(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bad"], package) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("FAIL")


def test_measuring_nothing_fails(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["empty"], package) == 1
    assert "measured nothing" in capsys.readouterr().err


def test_without_a_name_all_of_them_run_and_json_is_one_document(
    package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json"], package) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert sorted(result["name"] for result in document["results"]) == ["fast enough", "fast enough", "too slow"]


def test_an_unknown_name_is_a_usage_error(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["god"], package) == 2
    assert "there are: bad, empty, good" in capsys.readouterr().err


def test_a_result_has_no_unit_unless_it_says_so() -> None:
    assert Result("n", 1.0, 1.0, 1.0, "at most 2", True).unit == ""
