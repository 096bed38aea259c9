"""Ciphered associations of the simulated DLMS meter, its counters, and the faults of ciphering.

What is sealed and unsealed here is written from IEC 62056-5-3 on the AES-GCM of `cryptography`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulators import dlms_security
from tests.simulators.dlms_meter import (
    AARQ,
    BLOCK_KEY,
    CLIENT_TITLE,
    GET_CLOCK,
    GET_SERIAL,
    METER_TITLE,
    SERIAL_ANSWER,
    InProcess,
    ciphered_aarq,
    glo,
    in_wrapper,
    keys,
    meter,
    seal,
    unseal,
)
from tests.simulators.reader import lines_of

CONTROLS = {"authenticated": 0x10, "encrypted": 0x20, "authenticated-encrypted": 0x30}
DECIPHERING = bytes.fromhex("d80105")


def ciphering(directory: Path, *arguments: str | Path, security: str = "authenticated-encrypted") -> InProcess:
    options = ("--framing", "wrapper", "--security", security, *keys(directory))
    return meter(*options, *arguments)


def ask(made: InProcess, counter: int, apdu: bytes = GET_SERIAL) -> bytes:
    """A GET with the global key, service-specific, authenticated and encrypted; the answer as it came."""
    return in_wrapper(made, glo(0xC8, seal(apdu, counter)))


def opened(answer: bytes, tag: int = 0xCC) -> tuple[bytes, bool]:
    assert answer[0] == tag and answer[1] == len(answer) - 2
    return unseal(answer[2:])


def initiate_response(aare: bytes) -> bytes:
    """The ciphered user-information at the end of an AARE."""
    at = aare.index(b"\xbe")
    assert aare[at + 2] == 0x04
    return aare[at + 4 :]


def test_the_vectors_of_the_green_book() -> None:
    # Security suite 0: GET of the clock, EK 000102..0F, AK D0..DF, title 4D4D4D0000BC614E, IC 01234567.
    title, get = bytes.fromhex("4D4D4D0000BC614E"), bytes.fromhex("C0010000080000010000FF0200")
    keyring = dlms_security.Keys(BLOCK_KEY, bytes(range(0xD0, 0xE0)))
    expected = {
        0x10: "1001234567 C0010000080000010000FF0200 06725D910F9221D263877516",
        0x20: "2001234567 411312FF935A47566827C467BC",
        0x30: "3001234567 411312FF935A47566827C467BC 7D825C3BE4A77C3FCC056B6B",
    }
    for control, sealed in expected.items():
        made = dlms_security.seal(get, keyring, control=control, title=title, counter=0x0123_4567)
        assert made == bytes.fromhex(sealed)
        assert dlms_security.unseal(made, keyring, required=control, title=title) == (get, 0x0123_4567)
    by_hand = seal(get, 0x0123_4567, title=title)
    assert by_hand == bytes.fromhex(expected[0x30])


@pytest.mark.parametrize("security", CONTROLS)
def test_the_answer_is_protected_as_the_meter_demands(tmp_path: Path, security: str) -> None:
    control = CONTROLS[security]
    made = ciphering(tmp_path, security=security)
    aare = in_wrapper(made, ciphered_aarq(1))
    title = b"\xa4\x0a\x04\x08" + METER_TITLE
    assert title in aare
    assert initiate_response(aare)[:1] == b"\x28"
    answer = ask(made, 2)
    assert answer[2] == control
    if control & 0x10:
        assert opened(answer) == (SERIAL_ANSWER, True)
    else:
        # Without a tag; the last twelve octets are content.
        assert unseal(answer[2:] + bytes(12))[0] == SERIAL_ANSWER
    assert int.from_bytes(answer[3:7]) == 2, "the meter's own counter: one for the AARE, one for this"


@pytest.mark.parametrize(
    ("security", "too_little"), [("authenticated-encrypted", 0x10), ("authenticated-encrypted", 0x20)]
)
def test_less_protection_than_demanded_is_refused(tmp_path: Path, security: str, too_little: int) -> None:
    made = ciphering(tmp_path, security=security)
    in_wrapper(made, ciphered_aarq(1))
    sealed = seal(GET_SERIAL, 2, control=too_little) if too_little == 0x10 else seal(GET_SERIAL, 2)[:-12]
    sealed = bytes([too_little]) + sealed[1:]
    assert in_wrapper(made, glo(0xC8, sealed)) == DECIPHERING
    assert in_wrapper(made, GET_SERIAL) == DECIPHERING, "not ciphered at all"
    assert opened(ask(made, 3)) == (SERIAL_ANSWER, True)


def test_a_plain_association_is_refused(tmp_path: Path) -> None:
    answer = in_wrapper(ciphering(tmp_path), AARQ)
    assert answer[:2] == b"\x61\x17" and answer[-1] == 2


@pytest.mark.parametrize("bit", range(8))
def test_what_was_tampered_with_is_not_looked_at_and_takes_no_counter(tmp_path: Path, bit: int) -> None:
    made = ciphering(tmp_path)
    in_wrapper(made, ciphered_aarq(1))
    sealed = glo(0xC8, seal(GET_SERIAL, 0x7000_0000))
    for at in range(2, len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :]
        assert in_wrapper(made, changed) == DECIPHERING
    assert opened(ask(made, 2)) == (SERIAL_ANSWER, True)


def test_the_client_s_counter_has_to_rise(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    made = ciphering(tmp_path, "--counter-start", "10", "--journal", journal)
    assert in_wrapper(made, ciphered_aarq(10)) == bytes.fromhex("d80106 0000000b")
    assert in_wrapper(made, ciphered_aarq(11))[:1] == b"\x61"
    assert ask(made, 11) == bytes.fromhex("d80106 0000000c")
    assert ask(made, 20)[:1] == b"\xcc"
    assert ask(made, 15) == bytes.fromhex("d80106 00000015")
    noted = [line for line in lines_of(journal) if "counter" in line]
    assert noted == ["counter refused 10", "counter 11", "counter refused 11", "counter 20", "counter refused 15"]
    assert made.inside.counters.seen == 20


def test_the_counters_outlive_the_process(tmp_path: Path) -> None:
    file = tmp_path / "counters"
    made = ciphering(tmp_path, "--counter-file", file)
    in_wrapper(made, ciphered_aarq(5))
    assert json.loads(file.read_text()) == {"seen": 5, "own": 1}
    again = ciphering(tmp_path, "--counter-file", file, "--counter-start", "3")
    assert in_wrapper(again, ciphered_aarq(5)) == bytes.fromhex("d80106 00000006")
    answer = initiate_response(in_wrapper(again, ciphered_aarq(6)))
    assert int.from_bytes(answer[3:7]) == 2
    more = ciphering(tmp_path, "--counter-file", file, "--own-counter", "700")
    answer = initiate_response(in_wrapper(more, ciphered_aarq(7)))
    assert int.from_bytes(answer[3:7]) == 701


def test_the_public_client_reads_the_counter(tmp_path: Path) -> None:
    made = ciphering(tmp_path, "--client", "1", "--counter-start", "258")
    assert in_wrapper(made, AARQ)[:1] == b"\x61"
    assert in_wrapper(made, bytes.fromhex("c001c1 0001 00002b0100ff 02 00")) == bytes.fromhex("c401c1 00 06 00000102")
    assert in_wrapper(made, GET_SERIAL) == bytes.fromhex("c401c1 01 04")


def test_general_glo_carries_titles(tmp_path: Path) -> None:
    made = ciphering(tmp_path)
    in_wrapper(made, ciphered_aarq(1))

    def general(title: bytes, counter: int) -> bytes:
        sealed = seal(GET_SERIAL, counter, title=title or CLIENT_TITLE)
        return b"\xdb" + bytes([len(title)]) + title + bytes([len(sealed)]) + sealed

    answer = in_wrapper(made, general(CLIENT_TITLE, 2))
    assert answer[:10] == b"\xdb\x08" + METER_TITLE
    assert unseal(answer[11:]) == (SERIAL_ANSWER, True)
    assert in_wrapper(made, general(b"", 3))[:1] == b"\xdb"
    assert in_wrapper(made, general(b"ANOTHER1", 4)) == DECIPHERING


def shown(directory: Path, kind: str, number: int | str = 3) -> tuple[bytes, bytes]:
    """The second answer, and the third, which has the fault."""
    made = ciphering(directory, "--fault", f"{kind}:{number}")
    in_wrapper(made, ciphered_aarq(1))
    return ask(made, 2, GET_CLOCK), ask(made, 3)


def test_tampering_with_ciphertext_and_tag(tmp_path: Path) -> None:
    _, answer = shown(tmp_path, "tampered-ciphertext")
    assert opened(answer)[1] is False
    mended = answer[:7] + bytes([answer[7] ^ 1]) + answer[8:]
    assert opened(mended) == (SERIAL_ANSWER, True)
    _, answer = shown(tmp_path, "tampered-tag")
    assert opened(answer) == (SERIAL_ANSWER, False)
    assert opened(answer[:-1] + bytes([answer[-1] ^ 1])) == (SERIAL_ANSWER, True)


def test_a_replay_is_the_answer_before(tmp_path: Path) -> None:
    before, answer = shown(tmp_path, "replay")
    assert answer == before and opened(answer)[1] is True


def test_a_plain_reply(tmp_path: Path) -> None:
    assert shown(tmp_path, "plaintext-reply")[1] == SERIAL_ANSWER
    made = ciphering(tmp_path, "--fault", "plaintext-reply:1")
    assert initiate_response(in_wrapper(made, ciphered_aarq(1)))[:2] == b"\x08\x00"


@pytest.mark.parametrize(
    ("security", "control"), [("authenticated-encrypted", 0x10), ("authenticated", 0x20), ("encrypted", 0x10)]
)
def test_a_downgrade_protects_by_something_else(tmp_path: Path, security: str, control: int) -> None:
    made = ciphering(tmp_path, "--fault", "downgrade:2", security=security)
    in_wrapper(made, ciphered_aarq(1))
    answer = ask(made, 2)
    assert answer[2] == control
    plain = unseal(answer[2:])[0] if control == 0x10 else unseal(answer[2:] + bytes(12))[0]
    assert plain == SERIAL_ANSWER


def test_a_wrong_title(tmp_path: Path) -> None:
    other = bytes([METER_TITLE[0] ^ 1]) + METER_TITLE[1:]
    _, answer = shown(tmp_path, "wrong-title")
    assert opened(answer)[1] is False
    assert unseal(answer[2:], title=other) == (SERIAL_ANSWER, True)
    made = ciphering(tmp_path, "--fault", "wrong-title")
    assert b"\xa4\x0a\x04\x08" + other in in_wrapper(made, ciphered_aarq(1))


def hls_aarq(counter: int) -> bytes:
    """AARQ: LN with ciphering, HLS-GMAC, challenge of eight octets."""
    aarq = ciphered_aarq(counter)
    at = aarq.index(b"\xbe")
    fields = bytes.fromhex("8a020780 8b0760857405080205 ac0a8008") + b"CHALLENG"
    return b"\x60" + bytes([len(aarq) - 2 + len(fields)]) + aarq[2:at] + fields + aarq[at:]


@pytest.mark.parametrize(("options", "right"), [((), True), (("--fault", "wrong-hls-answer"), False)])
def test_the_proof_of_the_meter(tmp_path: Path, options: tuple[str, ...], right: bool) -> None:
    made = ciphering(tmp_path, "--authentication", "hls-gmac", *options)
    aare = in_wrapper(made, hls_aarq(1))
    assert bytes.fromhex("a305 a103 02010e") in aare, "authentication required"
    at = aare.index(b"\xaa\x12\x80\x10")
    challenge = aare[at + 4 : at + 20]
    proof = seal(challenge, 2, control=0x10)
    proof = proof[:5] + proof[-12:]
    action = bytes.fromhex("c301c1 000f 0000280000ff 01 01 0911") + proof
    assert in_wrapper(made, glo(0xC8, seal(GET_SERIAL, 3))) == bytes.fromhex("d80101"), "not before the proof"
    answer = in_wrapper(made, glo(0xCB, seal(action, 4)))
    plain, sound = opened(answer, 0xCF)
    assert sound and plain[:8] == bytes.fromhex("c701c1 00 01 00 0911")
    mac = plain[8:]
    assert unseal(mac[:5] + b"CHALLENG" + mac[5:]) == (b"CHALLENG", right)


@pytest.mark.parametrize("counter", [1, 3])
def test_the_counter_of_a_proof_is_neither_used_nor_above_that_of_its_message(tmp_path: Path, counter: int) -> None:
    made = ciphering(tmp_path, "--authentication", "hls-gmac")
    aare = in_wrapper(made, hls_aarq(1))
    at = aare.index(b"\xaa\x12\x80\x10")
    proof = seal(aare[at + 4 : at + 20], counter, control=0x10)
    action = bytes.fromhex("c301c1 000f 0000280000ff 01 01 0911") + proof[:5] + proof[-12:]
    assert in_wrapper(made, glo(0xCB, seal(action, 2))) == bytes.fromhex("d80106 00000003")


def test_no_secret_is_in_a_representation_or_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    options = ("--authentication", "hls-sha256", "--password", "canary-7391", "--journal", journal)
    made = ciphering(tmp_path, *options)
    in_wrapper(made, hls_aarq(1).replace(bytes.fromhex("0760857405080205"), bytes.fromhex("0760857405080206")))
    texts = (
        repr(made.plan)
        + repr(made.plan.settings)
        + repr(made.plan.settings.keys)
        + repr(made.inside)
        + journal.read_text()
    )
    assert "canary" not in texts and BLOCK_KEY.hex() not in texts and repr(BLOCK_KEY) not in texts
