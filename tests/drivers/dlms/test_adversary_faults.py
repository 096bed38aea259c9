"""A meter that misbehaves by itself: every fault of the simulated one, in its first answers and in all of them.

It has the keys, so that it can downgrade, play again and tamper in ways that an adversary on the line cannot. Property:
values that it has, or an error; the next session is clean where the fault comes once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewayd.model import RawStatus, Request
from simulators.dlms_faults import OF_CIPHERING, OF_HDLC, Kind
from tests.drivers.dlms.adversary import (
    PLAIN_HDLC,
    PLAIN_WRAPPER,
    SOME,
    Heard,
    ciphered,
    essence,
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
DAY = profile_of()


def sessions() -> list[tuple[Session, Kind]]:
    """Faults of ciphering in all sessions that have it; each other one in one session of each sort."""
    found = [(session, fault) for fault in sorted(OF_CIPHERING) for session in SESSIONS[2:]]
    found += [(PLAIN_HDLC, fault) for fault in sorted(OF_HDLC)]
    return found + [(one, fault) for fault in Kind if fault not in OF_CIPHERING | OF_HDLC for one in SESSIONS[:3]]


def spelled(fault: Kind, which: str) -> str:
    return f"{fault}:1{which}" if fault is Kind.LATE_LAST_SEGMENT else f"{fault}{which}"


@pytest.mark.parametrize(("session", "fault"), sessions())
def test_every_fault(tmp_path: Path, session: Session, fault: Kind) -> None:
    short = SHORT if session is PLAIN_HDLC else ()
    honest: dict[Request, Heard] = {request: session.made(tmp_path).ask(request) for request in (SOME, DAY)}
    for which, request in (("", SOME), ("", DAY), (":2", SOME), (":3", DAY), (":3*", SOME)):
        case = session.made(tmp_path, *short, "--fault", spelled(fault, which))
        heard = case.ask(request)
        for reading in heard.readings:
            if reading.status is RawStatus.TRUE and not reading.flags:
                assert essence(reading) in honest[request].believed, which
        if not which and fault in FATAL:
            assert heard.error is not None
        if which and "*" not in which:
            case.ask(request)  # in which it may come, where it has not come in the first
            after = case.ask(request)
            assert after.whole and after.believed == honest[request].believed, (which, heard.error, after.error)
