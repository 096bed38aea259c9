"""The licence check: what it accepts, what it refuses, and that it says what to do."""

from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest

from scripts import licences, lockfile


def fake(directory: Path, *headers: str) -> Distribution:
    info = directory / "fake-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: fake", "Version: 1.0", *headers, ""]))
    return PathDistribution(info)


OSI = "License :: OSI Approved"
REFUSED = [
    ["License-Expression: Apache-2.0"],
    ["License: Apache-2.0"],
    [f"Classifier: {OSI} :: Apache Software License"],
    ["License-Expression: GPL-3.0-or-later"],
    ["License-Expression: MIT AND Apache-2.0"],
    ["License: MIT License but with a twist"],
    [f"Classifier: {OSI} :: MIT License", f"Classifier: {OSI} :: Apache Software License"],
    [],
]
ACCEPTED = [
    ["License-Expression: MIT"],
    ["License-Expression: Apache-2.0 OR BSD-3-Clause"],
    ["License-Expression: EPL-2.0 OR BSD-3-Clause"],
    ["License-Expression: (Apache-2.0 AND EPL-2.0) OR (MIT AND ISC)"],
    ["License-Expression: GPL-2.0-only"],
    ["License: any-OSI"],
    [f"Classifier: {OSI} :: BSD License", "License: see the file"],
]


@pytest.mark.parametrize("headers", REFUSED, ids=" ".join)
def test_a_licence_that_does_not_go_with_ours_is_refused(headers: list[str], tmp_path: Path) -> None:
    found = licences.finding(fake(tmp_path, *headers))
    assert found is not None
    assert found.startswith("fake 1.0: its licence is ")
    assert "What to do:" in found


@pytest.mark.parametrize("headers", ACCEPTED, ids=" ".join)
def test_a_licence_that_goes_with_ours_is_accepted(headers: list[str], tmp_path: Path) -> None:
    assert licences.finding(fake(tmp_path, *headers)) is None


@pytest.mark.parametrize("expression", ["", "()", "(MIT", "MIT)", "MIT OR", "OR MIT", "MIT MIT", "MIT AND", "AND"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    assert not licences.is_allowed(expression)


def test_the_finding_names_the_licence(tmp_path: Path) -> None:
    assert "Apache-2.0" in (licences.finding(fake(tmp_path, "License-Expression: Apache-2.0")) or "")


def test_what_we_run_on_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert licences.main() == 0
    assert "go with GPL-2.0-only" in capsys.readouterr().out


def test_an_optional_part_under_another_licence_would_be_refused_as_a_dependency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """tzdata is Apache-2.0-only, which is why it is an extra; and a distribution that is not installed is a finding."""
    lock = tmp_path / "requirements.lock"
    pins = (f"tzdata=={distribution('tzdata').version}", "nowhere==1")
    lock.write_text("".join(f"{pin} --hash=sha256:{'0' * 64}\n" for pin in pins))
    assert set(lockfile.read(lock)) == {"tzdata", "nowhere"}
    monkeypatch.setattr(licences, "LOCK", lock)
    assert licences.main() == 1
    errors = capsys.readouterr().err
    assert "tzdata" in errors
    assert "nowhere 1: in requirements.lock but not installed" in errors
