"""A meter that misbehaves by itself: every fault of the simulated one, in its first answers and in all of them.

It has the keys, so that it can downgrade, play again and tamper in ways that an adversary on the line cannot. Property:
values that it has, or an error; the next session is clean where the fault comes once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewayd.status import RawStatus
from simulators.dlms_faults import OF_CIPHERING, OF_HDLC, Kind
from tests.drivers.dlms.adversary import (
    PLAIN_HDLC,
    PLAIN_WRAPPER,
    SOME,
    Heard,
    ciphered,
    profile_of,
)
from tests.drivers.dlms.adversary import Kind as Session

SESSIONS = [
    PLAIN_HDLC,
    PLAIN_WRAPPER,
    ciphered("global", False, "authenticated-encrypted", "hls-gmac"),
    ciphered("dedicated", True, "authenticated-encrypted", "hls-sha256", "--no-lists"),
    ciphered("global", True, "authenticated", "low"),
]
FATAL = {Kind.TAMPERED_CIPHERTEXT, Kind.TAMPERED_TAG, Kind.REPLAY, Kind.PLAINTEXT_REPLY, Kind.DOWNGRADE}
"""What no ciphered session survives, wherever it comes."""
SHORT = ("--max-info", "32")


def possible(session: Session, fault: Kind) -> bool:
    if fault in OF_HDLC and session is not PLAIN_HDLC:
        return False
    return session.keys or fault not in OF_CIPHERING


def spelled(fault: Kind, which: str) -> str:
    return f"{fault}:1{which}" if fault is Kind.LATE_LAST_SEGMENT else f"{fault}{which}"


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name.replace(" ", "-"))
@pytest.mark.parametrize("fault", list(Kind))
def test_every_fault(tmp_path: Path, session: Session, fault: Kind) -> None:
    if not possible(session, fault):
        return
    for request in (SOME, profile_of()):
        honest: Heard = session.made(tmp_path).ask(request)
        # The first two answers of a meter that is not known are those of the public client.
        for which in ("", ":0", ":1", ":2", ":3", ":4", ":2*", ":3*"):
            case = session.made(tmp_path, *SHORT[: 2 * (session is PLAIN_HDLC)], "--fault", spelled(fault, which))
            heard = case.ask(request)
            for reading in heard.readings:
                if reading.status is RawStatus.TRUE and not reading.flags:
                    assert heard.believed <= honest.believed, which
            if which == "" and fault in FATAL:
                assert heard.error is not None, which
                assert not heard.believed
            if "*" not in which and which:
                for _ in range(2):  # what it waits for may come late, in the second session
                    after = case.ask(request)
                assert after.whole and after.believed == honest.believed, (which, heard.error, after.error)
