"""`gatewayd demo` as a user starts it: it ends by itself, with everything archived, delivered and verified."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.rig import ROOT


@pytest.mark.timeout(90)
def test_the_demo_ends_by_itself_and_all_is_well(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gatewayd", "demo", "--seconds", "12"],
        capture_output=True,
        text=True,
        timeout=80,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    archived = re.search(r"readings archived:\s+(\d+)", done.stdout)
    delivered = re.search(r"messages delivered:\s+(\d+) of (\d+)", done.stdout)
    assert archived and delivered
    assert int(archived[1]) > 50
    assert delivered[1] == delivered[2] == archived[1]
    assert "distorted" in done.stdout and "archive verified:   sound" in done.stdout
    for meter in ("em-house", "em-plant", "em-push", "em-worn"):
        assert meter in done.stdout
    assert not list(tmp_path.iterdir()), "the demo leaves nothing behind"
