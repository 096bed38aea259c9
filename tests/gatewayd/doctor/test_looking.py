"""Looks that hang, fail or have a defect: each costs its own finding, and nobody waits for it."""

import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from gatewayd.doctor import Finding, Level, Look, Looks, Unseen
from gatewayd.doctor.findings import fine
from gatewayd.doctor.looking import within
from gatewayd.errors import ArchiveError


def good() -> Iterable[Finding]:
    return [fine("clock", "time", "it is late")]


def raising(fault: Exception) -> Iterable[Finding]:
    raise fault


def test_what_hangs_is_told_and_not_waited_for() -> None:
    begun = time.monotonic()
    looks = Looks(begun + 0.2)
    forever = threading.Event()

    def hang() -> Iterator[Finding]:
        forever.wait()
        yield fine("disk", "room", "never")

    looks.begin(Look("disk", "room", hang), Look("clock", "time", good))
    room, at = looks.collect()
    assert time.monotonic() - begun < 5
    assert (room.level, room.subject, room.unseen) == (Level.WARNING, "room", True)
    assert "did not answer in time" in room.text
    assert at.text == "it is late", "what comes behind it is heard all the same"
    forever.set()


@pytest.mark.parametrize(
    ("fault", "level", "hidden", "words"),
    [
        (PermissionError("/etc/x"), Level.NOTE, True, "not seen: /etc/x"),
        (Unseen("a list"), Level.NOTE, True, "not seen: a list"),
        (ArchiveError("damaged"), Level.ERROR, False, "damaged"),
        (OSError("no such disk"), Level.ERROR, False, "no such disk"),
        (ZeroDivisionError("oh"), Level.ERROR, False, "a defect of gatewayd doctor: ZeroDivisionError('oh')"),
    ],
)
def test_a_look_that_fails(fault: Exception, level: Level, hidden: bool, words: str) -> None:
    looks = Looks(time.monotonic() + 10)
    looks.begin(Look("archive", "files", lambda: raising(fault)), Look("clock", "time", good))
    found, other = looks.collect()
    assert (found.level, found.unseen, found.text) == (level, hidden, words)
    assert other.level is Level.FINE


def test_within() -> None:
    assert within(lambda: 7, 10) == 7
    with pytest.raises(ArchiveError, match="damaged"):
        within(lambda: raising(ArchiveError("damaged")), 10)
    forever = threading.Event()
    with pytest.raises(Unseen, match="no answer within 0 s"):
        within(forever.wait, 0.05)
    forever.set()
