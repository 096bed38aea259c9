"""Payload and topics: digits, missing values, times, grouping, and the JSON Schema of the contract."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gatewayd.model import Archived, Flag, Kind, Point, Ratio, RawStatus
from gatewayd.sink.payload import Composer, reading_object, rfc3339, to_json
from gatewayd.sink.topics import Topics, level
from tests.gatewayd.sink.samples import METER, START, head, interval, register

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "mqtt" / "readings-1.schema.json").read_text(encoding="utf-8"))
COMPOSER = Composer("gw-1", {METER.id: METER.point}, head)
LIMIT = 64 * 1024


def documents(*readings: Archived, limit: int = LIMIT, composer: Composer = COMPOSER) -> list[dict[str, Any]]:
    """The messages as a careful consumer reads them, each valid against the schema and without fields it lacks."""
    found = []
    for message in composer.messages(readings, limit):
        document = json.loads(message.payload, parse_float=Decimal)
        Draft202012Validator(SCHEMA).validate(json.loads(message.payload))
        assert document.keys() <= SCHEMA["properties"].keys()
        for reading in document["readings"]:
            assert reading.keys() <= SCHEMA["$defs"]["reading"]["properties"].keys()
        assert [reading["seq"] for reading in document["readings"]] == [archived.seq for archived in message.readings]
        found.append(document)
    return found


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_example_of_the_design() -> None:
    ratio = Ratio(ct="200/5", vt="22000/100")
    at = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
    (document,) = documents(interval(8120, ratio=ratio, at=at))
    assert document == {
        "schema": "gatewayd.readings/1",
        "gateway": "gw-1",
        "meter": "em-1001",
        "point": {"eic": "27ZG600Z0424987D"},
        "serial": "35031234",
        "obis": "1-0:1.29.0*255",
        "obis_raw": "1.29.0",
        "kind": "interval",
        "unit": "kWh",
        "interval_s": 900,
        "ratio": {"id": 3, "ct": "200/5", "vt": "22000/100", "multiplier": "1", "value_side": "secondary"},
        "validated": False,
        "head": {"seq": 8123, "hash": None},
        "readings": [
            {
                "seq": 8120,
                "at": "2026-11-21T20:45:00Z",
                "value": Decimal("0.125"),
                "raw": "000.125",
                "primary": Decimal("1100.000"),
                "status": "true",
                "flags": [],
                "received_at": "2026-11-21T20:45:01Z",
            }
        ],
    }


def test_fields_that_are_there_only_when_they_say_something() -> None:
    archived = register(
        1, "02.468", "1.6.1", kind=Kind.MAXIMUM, more=("1703100930",), meter_time="1703100930", serial="", unit=""
    )
    (document,) = documents(archived, composer=Composer("gw-1", {}, lambda: (7, "ab12")))
    assert document["readings"][0]["more"] == ["1703100930"]
    assert document["readings"][0]["meter_time"] == "1703100930"
    assert document["serial"] is None
    assert document["unit"] is None
    assert document["point"] == {}
    assert document["head"] == {"seq": 7, "hash": "ab12"}


@pytest.mark.parametrize(
    ("raw", "scaler", "written"),
    [
        ("0008048.375", 0, "8048.375"),
        ("000.000", 0, "0.000"),
        ("0036486", 0, "36486"),
        ("4567,890", 0, "4567.890"),
        ("18446744073709551615", 0, "18446744073709551615"),
        ("18446744073709551615", -3, "18446744073709551.615"),
        ("1", -9, "0.000000001"),
        ("0", -9, "0.000000000"),
        ("12", 3, "12000"),
        ("0", 3, "0"),
        ("-0.00", 0, "-0.00"),
        ("-000.125", 0, "-0.125"),
        ("+5", 0, "5"),
        (".5", 0, "0.5"),
        ("5.", 0, "5"),
        ("---.-", 0, "null"),
        ("", 0, "null"),
        ("NaN", 0, "null"),
        ("1E5", 0, "null"),
    ],
)
def test_numbers_keep_their_digits(raw: str, scaler: int, written: str) -> None:
    (message,) = COMPOSER.messages([register(1, raw, scaler=scaler)], LIMIT)
    assert f'"value":{written},"raw":{json.dumps(raw)},"primary":{written},'.encode() in message.payload


@pytest.mark.parametrize(
    ("raw", "ratio", "written"),
    [
        ("1.000", Ratio(ct="200/5"), "40.000"),
        ("0.125", Ratio(ct="200/5", vt="22000/100"), "1100.000"),
        ("1.000", Ratio(ct="100/3"), "33.33333333333333333333333333"),
        ("0.000", Ratio(ct="100/3"), "0." + "0" * 29),
        ("12", Ratio(multiplier=Decimal("1E+3")), "12000"),
        ("18446744073709551615", Ratio(ct="200/5"), "737869762948382064600"),
    ],
)
def test_primary_beside_the_raw_value(raw: str, ratio: Ratio, written: str) -> None:
    (message,) = COMPOSER.messages([register(1, raw, ratio=ratio)], LIMIT)
    assert f'"primary":{written},"status"'.encode() in message.payload


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_comes_back_as_it_was(value: Decimal) -> None:
    text = to_json([value]).decode()
    assert "e" not in text.lower()
    (back,) = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    assert back == value


def test_a_missing_value_has_no_number_even_if_the_meter_sent_its_sentinel_in_digits() -> None:
    archived = register(1, "4294967295", status=RawStatus.MISSING, flags=Flag.SENTINEL, ratio=Ratio(ct="200/5"))
    (document,) = documents(archived)
    (reading,) = document["readings"]
    assert (reading["value"], reading["primary"], reading["raw"]) == (None, None, "4294967295")
    assert (reading["status"], reading["flags"]) == ("missing", ["sentinel"])


def test_a_distorted_value_keeps_its_number_and_says_so() -> None:
    flags = Flag.BCC_FAILED | Flag.TRUNCATED
    (document,) = documents(register(1, "12.5", status=RawStatus.DISTORTED, flags=flags))
    (reading,) = document["readings"]
    assert (reading["value"], reading["status"]) == (Decimal("12.5"), "distorted")
    assert reading["flags"] == ["bcc_failed", "truncated"]


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(0, "2026-11-21T20:00:00Z"), (250_000, "2026-11-21T20:00:00.25Z"), (1, "2026-11-21T20:00:00.000001Z")],
)
def test_times(microsecond: int, text: str) -> None:
    assert rfc3339(START.replace(microsecond=microsecond)) == text


def test_intervals_of_a_series_share_a_message_also_when_channels_alternate() -> None:
    readings = [interval(seq, code=("1.29.0", "2.29.0")[seq % 2]) for seq in range(10)]
    first, second = documents(*readings)
    assert [reading["seq"] for reading in first["readings"]] == [0, 2, 4, 6, 8]
    assert [reading["seq"] for reading in second["readings"]] == [1, 3, 5, 7, 9]


def test_registers_and_maxima_have_a_message_each() -> None:
    readings = [register(1), register(2), register(3, kind=Kind.MAXIMUM), register(4, kind=Kind.MAXIMUM)]
    assert [len(document["readings"]) for document in documents(*readings)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"unit": "Wh"},
        {"serial": "35039999"},
        {"ratio": Ratio(ct="300/5")},
        {"meter": "em-1002"},
        {"code": "2.29.0"},
        {"code": "1-0:1.29.0*255"},
    ],
)
def test_what_differs_outside_the_list_of_readings_parts_messages(other: dict[str, Any]) -> None:
    assert len(documents(interval(1), interval(2, **other), interval(3))) == 2


def test_no_message_is_longer_than_the_limit_and_each_is_filled() -> None:
    readings = [interval(seq) for seq in range(500)]
    sizes = [len(message.payload) for message in COMPOSER.messages(readings, 4096)]
    found = documents(*readings, limit=4096)
    longest = max(len(to_json(reading)) for document in found for reading in document["readings"])
    assert max(sizes) <= 4096
    assert all(size > 4096 - longest - 1 for size in sizes[:-1])
    assert [reading["seq"] for document in found for reading in document["readings"]] == list(range(500))


def test_a_reading_longer_than_the_limit_goes_alone() -> None:
    event = register(2, "x" * 5000, "P.98", kind=Kind.EVENT)
    small = [register(seq, "1", "P.98", kind=Kind.EVENT) for seq in (1, 3)]
    found = documents(small[0], event, small[1], limit=4096)
    assert [[reading["seq"] for reading in document["readings"]] for document in found] == [[1], [2], [3]]


def test_the_command_line_shows_what_is_published() -> None:
    archived = interval(5, ratio=Ratio(ct="200/5"), more=("x",))
    (document,) = documents(archived)
    alone = json.loads(to_json(reading_object(archived)), parse_float=Decimal)
    (reading,) = document["readings"]
    series = {key: document[key] for key in ("meter", "serial", "obis", "obis_raw", "kind", "unit", "interval_s")}
    assert alone == series | reading


def test_topics() -> None:
    topics = Topics("site/gatewayd", "gw-1")
    assert topics.status == "site/gatewayd/gw-1/status"
    assert topics.meta("em-1001") == "site/gatewayd/gw-1/em-1001/meta"
    assert topics.reading(register(1).reading) == "site/gatewayd/gw-1/em-1001/register/1-0:1.8.0*255"
    assert topics.reading(interval(1).reading) == "site/gatewayd/gw-1/em-1001/interval/1-0:1.29.0*255"
    manual = register(1, code="1.6.0&05", kind=Kind.MAXIMUM)
    assert topics.reading(manual.reading) == "site/gatewayd/gw-1/em-1001/maximum/1-0:1.6.0&5"


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("1-0:1.8.0*255", "1-0:1.8.0*255"),
        ("a/b", "a%2Fb"),
        ("+", "%2B"),
        ("#", "%23"),
        ("%2F", "%252F"),
        ("\x00\x7f\n", "%00%7F%0A"),
        ("č", "%C4%8D"),
        ("serial no.", "serial no."),
        ("", "-"),
        ("ÿ" * 1000, ("%C3%BF" * 1000)[:255]),
    ],
)
def test_a_code_is_one_level_of_a_topic(code: str, written: str) -> None:
    assert level(code) == written


def test_a_code_that_is_no_obis_code() -> None:
    archived = register(1, code="Ser#/1")
    (document,) = documents(archived)
    assert (document["obis"], document["obis_raw"]) == (None, "Ser#/1")
    assert Topics("gatewayd", "gw-1").reading(archived.reading).endswith("/register/Ser%23%2F1")


def test_points_show_only_codes_that_are_known() -> None:
    point = Point(ean="859182400100000001")
    (document,) = documents(register(1), composer=Composer("gw-1", {METER.id: point}, head))
    assert document["point"] == {"ean": "859182400100000001"}


def test_received_at_is_later_than_at() -> None:
    (document,) = documents(register(1, at=START + timedelta(milliseconds=1500)))
    assert document["readings"][0]["at"] == "2026-11-21T20:00:01.5Z"
    assert document["readings"][0]["received_at"] == "2026-11-21T20:00:02.5Z"
