"""What `gatewayd status` prints of modems for people."""

from typing import Any

import pytest

from gatewayd import config, daemon
from gatewayd.cli.status import _print, _print_listening

TEXT = """\
gateway: {id: gw}
archive: {path: /nowhere}
lines:
  one: {type: modem, device: /dev/modem1, pool: night}
  two: {type: modem, device: /dev/modem2, pool: night}
  old: {type: modem, device: /dev/modem3}
meters: []
"""
MODEM: dict[str, Any] = {
    "id": "one",
    "pool": "night",
    "fault": None,
    "in_doubt": False,
    "next_window": "2026-11-21T23:10:00Z",
    "last_call": {
        "at": "2026-11-21T20:00:00Z",
        "number": "+42060****89",
        "result": "carrier lost",
        "seconds": 34,
        "hung_up": True,
    },
    "signal_dbm": -79,
    "registration": "roaming",
}


def printed(capsys: pytest.CaptureFixture[str], *modems: dict[str, Any]) -> list[str]:
    known = config.parse(TEXT, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)
    _print(
        {
            "running": True,
            "gateway": "gw",
            "since": "2026-11-21T20:00:00Z",
            "version": "0.1.0",
            "archive": {"head": {"seq": 7}, "fault": None},
            "sinks": [],
            "faults": [{"meter": "em-1", "line": "bus", "fault": "meter em-1 on line bus: no answer; [is] it on?"}],
            "modems": list(modems),
        },
        known,
    )
    return capsys.readouterr().out.splitlines()


def test_modems_have_a_row_each(capsys: pytest.CaptureFixture[str]) -> None:
    idle = MODEM | {"id": "old", "pool": "old", "last_call": None, "signal_dbm": None, "registration": None}
    _, _, fault, head, one, old, sinks = printed(capsys, MODEM, idle)
    assert fault == "meter em-1 cannot be read: meter em-1 on line bus: no answer; [is] it on?"
    assert head.split()[:3] == ["modem", "pool", "last"]
    assert one.split() == [
        *("one", "night", "2026-11-21", "21:00:00+0100", "+42060****89", "carrier", "lost", "34", "-79", "dBm"),
        *("roaming", "2026-11-22", "00:10:00+0100"),
    ]
    assert old.split() == ["old", "2026-11-22", "00:10:00+0100"]
    assert sinks == "no sinks are configured"


def test_a_modem_that_needs_somebody_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    parked = MODEM | {"fault": "line one: modem has a SIM in state SIM PUK", "next_window": None}
    lines = printed(capsys, parked, MODEM | {"id": "two", "in_doubt": True})
    assert "one is not used until gatewayd is restarted: line one: modem has a SIM in state SIM PUK" in lines
    assert [line for line in lines if line.startswith("two may be in a call that costs money")]


def test_a_gateway_without_modems_says_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert not [line for line in printed(capsys) if "modem" in line]


def test_meters_that_push_have_a_row_each(capsys: pytest.CaptureFixture[str]) -> None:
    known = config.parse(TEXT, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)
    _print_listening(
        [
            {"meter": "em-1", "line": "hes", "connected": True, "last_heard_at": "2026-11-21T20:00:00Z"},
            {"meter": "em-2", "line": "hes", "connected": False, "last_heard_at": None},
        ],
        known,
    )
    head, one, two = capsys.readouterr().out.splitlines()
    assert head.split() == ["pushing", "line", "connected", "last", "heard"]
    assert one.split()[:4] == ["em-1", "hes", "yes", "2026-11-21"]
    assert two.split() == ["em-2", "hes", "no", "not", "since", "the", "start"]
    _print_listening((), known)
    assert capsys.readouterr().out == ""
