"""What real meters pushed, through the whole of listening: every value, code, scaler, unit and time.

The captures lie beside the repository (esphome-libs/dlms_parser, see SOURCES.md there). The decoding that is published
beside each is the expectation: it shows the numbers as they were sent, scalers and units beside them where the meter
sends them, and applies none.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.push_options import PushOptions
from drivers.dlms.push_readings import Source, readings_of
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.cosem_time import parse_date_time
from drivers.dlms.wire.push_event import Pushed
from drivers.dlms.wire.push_message import parse_message
from drivers.dlms.wire.push_reader import PushReader
from drivers.dlms.wire.security import Form, Opener, Protection, Suite
from gatewayd.errors import GatewayError
from gatewayd.model import Answer, Outcome, RawStatus, Reading
from gatewayd.obis import Obis
from tests.drivers.dlms.hdlc_bytes import CAPTURES, examples, in_pieces
from tests.drivers.dlms.push_bytes import CIPHERED, NAMES, NOW, SILENCE, capture, context, heard, keys_of, wrapped

pytestmark = [
    pytest.mark.capture,
    pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository"),
]
each = pytest.mark.parametrize("name", NAMES)

NUMBER_OF_READINGS = {
    "hdlc_kamstrup_omnipower": 1 + 32,
    "hdlc_landis_gyr_e450": 1 + 16,
    "hdlc_norway_han_3phase": 1 + 26,
    "raw_energomera": 6,
    "raw_salzburg_netz": 3 + 12,
}
TIMES = {
    "hdlc_kamstrup_omnipower": "2026-03-12T14:24:30+00:00",
    "hdlc_landis_gyr_e450": "2022-02-21T16:37:30+00:00",
    "hdlc_norway_han_3phase": "2019-12-16T06:59:40+00:00",
    "raw_energomera": "2022-11-03T12:38:25+00:00",  # the deviation says UTC+3
    "raw_salzburg_netz": "2022-11-12T15:54:00+00:00",
}
SERIALS = {
    "hdlc_kamstrup_omnipower": ("12343400",),
    "raw_energomera": ("EMR0222173608710", "012415173608710"),
    "raw_salzburg_netz": ("1KFM0200234804", "KFM1200200234804"),
}
CLOCKS = ("0-0:1.0.0*255", "0-1:1.0.0*255")


def listened(name: str, *said: bytes | GatewayError) -> list[Answer]:
    return heard(said or [capture(name)], context(keys=keys_of(name)))


def published(name: str) -> list[str]:
    """Lines of the published decoding of the body."""
    text = (CAPTURES / f"{name}_decoded.log").read_text(encoding="utf-8", errors="replace")
    return text.split("=== AXDR payload")[1].splitlines()[1:]


_CODE = re.compile(r"<-- OBIS (\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)")
_NUMBER = re.compile(r"<-- (?:UINT32|UINT16|INT16) = (-?\d+)")
_SCALER = re.compile(r"<-- INT8 = (-?\d+)")
_UNIT = re.compile(r"<-- ENUM = (\d+) \((.+)\)")


def expected(name: str) -> Iterator[tuple[str, str, tuple[int, str] | None]]:
    """Code, number as sent, and scaler and unit where the meter sends them: of the values that are numbers."""
    code, number, scaler, unit = "", "", 0, ""
    for line in [*published(name), "<-- OBIS 0.0.0.0.0.0"]:
        if found := _CODE.search(line):
            if number:
                yield code, number, (scaler, unit) if unit else None
            code, number, scaler, unit = str(Obis.parse(".".join(found.groups()))), "", 0, ""
        elif found := _NUMBER.search(line):
            number = found[1]
        elif found := _SCALER.search(line):
            scaler = int(found[1])
        elif found := _UNIT.search(line):
            unit = found[2]


def by_code(answer: Answer) -> dict[str, Reading]:
    assert len({reading.code for reading in answer.readings}) == len(answer.readings)
    return {reading.code: reading for reading in answer.readings}


@each
def test_every_value(name: str) -> None:
    (answer,) = listened(name)
    assert (answer.outcome, answer.detail) == (Outcome.DONE, "")
    assert len(answer.readings) == NUMBER_OF_READINGS[name]
    assert {reading.status for reading in answer.readings} == {RawStatus.TRUE}
    assert all(reading.obis is not None for reading in answer.readings)
    assert answer.serials == SERIALS.get(name, ())
    assert {reading.at.isoformat() for reading in answer.readings if reading.code not in CLOCKS} == {TIMES[name]}
    assert {reading.meter_time[:10] for reading in answer.readings} == {TIMES[name][:10]}


@each
def test_every_published_number(name: str) -> None:
    (answer,) = listened(name)
    readings = by_code(answer)
    numbers = list(expected(name)) if name != "raw_energomera" else []
    for code, number, scale in numbers:
        reading = readings[code]
        assert (reading.code, reading.raw_text) == (code, number)
        assert str(decode(reading.raw)[0].content) == number
        if scale is not None:
            assert (reading.scaler, reading.unit) == scale
    beside = {code for code in readings if code in CLOCKS or readings[code].value is None}
    assert {code for code, *_ in numbers} | beside == set(readings) or name == "raw_energomera"


def test_units_that_the_meter_does_not_send() -> None:
    """Landis+Gyr: the published decoding names them. Kamstrup: the sums over the phases are right only with them."""
    (answer,) = listened("hdlc_landis_gyr_e450")
    readings = by_code(answer)
    named = re.findall(r"OBIS ([\d.]+), .*\((Wh|W|varh|var)\)", "\n".join(published("hdlc_landis_gyr_e450")))
    assert len(named) == 12
    for dotted, unit in named:
        reading = readings[str(Obis.parse(dotted))]
        assert (reading.unit, reading.scaler) == (unit, 0)
    (answer,) = listened("hdlc_kamstrup_omnipower")
    values = {code: reading.value for code, reading in by_code(answer).items()}
    for phase in (20, 40, 60):
        power, current, voltage, factor = (values[f"1-1:{phase + which}.7.0*255"] for which in (1, 11, 12, 13))
        assert power is not None and current is not None and voltage is not None and factor is not None
        assert Decimal("0.8") < power / (voltage * current * factor) < Decimal("1.25")
    total, *phases = (values[f"1-1:{c}.8.0*255"] for c in (1, 21, 41, 61))
    assert total is not None and None not in phases
    assert abs(total - sum(phase for phase in phases if phase is not None)) <= 30
    units = {code: reading.unit for code, reading in by_code(answer).items() if reading.obis and reading.obis.d >= 7}
    factors = {f"1-1:{c}.7.0*255" for c in (13, 33, 53, 73)}
    assert {code for code, unit in units.items() if not unit} == factors


def test_energomera() -> None:
    """A described list: the published decoding has the objects first and the values behind them."""
    (answer,) = listened("raw_energomera")
    assert [(reading.code, reading.raw_text) for reading in answer.readings] == [
        ("0-0:96.5.134*255", "1"),
        ("0-0:42.0.0*255", "EMR0222173608710"),
        ("0-0:96.1.0*255", "012415173608710"),
        ("0-0:97.98.0*255", "0x00000010"),
        ("0-0:97.98.10*255", "0x0000FFFF"),
        ("0-0:96.5.135*255", "{0x0000636204FF, 3}"),
    ]
    assert [decode(reading.raw)[0].content for reading in answer.readings[3:5]] == [16, 65535]


@each
def test_clocks_and_texts(name: str) -> None:
    (answer,) = listened(name)
    texts = re.findall(r'^ += "(.*)"$', "\n".join(published(name)), re.MULTILINE)
    assert set(texts) <= {reading.raw_text for reading in answer.readings} | {answer.identification}
    for reading in answer.readings:
        if reading.code in CLOCKS:
            assert parse_date_time(reading.raw).year == int(reading.raw_text[:4])


@each
def test_octet_by_octet(name: str) -> None:
    data = capture(name)
    assert listened(name, *(data[at : at + 1] for at in range(len(data)))) == listened(name)


@each
@given(cuts=st.lists(st.integers(0, 1 << 16), max_size=12))
@examples(10)
def test_in_pieces(name: str, cuts: list[int]) -> None:
    assert listened(name, *in_pieces(capture(name), cuts)) == listened(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("hdlc")])
@pytest.mark.parametrize("noise", [b"\x7e" * 9, b"\x00\xff\x55", b"\x7e\xa0\x88\x03\x41\x13", b"\x68\x05\x05"])
def test_between_noise(name: str, noise: bytes) -> None:
    answers = listened(name, noise, capture(name), noise, SILENCE)
    assert [answer for answer in answers if answer.sound] == listened(name)


@each
def test_twice_in_one_read(name: str) -> None:
    data = capture(name)
    answers = listened(name, data + data)
    assert len(answers) == 2
    assert replace(answers[0], behind=0) == listened(name)[0]
    assert [answer.behind for answer in answers] == [len(data), 0]
    if name in CIPHERED:
        assert "already at" in answers[1].detail and not answers[1].readings
    else:
        assert answers[1] == listened(name)[0]


@each
def test_in_the_wrapper(name: str) -> None:
    (event,) = PushReader().feed(capture(name))
    assert isinstance(event, Pushed)
    assert listened(name, wrapped(event.apdu)) == listened(name)


@pytest.mark.parametrize("name", CIPHERED)
def test_every_wrong_bit_of_a_frame(name: str) -> None:
    """Whatever bit is wrong: never a reading that differs and is called true. (The long run tries every bit.)"""
    data, right = capture(name), {reading.code: reading.raw for reading in listened(name)[0].readings}
    step = 1 if os.environ.get("GATEWAYD_TEST_FULL") else 7
    within = context(PushOptions(framing="hdlc"), keys=keys_of(name))
    for bit in range(0, len(data) * 8, step):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        for answer in heard([bytes(wrong), SILENCE], within):
            assert all(right[reading.code] == reading.raw for reading in answer.readings), f"bit {bit}"
            assert not answer.sound, f"bit {bit}"


@pytest.mark.parametrize("name", CIPHERED)
def test_every_wrong_bit_behind_the_frames(name: str) -> None:
    """The same with frames that were made to fit: only the tag is left to see it."""
    (event,) = PushReader().feed(capture(name))
    assert isinstance(event, Pushed)
    within = context(PushOptions(framing="wrapper"), keys=keys_of(name))
    (sound,) = heard([wrapped(event.apdu)], within)
    assert sound.sound
    step = 1 if os.environ.get("GATEWAYD_TEST_FULL") else 5
    for bit in (*range(40 * 8), *range(40 * 8, len(event.apdu) * 8, step)):
        wrong = bytearray(event.apdu)
        wrong[bit // 8] ^= 1 << bit % 8
        for answer in heard([wrapped(bytes(wrong))], context(PushOptions(framing="wrapper"), keys=keys_of(name))):
            assert not answer.sound and not answer.readings, f"bit {bit}"


@each
def test_one_message_takes_less_than_a_millisecond(name: str) -> None:
    """From the bytes of the line to readings; processor time, the best of several."""
    data, keys = capture(name), keys_of(name)
    layout_of = PushReader()
    layout_of.feed(data)
    best = 1.0
    for _ in range(30):
        reader = PushReader(layout_of.framing)
        begun = time.process_time()
        (event,) = reader.feed(data)
        assert isinstance(event, Pushed)
        apdu, title = event.apdu, b""
        if keys is not None:
            title = apdu[2:10]
            both = Protection.AUTHENTICATED | Protection.ENCRYPTED
            opener = Opener(keys, Suite.SUITE_0, both, title, forms=frozenset({Form.GENERAL_GLOBAL}))
            apdu = opener.open(apdu).apdu
        readings_of(parse_message(apdu), Source("em-1", NOW, context().rules, title))
        best = min(best, time.process_time() - begun)
    assert best < 0.001


def test_no_capture_is_left_out() -> None:
    assert {path.stem for path in CAPTURES.glob("*.log") if not path.stem.endswith("_decoded")} == set(NAMES)
