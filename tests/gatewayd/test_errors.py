"""Errors: sorted by who has to act, with the place and the evidence."""

import pytest

from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    ChannelTimeout,
    ConfigError,
    Finding,
    GatewayError,
    MeterRefused,
    MeterSilent,
    ProtocolError,
    SessionDeadline,
    SinkError,
)

KINDS = [ArchiveError, ChannelError, MeterRefused, MeterSilent, ProtocolError, SessionDeadline, SinkError]


@pytest.mark.parametrize("kind", [*KINDS, ChannelTimeout])
def test_every_fault_is_one_that_gatewayd_knows(kind: type[GatewayError]) -> None:
    assert issubclass(kind, GatewayError)
    assert str(kind("meter em-1001 on line optical is silent")) == "meter em-1001 on line optical is silent"


def test_only_a_timeout_is_also_another_fault() -> None:
    """Who catches one kind must not catch another by accident."""
    kinds = [*KINDS, ConfigError]
    assert all(one is other or not issubclass(one, other) for one in kinds for other in kinds)
    assert issubclass(ChannelTimeout, ChannelError)
    assert not any(issubclass(kind, OSError | ValueError) for kind in kinds)


def test_a_protocol_error_carries_the_bytes() -> None:
    assert ProtocolError("no data set", b"\x02junk\x03").raw == b"\x02junk\x03"
    assert ProtocolError("no data set").raw == b""


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding(7, "meters[0].ratio[1].ct", "expected 200/5"), "gw.yaml:7: meters[0].ratio[1].ct: expected 200/5"),
        (Finding(7, "", "tabs are not allowed"), "gw.yaml:7: tabs are not allowed"),
        (Finding(0, "gateway", "is missing"), "gw.yaml: gateway: is missing"),
        (Finding(0, "", "the file is empty"), "gw.yaml: the file is empty"),
    ],
)
def test_a_finding_names_file_line_and_key(finding: Finding, text: str) -> None:
    assert finding.text("gw.yaml") == text


def test_a_configuration_error_has_every_finding() -> None:
    findings = (Finding(1, "a", "one"), Finding(2, "b", "two"))
    error = ConfigError("gw.yaml", findings)
    assert str(error) == "gw.yaml:1: a: one\ngw.yaml:2: b: two"
    assert (error.path, error.findings) == ("gw.yaml", findings)
