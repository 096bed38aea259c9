"""Errors that name meter and line: their kind stays, and what they carry."""

from __future__ import annotations

import pytest

from gatewayd.errors import ChannelTimeout, GatewayError, MeterSilent, ProtocolError, SinkError
from gatewayd.naming import named, retold


@pytest.mark.parametrize(
    ("message", "remedy", "text"),
    [
        ("does not answer", "", "meter em-1 on line bus does not answer"),
        ("refuses", "look at unit", "meter em-1 on line bus refuses; look at unit"),
        ("line bus: closed", "", "meter em-1: line bus: closed"),
        ("meter em-1 on line bus does not answer", "", "meter em-1 on line bus does not answer"),
    ],
)
def test_meter_and_line_stand_in_front_once(message: str, remedy: str, text: str) -> None:
    assert str(named(MeterSilent(message), "em-1", "bus", remedy)) == text


@pytest.mark.parametrize("error", [ProtocolError("a", b"\x01"), SinkError("a", 3.0), ChannelTimeout("a")])
def test_the_kind_and_what_it_carries_stay(error: GatewayError) -> None:
    same = retold(error, "b")
    assert type(same) is type(error)
    assert str(same) == "b"
    assert vars(same) == vars(error)
