"""The simulated DLMS meter as a process: its command line, pacing, echo, the optical port, counters over restarts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulators.__main__ import main
from tests.simulators.dlms_meter import (
    AARQ,
    GET_CLOCK,
    GET_SERIAL,
    NOW,
    SERIAL_ANSWER,
    Heard,
    ciphered_aarq,
    frame,
    frames,
    glo,
    in_wrapper,
    keys,
    meter,
    seal,
    wrapped,
)
from tests.simulators.reader import Line, connect, lines_of, open_pty, simulate, wait_for, with_even_parity

SNRM, DISC = frame(0x93), frame(0x53)
UA_SIZE = 35


def read_frame(line: Line) -> Heard:
    """The frame that comes next."""
    head = line.read(3)
    (heard,) = frames(head + line.read((int.from_bytes(head[1:3]) & 0x7FF) - 1))
    return heard


def read_wrapper(line: Line) -> bytes:
    head = line.read(8)
    return line.read(int.from_bytes(head[6:8]))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--pty LINK or --tcp PORT"),
        (("--tcp", "0", "--authentication", "low"), "--password is needed"),
        (("--tcp", "0", "--authentication", "hls-gmac"), "--key-file is needed"),
        (("--tcp", "0", "--security", "encrypted"), "--key-file is needed"),
        (("--tcp", "0", "--title", "12"), "not 16 hexadecimal digits"),
        (("--tcp", "0", "--password", "0xyz", "--authentication", "low"), "--password"),
        (("--tcp", "0", "--now", "yesterday"), "neither ISO 8601 nor real"),
        (("--tcp", "0", "--fault", "good-fcs"), "is none of bad-fcs"),
        (("--tcp", "0", "--fault", "late-last-segment"), "late-last-segment:SECONDS"),
        (("--tcp", "0", "--fault", "bad-fcs:x"), "KIND[:N[*]]"),
        (("--tcp", "0", "--framing", "wrapper", "--fault", "rnr"), "rnr needs --framing hdlc"),
        (("--tcp", "0", "--fault", "replay"), "replay needs --security"),
        (("--tcp", "0", "--push-every", "1"), "--push-every and --push-to"),
        (("--tcp", "0", "--push-every", "1", "--push-to", "mail"), "is not udp:HOST:PORT"),
        (("--tcp", "0", "--push-every", "1", "--push-to", "udp:h:0"), "is not udp:HOST:PORT"),
        (("--tcp", "0", "--null-compression", "--compact-array"), "--null-compression or --compact-array"),
        (("--tcp", "0", "--incident", "flood=1"), "'flood' is none of"),
        (("--tcp", "0", "--optical", "--framing", "wrapper"), "--framing hdlc"),
        (("--tcp", "0", "--optical", "--baud", "115200"), "mode E offers"),
        (("--tcp", "0", "--client", "200"), "1 to 127"),
        (("--tcp", "0", "--conformance-without", "luck"), "luck"),
    ],
)
def test_a_mistake_is_named_with_its_option(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(main, ["dlms", *arguments])
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())


def test_keys_of_the_wrong_size_are_refused_without_being_shown(tmp_path: Path) -> None:
    options = [*keys(tmp_path), "--tcp", "0", "--authentication", "hls-gmac", "--suite", "2"]
    result = CliRunner().invoke(main, ["dlms", *options])
    assert result.exit_code == 2 and "not 64 hexadecimal digits" in result.output
    assert bytes(range(16)).hex() not in result.output.lower()


def test_a_password_can_be_hexadecimal() -> None:
    made = meter("--authentication", "low", "--password", "0x00ff10")
    assert made.plan.settings.secret == b"\x00\xff\x10"


@pytest.mark.parametrize(("now", "offset"), [("2026-06-15T10:07:00", "ff88 80"), ("2026-01-15T09:07:00Z", "ffc4 00")])
def test_the_clock_begins_where_it_is_told_to(now: str, offset: str) -> None:
    made = meter("--framing", "wrapper", "--now", now, "--clock-offset", "7")
    in_wrapper(made, AARQ)
    answer = in_wrapper(made, GET_CLOCK)
    month, weekday = (6, 1) if offset == "ff88 80" else (1, 4)
    assert answer[:10] == bytes.fromhex(f"c401c1 00 090c 07ea {month:02x} 0f")
    assert answer[10:13] == bytes([weekday, 10, 7]) and 7 <= answer[13] <= 12
    assert answer[14:] == b"\x00" + bytes.fromhex(offset)


def test_characters_take_their_time_in_both_directions(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate("--pty", link, "--baud", "9600", "--reaction-ms", "50", kind="dlms"), open_pty(link, 9600) as line:
        # Taken before: the meter may have heard it before `send` returns.
        began = time.monotonic()
        line.send(SNRM)
        assert len(frames(line.read(UA_SIZE))) == 1
        floor = (len(SNRM) + UA_SIZE) * 10 / 9600 + 0.05
        assert floor <= time.monotonic() - began < floor + 5


def test_a_reader_at_another_rate_hears_nothing_sound(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate("--pty", link, "--baud", "9600", kind="dlms"), open_pty(link, 19200) as line:
        line.send(SNRM)
        assert line.read(UA_SIZE)[:1] != b"\x7e"


def test_a_local_echo_comes_first() -> None:
    with simulate("--tcp", "0", "--local-echo", kind="dlms") as simulator, connect(simulator) as line:
        line.send(SNRM)
        line.expect(SNRM)
        assert read_frame(line).control == 0x73


def test_hanging_up_and_a_late_segment_are_real() -> None:
    options = ("--max-info", "32", "--fault", "late-last-segment:0.4:1", "--fault", "hang-up:2")
    with simulate("--tcp", "0", *options, kind="dlms") as simulator, connect(simulator) as line:
        line.send(SNRM)
        read_frame(line)
        line.send(frame(0x10, b"\xe6\xe6\x00" + AARQ))
        assert read_frame(line).segmented
        asked = time.monotonic()
        line.send(frame(0x31))
        assert not read_frame(line).segmented
        assert time.monotonic() - asked >= 0.4
        line.send(frame(0x52, b"\xe6\xe6\x00" + GET_SERIAL))
        assert line.is_hung_up()


def test_every_reader_finds_the_meter_as_it_was_left_with_its_counter(tmp_path: Path) -> None:
    journal, file = tmp_path / "journal", tmp_path / "counters"
    options = ("--framing", "wrapper", "--security", "authenticated-encrypted", "--journal", journal)
    for start in (1, 10):
        with simulate("--tcp", "0", *options, "--counter-file", file, *keys(tmp_path), kind="dlms") as simulator:
            for counter in (start, start + 2):
                with connect(simulator) as line:
                    line.send(wrapped(ciphered_aarq(counter)))
                    assert read_wrapper(line)[:1] == b"\x61"
                    line.send(wrapped(glo(0xC8, seal(GET_SERIAL, counter + 1))))
                    assert read_wrapper(line)[:1] == b"\xcc"
    counters = [int(line.split()[1]) for line in lines_of(journal) if line.startswith("counter")]
    assert counters == [1, 2, 3, 4, 10, 11, 12, 13]


def test_the_optical_port_is_entered_by_mode_e(tmp_path: Path) -> None:
    link, journal = tmp_path / "meter", tmp_path / "journal"
    options = ("--optical", "--journal", journal, "--now", NOW)
    with simulate("--pty", link, *options, kind="dlms"), open_pty(link, 300) as line:
        for _ in range(2):
            line.send(with_even_parity(b"/?!\r\n"))
            line.expect(with_even_parity(b"/SIM5\\2GATEWAYD\r\n"))
            line.send(with_even_parity(b"\x06252\r\n"))
            line.expect(with_even_parity(b"\x06252\r\n"))
            line.send(SNRM)
            assert read_frame(line).control == 0x73
            line.send(DISC)
            assert read_frame(line).control == 0x73
        # The last line is written when the answer to DISC has gone out.
        wait_for(lambda: len(lines_of(journal)) == 10)
    assert lines_of(journal) == ["sign-on", "option 252", "snrm 16", "disc", "hdlc over"] * 2


def test_hdlc_at_the_optical_port_ends_when_nothing_is_heard(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    with simulate("--pty", link, "--optical", "--hdlc-s", "0.2", kind="dlms"), open_pty(link, 300) as line:
        line.send(b"/?!\r\n")
        line.expect(with_even_parity(b"/SIM5\\2GATEWAYD\r\n"))
        line.send(b"\x06050\r\n")
        assert line.silent_for(0.2), "mode C is not played"
        line.send(b"/?!\r\n")
        line.expect(with_even_parity(b"/SIM5\\2GATEWAYD\r\n"))
        line.send(b"\x06242\r\n")
        line.expect(with_even_parity(b"\x06242\r\n"))
        assert line.silent_for(0.3)
        line.send(b"/?!\r\n")
        line.expect(with_even_parity(b"/SIM5\\2GATEWAYD\r\n"))


def test_a_wrapper_over_tcp_answers() -> None:
    with simulate("--tcp", "0", "--framing", "wrapper", kind="dlms") as simulator, connect(simulator) as line:
        line.send(wrapped(AARQ))
        assert read_wrapper(line)[:1] == b"\x61"
        line.send(wrapped(GET_SERIAL))
        assert read_wrapper(line) == SERIAL_ANSWER
