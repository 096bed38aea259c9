"""The pure parts of the line protocol sink: options, lines, answers, and the counters of VictoriaMetrics.

Lines are read back by a small parser of the test's own, written after the reference of line protocol.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gatewayd.errors import SinkError
from gatewayd.model import DIRECT, Archived, Flag, Kind, Ratio, RawStatus, Reading, ValueSide
from gatewayd.obis import Obis
from gatewayd.sink.division import BatchRefused
from gatewayd.sink.line_protocol.answers import judge, prove, reason, retry_after_s
from gatewayd.sink.line_protocol.lines import TAG_LIMIT, Lines, nanoseconds
from gatewayd.sink.line_protocol.losses import INVALID, counts, described, risen
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.transport import Answer
from tests.gatewayd.sink.samples import START, interval, register

URL = "http://192.0.2.10:8086"


# -- lines ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    measurement: str
    tags: list[tuple[str, str]]
    fields: dict[str, str]
    time: str


def parsed(line: str) -> Line:
    """Independent of what is tested: backslash escapes one character, the first bare space ends the tags."""
    head, rest = re.match(r"((?:\\.|[^\\ ])*) (.*)", line).groups()  # type: ignore[union-attr]  # else the test fails
    fields, time = rest.rsplit(" ", 1)
    measurement, *tags = (re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^\\,])+", head))
    return Line(
        measurement,
        [(name, value) for name, value in (tag.split("=", 1) for tag in tags)],
        dict(field.split("=") for field in fields.split(",")),
        time,
    )


def lines_of(*readings: Archived, measurement: str = "reading", gateway: str = "gw-1") -> list[str]:
    text = Lines(measurement, gateway).text(readings).decode()
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def unescaped(text: str) -> str:
    return re.sub(
        r"(?:%[0-9A-F]{2})+",
        lambda match: bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass"),
        text,
    )


def test_a_line() -> None:
    archived = interval(7, ratio=Ratio(ct="200/5"), flags=Flag.DST | Flag.LATE, status=RawStatus.PROVISIONAL)
    assert lines_of(archived) == [
        "reading,gateway=gw-1,kind=interval,meter=em-1001,obis=1-0:1.29.0*255,unit=kWh "
        "value=0.125,primary=5.000,status=2i,seq=7i,flags=2064i 1795291207000000000"
    ]


def test_no_flags_are_written_too() -> None:
    assert parsed(lines_of(register(1))[0]).fields["flags"] == "0i"


def test_measurement_and_gateway_are_the_configured_ones() -> None:
    assert lines_of(register(1), measurement="m1", gateway="a b")[0].startswith("m1,gateway=a\\ b,kind=register,")


@pytest.mark.parametrize(
    ("raw", "status"),
    [("---.-", RawStatus.TRUE), ("", RawStatus.MISSING), ("0008048.375", RawStatus.MISSING), ("12:30", RawStatus.TRUE)],
)
def test_without_a_number_status_seq_and_flags_stay(raw: str, status: RawStatus) -> None:
    fields = parsed(lines_of(register(9, raw, status=status))[0]).fields
    assert fields == {"status": f"{int(status)}i", "seq": "9i", "flags": "0i"}


@pytest.mark.parametrize("status", list(RawStatus))
def test_every_status_has_its_number(status: RawStatus) -> None:
    assert parsed(lines_of(register(1, status=status))[0]).fields["status"] == f"{int(status)}i"


@pytest.mark.parametrize(
    ("raw", "scaler", "written"),
    [
        ("0008048.375", 0, "8048.375"),
        ("4567,890", 0, "4567.890"),
        ("1", 12, "1000000000000"),
        ("1", -12, "0.000000000001"),
        ("12345678901234567890123456789012", 0, "12345678901234567890123456789012"),
        ("-0.5", 0, "-0.5"),
        ("+5.", 0, "5"),
    ],
)
def test_numbers_keep_their_digits_and_have_no_exponent(raw: str, scaler: int, written: str) -> None:
    assert parsed(lines_of(register(1, raw, scaler=scaler))[0]).fields["value"] == written


def test_a_meter_that_shows_primary_values_is_not_multiplied() -> None:
    fields = parsed(lines_of(register(1, ratio=Ratio(ct="200/5", value_side=ValueSide.PRIMARY)))[0]).fields
    assert fields["primary"] == fields["value"] == "8048.375"


def test_a_unit_that_is_empty_is_left_out() -> None:
    assert [name for name, _ in parsed(lines_of(register(1, unit=""))[0]).tags] == ["gateway", "kind", "meter", "obis"]


def test_instants_are_exact_to_the_microsecond() -> None:
    at = datetime(2026, 11, 26, 12, 0, 0, 123457, tzinfo=UTC)
    assert parsed(lines_of(register(1, at=at))[0]).time == "1795694400123457000"
    assert parsed(lines_of(register(1, at=datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)))[0]).time == "-1000"


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TypeError):
        nanoseconds(datetime(2026, 11, 26))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a b", "a\\ b"),
        ("a,b=c", "a\\,b\\=c"),
        ("a\\", "a%5C"),
        ("a\nb", "a%0Ab"),
        ("a\u00a0b", "a%C2%A0b"),
        ("100 %", "100\\ %"),
        ("%5C", "%255C"),
        ("žluť", "žluť"),
        ("\udcff", "%ED%B3%BF"),
    ],
)
def test_awkward_text_in_tags(text: str, written: str) -> None:
    assert f",meter={written},obis=" in lines_of(register(1, meter=text))[0]


def test_an_overlong_tag_is_cut_and_never_within_an_escape() -> None:
    for text in ("x" * 1000, "\n" * 1000, "ab\n" * 300, ", " * 300):
        tags = dict(parsed(lines_of(register(1, meter=text))[0]).tags)
        assert TAG_LIMIT - 3 < len(tags["meter"]) <= TAG_LIMIT
        assert text.startswith(unescaped(tags["meter"]))


def test_the_same_code_of_the_meter_may_mean_another_obis_code() -> None:
    """A gas meter and an electricity meter that were swapped without a new id."""
    gas, power = (register(1, meter="m"), register(2, meter="m"))
    gas = Archived(1, Reading("m", Obis(7, 0, 1, 8, 0), "1.8.0", Kind.REGISTER, START, b"1", "1"), START, "", 0, DIRECT)
    power = Archived(
        2, Reading("m", Obis(1, 0, 1, 8, 0), "1.8.0", Kind.REGISTER, START, b"1", "1"), START, "", 0, DIRECT
    )
    codes = [dict(parsed(line).tags)["obis"] for line in lines_of(gas, power, gas)]
    assert codes == ["7-0:1.8.0*255", "1-0:1.8.0*255", "7-0:1.8.0*255"]


ANY_TEXT = st.text(st.characters(codec=None), min_size=1, max_size=40)
RAW = st.one_of(
    st.from_regex(r"[+-]?[0-9]{1,34}([.,][0-9]{0,10})?", fullmatch=True),
    st.text(max_size=10),
)


@st.composite
def archived_readings(draw: st.DrawFn) -> Archived:
    obis = draw(st.one_of(st.none(), st.builds(Obis, *[st.integers(0, 255)] * 6, st.booleans())))
    reading = Reading(
        draw(ANY_TEXT),
        obis,
        draw(ANY_TEXT),
        draw(st.sampled_from(Kind)),
        draw(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        b"",
        draw(RAW),
        draw(st.one_of(st.just(""), ANY_TEXT)),
        draw(st.integers(-128, 127)),
        draw(st.sampled_from(RawStatus)),
        Flag(draw(st.integers(0, 2**28 - 1))),
    )
    factor = draw(st.decimals(Decimal("0.001"), 100000, places=3))
    return Archived(draw(st.integers(1, 2**63 - 1)), reading, START, "", 1, Ratio(multiplier=factor))


@given(st.lists(archived_readings(), min_size=1, max_size=5), ANY_TEXT)
@example([register(1, meter="\\", unit=" ,=\\")], "\\")
def test_arbitrary_readings_read_back(readings: list[Archived], gateway: str) -> None:
    found = [parsed(line) for line in lines_of(*readings, gateway=gateway)]
    assert len(found) == len(readings)
    for line, archived in zip(found, readings, strict=True):
        reading = archived.reading
        expected = [
            ("gateway", gateway),
            ("kind", reading.kind.value),
            ("meter", reading.meter),
            ("obis", reading.code),
        ]
        expected += [("unit", reading.unit)] if reading.unit else []
        assert [name for name, _ in line.tags] == [name for name, _ in expected]
        for (_, tag), (_, text) in zip(line.tags, expected, strict=True):
            assert unescaped(tag) == text
            assert tag.isprintable()
        numbers = {"status": f"{int(reading.status)}i", "seq": f"{archived.seq}i", "flags": f"{int(reading.flags)}i"}
        value = reading.value if reading.status is not RawStatus.MISSING else None
        if value is not None:
            assert Decimal(line.fields["value"]) == value
            assert Decimal(line.fields["primary"]) == pytest.approx(value * archived.ratio.factor, rel=Decimal("1e-27"))
            assert all(re.fullmatch(r"-?\d+(\.\d+)?", line.fields[name], re.ASCII) for name in ("value", "primary"))
        assert {name: text for name, text in line.fields.items() if name not in ("value", "primary")} == numbers
        assert ("value" in line.fields) is (value is not None) is ("primary" in line.fields)
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(line.time) // 1000) == reading.at
        assert line.time.endswith("000")


# -- options ----------------------------------------------------------------------------------------------------------


def options(**given: Any) -> LineProtocolOptions:
    return LineProtocolOptions.model_validate({"dialect": "victoriametrics", "url": URL, **given})


def test_defaults() -> None:
    found = options()
    assert (found.measurement, found.batch, found.linger_s, found.compressed) == ("reading", 20_000, 1.0, True)
    assert not options(dialect="questdb").compressed
    assert not options(gzip=False).compressed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dialect": "influx1"}, "influx1 needs database"),
        ({"dialect": "influx2"}, "influx2 needs bucket"),
        ({"database": "d"}, "database belongs to influx1, and the dialect is victoriametrics"),
        ({"bucket": "b"}, "bucket belongs to influx2"),
        ({"dialect": "influx1", "database": "d", "org": "o"}, "org belongs to influx2"),
        ({"dialect": "influx2", "bucket": "b", "username": "u"}, "username belongs to influx1"),
        ({"dialect": "influx2", "bucket": "b", "password_env": "P"}, "influx2 takes a token"),
        ({"dialect": "questdb", "gzip": True}, "QuestDB cannot unpack gzip"),
        ({"password_env": "P"}, "a password needs a username"),
        ({"username": "u", "token_env": "T"}, "not both"),
        ({"url": "http://u:s3cret@192.0.2.10"}, "must not hold credentials"),
        ({"url": "ftp://192.0.2.10"}, "not the URL of a database"),
        ({"url": "192.0.2.10:8086"}, "not the URL of a database"),
        ({"url": "http://192.0.2.10:port"}, "is not a URL"),
        ({"url": "http://192.0.2.10/?db=x"}, "options of their own"),
        ({"tls": {"ca_file": "ca.pem"}}, "tls needs a url that begins with https://"),
        ({"url": "https://x", "tls": {"key_file": "k"}}, "key_file without cert_file"),
        ({"measurement": "a b"}, "pattern"),
        ({"batch": 50001}, "50000"),
        ({"linger_s": 61}, "60"),
    ],
)
def test_what_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        options(**given)
    assert "s3cret" not in str(refused.value)


def test_a_slash_at_the_end_of_the_url_does_not_matter() -> None:
    assert options(url=f"{URL}/").url == URL


# -- answers ----------------------------------------------------------------------------------------------------------


def answer(status: int, body: str = "", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, body.encode())


def judged(answered: Answer, **given: Any) -> None:
    judge(answered, options(**given), "database x:1", START)


@pytest.mark.parametrize("status", [200, 204])
def test_done(status: int) -> None:
    judged(answer(status))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            '{"error":"partial write: points beyond retention policy dropped=1"}',
            "partial write: points beyond retention",
        ),
        ('{"code":"invalid","message":"failed to parse line","line":1}', "failed to parse line"),
        (
            '{"error":"partial write of line protocol occurred","data":[{"error_message":"bad field"}]}',
            "partial write of line protocol occurred: bad field",
        ),
        ('remoteAddr: "127.0.0.1:54582"; requestURI: /write; cannot read\n\ndata', "^cannot read data$"),
        ("[" * 100_000, r"\[\[\["),
        ("", "HTTP 400 without a reason"),
    ],
)
def test_refused_for_good(body: str, text: str) -> None:
    for status in (400, 422):
        with pytest.raises(BatchRefused, match=text.replace("400", str(status))):
            judged(answer(status, body))


@pytest.mark.parametrize(
    "body",
    [
        '{"error":"partial write: max-values-per-tag limit exceeded (100000/100000): dropped=1"}',
        '{"code":"invalid","message":"Please provide either orgID or org"}',
        'remoteAddr: "1"; requestURI: /x/write; unsupported path requested: "/x/write"',
    ],
)
def test_what_a_setting_can_mend_sets_nothing_aside(body: str) -> None:
    with pytest.raises(SinkError, match="database x:1 takes nothing as it is set up"):
        judged(answer(400, body))


def test_a_reason_is_one_short_line() -> None:
    said = reason(answer(400, "a\r\n\x00b\x1b[31m" + "x" * 10_000))
    assert said.startswith("a b [31mxxx")
    assert len(said) == 300


def test_a_request_that_is_too_large_is_divided() -> None:
    with pytest.raises(BatchRefused, match="larger than the database takes"):
        judged(answer(413, "whatever"))


@pytest.mark.parametrize(
    ("status", "body", "given", "text"),
    [
        (401, "", {"username": "u", "password_env": "P"}, r"does not let in user 'u': wrong username or password"),
        (403, "", {"token_env": "T"}, "option token_file, token_env or token_credential"),
        (401, '{"error":"unable"}', {}, "set username and password_file, or token_file.*: unable"),
        (401, "", {"dialect": "influx2", "bucket": "b"}, "set token_file"),
        (
            404,
            '{"error":"database not found: \\"d\\""}',
            {"dialect": "influx1", "database": "d"},
            'CREATE DATABASE "d"',
        ),
        (404, '{"message":"bucket \\"b\\" not found"}', {"dialect": "influx2", "bucket": "b"}, 'has no bucket "b"'),
        (404, '{"message":"organization not found"}', {"dialect": "influx2", "bucket": "b"}, "has no organisation"),
        (404, "404 page not found", {}, "are url and dialect right"),
        (301, "", {}, r"points to another address \(HTTP 301\)"),
        (500, "boom", {}, r"failed \(HTTP 500\): boom"),
        (405, "", {}, r"does not take writes \(HTTP 405\)"),
        (202, "", {}, r"does not take writes \(HTTP 202\)"),
        (200, "<!DOCTYPE html>", {}, "answers with a web page"),
        (502, "<html>secret</html>", {}, r"failed \(HTTP 502\)$"),
    ],
)
def test_faults(status: int, body: str, given: dict[str, Any], text: str) -> None:
    with pytest.raises(SinkError, match=text) as fault:
        judged(answer(status, body), **given)
    assert str(fault.value).startswith("database x:1 ")
    assert fault.value.retry_after_s is None


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_asked_for(status: int) -> None:
    with pytest.raises(SinkError) as fault:
        judged(answer(status, Retry_After="7"))
    assert fault.value.retry_after_s == 7
    with pytest.raises(SinkError) as fault:
        judged(answer(status))
    assert fault.value.retry_after_s is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("86400", 300),
        ("9" * 30, None),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sat, 21 Nov 2026 20:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 20:00:30 -0000", 30),
        ("Sat, 21 Nov 2026 19:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 20:00:00 GMT", 300),
        ("Sat, 99 Nov 2026 20:00:30 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_s(answer(503, Retry_After=text), START) == seconds


def test_the_first_answer_must_be_that_of_a_database() -> None:
    prove(answer(204), options(), "database x:1", START)
    with pytest.raises(SinkError, match=r"does not answer as victoriametrics does.*HTTP request to an HTTPS server"):
        prove(answer(400, "Client sent an HTTP request to an HTTPS server."), options(), "database x:1", START)


# -- losses -----------------------------------------------------------------------------------------------------------

METRICS = """\
# TYPE vm_rows_ignored_total counter
vm_rows_ignored_total{reason="big_timestamp"} 0
vm_rows_ignored_total{type="x", reason="small_timestamp"} 15
vm_rows_inserted_total{type="influx"} 99
vm_rows_invalid_total{type="csvimport"} 4
vm_rows_invalid_total{type="influx"} 2
"""


def test_counters_of_victoriametrics() -> None:
    assert counts(METRICS) == {"big_timestamp": 0, "small_timestamp": 15, INVALID: 2}
    assert counts("garbage") == {}


def test_what_has_risen() -> None:
    before = counts(METRICS)
    assert risen(before, before) == {}
    assert risen(before, {**before, "small_timestamp": 20}) == {"small_timestamp": 5}
    assert risen(before, {"small_timestamp": 3, "new": 1}) == {"small_timestamp": 3, "new": 1}


def test_rises_in_words() -> None:
    assert described({"small_timestamp": 5, "odd": 1}) == (
        "1 of reason odd (see its log), 5 of reason small_timestamp (they are older than -retentionPeriod)"
    )
