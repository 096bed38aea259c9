"""Associations and services of the simulated DLMS meter, and the faults of its APDUs; written by hand, in the wrapper.

Source: IEC 62056-5-3 (AARQ, AARE, GET, SET, ACTION, exception-response), Green Book (data-access-result).
"""

from __future__ import annotations

import pytest

from tests.simulators.dlms_meter import (
    AARQ,
    GET_LOGICAL_NAMES,
    GET_SERIAL,
    INITIATE,
    SERIAL_ANSWER,
    InProcess,
    in_wrapper,
    meter,
)

# Accepted, no diagnostic; InitiateResponse: version 6, the block of 24 bits, 65535 octets, VAA name 0007.
AARE = bytes.fromhex(
    "6129 a109 0607 60857405080101 a203 020100 a305 a103 020100 be10 040e 0800065f1f0400 40121d ffff 0007"
)
NOT_ASSOCIATED, NOT_SUPPORTED, OTHER = bytes.fromhex("d80101"), bytes.fromhex("d80202"), bytes.fromhex("d80103")
GET_LIST = bytes.fromhex("c003c1 02 0001 0000600100ff 02 00 0001 0000630000ff 02 00")
SHIFT = bytes.fromhex("c301c1 0008 0000010000ff 06 01 10")


def plain(*arguments: str) -> InProcess:
    """A meter in the wrapper, associated without authentication."""
    made = meter("--framing", "wrapper", *arguments)
    assert in_wrapper(made, AARQ)[:1] == b"\x61"
    return made


def rejected(diagnostic: int, context: int = 1) -> bytes:
    fields = bytes.fromhex("a109 0607 608574050801") + bytes([context]) + bytes.fromhex("a203 020101 a305 a103 0201")
    return bytes([0x61, len(fields) + 1]) + fields + bytes([diagnostic])


def test_an_association_is_accepted_with_what_both_can_do() -> None:
    # Of the proposed 5E1F1D the meter has general protection, blocks of GET, lists, GET, SET, selections, ACTION.
    assert in_wrapper(meter("--framing", "wrapper"), AARQ) == AARE


def test_the_conformance_can_be_less() -> None:
    options = ("--conformance-without", "block-transfer-get", "--conformance-without", "set", "--no-lists")
    answer = in_wrapper(meter("--framing", "wrapper", *options, "--selective", "none", "--max-pdu", "300"), AARQ)
    assert answer[-7:] == bytes.fromhex("400011 012c 0007")


def test_before_an_association_nothing_is_read() -> None:
    assert in_wrapper(meter("--framing", "wrapper"), GET_SERIAL) == NOT_ASSOCIATED


@pytest.mark.parametrize(
    ("options", "client", "aarq", "diagnostic", "context"),
    [
        (("--client", "1"), 2, AARQ, 1, 1),  # an unknown client: no reason given
        ((), 16, AARQ.replace(bytes.fromhex("080101"), bytes.fromhex("080103")), 2, 3),
        ((), 16, AARQ.replace(bytes.fromhex("080101"), bytes.fromhex("080102")), 2, 2),
        (("--client", "1", "--authentication", "low", "--password", "x"), 1, AARQ, 12, 1),
        (
            (),
            16,
            bytes.fromhex("6032 a109 0607 60857405080101 8a020780 8b0760857405080201 ac0a 8008")
            + b"12345678"
            + b"\xbe\x10\x04\x0e"
            + INITIATE,
            11,
            1,
        ),
        (
            ("--client", "1", "--authentication", "low", "--password", "12345679"),
            1,
            bytes.fromhex("6032 a109 0607 60857405080101 8a020780 8b0760857405080201 ac0a 8008")
            + b"12345678"
            + b"\xbe\x10\x04\x0e"
            + INITIATE,
            13,
            1,
        ),
    ],
)
def test_an_association_is_refused_with_its_diagnostic(
    options: tuple[str, ...], client: int, aarq: bytes, diagnostic: int, context: int
) -> None:
    made = meter("--framing", "wrapper", *options)
    aarq = aarq[:1] + bytes([len(aarq) - 2]) + aarq[2:]
    assert in_wrapper(made, aarq, client) == rejected(diagnostic, context)
    assert in_wrapper(made, GET_SERIAL, client) == NOT_ASSOCIATED


def test_the_public_client_sees_the_public_objects_alone() -> None:
    options = ("--client", "1", "--authentication", "low", "--password", "12345678", "--counter-start", "4711")
    made = plain(*options)
    assert in_wrapper(made, GET_SERIAL) == bytes.fromhex("c401c1 01 04")
    counter = in_wrapper(made, bytes.fromhex("c001c1 0001 00002b0100ff 02 00"))
    assert counter == bytes.fromhex("c401c1 00 06 00001267")
    objects = in_wrapper(made, GET_LOGICAL_NAMES)
    assert objects[:6] == bytes.fromhex("c401c1 00 01 05")
    assert in_wrapper(made, SHIFT + b"\x00\x05") == bytes.fromhex("c701c1 03 00")


def test_a_list_is_answered_in_its_order() -> None:
    expected = bytes.fromhex("c403c1 02") + b"\x00" + SERIAL_ANSWER[4:] + b"\x01\x04"
    assert in_wrapper(plain(), GET_LIST) == expected
    assert in_wrapper(plain("--no-lists"), GET_LIST) == NOT_SUPPORTED
    made = meter("--framing", "wrapper", "--refuse-lists")
    assert in_wrapper(made, AARQ) == AARE, "offered all the same"
    assert in_wrapper(made, GET_LIST) == NOT_SUPPORTED


def test_what_is_long_comes_in_blocks() -> None:
    made = plain("--max-pdu", "64")
    whole = in_wrapper(plain(), GET_LOGICAL_NAMES)[4:]
    content, number, answer = b"", 1, in_wrapper(made, GET_LOGICAL_NAMES)
    while True:
        assert answer[:3] == bytes.fromhex("c402c1") and len(answer) <= 64
        assert int.from_bytes(answer[4:8]) == number and answer[8:9] == b"\x00"
        content += answer[10:]
        if answer[3]:
            break
        answer = in_wrapper(made, b"\xc0\x02\xc1" + number.to_bytes(4))
        number += 1
    assert content == whole and number > 30
    assert (
        in_wrapper(made, b"\xc0\x02\xc1" + number.to_bytes(4)) == b"\xc4\x02\xc1\x01" + number.to_bytes(4) + b"\x01\x10"
    )


def test_a_wrong_block_number_ends_the_transfer() -> None:
    made = plain("--max-pdu", "64")
    in_wrapper(made, GET_LOGICAL_NAMES)
    assert in_wrapper(made, bytes.fromhex("c002c1 00000002")) == bytes.fromhex("c402c1 01 00000002 01 13")
    assert in_wrapper(made, bytes.fromhex("c002c1 00000001")) == bytes.fromhex("c402c1 01 00000001 01 10")


def test_a_list_that_is_long_comes_in_blocks_too() -> None:
    two = bytes.fromhex("c003c1 02 0001 0000600100ff 02 00 000f 0000280000ff 02 00")
    made = plain("--max-pdu", "128")
    answer = in_wrapper(made, two)
    assert answer[:9] == bytes.fromhex("c402c1 00 00000001 00")
    assert answer[10:].startswith(b"\x02\x00" + SERIAL_ANSWER[4:] + b"\x00\x01")


def test_without_block_transfer_what_is_long_is_refused() -> None:
    made = plain("--max-pdu", "64", "--conformance-without", "block-transfer-get")
    assert in_wrapper(made, GET_LOGICAL_NAMES) == bytes.fromhex("d80104")
    assert in_wrapper(made, GET_SERIAL) == SERIAL_ANSWER


@pytest.mark.parametrize(
    ("request_hex", "answer"),
    [
        ("c001c1 0001 0000010000ff 02 00", "c401c1 01 09"),  # another class
        ("c001c1 0001 0000600100ff 07 00", "c401c1 01 0b"),  # no such attribute
        ("c001c1 000f 0000280000ff 07 00", "c401c1 01 03"),  # the secret
        ("c001c1 0046 0000600300ff 02 00", "c401c1 01 04"),  # no such object
        ("c001c1 0046 0000 60030aff 02 00", "c401c1 00 03 01"),
        ("c001c1 0048 0001180100ff 06 00", "c401c1 00 06 12345678"),
        ("c001c1 0014 00000d0000ff 02 00", "c401c1 00 09 08 53494d2d32303236"),
        ("c001c1 0001 0100000200ff 02 00", "c401c1 00 09 07 53494d20312e30"),
        ("c001c1 0001 0100000000ff 02 00", "c401c1 00 0a 08 3335303331323334"),
        ("c001c1 0011 0000290000ff 02 00", "c401c1 00 01 01 02 02 12 0001 09 0b 53494d3335303331323334"),
        ("c001c1 0003 0100200700ff 03 00", "c401c1 00 02 02 0f ff 16 23"),
        ("c301c1 0046 0000 60030aff 01 01 0f 00", "c701c1 03 00"),  # the breaker is not for readers
        ("c301c1 0008 0000010000ff 09 00", "c701c1 0b 00"),  # no such method
        ("c101c1 0001 0000600100ff 02 00 11 05", "c501c1 03"),
    ],
)
def test_objects_answer_as_they_are(request_hex: str, answer: str) -> None:
    made = meter("--framing", "wrapper")
    in_wrapper(made, AARQ)
    assert in_wrapper(made, bytes.fromhex(request_hex)) == bytes.fromhex(answer)


def test_serial_and_firmware_can_be_said() -> None:
    made = plain("--serial", "4711", "--firmware", "9.9")
    assert in_wrapper(made, GET_SERIAL) == bytes.fromhex("c401c1 00 0904") + b"4711"
    assert in_wrapper(made, bytes.fromhex("c001c1 0001 0100000200ff 02 00")) == bytes.fromhex("c401c1 00 0903") + b"9.9"


def test_the_clock_is_shifted_and_set() -> None:
    made = plain("--clock-offset", "-30")
    before = made.inside.clock.offset.total_seconds()
    assert before == -30
    assert in_wrapper(made, SHIFT + (25).to_bytes(2, signed=True)) == bytes.fromhex("c701c1 00 00")
    assert made.inside.clock.offset.total_seconds() == -5
    assert in_wrapper(made, SHIFT + (2000).to_bytes(2, signed=True)) == bytes.fromhex("c701c1 0c 00")
    at = "07ea0616 02 0c1e1e 00 ff88 80"
    assert in_wrapper(made, bytes.fromhex("c101c1 0008 0000010000ff 02 00 090c" + at)) == bytes.fromhex("c501c1 00")
    answer = in_wrapper(made, bytes.fromhex("c001c1 0008 0000010000ff 02 00"))
    assert answer[:13] == bytes.fromhex("c401c1 00 090c 07ea0616 01 0c1e"), "the day of the week is right again"


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        (GET_SERIAL + b"\x00", OTHER),
        (GET_SERIAL[:-3], OTHER),
        (bytes.fromhex("c0"), OTHER),
        (bytes.fromhex("c004c1"), NOT_SUPPORTED),
        (bytes.fromhex("d9 00 00 00"), NOT_SUPPORTED),
        (bytes.fromhex("c101c1 0008 0000010000ff 02 00 02"), OTHER),
        (bytes.fromhex("60 05 a1"), OTHER),
    ],
)
def test_what_is_not_understood_is_answered_by_an_exception(apdu: bytes, answer: bytes) -> None:
    assert in_wrapper(plain(), apdu) == answer


def test_a_release_ends_the_association() -> None:
    made = plain()
    assert in_wrapper(made, bytes.fromhex("6203 800100")) == bytes.fromhex("6303 800100")
    assert in_wrapper(made, GET_SERIAL) == NOT_ASSOCIATED


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("wrong-invoke-id", b"\xc4\x01\xc0" + SERIAL_ANSWER[3:]),
        ("wrong-service", bytes.fromhex("c501c1 00")),
        ("trailing-bytes", SERIAL_ANSWER + b"\x00\x00\xff"),
        ("truncated", SERIAL_ANSWER[:-3]),
        ("deep-nesting", SERIAL_ANSWER[:4] + b"\x02\x01" * 200 + b"\x00"),
    ],
)
def test_faults_of_an_answer_are_shown_once(kind: str, answer: bytes) -> None:
    made = plain("--fault", f"{kind}:3")
    shown = [in_wrapper(made, GET_SERIAL) for _ in range(3)]
    assert shown == [SERIAL_ANSWER, answer, SERIAL_ANSWER]


def test_deep_nesting_shows_in_a_list_too() -> None:
    made = plain("--fault", "deep-nesting")
    assert in_wrapper(made, GET_LIST) == bytes.fromhex("c403c1 02 00") + b"\x02\x01" * 200 + b"\x00"


def test_faults_of_blocks() -> None:
    def block(made: InProcess, number: int) -> bytes:
        return in_wrapper(made, b"\xc0\x02\xc1" + number.to_bytes(4))

    options = ("--max-pdu", "64")
    made = plain(*options, "--fault", "wrong-block-number:3")
    first, second = in_wrapper(made, GET_LOGICAL_NAMES), block(made, 1)
    assert (first[4:8], second[4:8]) == (b"\x00\x00\x00\x01", b"\x00\x00\x00\x03")

    made = plain(*options, "--fault", "empty-block:3")
    in_wrapper(made, GET_LOGICAL_NAMES)
    assert block(made, 1) == bytes.fromhex("c402c1 00 00000002 00 00")
    assert block(made, 2)[:8] == bytes.fromhex("c402c1 00 00000003")

    made = plain(*options, "--fault", "endless-blocks")
    in_wrapper(made, GET_LOGICAL_NAMES)
    many = [block(made, number) for number in range(1, 200)]
    assert not any(each[3] for each in many)
    assert [int.from_bytes(each[4:8]) for each in many] == list(range(2, 201))
    assert all(len(each) > 50 for each in many)


def test_an_aare_without_user_information() -> None:
    made = meter("--framing", "wrapper", "--fault", "aare-without-user-information")
    answer = in_wrapper(made, AARQ)
    assert answer == b"\x61" + bytes([len(AARE) - 20]) + AARE[2:-18]
    assert in_wrapper(made, GET_SERIAL) == SERIAL_ANSWER


def test_two_meters_with_one_seed_are_the_same() -> None:
    total = bytes.fromhex("c001c1 0007 0100630200ff 02 00")
    answers = {in_wrapper(plain("--seed", seed), total) for seed in ("3", "3", "4")}
    assert len(answers) == 2


def test_general_block_transfer_sends_again_what_was_not_acknowledged() -> None:
    whole = in_wrapper(plain(), GET_LOGICAL_NAMES)
    made = meter("--framing", "wrapper", "--max-pdu", "128", "--general-blocks")
    aarq = AARQ.replace(bytes.fromhex("5f1f04005e1f1d"), bytes.fromhex("5f1f04007e1f1d"))
    assert in_wrapper(made, aarq)[-7:] == bytes.fromhex("60121d 0080 0007")

    def acknowledge(block: int) -> bytes:
        return in_wrapper(made, bytes.fromhex("e001 0000") + block.to_bytes(2) + b"\x00")

    first = in_wrapper(made, GET_LOGICAL_NAMES)
    assert first[:7] == bytes.fromhex("e001 0001 0000 77") and len(first) == 126
    content, number = first[7:], 1
    assert acknowledge(0) == first
    while True:
        block = acknowledge(number)
        assert acknowledge(number) == block, "asked for once more"
        number += 1
        assert int.from_bytes(block[2:4]) == number
        content += block[7:]
        if block[1] & 0x80:
            break
    assert content == whole
    assert acknowledge(number) == b"", "everything has arrived"
    assert acknowledge(number + 1) == OTHER


def test_an_association_is_that_of_its_client() -> None:
    made = plain("--client", "1")
    assert in_wrapper(made, AARQ, 1)[:1] == b"\x61"
    assert in_wrapper(made, GET_SERIAL, 1) == SERIAL_ANSWER
    assert in_wrapper(made, GET_SERIAL, 16) == NOT_ASSOCIATED
    assert in_wrapper(made, GET_SERIAL, 1) == SERIAL_ANSWER


@pytest.mark.parametrize(
    "at", ["270f0c1f 05 173b3b 00 8001 00", "00010101 01 000000 00 7fff 00", "07da0101 05 000000 00 ffc4 00"]
)
def test_a_clock_that_no_meter_has_is_not_set(at: str) -> None:
    made = plain()
    before = made.inside.clock.offset
    assert in_wrapper(made, bytes.fromhex("c101c1 0008 0000010000ff 02 00 090c" + at)) == bytes.fromhex("c501c1 0c")
    assert made.inside.clock.offset == before


def test_many_years_of_profiles_can_be_asked_for() -> None:
    made = plain("--profile-days", "4000", "--now", "2024-01-01T00:00:00")
    entry = "c001c1 0007 0100630100ff 02 01 02 0204 0600000001 0600000001 120001 120000"
    # The first end is in 2013, when the register has not rolled over yet; the channels are 32 bits all the same.
    answer = in_wrapper(made, bytes.fromhex(entry))
    assert answer[:14] == bytes.fromhex("c401c100 0101 0206 090c 07dd 0112") and len(answer) == 44
    assert in_wrapper(made, bytes.fromhex("c001c1 0007 0100630100ff 07 00")) == bytes.fromhex("c401c100 06 0005dc00")
