"""Alarms: raised once, over when a sound request comes without them, in the log and in the audit log both times."""

import asyncio
import logging
from pathlib import Path

import pytest

from gatewayd.acquire import Acquisition
from gatewayd.alarms import Alarms
from gatewayd.archive.query import Reader
from gatewayd.errors import MeterSilent
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Answer, Registers
from tests.gatewayd.archive.samples import opened
from tests.gatewayd.doubles import START, Conversation, ScriptedChannel, answering, failing, line_to, reading, station

KEYS, RATIO = "its keys run out", "its ratio is 200/5, configured is 250/5"


def test_an_alarm_is_raised_once_and_over_once() -> None:
    alarms = Alarms()
    assert alarms.raised("em", (KEYS, KEYS)) == (KEYS,)
    assert alarms.raised("em", (KEYS, RATIO)) == (RATIO,)
    assert alarms.raised("other", (KEYS,)) == (KEYS,)
    assert alarms.standing == {"em": (KEYS, RATIO), "other": (KEYS,)}
    assert alarms.over("em", (RATIO,)) == (KEYS,)
    assert alarms.over("em", (RATIO,)) == ()
    assert alarms.over("em", ()) == (RATIO,)
    assert alarms.standing == {"other": (KEYS,)}


def test_a_scope_ends_only_its_own_alarms() -> None:
    alarms, late = Alarms(), "1-0:99.1.0 of 2026-11-26 is not complete at 06:00"
    assert alarms.raised("em", (late,), "deadline") == (late,)
    assert alarms.raised("em", (late,), "deadline") == ()
    assert alarms.raised("em", (KEYS,)) == (KEYS,)
    assert alarms.over("em", ()) == (KEYS,)
    assert alarms.standing == {"em": (late,)}
    assert alarms.raised("em", (late,)) == (late,), "the same text in another scope is an alarm of its own"
    assert alarms.standing == {"em": (late,)}
    assert alarms.over("em", (), "deadline") == (late,)
    assert alarms.over("em", (), "deadline") == ()
    assert alarms.standing == {"em": (late,)}
    assert alarms.over("em", ()) == (late,)
    assert alarms.standing == {}


def sound(*alarms: str) -> Conversation:
    return answering(Answer((reading(),), alarms=alarms))


def test_alarms_are_logged_and_audited_and_outlive_a_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    conversations = [sound(KEYS), sound(KEYS), failing(MeterSilent("does not answer")), sound(RATIO), sound()]

    async def scene() -> None:
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, lambda: START, PRAGUE)
            for number, conversation in enumerate(conversations):
                line = line_to(ScriptedChannel([b"/ISk5"]))
                await acquisition.run(line, station(conversation), Registers())
                assert ("em-1001" in acquisition.alarms.standing) == (number < 4)
            await store.flush()

    with caplog.at_level(logging.INFO, "gatewayd.alarm"):
        asyncio.run(scene())
    assert [(record.levelname, record.message) for record in caplog.records if "alarm" in record.message] == [
        ("WARNING", f"meter em-1001 on line optical: alarm raised: {KEYS}"),
        ("WARNING", f"meter em-1001 on line optical: alarm raised: {RATIO}"),
        ("INFO", f"meter em-1001 on line optical: alarm over: {KEYS}"),
        ("INFO", f"meter em-1001 on line optical: alarm over: {RATIO}"),
    ]
    entries = Reader(tmp_path).audits(category="meter", subject="em-1001")
    assert [(entry.type, entry.result, entry.detail) for entry in entries] == [
        ("alarm", "raised", KEYS),
        ("alarm", "raised", RATIO),
        ("alarm", "over", KEYS),
        ("alarm", "over", RATIO),
    ]
