"""What a gateway loads that has no sinks: a small box has memory for what it does, and no other."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OTHERS = ("urllib3", "aiomqtt", "paho", "psycopg", "openpyxl", "pyarrow", "rich")


def test_the_libraries_of_sinks_and_files_are_loaded_by_those_who_need_them() -> None:
    loaded = f"import sys, gatewayd.cli, gatewayd.daemon.run; print(*set({OTHERS}).intersection(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
