"""The published MQTT contract: files are those that the code makes, and schemas describe its messages and no others."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from gatewayd.model import Flag, Kind, RawStatus
from gatewayd.sink.derived_payload import DerivedComposer, PointTopics
from gatewayd.sink.home_assistant import Discovery
from gatewayd.sink.meta import Descriptions, offline, online
from gatewayd.sink.payload import Composer, to_json
from gatewayd.sink.topics import RETAINED, Topics
from scripts.mqtt_contract import FOLDER, GATEWAY, HEAD, METER, VERSION, derived_values, files, point_events, readings
from tests.interop.contract import check_message, load, validator

ASYNCAPI: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
SCHEMAS = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))
TOPICS = Topics("gatewayd", GATEWAY)
HASH = HEAD[1]
SINCE = "2026-11-21T20:00:00Z"

ONLINE = online(GATEWAY, VERSION, HEAD, SINCE)
OFFLINE = offline(GATEWAY, VERSION, "stopped", SINCE)
META = Descriptions([METER]).document(METER.id)
POINT_REPLAY = {
    "schema": "gatewayd.replay/1",
    "id": "consumer-8",
    "derived": True,
    "point": "north",
    "layer": "day",
    "obis": "1-0:1.29.0*255",
    "after": "2026-10-31T23:00:00+01:00",
    "until": "2026-11-30T23:00:00Z",
}
REPLAY: dict[str, object] = {"schema": "gatewayd.replay/1", "id": "a.B-9_", "from": 1, "to": 1}
EVENT: dict[str, object] = json.loads(
    next(DerivedComposer(GATEWAY, lambda: HEAD).messages(point_events(), 65536)).payload
)
EVENT_TOPIC = "gatewayd/gw-1/points/north/event/validation.register_advance"
ANSWER: dict[str, object] = {
    "schema": "gatewayd.replay-answer/1",
    "gateway": GATEWAY,
    "id": "a.B-9_",
    "state": "accepted",
    "from": 1,
    "to": 8,
    "readings": 0,
    "reason": None,
    "head": {"seq": 8123, "hash": None},
}


def published() -> Iterator[tuple[str, bytes]]:
    """One message of every sort that the code makes, on its topic."""
    yield TOPICS.status, to_json(ONLINE)
    yield TOPICS.status, to_json(offline(GATEWAY, VERSION, "connection lost"))
    yield TOPICS.meta(METER.id), to_json(META)
    composer = Composer(GATEWAY, {}, lambda: HEAD)
    for kind in Kind:
        for replay in ("", "a.B-9_"):
            for message in composer.messages(readings(kind), 65536, replay):
                yield TOPICS.reading(message.readings[0].reading), message.payload
    for message in DerivedComposer(GATEWAY, lambda: HEAD).messages([*derived_values(), *point_events()], 65536):
        yield PointTopics("gatewayd", GATEWAY).reading(message.readings[0].reading), message.payload
    discovery = Discovery("homeassistant", TOPICS, GATEWAY, VERSION, [METER])
    discovery.note(readings(Kind.REGISTER))
    for topic, document in discovery.due():
        yield topic, to_json(document)
    yield TOPICS.replay, to_json(REPLAY)
    yield TOPICS.replay_answer, to_json(ANSWER)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


# -- generated files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_file_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "run: python -m scripts.mqtt_contract"


def test_codes_name_every_status_and_flag() -> None:
    document = json.loads((FOLDER / "codes.json").read_text(encoding="utf-8"))
    validator("codes-1").validate(document)
    assert list(document["statuses"]) == [status.text for status in RawStatus]
    assert list(document["flags"]) == [flag.texts[0] for flag in Flag]
    lists = [*document["statuses"].values(), *document["flags"].values()]
    assert {code["system"] for codes in lists for code in codes} == document["systems"].keys()


def test_the_page_of_codes_shows_every_code() -> None:
    document = json.loads((FOLDER / "codes.json").read_text(encoding="utf-8"))
    page = (FOLDER / "codes.md").read_text(encoding="utf-8")
    for name, codes in (document["statuses"] | document["flags"]).items():
        assert f"`{name}`" in page
        for code in codes:
            assert f"| `{code['code']}` | {code['meaning']} |" in page


# -- AsyncAPI ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", sorted(set(references(ASYNCAPI))))
def test_every_reference_resolves(reference: str) -> None:
    if reference.startswith("./"):
        Draft202012Validator.check_schema(json.loads((FOLDER / reference).read_text(encoding="utf-8")))
        return
    part: Any = ASYNCAPI
    for name in reference.removeprefix("#/").split("/"):
        assert name in part, f"{reference}: no {name}"
        part = part[name]


@pytest.mark.parametrize("name", ASYNCAPI["components"]["messages"])
def test_every_example_is_valid(name: str) -> None:
    message = ASYNCAPI["components"]["messages"][name]
    schema = Path(message["payload"]["$ref"]).name.removesuffix(".schema.json")
    assert message["examples"]
    for example in message["examples"]:
        validator(schema).validate(example["payload"])


def test_examples_keep_the_digits_of_the_code() -> None:
    assert "primary: 1100.000\n" in (FOLDER / "asyncapi.yaml").read_text(encoding="utf-8")


def test_the_last_will_is_a_status() -> None:
    will = ASYNCAPI["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    assert will["topic"] == ASYNCAPI["channels"]["status"]["address"]
    document = json.loads(will["message"])
    validator("status-1").validate(document)
    assert document["since"] is None


def test_addresses_are_the_topics_of_the_code() -> None:
    """Every topic has one channel, every channel has a topic, and Topics has no others."""
    members = {name for name in vars(Topics) if not name.startswith("_")} - {"prefix", "gateway"}
    assert members == {"status", "meta", "reading", "replay", "replay_answer"}
    patterns = {
        name: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(channel["address"])))
        for name, channel in ASYNCAPI["channels"].items()
    }
    used = set()
    for topic, _ in published():
        found = [name for name, pattern in patterns.items() if pattern.fullmatch(topic)]
        used.add(min(found, key=lambda name: ASYNCAPI["channels"][name]["address"].count("{")))  # events among layers
    assert used == set(patterns)


def test_every_placeholder_is_explained() -> None:
    for channel in ASYNCAPI["channels"].values():
        assert re.findall(r"\{(\w+)\}", channel["address"]) == list(channel["parameters"])


def test_operations_are_the_gateways() -> None:
    operations = ASYNCAPI["operations"]
    assert [name for name, operation in operations.items() if operation["action"] == "receive"] == ["receiveReplay"]
    assert len(operations) == len(ASYNCAPI["channels"])
    bindings = {Path(o["channel"]["$ref"]).name: o["bindings"]["mqtt"] for o in operations.values()}
    assert all(binding["qos"] == 1 for binding in bindings.values())
    retained = {name for name, binding in bindings.items() if binding["retain"]}
    others = {"status", "meta", "homeAssistantGateway", "homeAssistantSensor"}
    assert retained == {kind.value for kind in RETAINED} | others


# -- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
def test_it_is_a_schema_with_its_own_name(schema: str) -> None:
    assert load(schema)["$id"] == f"urn:gatewayd:mqtt:{schema}"
    assert set(references(load(schema))) <= {f"#/$defs/{name}" for name in load(schema).get("$defs", ())}


@pytest.mark.parametrize(
    ("topic", "payload"), list(published()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_what_the_code_makes_is_valid(topic: str, payload: bytes) -> None:
    check_message(topic, payload)


def test_documents_have_the_fields_of_their_schemas() -> None:
    fields = load("status-1")["properties"].keys()
    assert fields == ONLINE.keys() | OFFLINE.keys()
    assert load("meta-1")["properties"].keys() == META.keys() == set(load("meta-1")["required"])
    of_values = {"derived", "point", "layer", "obis", "after", "until"}
    assert load("replay-1")["properties"].keys() == REPLAY.keys() | of_values == POINT_REPLAY.keys() | {"from", "to"}
    assert load("replay-answer-1")["properties"].keys() == ANSWER.keys() | {"derived"}
    assert ANSWER.keys() == set(load("replay-answer-1")["required"])


@pytest.mark.parametrize(
    ("topic", "document", "change", "place"),
    [
        (TOPICS.status, ONLINE, {"head": ...}, "$"),
        (TOPICS.status, ONLINE, {"reason": "stopped"}, "$"),
        (TOPICS.status, ONLINE, {"since": None}, "$.since"),
        (TOPICS.status, ONLINE, {"state": "away"}, "$"),
        (TOPICS.status, OFFLINE, {"reason": ...}, "$"),
        (TOPICS.status, OFFLINE, {"head": {"seq": 1, "hash": HASH}}, "$"),
        (TOPICS.status, OFFLINE, {"since": "2026-11-21 20:00"}, "$.since"),
        (TOPICS.status, OFFLINE, {"gateway": "gw-2"}, "$"),
        (TOPICS.status, OFFLINE, {"more": 1}, "$"),
        (TOPICS.meta(METER.id), META, {"metering_type": "D"}, "$.metering_type"),
        (TOPICS.meta(METER.id), META, {"units": {"1-0:1.8.0*255": 1}}, "$.units['1-0:1.8.0*255']"),
        (TOPICS.meta(METER.id), META, {"point": {"zip": "60200"}}, "$.point"),
        (TOPICS.meta(METER.id), META, {"ratios": [{"ct": "200/5"}]}, "$.ratios[0]"),
        (TOPICS.meta(METER.id), META, {"id": "em-1002"}, "$"),
        (TOPICS.replay, REPLAY, {"id": "a/b"}, "$.id"),
        (TOPICS.replay, REPLAY, {"id": "a" * 65}, "$.id"),
        (TOPICS.replay, REPLAY, {"from": 0}, "$.from"),
        (TOPICS.replay, REPLAY, {"from": 2}, "$"),
        (TOPICS.replay, REPLAY, {"from": "1"}, "$.from"),
        (TOPICS.replay, REPLAY, {"layer": "day"}, "$"),
        (TOPICS.replay, REPLAY, {"from": ..., "to": ...}, "$"),
        (TOPICS.replay, POINT_REPLAY, {"point": ..., "after": ...}, "$"),
        (TOPICS.replay, POINT_REPLAY, {"after": "2026-11-21T20:00:00"}, "$.after"),
        (TOPICS.replay, POINT_REPLAY, {"derived": 1}, "$.derived"),
        (TOPICS.replay_answer, ANSWER, {"derived": False}, "$.derived"),
        (TOPICS.replay_answer, ANSWER, {"state": "broken"}, "$.state"),
        (TOPICS.replay_answer, ANSWER, {"state": "refused"}, "$.reason"),
        (TOPICS.replay_answer, ANSWER, {"id": None}, "$.id"),
        (TOPICS.replay_answer, ANSWER, {"readings": -1}, "$.readings"),
        (TOPICS.replay_answer, ANSWER, {"gateway": "gw-2"}, "$"),
        (EVENT_TOPIC, EVENT, {"state": "gone"}, "$.state"),
        (EVENT_TOPIC, EVENT, {"severity": None}, "$.severity"),
        (EVENT_TOPIC, EVENT, {"amount": "30"}, "$.amount"),
        (EVENT_TOPIC, EVENT, {"inputs": "8101, 8117"}, "$.inputs"),
        (EVENT_TOPIC, EVENT, {"type": "validation.zero"}, "$"),
        (EVENT_TOPIC, EVENT, {"point": {"id": "south"}}, "$"),
        (EVENT_TOPIC, EVENT, {"text": ...}, "$"),
    ],
)
def test_what_the_code_does_not_make_is_not(
    topic: str, document: dict[str, object], change: dict[str, object], place: str
) -> None:
    check_message(topic, to_json(document))
    changed = {key: value for key, value in (document | change).items() if value is not ...}
    with pytest.raises(AssertionError, match=re.escape(f"{topic}: {place}: ")):
        check_message(topic, to_json(changed))


def test_a_request_without_an_end_and_an_answer_to_rubbish() -> None:
    check_message(TOPICS.replay, to_json({key: value for key, value in REPLAY.items() if key != "to"}))
    refused = ANSWER | {"state": "refused", "id": None, "from": None, "to": None, "reason": "is no JSON"}
    check_message(TOPICS.replay_answer, to_json(refused))


READINGS: list[tuple[str, bytes]] = [(topic, payload) for topic, payload in published() if "/register/" in topic]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kind":"register"', b'"kind":"maximum"'),
        (b'"meter":"em-1001"', b'"meter":"em-1002"'),
        (b'"gateway":"gw-1"', b'"gateway":"gw-2"'),
        (b'"obis":"1-0:1.8.0*255"', b'"obis":"1-0:1.8.1*255"'),
        (b'"validated":false', b'"validated":true'),
        (b'"status":"true"', b'"status":"missing"'),
        (b'"value":8048.375', b'"value":"8048.375"'),
        (b'"value":8048.375', b'"value":NaN'),
        (b'"value":8048.375', b'"value":1,"value":2'),
        (b'"replay":"a.B-9_"', b'"replay":null'),
        (b'"seq":8118', b'"seq":8118,"note":1'),
        (b"{", b"["),
    ],
)
def test_readings_that_are_not_as_published(old: bytes, new: bytes) -> None:
    topic, payload = READINGS[1]
    assert old in payload
    with pytest.raises(AssertionError, match=re.escape(topic)):
        check_message(topic, payload.replace(old, new, 1))


@pytest.mark.parametrize(
    "topic",
    [
        "gatewayd/gw-1",
        "gatewayd/gw-1/online",
        "gatewayd/gw-1/em-1001/meta/x",
        "gatewayd/gw-1/em-1001/counter/1-0:1.8.0*255",
        "gatewayd/gw-1/em-1001/register/a/b",
        "gatewayd/gw-1/replay/question",
        "other/gw-1/status",
        "homeassistant/sensor/gw-1/a.b/config",
        "homeassistant/switch/gw-1/a/config",
    ],
)
def test_topics_that_the_contract_does_not_have(topic: str) -> None:
    with pytest.raises(AssertionError, match="the contract has no such topic"):
        check_message(topic, to_json(ONLINE))


def test_a_prefix_may_have_several_levels() -> None:
    check_message("site/gatewayd/gw-1/status", to_json(ONLINE), prefix="site/gatewayd")


def test_only_a_discovery_configuration_may_be_taken_back() -> None:
    check_message("homeassistant/sensor/gw-1/a/config", b"")
    with pytest.raises(AssertionError, match="not JSON"):
        check_message(TOPICS.meta(METER.id), b"")
