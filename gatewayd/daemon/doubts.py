"""What `gatewayd check` warns of besides the text of a configuration: files and libraries that are not here.

Rules: warnings and no faults: the service may be another user, and another machine, than whoever checks.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel

from gatewayd.config import Config
from gatewayd.errors import Finding
from gatewayd.options import is_credential
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.postgresql.options import PostgresqlOptions


def doubts(config: Config) -> tuple[Finding, ...]:
    """Findings without a line: they are not about the text."""
    found = [
        *(finding for name, line in config.lines.items() for finding in _files(line, f"lines.{name}")),
        *(finding for n, meter in enumerate(config.meters) for finding in _files(meter.options, f"meters[{n}]")),
        *(finding for n, sink in enumerate(config.sinks) for finding in _files(sink.options, f"sinks[{n}]")),
    ]
    for number, sink in enumerate(config.sinks):
        library, extra = "", ""
        if isinstance(sink.options, PostgresqlOptions):
            library, extra = "pg8000", "postgresql"
        elif isinstance(sink.options, LineProtocolOptions) and sink.options.dialect == "influx2":
            library, extra = "influxdb_client", "influx2"
        if library and find_spec(library) is None:
            remedy = f"needs {library}, which is not installed: pip install gatewayd[{extra}]"
            found.append(Finding(0, f"sinks[{number}]", remedy))
    return tuple(found)


def _files(options: BaseModel, place: str) -> Iterator[Finding]:
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, BaseModel):
            yield from _files(value, f"{place}.{name}")
        elif isinstance(value, Path) and is_credential(value):
            continue  # who checks is not the service that gets it
        elif isinstance(value, Path) and name.endswith("_file") and not os.access(value, os.R_OK):
            there = "may not be read by this user" if value.exists() else "does not exist"
            yield Finding(0, f"{place}.{name}", f"{value} {there}")
