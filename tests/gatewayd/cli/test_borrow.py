"""What a command says that has had a line, and whose entry in the audit log was not written. Whole loans:
tests/system/test_lending.py."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gatewayd import daemon
from gatewayd.archive.records import Audit
from gatewayd.channel.modem_options import CallRecord, CallResult
from gatewayd.cli import borrow
from gatewayd.config import Config
from gatewayd.errors import ArchiveError, GatewayError
from tests.gatewayd.doubles import PATIENCE, call_record

FULL = "archive /a did not take the data: disk full"


def told(call: CallRecord | None, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a loan with this call."""
    config = SimpleNamespace(archive=SimpleNamespace(path=folder), meters=(), pools={})

    async def work(one: borrow.Borrowed) -> int:
        one.call, one.called = call, "em-1"
        return 7

    borrowed = borrow.borrowed(cast("Config", config), "gsm", "modem", 0, work)
    assert asyncio.run(asyncio.wait_for(borrowed, PATIENCE)) == 7, "the work counts"
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (None, "warning: this is not in the audit log: the running gateway says: "),
        (call_record(CallResult.DONE, "gsm"), "warning: the call is not in the archive: the running gateway says: "),
    ],
)
def test_what_the_gateway_could_not_write_down_is_told(
    call: CallRecord | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def follow(_folder: Path, request: str, **_details: str) -> AsyncGenerator[dict[str, Any], None]:
        if request == daemon.GIVE_BACK:
            raise GatewayError(f"the running gateway says: {FULL}")
        yield {"event": "asked"}
        yield {"event": "lent", "loan": 1, "seconds": 900}
        await asyncio.Event().wait()

    monkeypatch.setattr(borrow, "follow", follow)
    assert told(call, tmp_path, capsys).strip() == f"{words}{FULL}"


def test_what_the_command_could_not_write_down_itself_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full:
        def submit(self, _audit: Audit) -> "Future[None]":
            done: Future[None] = Future()
            done.set_exception(ArchiveError(FULL))
            return done

    async def alone(one: borrow.Borrowed) -> int:
        return 7

    coroutine = borrow._alone(cast("Any", Full()), "gsm", "probe", alone)
    monkeypatch.setattr(borrow, "Refusals", lambda *_: None)
    assert asyncio.run(coroutine) == 7
    assert capsys.readouterr().err.strip() == f"warning: this is not in the audit log: {FULL}"
