"""Files that commands write are complete or not there, whoever is killed; and the option that names them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gatewayd.cli import gatewayd
from gatewayd.cli.output_file import complete
from tests.gatewayd.points_site import DAY, configured, filled

KILLED = """
import os, signal, sys
from gatewayd.cli import main
from gatewayd.export.points import {module}
written = []
def put(*words, real={module}.{function}):
    written.append(1)
    if len(written) > 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*words)
{module}.{function} = put
sys.argv = ["gatewayd", *{words!r}]
main()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    configured(folder)
    filled(folder)
    return folder


@pytest.mark.parametrize(
    "layout, module, function", [("cez-pnd", "cez_pnd", "_line"), ("iec61968-9", "iec61968_9", "_put")]
)
@pytest.mark.parametrize("before", [None, b"of yesterday"])
def test_who_is_killed_leaves_no_half_file(
    site: Path, tmp_path: Path, layout: str, module: str, function: str, before: bytes | None
) -> None:
    output = tmp_path / "file"
    if before is not None:
        output.write_bytes(before)
    words = ["-c", str(site / "points.yaml"), "export", "points", "north", "--layout", layout]
    words += ["--from", DAY.isoformat(), "--to", DAY.isoformat(), "-o", str(output)]
    program = KILLED.format(module=module, function=function, words=words)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (output.read_bytes() if output.exists() else None) == before
    drafts = [one.name for one in tmp_path.iterdir() if one != output]
    assert len(drafts) == 1 and drafts[0].startswith(".file.") and drafts[0].endswith(".part")


def test_a_file_has_its_name_when_everything_is_in_it(tmp_path: Path) -> None:
    output = tmp_path / "file"
    with complete(output) as stream:
        stream.write(b"half")
        assert not output.exists()
    assert output.read_bytes() == b"half" and [one.name for one in tmp_path.iterdir()] == ["file"]
    with pytest.raises(ValueError, match="no more"), complete(output) as stream:
        stream.write(b"other")
        raise ValueError("no more")
    assert output.read_bytes() == b"half" and [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", [("archive", "export"), ("export", "points"), ("export", "meters")])
def test_the_option_is_the_same_everywhere(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(gatewayd, [*command, "--help"])
    assert done.exit_code == 0 and "-o, --output FILE" in done.output


@pytest.mark.parametrize("into", ["/dev/stdout", "/dev/fd/1"])
def test_a_pipe_that_has_a_name_is_written_to(site: Path, into: str) -> None:
    """The name leads to one that no file has: pipe:[1234]."""
    words = ["-c", str(site / "points.yaml"), "export", "points", "north", "--layout", "csv", "-o", into]
    program = [sys.executable, "-c", "from gatewayd.cli import main; main()", *words]
    done = subprocess.run(program, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"point,eic,ean")
