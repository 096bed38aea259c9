"""What may be asked of `read` and `trace --read`."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gatewayd.cli.read import read
from gatewayd.cli.trace import trace


@pytest.mark.parametrize("command", [read, trace])
@pytest.mark.parametrize("code", ["P.01", "1-0:99.98.0"])
def test_a_profile_is_no_register(command: click.Command, code: str) -> None:
    """It would be archived as a register that the meter has not."""
    result = CliRunner().invoke(command, ["em-1", code], obj=Path("nowhere.yaml"))
    assert result.exit_code == 2
    assert f"gatewayd profile METER {code}" in result.output
