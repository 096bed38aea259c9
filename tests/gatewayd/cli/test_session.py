"""What is said of a meter that cannot be asked under the name that was given."""

import click
import pytest

from gatewayd.cli.session import find_meter
from gatewayd.config import parse
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS

REGISTRAR = """
gateway: {id: gw-1}
archive: {path: /tmp/none}
lines: {station: {type: tcp, host: localhost, port: 9}}
meters:
  - id: reg-1
    driver: dlms
    line: station
    dlms: {transport: wrapper}
    jobs: [{profile: 1-0:99.1.0, at: "00:20"}]
    points: [{id: reg-1-a, channels: [1-1]}]
"""


def test_a_metering_point_is_asked_through_its_registrar() -> None:
    config = parse(REGISTRAR, "registrar.yaml", DRIVER_OPTIONS, SINK_OPTIONS)
    assert find_meter(config, "reg-1").id == "reg-1"
    with pytest.raises(click.UsageError, match="metering point of registrar 'reg-1'"):
        find_meter(config, "reg-1-a")
    with pytest.raises(click.UsageError, match="not configured; known: reg-1"):
        find_meter(config, "reg-2")
