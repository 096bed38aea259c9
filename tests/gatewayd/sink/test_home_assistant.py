"""Discovery by Home Assistant: what becomes a sensor, of what class, what its templates show, and what is due when."""

import json
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gatewayd.model import Archived, Flag, Kind, Meter, Ratio, RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.home_assistant import ATTRIBUTES_TEMPLATE, VALUE_TEMPLATE, Discovery
from gatewayd.sink.home_assistant_sensors import sensor
from gatewayd.sink.meta import offline, online
from gatewayd.sink.payload import Composer, to_json
from gatewayd.sink.topics import Topics
from tests.gatewayd.sink.samples import METER, head, register
from tests.interop.contract import check_message

TOPICS = Topics("gatewayd", "gw-1")
OTHER = Meter("em-1002", "iec62056_21", "optical")
GATEWAY_TOPIC = "homeassistant/binary_sensor/gw-1/gateway/config"
SENSOR_TOPIC = "homeassistant/sensor/gw-1/em-1001_1-0_1_8_0/config"


def discovery(*meters: Meter, gateway: str = "gw-1") -> Discovery:
    return Discovery("homeassistant", Topics("gatewayd", gateway), gateway, "1.0.0", meters or (METER, OTHER))


def noted(*readings: Archived, gateway: str = "gw-1") -> dict[str, dict[str, Any]]:
    """Topic to document of what these readings make due, each valid and as Home Assistant parses it."""
    found = discovery(gateway=gateway)
    found.note(readings)
    documents = {}
    for topic, document in found.due():
        payload = to_json(document)
        check_message(topic, payload)
        documents[topic] = json.loads(payload)
    return documents


def rendered(template: str, payload: bytes | dict[str, object]) -> str:
    """As Home Assistant renders it: in a sandbox, with blanks around the result taken off."""
    document = json.loads(payload) if isinstance(payload, bytes) else payload
    environment = ImmutableSandboxedEnvironment()
    return environment.from_string(template).render(value_json=document).strip()


def message(reading: Archived, replay: str = "") -> bytes:
    (composed,) = Composer("gw-1", {}, head).messages([reading], 65536, replay)
    return composed.payload


# -- what becomes a sensor --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "unit", "device_class", "state_class", "shown"),
    [
        ("1.8.0", "kWh", "energy", "total_increasing", "kWh"),
        ("1.8.1", "Wh", "energy", "total_increasing", "Wh"),
        ("2.8.0", "MWh", "energy", "total_increasing", "MWh"),
        ("2.8.0", "KWH", "energy", "total_increasing", "kWh"),
        ("15.8.0", "kWh", "energy", "total_increasing", "kWh"),
        ("16.8.0", "kWh", "energy", "total", "kWh"),
        ("36.8.0", "kWh", "energy", "total", "kWh"),
        ("21.8.0", "kWh", "energy", "total_increasing", "kWh"),
        ("1.9.0", "kWh", "energy", "total_increasing", "kWh"),
        ("1.8.0", "", None, "total_increasing", None),
        ("1.8.0", "kvarh", None, "total_increasing", "kvarh"),
        ("1.8.0", "imp", None, "total_increasing", "imp"),
        ("3.8.0", "kvarh", "reactive_energy", "total_increasing", "kvarh"),
        ("8.8.2", "KVARH", "reactive_energy", "total_increasing", "kvarh"),
        ("5.8.0", "Mvarh", None, "total_increasing", "Mvarh"),
        ("3.8.0", "kWh", None, "total_increasing", "kWh"),
        ("9.8.0", "kVAh", None, "total_increasing", "kVAh"),
        ("9.8.0", "kWh", None, "total_increasing", "kWh"),
        ("1.7.0", "kW", "power", "measurement", "kW"),
        ("1.7.0", "MW", "power", "measurement", "MW"),
        ("1.7.0", "mw", "power", "measurement", "MW"),
        ("1.7.0", "mW", "power", "measurement", "mW"),
        ("61.7.0", "W", "power", "measurement", "W"),
        ("1.4.0", "kW", "power", "measurement", "kW"),
        ("1.5.0", "kW", "power", "measurement", "kW"),
        ("3.7.0", "kvar", "reactive_power", "measurement", "kvar"),
        ("23.7.0", "VAR", "reactive_power", "measurement", "var"),
        ("3.7.0", "MVAR", None, "measurement", "Mvar"),
        ("9.7.0", "kVA", "apparent_power", "measurement", "kVA"),
        ("9.7.0", "MVA", None, "measurement", "MVA"),
        ("32.7.0", "V", "voltage", "measurement", "V"),
        ("32.7.0", "kV", "voltage", "measurement", "kV"),
        ("51.7.0", "A", "current", "measurement", "A"),
        ("91.7.0", "A", "current", "measurement", "A"),
        ("14.7.0", "Hz", "frequency", "measurement", "Hz"),
        ("13.7.0", "", "power_factor", "measurement", None),
        ("33.7.0", "%", "power_factor", "measurement", "%"),
        ("73.7.0", "x", None, "measurement", "x"),
        ("81.7.4", "Deg", None, "measurement", "°"),
        ("7-0:3.0.0", "m3", "gas", "total_increasing", "m³"),
        ("7-0:3.2.0", "m³", "gas", "total_increasing", "m³"),
        ("7-0:3.0.0", "l", "volume", "total_increasing", "L"),
        ("7-0:43.0.0", "m3/h", "volume_flow_rate", "measurement", "m³/h"),
        ("7-0:41.0.0", "K", None, None, "K"),
        ("7-0:42.0.0", "bar", None, None, "bar"),
        ("8-0:1.0.0", "m3", "water", "total_increasing", "m³"),
        ("9-1:1.0.0", "L", "water", "total_increasing", "L"),
        ("6-0:1.0.0", "GJ", "energy", "total_increasing", "GJ"),
        ("6-0:6.8.0", "MWh", "energy", "total_increasing", "MWh"),
        ("6-0:6.26.0", "m3", "volume", "total_increasing", "m³"),
        ("6-0:9.0.0", "m3ph", "volume_flow_rate", "measurement", "m³/h"),
        ("6-0:8.0.0", "kW", "power", "measurement", "kW"),
        ("6-0:10.0.0", "C", "temperature", "measurement", "°C"),
        ("6-0:12.0.0", "K", None, None, "K"),
    ],
)
def test_classes_and_units(
    code: str, unit: str, device_class: str | None, state_class: str | None, shown: str | None
) -> None:
    gateway, (topic, document) = noted(register(1, code=code, unit=unit)).items()
    assert gateway[0] == GATEWAY_TOPIC
    assert topic.startswith("homeassistant/sensor/gw-1/em-1001_")
    found = [document.get(key) for key in ("device_class", "state_class", "unit_of_measurement")]
    assert found == [device_class, state_class, shown]


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("1.8.0*1", "kWh"),
        ("1.8.0*0", "kWh"),
        ("1.8.0&255", "kWh"),
        ("1.6.0", "kW"),
        ("1.2.0", "kW"),
        ("1.3.0", "kW"),
        ("1.29.0", "kWh"),
        ("C.1.0", ""),
        ("0.9.1", ""),
        ("0.9.2", ""),
        ("0.0.0", ""),
        ("F.F", ""),
        ("0.4.2", ""),
        ("0-0:96.7.21", ""),
        ("0-0:96.10.1", ""),
        ("C.8.0", "h"),
        ("6-0:9.21.0", ""),
        ("6-0:1.0.0", ""),
        ("6-0:1.1.0", "GJ"),
        ("6-0:6.6.0", "kW"),
        ("6-0:6.33.0", "m3ph"),
        ("8-0:1.2.0", "m3"),
        ("8-0:96.1.0", "m3"),
        ("no code", "kWh"),
    ],
)
def test_what_is_no_live_measurement(code: str, unit: str) -> None:
    assert noted(register(1, "123", code, unit=unit)) == {}


@pytest.mark.parametrize("kind", [Kind.INTERVAL, Kind.MAXIMUM, Kind.EVENT])
def test_other_kinds_are_no_sensors(kind: Kind) -> None:
    assert noted(register(1, kind=kind)) == {}


@pytest.mark.parametrize("status", RawStatus)
def test_a_distorted_code_or_unit_is_not_believed(status: RawStatus) -> None:
    assert bool(noted(register(1, status=status))) == (status < RawStatus.DISTORTED)


@pytest.mark.parametrize("raw", ["", "---.-", "ABC 123", "2026-11-21", "1E5"])
def test_a_value_that_is_no_number_is_no_sensor(raw: str) -> None:
    assert noted(register(1, raw)) == {}


def test_a_meter_that_is_not_configured_is_no_device() -> None:
    assert noted(register(1, meter="em-9999")) == {}


@pytest.mark.parametrize(
    ("code", "unit", "name"),
    [
        ("1.8.0", "kWh", "Active import energy 1.8.0"),
        ("1.8.2", "kWh", "Active import energy rate 2 1.8.2"),
        ("1-1:2.7.0", "kW", "Active export power 1-1:2.7.0*255"),
        ("47.8.0", "kvarh", "Reactive quadrant 3 energy L2 47.8.0"),
        ("1.4.0", "kW", "Active import power average 1.4.0"),
        ("92.7.0", "V", "Voltage N 92.7.0"),
        ("7-0:3.0.0", "m3", "Gas volume 7-0:3.0.0*255"),
        ("6-0:12.0.0", "K", "Heat value 6-0:12.0.0*255"),
    ],
)
def test_names(code: str, unit: str, name: str) -> None:
    described = sensor(Obis.parse(code), unit)
    assert described is not None
    assert described.name == name


# -- the documents ----------------------------------------------------------------------------------------------------


def test_the_configuration_of_a_register() -> None:
    assert noted(register(1))[SENSOR_TOPIC] == {
        "name": "Active import energy 1.8.0",
        "unique_id": "gatewayd.gw-1.em-1001_1-0_1_8_0",
        "state_topic": "gatewayd/gw-1/em-1001/register/1-0:1.8.0*255",
        "value_template": VALUE_TEMPLATE,
        "json_attributes_topic": "gatewayd/gw-1/em-1001/register/1-0:1.8.0*255",
        "json_attributes_template": ATTRIBUTES_TEMPLATE,
        "device_class": "energy",
        "state_class": "total_increasing",
        "unit_of_measurement": "kWh",
        "availability": [
            {
                "topic": "gatewayd/gw-1/status",
                "value_template": "{{ value_json.state }}",
                "payload_available": "online",
                "payload_not_available": "offline",
            }
        ],
        "qos": 1,
        "device": {
            "identifiers": ["gatewayd.gw-1.em-1001"],
            "name": "em-1001",
            "serial_number": "35031234",
            "via_device": "gatewayd.gw-1",
        },
        "origin": {"name": "gatewayd", "sw_version": "1.0.0"},
    }


def test_the_device_of_the_gateway_comes_first_and_is_the_one_that_meters_name() -> None:
    documents = noted(register(1), register(2, code="2.8.0"), register(3, meter="em-1002"))
    assert next(iter(documents)) == GATEWAY_TOPIC
    gateway, *sensors = documents.values()
    assert len(sensors) == 3
    assert gateway["device"]["identifiers"] == ["gatewayd.gw-1"]
    assert {document["device"]["via_device"] for document in sensors} == {"gatewayd.gw-1"}


def test_a_meter_without_a_serial_number() -> None:
    document = list(noted(register(1, meter="em-1002", serial="")).values())[1]
    assert "serial_number" not in document["device"]


def test_names_that_home_assistant_does_not_allow_stay_apart() -> None:
    meters = [Meter(name, "iec62056_21", "optical") for name in ("a.b", "a_b", "a-b", "a.b.c")]
    found = discovery(*meters, gateway="gw.1")
    found.note([register(seq, meter=meter.id) for seq, meter in enumerate(meters)])
    due = dict(found.due())
    assert len(due) == len(meters) + 1
    assert len({str(document["unique_id"]) for document in due.values()}) == len(due)
    for topic, document in due.items():
        check_message(topic, to_json(document))


# -- what sensors show ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (RawStatus.TRUE, "80.0"),
        (RawStatus.SUBSTITUTE, "80.0"),
        (RawStatus.PROVISIONAL, "80.0"),
        (RawStatus.DISTORTED, "None"),
        (RawStatus.MISSING, "None"),
    ],
)
def test_the_primary_value_is_shown_while_it_can_be_believed(status: RawStatus, shown: str) -> None:
    payload = message(register(1, "2.0", status=status, ratio=Ratio(ct="200/5")))
    assert rendered(VALUE_TEMPLATE, payload) == shown


def test_zero_is_a_value_and_no_number_is_none() -> None:
    assert rendered(VALUE_TEMPLATE, message(register(1, "0"))) == "0"
    assert rendered(VALUE_TEMPLATE, message(register(1, "---.-"))) == "None"


def test_what_was_asked_for_again_changes_nothing() -> None:
    """An empty text is ignored by Home Assistant; an older count would be taken for a new meter's."""
    payload = message(register(1), replay="consumer-7")
    assert rendered(VALUE_TEMPLATE, payload) == ""
    assert json.loads(rendered(ATTRIBUTES_TEMPLATE, payload)) == {}


def test_what_a_person_has_read_changes_nothing() -> None:
    """It may be of last week, and in another unit than the meter sends."""
    assert rendered(VALUE_TEMPLATE, message(register(1, flags=Flag.MANUAL))) == ""


def test_what_a_person_has_read_makes_no_sensor() -> None:
    assert noted(register(1, flags=Flag.MANUAL)) == noted()
    both = noted(register(1), register(2, flags=Flag.MANUAL, unit="MWh"))
    assert both == noted(register(1)) != noted()


def test_attributes() -> None:
    reading = register(7, '0<1>"', status=RawStatus.DISTORTED, flags=Flag.BCC_FAILED | Flag.TRUNCATED)
    assert json.loads(rendered(ATTRIBUTES_TEMPLATE, message(reading))) == {
        "status": "distorted",
        "flags": ["bcc_failed", "truncated"],
        "at": "2026-11-21T20:00:07Z",
        "raw": '0<1>"',
        "seq": 7,
    }


def test_availability_and_connection_follow_the_status_topic() -> None:
    gateway, document = noted(register(1)).values()
    available = document["availability"][0]
    assert gateway["state_topic"] == available["topic"] == TOPICS.status
    for template, on, off in (
        (available["value_template"], available["payload_available"], available["payload_not_available"]),
        (gateway["value_template"], gateway["payload_on"], gateway["payload_off"]),
    ):
        assert rendered(template, online("gw-1", "1.0.0", head(), "2026-11-21T20:00:00Z")) == on
        assert rendered(template, offline("gw-1", "1.0.0", "connection lost")) == off


# -- what is due ------------------------------------------------------------------------------------------------------


def topics(found: Discovery) -> list[str]:
    return [topic for topic, _ in found.due()]


def publish(found: Discovery) -> None:
    for topic, _ in found.due():
        found.published(topic)


def test_a_configuration_is_due_until_it_was_published() -> None:
    found = discovery()
    assert found.due() == []
    found.note([register(1)])
    assert topics(found) == topics(found) == [GATEWAY_TOPIC, SENSOR_TOPIC]
    found.published(GATEWAY_TOPIC)
    assert topics(found) == [SENSOR_TOPIC]
    found.published(SENSOR_TOPIC)
    found.note([register(2)])
    assert topics(found) == []
    found.note([register(3, code="2.8.0")])
    assert topics(found) == ["homeassistant/sensor/gw-1/em-1001_1-0_2_8_0/config"]


def test_a_new_connection_publishes_all_again() -> None:
    found = discovery()
    found.note([register(1), register(2, code="2.8.0")])
    before = found.due()
    publish(found)
    found.reset()
    assert found.due() == before


def test_a_unit_that_comes_later_or_changes_is_published_and_one_left_out_is_not_forgotten() -> None:
    found = discovery()
    found.note([register(1, unit="")])
    publish(found)
    found.note([register(2, unit="kWh")])
    ((topic, document),) = found.due()
    assert (topic, document["unit_of_measurement"]) == (SENSOR_TOPIC, "kWh")
    publish(found)
    found.note([register(3, unit="")])
    assert found.due() == []


def test_another_serial_number_stands_in_all_configurations_of_the_meter() -> None:
    found = discovery()
    found.note([register(1), register(2, code="2.8.0"), register(3, meter="em-1002", serial="1")])
    publish(found)
    found.note([register(4, serial="35039999")])
    due = dict(found.due())
    assert list(due) == [SENSOR_TOPIC, SENSOR_TOPIC.replace("1_8_0", "2_8_0")]
    devices = [json.loads(to_json(document))["device"] for document in due.values()]
    assert {device["serial_number"] for device in devices} == {"35039999"}


def test_a_change_while_the_document_is_on_its_way_is_published_afterwards() -> None:
    found = discovery()
    found.note([register(1, unit="")])
    found.due()
    found.note([register(2, unit="kWh")])
    found.published(SENSOR_TOPIC)
    assert SENSOR_TOPIC in topics(found)
