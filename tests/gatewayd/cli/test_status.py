"""What `gatewayd status` prints for people, made of documents as the control socket gives them."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gatewayd.cli.status import wrong
from gatewayd.cli.status_meters import FEW, MANY, gaps, meter_parts, near, percent
from gatewayd.cli.status_view import parts

PRAGUE = ZoneInfo("Europe/Prague")
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
LINE: dict[str, Any] = {
    "id": "bus",
    "kind": "asked",
    "condition": "closed",
    "until": None,
    "fault": None,
    "meters": 1,
    "under_way": [],
    "queue": 0,
    "oldest_due": None,
}
METER: dict[str, Any] = {
    "id": "em-1",
    "line": "bus",
    "metering_type": "A",
    "last_success_at": "2026-11-21T19:30:00Z",
    "fault": None,
    "fault_since": None,
    "next_due_at": "2026-11-21T23:20:00Z",
    "silent": False,
    "dead": False,
    "clock_deviation_s": "-3.2",
    "session_s": "0.5",
    "left": 0,
    "profiles": [],
}
PROFILE: dict[str, Any] = {
    "obis": "1-0:99.1.0*255",
    "since": "2026-10-01T22:00:00Z",
    "newest": "2026-11-21T19:30:00Z",
    "expected": 4900,
    "present": 4898,
    "missing": 2,
    "waiting": 0,
    "back_fill": None,
    "yesterday": {"expected": 96, "present": 95, "missing": 1},
    "gaps": [
        {"day": "2026-11-21", "expected": 82, "present": 79, "missing": 0},
        {"day": "2026-11-20", "expected": 96, "present": 95, "missing": 1},
        {"day": "2026-11-18", "expected": 96, "present": 92, "missing": 4},
    ],
}


def document(**parts: Any) -> dict[str, Any]:
    """Of a gateway that runs and has nothing to tell, but for these parts."""
    return {
        "running": True,
        "at": "2026-11-21T20:35:00Z",
        "gateway": "gw",
        "timezone": "Europe/Prague",
        "version": "0.1.0",
        "pid": 7,
        "held_by": None,
        "since": "2026-11-21T20:00:00Z",
        "clock": {"synchronised": "yes", "source": "adjtimex", "error_s": "0.004"},
        "configuration": {"file": "/etc/g.yaml", "loaded_at": "2026-11-21T20:00:00Z", "fault": None},
        "archive": {"path": "/a", "head": {"seq": 7, "hash": "00"}, "fault": None, "put_aside": 0},
        "lines": [],
        "meters": [],
        "faults": [],
        "alarms": [],
        "modems": [],
        "listening": [],
        "metering": None,
        "sinks": [],
    } | parts


def printed(*shown: Any) -> list[str]:
    screen = Console(width=200, highlight=False)
    with screen.capture() as capture:
        for part in shown:
            screen.print(part, soft_wrap=True)
    return [line.rstrip() for line in capture.get().splitlines()]


def view(room: int | None = MANY, **found: Any) -> list[str]:
    return printed(*parts(document(**found), room))


def meters(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [METER | {"id": f"em-{number}", "line": f"l{number}"} | changes for number in range(count)]


# -- the gateway -------------------------------------------------------------------------------------------------------


def test_a_gateway_in_order() -> None:
    assert view() == [
        "gateway gw: running since 2026-11-21 21:00:00+0100, version 0.1.0, process 7",
        "clock: synchronised (adjtimex, at most 0.004 s off)",
        "archive /a: 7 readings",
        "no sinks are configured",
    ]
    assert not wrong(document())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"running": False, "configuration": None}, "gateway gw: not running"),
        ({"archive": document()["archive"] | {"fault": "disk full"}}, "archive takes nothing: disk full"),
        (
            {"configuration": document()["configuration"] | {"fault": "g.yaml:3: lines: no"}},
            "the configuration file is not taken: g.yaml:3: lines: no",
        ),
    ],
)
def test_what_somebody_has_to_look_at(changes: dict[str, Any], told: str) -> None:
    assert told in view(**changes)
    assert wrong(document(**changes))


def test_what_was_put_aside_is_told() -> None:
    """It stays where it is, also when all that can be done is done: no reason for 1."""
    aside = document()["archive"] | {"put_aside": 2}
    told = "2 segments were put aside as damaged, in /a/quarantine: what they hold is not read any more"
    assert told in view(archive=aside) and not any("quarantine" in line for line in view())
    assert not wrong(document(archive=aside))


@pytest.mark.parametrize(("state", "word"), [("no", "not synchronised"), ("unknown", "not known to be synchronised")])
def test_a_clock_that_is_not_right(state: str, word: str) -> None:
    """It is told, and nobody has to be called at night for it."""
    clock = {"synchronised": state, "source": "adjtimex", "error_s": None}
    assert f"clock: {word} (adjtimex); what the gateway stamps is flagged" in view(clock=clock)
    assert not wrong(document(clock=clock))


# -- lines -------------------------------------------------------------------------------------------------------------


def test_lines_have_a_row_each() -> None:
    busy = {"meter": "em-1", "line": "bus", "since": "2026-11-21T20:34:50Z", "technician": False}
    found = view(
        lines=[
            LINE,
            LINE | {"id": "b", "under_way": [busy], "queue": 2, "oldest_due": "2026-11-21T20:34:00Z"},
            LINE | {"id": "c", "condition": "open", "until": "2026-11-21T20:36:05Z", "fault": "c: nobody\nanswers"},
            LINE | {"id": "d", "condition": "half-open"},
            LINE | {"id": "e", "kind": "listening"},
        ]
    )
    rows = {line.split()[0]: line.split()[1:] for line in found}
    assert rows["bus"] == ["ready"]
    assert rows["b"] == ["talks", "em-1", "21:34:50", "2", "21:34:00"]
    assert rows["c"] == ["fails,", "tried", "at", "21:36:05"]
    assert "line c, last fault: c: nobody" in found
    assert rows["d"] == ["is", "tried"]
    assert rows["e"] == ["listens"]


def test_many_lines_are_counted_and_those_that_fail_are_shown() -> None:
    many = [LINE | {"id": f"l{number}", "queue": 1} for number in range(500)]
    many[77] = many[77] | {"condition": "open", "fault": "l77: gone"}
    found = view(lines=many)
    assert [line.split()[0] for line in found if line.startswith("l")] == ["line", "l77", "line"]
    assert "line l77, last fault: l77: gone" in found
    assert "499 more lines; on all of them 0 sessions under way, 500 jobs due" in found


# -- meters ------------------------------------------------------------------------------------------------------------


def test_a_few_meters_are_all_shown() -> None:
    found = view(meters=meters(FEW))
    assert len([line for line in found if line.startswith("em-")]) == FEW
    assert found[4].split() == ["em-0", "l0", "20:30:00", "2026-11-22", "00:20", "-3.2", "s"]


def test_of_many_meters_those_with_something_to_tell_are_shown_and_the_others_counted() -> None:
    many = meters(300)
    many[3] = many[3] | {"fault": "no answer", "silent": True}
    many[5] = many[5] | {"profiles": [PROFILE]}
    going = {"reached": "2026-05-31T22:00:00Z", "goal": "2023-11-01T23:00:00Z", "percent": 16}
    many[7] = many[7] | {"profiles": [PROFILE | {"gaps": [], "back_fill": going}]}
    many[8] = many[8] | {"last_success_at": None}
    found = view(meters=many, alarms=[{"meter": "em-9", "alarm": "keys run out"}])
    rows = {line.split()[0]: line.split() for line in found if line.startswith("em-")}
    assert list(rows) == ["em-3", "em-5", "em-7", "em-9"]
    assert rows["em-3"][-1] == "silent"
    assert rows["em-5"][-3:] == ["98", "%", "5"]
    assert " ".join(rows["em-7"]).endswith("back-fill 16 %: back to 2026-06-01 of 2023-11-02")
    assert rows["em-9"][-1] == "alarm"
    times = "2026-11-21 20:30:00+0100"
    assert (
        f"296 more meters without faults, alarms and gaps; last read between {times} and {times}; 1 not read yet"
        in found
    )


def test_of_very_many_faults_the_first_are_listed_and_none_is_hidden() -> None:
    """--meters shows all."""
    broken = meters(100, fault="no answer")
    faults = [{"meter": one["id"], "line": one["line"], "fault": "no answer"} for one in broken]
    found = view(meters=broken, faults=faults)
    assert len([line for line in found if line.startswith("em-")]) == MANY
    assert "60 more meters of which there is something to tell; --meters shows all, --meter ID one in full" in found
    assert "60 more faults; --meters shows all" in found
    whole = view(None, meters=broken, faults=faults)
    assert len([line for line in whole if line.startswith("em-")]) == 100
    assert len([line for line in whole if line.endswith("cannot be read: no answer")]) == 100


@pytest.mark.parametrize(
    ("read", "reached", "count"),
    [
        ("2026-11-21T19:30:00Z", None, 5),  # read today: yesterday should be there
        ("2026-11-20T19:30:00Z", None, 4),  # not yet: of yesterday nothing is known to be missing
        (None, None, 4),
        ("2026-11-21T19:30:00Z", "2026-11-18T11:00:00Z", 1),  # the back-fill comes to the 18th yet
        ("2026-11-21T19:30:00Z", "2026-11-17T11:00:00Z", 5),
    ],
)
def test_what_is_not_due_yet_is_no_gap(read: str | None, reached: str | None, count: int) -> None:
    going = None if reached is None else {"reached": reached, "goal": "2023-11-01T00:00:00Z", "percent": 1}
    meter = METER | {"last_success_at": read, "profiles": [PROFILE | {"back_fill": going}]}
    assert gaps(meter, date(2026, 11, 21), PRAGUE) == count


def test_one_meter_in_full() -> None:
    meter = METER | {"profiles": [PROFILE], "fault": "no answer", "fault_since": "2026-11-21T20:01:00Z", "left": 3}
    found = printed(
        *meter_parts(document(meters=[meter], alarms=[{"meter": "em-1", "alarm": "[keys] run out"}]), "em-1")
    )
    assert found[:9] == [
        "meter em-1",
        "line             bus",
        "metering type    A",
        "last read        2026-11-21 20:30:00+0100",
        "last session     0.5 s",
        "next             2026-11-22 00:20:00+0100",
        "clock            -3.2 s",
        "to be asked for  3 pieces of profiles",
        "cannot be read: no answer (since 2026-11-21 21:01:00+0100)",
    ]
    assert found[9] == "alarm: [keys] run out"
    assert found[11].split()[-5:] == ["4900", "4898", "2", "98", "%"]
    assert found[12] == "1-0:99.1.0*255 of 2026-11-21: 79 of 82 intervals are there so far", "that day is not over"
    assert found[13] == "1-0:99.1.0*255 of 2026-11-20: 95 of 96 intervals are there, 1 told missing"


def test_faults_and_alarms_are_told_as_they_are() -> None:
    found = view(
        faults=[{"meter": "em-1", "line": "bus", "fault": "meter em-1 on line bus: no answer; [is] it on?"}],
        alarms=[{"meter": "em-2", "alarm": "the clock is more than 9 s off"}],
    )
    assert "meter em-1 cannot be read: meter em-1 on line bus: no answer; [is] it on?" in found
    assert "meter em-2: the clock is more than 9 s off" in found


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_hundred_per_cent_is_all_of_it(part: int, rest: int) -> None:
    assert (percent(part, part + rest) == "100 %") == (rest == 0 and part > 0)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (None, ""),
        ("2026-10-24T22:00:00Z", "00:00:00"),
        ("2026-10-24T21:59:00Z", "2026-10-24 23:59"),
        ("2026-10-25T00:30:00Z", "02:30:00+0200"),
        ("2026-10-25T01:30:00Z", "02:30:00+0100"),
    ],
)
def test_times_are_short_and_never_ambiguous(instant: str | None, text: str) -> None:
    assert near(instant, date(2026, 10, 25), PRAGUE) == text


# -- modems, meters that push ------------------------------------------------------------------------------------------


def test_modems_have_a_row_each() -> None:
    idle = MODEM | {"id": "old", "pool": "old", "last_call": None, "signal_dbm": None, "registration": None}
    _, _, _, head, one, old, _ = view(modems=[MODEM, idle])
    assert head.split()[:3] == ["modem", "pool", "last"]
    assert one.split() == [
        *("one", "night", "2026-11-21", "21:00:00+0100", "+42060****89", "carrier", "lost", "34", "-79", "dBm"),
        *("roaming", "2026-11-22", "00:10:00+0100"),
    ]
    assert old.split() == ["old", "2026-11-22", "00:10:00+0100"]


def test_a_modem_that_needs_somebody_is_told_of() -> None:
    parked = MODEM | {"fault": "line one: modem has a SIM in state SIM PUK", "next_window": None}
    doubtful = MODEM | {"id": "two", "in_doubt": True}
    lines = view(modems=[parked, doubtful])
    assert "one is not used until gatewayd is restarted: line one: modem has a SIM in state SIM PUK" in lines
    assert [line for line in lines if line.startswith("two may be in a call that costs money")]
    assert [wrong(document(modems=[one])) for one in (MODEM, parked, doubtful)] == [False, True, True]


def test_meters_that_push_have_a_row_each() -> None:
    heard = {"meter": "em-1", "line": "hes", "connected": True, "last_heard_at": "2026-11-21T20:00:00Z"}
    never = {"meter": "em-2", "line": "hes", "connected": False, "last_heard_at": None}
    _, _, _, head, one, two, _ = view(listening=[heard, never])
    assert head.split() == ["pushing", "line", "connected", "last", "heard"]
    assert one.split()[:4] == ["em-1", "hes", "yes", "2026-11-21"]
    assert two.split() == ["em-2", "hes", "no", "not", "since", "the", "start"]
