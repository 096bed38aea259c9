"""Errors that name meter and line, and the option to look at."""

from __future__ import annotations

import pytest

from drivers.dlms.naming import named
from drivers.dlms.options import DlmsOptions
from drivers.dlms.wire.acse_names import Diagnostic, DiagnosticSource
from drivers.dlms.wire.association_dialogue import AuthenticationRefused, ContextRefused, RefusedForNow
from gatewayd.errors import ChannelError, GatewayError, MeterSilent, ProtocolError


def text(error: GatewayError) -> str:
    return str(named(error, "em-1", "cabin"))


def test_meter_and_line_stand_in_front() -> None:
    assert text(MeterSilent("does not answer")) == "meter em-1 on line cabin does not answer"
    assert text(ChannelError("line cabin: closed")) == "meter em-1: line cabin: closed"


def test_the_kind_of_error_and_what_it_carries_stay() -> None:
    error = named(ProtocolError("sends nonsense", b"\x01"), "em-1", "cabin")
    assert (type(error), error.raw) == (ProtocolError, b"\x01")
    for_now = RefusedForNow("refuses the association", Diagnostic(number=1), b"\x02")
    same = named(for_now, "em-1", "cabin")
    assert (type(same), same.raw, same.diagnostic) == (RefusedForNow, b"\x02", Diagnostic(number=1))


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (0, ("client", "authentication", "security")),
        (1, ("client", "authentication", "security")),
        (2, ("security",)),
        (3, ("system_title",)),
        (6, ("user_id",)),
        (11, ("authentication",)),
        (12, ("authentication",)),
        (14, ("authentication",)),
    ],
)
def test_a_refused_association_names_the_option(number: int, options: tuple[str, ...]) -> None:
    """Numbers of acse-service-user (IEC 62056-5-3 7.2.3.6)."""
    told = text(ContextRefused("refuses the association", Diagnostic(number=number)))
    assert told.startswith("meter em-1 on line cabin refuses the association; look at ")
    remedy = told.split("; look at ")[1].removesuffix(" in its options").replace(" and ", ", ").split(", ")
    assert tuple(remedy) == options
    assert set(options) <= set(DlmsOptions.model_fields)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationRefused("refuses the association: wrong password or key", Diagnostic(number=13)),
        ContextRefused("refuses the association", Diagnostic(DiagnosticSource.PROVIDER, 2)),
        ContextRefused("refuses the association", Diagnostic(number=200)),
        ContextRefused("refuses the association"),
        ContextRefused("names the system title 01, configured is 02: another meter", Diagnostic(number=14)),
        MeterSilent("does not answer"),
    ],
)
def test_no_option_is_named_where_none_explains_it(error: GatewayError) -> None:
    assert "look at" not in text(error)
