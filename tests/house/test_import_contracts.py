"""The import contracts of pyproject.toml: that each of them can fail, and that no pure module is forgotten.

Rules: violations are written into a small tree of stubs, never into this one; the contracts are read from here.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = {
    "gatewayd.status",
    "gatewayd.quality",
    "gatewayd.legal_time",
    "gatewayd.holidays",
    "gatewayd.severity",
    "gatewayd.schedule",
    "gatewayd.gaps",
    "gatewayd.channel.at",
    "gatewayd.channel.at_dialogue",
    "gatewayd.channel.at_hang_up",
    "gatewayd.channel.at_results",
    "gatewayd.channel.at_set_up",
    "gatewayd.calls",
    "gatewayd.dialling",
    "gatewayd.verdicts",
    "gatewayd.increments",
    "gatewayd.fallen",
    "gatewayd.silences",
    "gatewayd.policy",
    "gatewayd.chatter",
    "gatewayd.agenda",
    "gatewayd.duties",
    "gatewayd.turns",
    "gatewayd.breaker",
    "gatewayd.coverage",
    "gatewayd.rows_seen",
    "gatewayd.attempts",
    "gatewayd.progress",
    "gatewayd.watched",
    "gatewayd.closing",
    "gatewayd.sifting",
    "gatewayd.pieces",
    "gatewayd.runs",
    "gatewayd.pulse",
    "gatewayd.tallies",
    "gatewayd.clocks",
    "gatewayd.identity",
    "gatewayd.backward",
    "gatewayd.channel.modem_options",
    "gatewayd.channel.telnet",
    "gatewayd.channel.masking",
    "gatewayd.probe.frames",
    "gatewayd.probe.attempts",
    "gatewayd.probe.advice",
    "gatewayd.manual.findings",
    "gatewayd.manual.portal",
    "gatewayd.manual.dates",
    "gatewayd.manual.fields",
    "gatewayd.manual.units",
    "gatewayd.manual.plausible",
    "gatewayd.manual.held",
    "gatewayd.manual.submission",
    "gatewayd.manual.table",
    "gatewayd.manual.table_csv",
}
STUBS = """
    gatewayd/__init__  gatewayd/model  gatewayd/obis  gatewayd/errors  gatewayd/options  gatewayd/status
    gatewayd/legal_time  gatewayd/schedule  gatewayd/gaps  gatewayd/driver  gatewayd/acquire  gatewayd/outbox
    gatewayd/publish  gatewayd/quality  gatewayd/calls  gatewayd/dialling  gatewayd/verdicts
    gatewayd/increments  gatewayd/fallen  gatewayd/silences  gatewayd/policy  gatewayd/chatter
    gatewayd/agenda  gatewayd/breaker
    gatewayd/duties  gatewayd/turns
    gatewayd/coverage  gatewayd/runs  gatewayd/pulse  gatewayd/tallies  gatewayd/pieces  gatewayd/sifting
    gatewayd/closing  gatewayd/watched
    gatewayd/progress  gatewayd/rows_seen  gatewayd/attempts  gatewayd/clocks  gatewayd/identity  gatewayd/backward
    gatewayd/channel/at_dialogue  gatewayd/channel/at_hang_up  gatewayd/channel/at_results  gatewayd/channel/at_set_up
    gatewayd/daemon/__init__  gatewayd/config/__init__  gatewayd/channel/__init__  gatewayd/channel/tcp
    gatewayd/channel/at  gatewayd/channel/modem_options  gatewayd/channel/telnet
    gatewayd/archive/__init__  gatewayd/sink/__init__  gatewayd/sink/mqtt  gatewayd/cli/__init__  gatewayd/cli/run
    drivers/__init__  drivers/modbus/__init__  drivers/modbus/driver
    drivers/iec62056_21/__init__  drivers/iec62056_21/driver
    drivers/iec62056_21/wire/__init__  drivers/iec62056_21/wire/framing
    gatewayd/channel/masking  gatewayd/holidays  gatewayd/severity
    gatewayd/probe/__init__  gatewayd/probe/frames  gatewayd/probe/attempts  gatewayd/probe/advice
    gatewayd/manual/__init__  gatewayd/manual/findings  gatewayd/manual/portal  gatewayd/manual/dates
    gatewayd/manual/fields
    gatewayd/manual/units  gatewayd/manual/plausible  gatewayd/manual/held
    gatewayd/manual/submission  gatewayd/manual/table  gatewayd/manual/table_csv
    gatewayd/metering/__init__  gatewayd/metering/values
    simulators/__init__  simulators/line
""".split()
ALLOWED = {
    "gatewayd/cli/run": "from gatewayd import daemon\nimport drivers.modbus.driver\n",
    "gatewayd/daemon/__init__": "import asyncio\nimport drivers\nfrom gatewayd import acquire, config, publish\n",
    "gatewayd/acquire": "from gatewayd import archive, driver, model\nfrom gatewayd.channel import tcp\n",
    "gatewayd/status": "from datetime import time\nfrom gatewayd import model\n",
    "drivers/__init__": "from drivers.iec62056_21 import driver\nfrom gatewayd.driver import x\n",
    "drivers/iec62056_21/driver": "import asyncio\nfrom gatewayd import driver, errors, model, obis, status\n"
    "from gatewayd.channel import x\nfrom drivers.iec62056_21.wire import framing\n",
    "simulators/line": "import random\nfrom drivers.iec62056_21.wire import framing\n",
}
VIOLATIONS = [
    ("gatewayd/model", "import gatewayd.archive", "layer"),
    ("gatewayd/channel/tcp", "from gatewayd.archive import x", "layer"),
    ("gatewayd/publish", "import gatewayd.acquire", "layer"),
    ("gatewayd/status", "from gatewayd import channel", "layer"),
    ("gatewayd/novelty", "", "layer"),
    ("gatewayd/acquire", "import drivers", "only the daemon"),
    ("gatewayd/outbox", "from drivers.modbus import driver", "only the daemon"),
    ("drivers/modbus/driver", "from gatewayd.archive import x", "drivers see only"),
    ("drivers/iec62056_21/wire/framing", "import gatewayd.config", "drivers see only"),
    ("drivers/modbus/driver", "from drivers.iec62056_21.wire import framing", "know each other"),
    ("drivers/iec62056_21/wire/framing", "import asyncio", "wire code"),
    ("drivers/iec62056_21/wire/framing", "import time", "wire code"),
    ("gatewayd/status", "import random", "wire code"),
    ("gatewayd/errors", "import logging", "wire code"),  # reached through gatewayd.status
    ("gatewayd/metering/values", "import asyncio", "wire code"),
    ("gatewayd/metering/values", "from gatewayd.archive import x", "metering rules"),
    ("gatewayd/cli/run", "import simulators.line", "never import simulators"),
    ("drivers/modbus/driver", "import simulators", "never import simulators"),
]


def contracts() -> list[dict[str, object]]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert isinstance(configuration, list)
    return configuration


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Stubs of the packages, importing each other as they may."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for stub in STUBS:
        path = tmp_path / f"{stub}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ALLOWED.get(stub, ""))
    with (tmp_path / "gatewayd/status.py").open("a") as status:
        status.write("from gatewayd import errors\n")
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over a tree. `-P` and the inserted path: the stubs come before the installed packages."""
    program = (
        f"import sys; sys.path.insert(0, {str(tree)!r}); from importlinter.cli import lint_imports_command as l; l()"
    )
    command = [sys.executable, "-P", "-c", program, "--config", str(tree / "pyproject.toml"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60)


def test_what_is_allowed_passes_every_contract(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contracts())} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("module", "line", "contract"), VIOLATIONS, ids=[f"{v[0]}: {v[1]}" for v in VIOLATIONS])
def test_a_violation_breaks_its_contract(tree: Path, module: str, line: str, contract: str) -> None:
    with (tree / f"{module}.py").open("a") as file:
        file.write(f"{line}\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [text for text in done.stdout.splitlines() if " BROKEN" in text]
    assert any(contract in text for text in broken), done.stdout


def test_every_pure_module_that_exists_is_under_the_purity_contract() -> None:
    (purity,) = [contract for contract in contracts() if str(contract["name"]).startswith("wire code")]
    listed = purity["source_modules"]
    assert isinstance(listed, list)
    existing = {name for name in PURE if (ROOT / f"{name.replace('.', '/')}.py").exists()}
    assert existing <= set(listed)
