"""The simulated DLMS meter with a foreign client (gurux-dlms): every way in, both framings, reading what is asked most.

What is expected is computed here from the seed, by the formulae that simulators/dlms_profile.py states.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gurux_dlms import GXDLMSException

from tests.simulators.dlms_foreign import Refused, Who, in_process, over_pty, over_tcp
from tests.simulators.dlms_meter import NOW, keys, meter
from tests.simulators.reader import lines_of, simulate, wait_for

SUMMER = timedelta(hours=2)
MIDNIGHT = datetime(2026, 6, 14, 22, 0, tzinfo=UTC)
SECRET = ("--client", "1", "--password", "12345678")
LOW = Who(client=1, authentication="LOW", password=b"12345678")
GMAC = Who(client=1, authentication="HIGH_GMAC", security="AUTHENTICATION_ENCRYPTION")


def total(at: datetime, channel: int, seed: int = 1) -> int:
    minute = int(at.timestamp()) // 60
    spread = channel + 1
    return (minute - 26_000_000) * spread + (minute * 7919 + channel * 104729 + seed * 1299709) % spread


def quarter_rows(first: datetime, count: int) -> list[tuple[datetime, list[int]]]:
    ends = [first + number * timedelta(minutes=15) for number in range(count)]
    return [(end, [total(end, channel) for channel in (1, 2, 3, 4)]) for end in ends]


def check_everything(who: Who, *arguments: str | Path) -> None:
    """Clock, register, names, object list, profile by range and by entry."""
    client = in_process(meter(*arguments), who)
    at = datetime.fromisoformat(NOW).replace(tzinfo=UTC) - SUMMER
    assert abs(client.clock() - at) < timedelta(seconds=30)
    assert client.register("1.0.1.8.0.255") == (total(at, 1), 0, 30)
    assert client.register("1.0.32.7.0.255") == (2300, -1, 35)
    assert client.register("1.0.31.7.0.255") == (1234, -2, 33)
    assert client.text("0.0.96.1.0.255") == b"35031234"
    objects = client.objects()
    assert {(7, "1.0.99.1.0.255"), (3, "1.0.1.8.0.255"), (9001, "0.0.128.0.0.255")} <= set(objects)
    assert len(objects) == len(set(objects)) > 40
    profile = client.profile("1.0.99.1.0.255")
    rows = client.by_range(profile, MIDNIGHT, MIDNIGHT + timedelta(days=0, hours=6))
    assert [(row[0].value, row[2:]) for row in rows] == quarter_rows(MIDNIGHT, 25)
    assert {row[1] for row in rows} == {8}
    # 40 days are kept; the last end is 10:00, so that entry 1 ends at 10:15 of 40 days before.
    oldest = datetime(2026, 6, 15, 8, 0, tzinfo=UTC) - timedelta(days=40) + timedelta(minutes=15)
    rows = client.by_entry(profile, 3, 2)
    assert [(row[0].value, row[2:]) for row in rows] == quarter_rows(oldest + timedelta(minutes=30), 2)
    client.leave()


@pytest.mark.parametrize("max_pdu", [0xFFFF, 128])
@pytest.mark.parametrize("wrapper", [False, True])
def test_without_authentication(wrapper: bool, max_pdu: int) -> None:
    framing = "wrapper" if wrapper else "hdlc"
    check_everything(Who(wrapper=wrapper, max_pdu=max_pdu), "--framing", framing)


@pytest.mark.parametrize("mechanism", ["low", "hls-md5", "hls-sha1", "hls-sha256"])
def test_with_a_password(mechanism: str) -> None:
    name = mechanism.replace("hls-", "high_").upper()
    check_everything(replace(LOW, authentication=name), *SECRET, "--authentication", mechanism)


@pytest.mark.parametrize(
    ("security", "name"),
    [
        ("none", "NONE"),
        ("authenticated", "AUTHENTICATION"),
        ("encrypted", "ENCRYPTION"),
        ("authenticated-encrypted", "AUTHENTICATION_ENCRYPTION"),
    ],
)
@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("dedicated", [b"", b"D" * 16])
def test_with_gmac(tmp_path: Path, security: str, name: str, general: bool, dedicated: bytes) -> None:
    if security == "none" and (general or dedicated):
        name, dedicated, general = "NONE", b"", False
    arguments = ("--client", "1", "--authentication", "hls-gmac", "--security", security, *keys(tmp_path))
    who = replace(GMAC, security=name, general=general, dedicated=dedicated, max_pdu=160)
    check_everything(who, *arguments)


@pytest.mark.parametrize("wrapper", [False, True])
def test_with_suite_2(tmp_path: Path, wrapper: bool) -> None:
    block, authentication = bytes(range(32)), bytes(range(0x40, 0x60))
    (tmp_path / "block").write_text(block.hex())
    (tmp_path / "authentication").write_text(authentication.hex())
    files = ("--key-file", tmp_path / "block", "--auth-key-file", tmp_path / "authentication", "--suite", "2")
    framing = ("--framing", "wrapper" if wrapper else "hdlc")
    who = replace(GMAC, suite=2, block_key=block, authentication_key=authentication, wrapper=wrapper)
    security = ("--authentication", "hls-gmac", "--security", "authenticated-encrypted")
    check_everything(who, "--client", "1", *security, *files, *framing)


@pytest.mark.parametrize("wrapper", [False, True])
@pytest.mark.parametrize("ciphered", [False, True])
def test_with_general_block_transfer(tmp_path: Path, wrapper: bool, ciphered: bool) -> None:
    options = ("--general-blocks", "--max-pdu", "150", "--framing", "wrapper" if wrapper else "hdlc")
    if ciphered:
        security = ("--authentication", "hls-gmac", "--security", "authenticated-encrypted", *keys(tmp_path))
        check_everything(replace(GMAC, wrapper=wrapper, general=True), "--client", "1", *security, *options)
    else:
        check_everything(Who(wrapper=wrapper), *options)


@pytest.mark.parametrize("mechanism", ["low", "hls-md5", "hls-sha1", "hls-sha256"])
def test_a_wrong_password_opens_nothing(mechanism: str) -> None:
    name = mechanism.replace("hls-", "high_").upper()
    made = meter(*SECRET, "--authentication", mechanism)
    with pytest.raises((Refused, GXDLMSException)):
        in_process(made, Who(client=1, authentication=name, password=b"87654321"))


def test_a_wrong_key_opens_nothing(tmp_path: Path) -> None:
    made = meter("--client", "1", "--authentication", "hls-gmac", *keys(tmp_path))
    with pytest.raises(Refused):
        in_process(made, replace(GMAC, security="NONE", block_key=b"W" * 16))


def test_over_tcp_one_reader_after_the_other(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    options = ("--client", "1", "--authentication", "hls-gmac", "--security", "authenticated-encrypted")
    with simulate("--tcp", "0", "--journal", journal, *options, *keys(tmp_path), kind="dlms") as simulator:
        for counter in (1, 100):
            with over_tcp(simulator, replace(GMAC, counter=counter)) as client:
                assert client.register("1.0.32.7.0.255") == (2300, -1, 35)
                client.leave()
        wait_for(lambda: lines_of(journal).count("disconnected") == 2)
    counters = [int(line.split()[1]) for line in lines_of(journal) if line.startswith("counter ")]
    assert counters == sorted(set(counters)) and counters[0] == 1 and counters[-1] > 100


def test_over_tcp_in_the_wrapper() -> None:
    options = ("--framing", "wrapper", *SECRET, "--authentication", "low")
    with (
        simulate("--tcp", "0", *options, kind="dlms") as simulator,
        over_tcp(simulator, replace(LOW, wrapper=True)) as client,
    ):
        assert abs(client.clock() - datetime.now(UTC)) < timedelta(seconds=10)
        assert len(client.objects()) > 40
        client.leave()


def test_over_a_pseudo_terminal(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate("--pty", link, "--now", NOW, kind="dlms"), over_pty(link, Who()) as client:
        profile = client.profile("1.0.99.1.0.255")
        rows = client.by_range(profile, MIDNIGHT, MIDNIGHT + timedelta(hours=24) - timedelta(minutes=15))
        # The day is not over: its last quarter ended at 10:00.
        assert [(row[0].value, row[2:]) for row in rows] == quarter_rows(MIDNIGHT, 41)
        client.leave()
    assert not link.exists()
