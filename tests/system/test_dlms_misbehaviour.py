"""Each way in which a simulated DLMS meter misbehaves, through the whole chain: exit code, one line for a person, the
archive, and the session after it.

Rules: a fault shows once, in a session that has no session for the counter before it; whatever is printed as true is
right.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gatewayd.archive.query import Reader
from gatewayd.model import Exchange, Outcome
from simulators.dlms_faults import Kind
from tests.system.dlms_rig import TOTALS, Manner, Read, all_of, dlms_meter, gateway, is_total_now, one_meter
from tests.system.rig import eventually

PLAIN = Manner("hdlc", "low")
WRAPPED = Manner("wrapper", "low")
CIPHERED = Manner("wrapper", "hls-gmac", "authenticated-encrypted")
QUICKLY = ("response_timeout_s: 1", "attempts: 2")
ANSWERED = Outcome.DONE


@dataclass(frozen=True, slots=True)
class Case:
    """A fault as on the command line, the outcome of the exchange, and words of the error; none: it is mended."""

    fault: str
    outcome: Outcome = ANSWERED
    words: str = ""
    manner: Manner = PLAIN
    more: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.fault}-{self.manner.framing}"


_ODD = Outcome.PROTOCOL_ERROR
_BLOCKS = ("max_pdu: 128",)
CASES = [
    Case("bad-fcs:3"),
    Case("bad-hcs:3"),
    Case("lost-frame:3"),
    Case("lost-frame:3", Outcome.SILENT, "does not answer", WRAPPED),
    Case("lost-segment:3", _ODD, "is due"),
    Case("late-last-segment:0.3:3"),
    Case("rnr:3"),
    Case("frmr:3", _ODD, "rejects a frame"),
    Case("dm:0", _ODD, "is disconnected (DM)"),
    Case("dm:3", _ODD, "is disconnected (DM)"),
    Case("other-station:3"),
    Case("other-station:3", manner=WRAPPED),
    Case("silent:1", _ODD, "the password had been sent"),
    Case("silent:3", Outcome.SILENT, "does not answer"),
    Case("silent:3", Outcome.SILENT, "does not answer", WRAPPED),
    Case("hang-up:3", Outcome.LINE_FAILED, "closed the connection"),
    Case("hang-up:3", Outcome.LINE_FAILED, "closed the connection", WRAPPED),
    Case("noise:3"),
    Case("noise:3", _ODD, "where a wrapper of version 1 is due", WRAPPED),
    Case("wrong-invoke-id:3", _ODD, "answers request"),
    Case("wrong-service:3", _ODD, "answers GET with"),
    Case("wrong-block-number:5", _ODD, "sends block 4 where 3 is due", more=_BLOCKS),
    Case("endless-blocks", _ODD, "more than 1048576 octets in blocks", more=_BLOCKS),
    Case("empty-block:5", _ODD, "without content", more=_BLOCKS),
    Case("trailing-bytes:3", _ODD, "behind its end"),
    Case("truncated:3", _ODD, "cut short"),
    Case("deep-nesting:3", _ODD, "nested more than 16 deep"),
    Case("aare-without-user-information:1"),
    Case("wrong-hls-answer:2", _ODD, "does not prove that it knows the secret", CIPHERED),
    Case("tampered-ciphertext:4", _ODD, "changed on its way", CIPHERED),
    Case("tampered-tag:4", _ODD, "changed on its way", CIPHERED),
    Case("replay:5", _ODD, "an old message, sent again", CIPHERED),
    Case("plaintext-reply:4", _ODD, "is not ciphered", CIPHERED),
    Case("downgrade:4", _ODD, "protects less than required", CIPHERED),
    Case("wrong-title:1", _ODD, "or the keys differ", CIPHERED),
]


def test_every_kind_is_here() -> None:
    assert {case.fault.partition(":")[0] for case in CASES} == {str(kind) for kind in Kind}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_through_the_whole_chain(tmp_path: Path, case: Case) -> None:
    more = (*QUICKLY[: 2 if case.manner.framing == "hdlc" else 1], *case.more)
    more = (*more, "counter_object: none") if case.manner.counted else more
    endless = case.fault == "endless-blocks"
    with one_meter(tmp_path, case.manner, "--fault", case.fault, more=more) as (site, _):
        first = site.run("read", "em-1", "1-0:1.8.0", "--json")
        shown = json.loads(first.stdout)["readings"]
        exchanges = Reader(site.site.archive).exchanges()
        if not endless:
            healthy = site.json("read", "em-1", "1-0:1.8.0")["readings"]
            assert is_total_now(healthy)
    assert_all_true_ones_are_right(shown)
    if case.outcome is ANSWERED:
        assert (first.returncode, first.stderr) == (0, "")
        assert is_total_now(shown)
    else:
        assert first.returncode == 1
        (line,) = first.stderr.splitlines()
        assert line.startswith(("meter em-1 on line em-1-line ", "meter em-1: line em-1-line: ")), line
        assert case.words in line
        assert TOTALS[0] not in {one["obis"] for one in shown}
    assert exchanges[-1].outcome is case.outcome
    assert received(exchanges), "what came is kept"


def assert_all_true_ones_are_right(readings: Read) -> None:
    for one in readings:
        if one["obis"] in TOTALS and one["status"] == "true":
            assert is_total_now(readings)


def received(exchanges: list[Exchange]) -> bytes:
    return b"".join(exchange.received for exchange in exchanges)


def test_neighbours_are_read_all_the_same(tmp_path: Path) -> None:
    """One gateway: a meter on a line of its own, one that shares its line with a meter that nobody has, and two that
    misbehave."""
    with all_of(
        [
            dlms_meter(tmp_path, "em-1", WRAPPED),
            dlms_meter(tmp_path, "em-2", PLAIN),
            dlms_meter(tmp_path, "em-3", PLAIN, "--fault", "silent"),
            dlms_meter(tmp_path, "em-4", CIPHERED, "--fault", "tampered-ciphertext"),
        ]
    ) as meters:
        nobody = replace(meters[1], name="em-9").entry(QUICKLY[0], "attempts: 1").replace("em-9-line", "em-2-line")
        nobody = nobody.replace("physical: 17", "physical: 99").replace("every: 1h", "every: 1s")
        site = gateway(tmp_path, [*(meter.entry(*QUICKLY[:1], every="1s") for meter in meters), nobody], *meters)
        with site.site.daemon() as daemon:
            asked = "get 3 1.0.1.8.0.255 2"
            eventually(lambda: all(len(meter.heard(asked)) >= 2 for meter in meters[:2]), "the sound ones are read")
            told = [f"meter {name} on line " for name in ("em-3", "em-4", "em-9")]
            eventually(lambda: all(words in daemon.messages for words in told), "the others are told of")
            assert daemon.terminate() == 0
    read = site.json("archive", "show")["readings"]
    assert {one["meter"] for one in read if one["obis"] == TOTALS[0] and one["status"] == "true"} == {"em-1", "em-2"}
    assert site.json("archive", "verify")["ok"]
