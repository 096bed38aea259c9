"""What `gatewayd status` prints of the derived layer and of both outboxes of a sink; and of a gateway that runs and
cannot be asked."""

from typing import Any

import pytest

from gatewayd.cli.status import wrong
from gatewayd.cli.words import CZECH
from gatewayd.daemon.status_metering import AGAIN, OPEN_ANEW, OPENED_AGAIN, RESTART
from tests.gatewayd.cli.test_status import document, view

METERING: dict[str, Any] = {
    "points": 2,
    "seq": 7,
    "behind": 0,
    "oldest_at": None,
    "days_waiting": 0,
    "values": 5,
    "fault": None,
    "remedy": None,
    "last_fault": None,
    "unreadable": None,
    "archive": {"path": "/a/derived", "head": {"seq": 12, "hash": "00"}, "bytes": 5 << 20, "fault": None},
}
BOX: dict[str, Any] = {
    "state": "connected",
    "since": "2026-11-21T20:00:00Z",
    "fault": None,
    "last_fault": None,
    "attempts": 0,
    "cursor": 7,
    "waiting": 0,
    "oldest_at": None,
    "delivered": 7,
    "set_aside": 0,
    "last_set_aside": None,
    "last_delivered_at": None,
}
SINK: dict[str, Any] = {"id": "m", "type": "mqtt", **BOX, "derived": None}


def shown(**changes: Any) -> str:
    """The lines of the derived layer."""
    metering = METERING | changes
    return "\n".join(line for line in view(metering=metering) if "deriv" in line or "metering" in line)


def test_all_is_derived() -> None:
    assert shown() == "metering: 2 points, all readings are derived\nderived archive /a/derived: 12 values, 5.0 MiB"
    assert not wrong(document(metering=METERING))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seq": 3, "behind": 4}, "derived up to reading 3 of 7, 4 readings behind"),
        (
            {"seq": 6, "behind": 1, "oldest_at": "2026-11-21T20:30:00Z"},
            "derived up to reading 6 of 7, 1 reading behind, the first of 2026-11-21 21:30:00+0100",
        ),
        ({"days_waiting": 9}, "all readings are derived; 9 days to be computed"),
        ({"seq": None, "behind": None}, "how far they are derived is not known yet"),
    ],
)
def test_how_far_it_is(changes: dict[str, Any], words: str) -> None:
    assert f"metering: 2 points, {words}\n" in shown(**changes)
    assert not wrong(document(metering=METERING | changes)), "it goes on"


@pytest.mark.parametrize("remedy", [AGAIN, OPEN_ANEW, OPENED_AGAIN, RESTART])
def test_a_fault_stands_beside_its_remedy(remedy: str) -> None:
    assert f"nothing is derived: disk full; {remedy}" in shown(fault="disk full", remedy=remedy)
    assert wrong(document(metering=METERING | {"fault": "disk full", "remedy": remedy}))
    assert remedy in CZECH


def test_a_derived_archive_that_cannot_be_read() -> None:
    """Of a gateway that does not run: then there is no engine that could have a fault."""
    archive = METERING["archive"] | {"fault": "the head is damaged"}
    assert "archive takes nothing: the head is damaged" in view(metering=METERING | {"archive": archive})
    assert wrong(document(metering=METERING | {"archive": archive}))


def test_what_cannot_be_read_is_told_with_its_remedy() -> None:
    """It is the last fault, too, and told once; when it is over that is said."""
    segment = "/a/segment-000001.sqlite cannot be read: database disk image is malformed"
    found = shown(unreadable=segment, last_fault=segment)
    told = f"nothing is derived of what cannot be read: {segment}; restore it from a copy: then it is derived"
    assert told in found and found.count(segment) == 1
    assert wrong(document(metering=METERING | {"unreadable": segment, "last_fault": segment}))
    over = METERING | {"last_fault": segment}
    assert f"metering, last fault, which is over: {segment}" in shown(last_fault=segment)
    assert not wrong(document(metering=over))
    assert "last fault" not in shown(fault="disk full", remedy=AGAIN, last_fault="disk full")


# -- outboxes ----------------------------------------------------------------------------------------------------------


def rows(*sinks: dict[str, Any]) -> list[str]:
    found = view(sinks=list(sinks))
    return [" ".join(line.split()) for line in found[3:]]


def test_each_outbox_has_a_row() -> None:
    second = BOX | {"state": "broken", "waiting": 4, "delivered": 3, "set_aside": 2, "fault": "no", "attempts": 2}
    assert rows(SINK | {"derived": second}) == [
        "sink state since waiting delivered set aside last delivered",
        "m connected 21:00:00 0 7 0",
        "m: points broken 21:00:00 4 3 2",
        "m: points: no (2 attempts)",
        "m: points: 2 readings are set aside; see gatewayd sink set-aside",
    ]
    assert wrong(document(sinks=[SINK | {"derived": second}]))
    assert not wrong(document(sinks=[SINK | {"derived": BOX}]))
    assert len(rows(SINK)) == 2


def test_what_is_wrong_with_both_is_told_once() -> None:
    broken = {"state": "broken", "fault": "it is gone", "attempts": 1}
    found = rows(SINK | broken | {"derived": BOX | broken})
    assert [line for line in found if "it is gone" in line] == ["m: it is gone (1 attempt)"]


def test_what_has_waited_for_long_is_told() -> None:
    old, young = {"oldest_at": "2026-11-21T20:19:00Z"}, {"oldest_at": "2026-11-21T20:21:00Z"}
    told = "m: the first of what waits was archived 2026-11-21 21:19:00+0100"
    assert told in rows(SINK | old) and told not in rows(SINK | young)
    assert told.replace("m:", "m: points:") in rows(SINK | {"derived": BOX | old})


# -- a gateway that cannot be asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "socket", "elsewhere", "words"),
    [
        (True, False, False, "runs as process 7 (gatewayd), and its control socket is gone"),
        (True, True, False, "runs as process 7 (gatewayd), and does not answer"),
        (True, False, True, "runs as process 7 (gatewayd), with another archive than the file names"),
        (False, False, False, "not running; process 7 (gatewayd) writes to the archive at present"),
    ],
)
def test_who_writes_to_the_archive(run: bool, socket: bool, elsewhere: bool, words: str) -> None:
    held = {"pid": 7, "process": "gatewayd", "run": run, "socket": socket, "elsewhere": elsewhere}
    first = view(running=False, configuration=None, held_by=held)[0]
    assert first.startswith("gateway gw: ") and words in first
    assert ("systemctl restart gatewayd" in first) is run
    assert wrong(document(running=False, configuration=None, held_by=held))
