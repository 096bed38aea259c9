"""Writes docs/mqtt/asyncapi.yaml, codes.md and codes.json from the code: `python -m scripts.mqtt_contract`.

Rules: topics come from Topics and Discovery with placeholders for names, what is retained from RETAINED, defaults from
the options, examples from the code that makes the messages. A test compares the files with the code.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import yaml

from gatewayd.legal_time import day_bounds
from gatewayd.metering.events import of_findings, of_values, over
from gatewayd.metering.events import reading_of as reading_of_event
from gatewayd.metering.findings import Finding, Rule
from gatewayd.metering.record import Derived, reading_of
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.model import DIRECT, NO_FLAGS, Archived, Flag, Kind, Meter, Point, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.severity import Severity
from gatewayd.sink.derived_payload import DerivedComposer, PointTopics
from gatewayd.sink.home_assistant import Discovery
from gatewayd.sink.meta import Descriptions, offline, online
from gatewayd.sink.mqtt.options import HomeAssistantOptions, MqttOptions, ReplayOptions
from gatewayd.sink.payload import Composer, head_object, rfc3339, to_json
from gatewayd.sink.topics import RETAINED, Topics
from scripts.quality_codes import codes, codes_page

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "mqtt"

Document = dict[str, object]

GATEWAY, VERSION, HEAD = "gw-1", "1.0.0", (8123, "8a3053909fb04ed2b1f6e2d1b0d4a1cb6f0e6c8a1d6f7c2e9a4b5c6d7e8f9012")
RATIO = Ratio(ct="200/5", vt="22000/100")
METER = Meter("em-1001", "iec62056_21", "optical", point=Point(eic="27ZG600Z0424987D"), ratios=(RATIO,))
TOPICS = Topics("{prefix}", "{gateway}")
POINT_TOPICS = PointTopics("{prefix}", "{gateway}")
REPLAY = {"schema": "gatewayd.replay/1", "id": "consumer-7", "from": 8001, "to": 8120}

POINT_REPLAY = {
    "schema": "gatewayd.replay/1",
    "id": "consumer-8",
    "point": "north",
    "layer": "interval",
    "after": "2026-11-21T20:30:00Z",
    "until": "2026-11-22T00:00:00Z",
}

_PARAMETERS = {
    "prefix": "First levels of every topic, as configured.",
    "gateway": "Id of the gateway.",
    "meter": "Id of the meter in the gateway's configuration.",
    "point": "Id of the metering point in the gateway's configuration; without any, that of its meter.",
    "layer": "What the values are: interval, evaluation, day, month, gas_day, maximum, loss, loss_day, loss_month.",
    "type": "What has happened: validation. and the name of a rule, substitution.used, ratio.mismatch, and others.",
    "obis": "Canonical OBIS code such as 1-0:1.8.0*255, or the meter's own code; / + # % are percent-encoded.",
    "haPrefix": "Home Assistant's discovery_prefix.",
    "haGateway": "Id of the gateway; what Home Assistant does not allow in topics is _ and a hash follows.",
    "haRegister": "Meter and OBIS code, written in the same way.",
}


def files() -> dict[Path, str]:
    """The generated files and what has to stand in them."""
    return {
        FOLDER / "asyncapi.yaml": asyncapi(),
        FOLDER / "codes.md": codes_page(),
        FOLDER / "codes.json": json.dumps(codes(), indent=2, ensure_ascii=False) + "\n",
    }


# -- AsyncAPI ---------------------------------------------------------------------------------------------------------


def asyncapi() -> str:
    """The text of docs/mqtt/asyncapi.yaml."""
    head = "# Written by `python -m scripts.mqtt_contract` from the code; do not edit.\n"
    return head + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def document() -> Document:
    channels, operations, messages = {}, {}, {}
    for name, address, schema, retain, text, examples in _traffic():
        here = f"#/channels/{name}"
        channels[name] = {
            "address": address,
            "description": text,
            "parameters": {
                key: {"description": words} for key, words in _PARAMETERS.items() if f"{{{key}}}" in address
            },
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        operation: Document = {
            "action": "receive" if name == "replay" else "send",
            "channel": {"$ref": here},
            "messages": [{"$ref": f"{here}/messages/{name}"}],
            "bindings": {"mqtt": {"qos": 1, "retain": retain, "bindingVersion": "0.2.0"}},
        }
        if name == "replay":
            answer = "#/channels/replayAnswer"
            operation["reply"] = {
                "channel": {"$ref": answer},
                "messages": [{"$ref": f"{answer}/messages/replayAnswer"}],
            }
        operations[f"{operation['action']}{name[0].upper()}{name[1:]}"] = operation
        messages[name] = {
            "name": name,
            "contentType": "application/json",
            "payload": {"$ref": f"./{schema}.schema.json"},
            "bindings": {
                "mqtt": {"payloadFormatIndicator": 1, "contentType": "application/json", "bindingVersion": "0.2.0"}
            },
            "examples": [{"name": words, "payload": _parsed(payload)} for words, payload in examples.items()],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "gatewayd over MQTT",
            "version": "1.0.0",
            "description": "What gatewayd publishes and listens to, as seen from the gateway. README.md beside this "
            "file says how to use it. Version 1 may gain fields and loses none; readers ignore what they do not know.",
            "license": {"name": "GPL-2.0-only"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _server() -> Document:
    options = MqttOptions(host="localhost")
    return {
        "host": "{host}:{port}",
        "protocol": "mqtt",
        "protocolVersion": "5.0",
        "description": "The broker of the configuration; one that knows only MQTT 3.1.1 is served with that.",
        "variables": {"host": {"default": options.host}, "port": {"default": str(options.port)}},
        "bindings": {
            "mqtt": {
                "cleanSession": True,
                "keepAlive": options.keepalive_s,
                "lastWill": {
                    "topic": TOPICS.status,
                    "qos": 1,
                    "retain": True,
                    "message": to_json(offline(GATEWAY, VERSION, "connection lost")).decode(),
                },
                "bindingVersion": "0.2.0",
            }
        },
    }


_Traffic = tuple[str, str, str, bool, str, dict[str, bytes]]


def _traffic() -> Iterator[_Traffic]:
    """Name, address, schema, whether it is retained, words and examples of all that is sent and received."""
    now = rfc3339(_at(0))
    yield (
        "status",
        TOPICS.status,
        "status-1",
        True,
        "Whether the gateway is there.",
        {
            "online": to_json(online(GATEWAY, VERSION, HEAD, now)),
            "stopped": to_json(offline(GATEWAY, VERSION, "stopped", now)),
            "last will": to_json(offline(GATEWAY, VERSION, "connection lost")),
        },
    )
    descriptions = Descriptions([METER])
    descriptions.note(readings(Kind.REGISTER))
    meta = {"a meter": to_json(descriptions.document(METER.id))}
    yield "meta", TOPICS.meta("{meter}"), "meta-1", True, "What is to be known about a meter before its readings.", meta
    for kind in Kind:
        yield (
            kind.value,
            _address(kind),
            "readings-1",
            kind in RETAINED,
            f"Readings of kind {kind.value}; those asked for again are never retained. On MQTT 5 they may expire.",
            _examples(kind),
        )
    yield (
        "derived",
        POINT_TOPICS.derived("{point}", "{layer}", "{obis}"),
        "derived-1",
        False,
        "Derived values of metering points, where the configuration has any. On MQTT 5 they may expire.",
        {
            "as they come": next(DerivedComposer(GATEWAY, lambda: HEAD).messages(derived_values(), 65536)).payload,
            "asked for again": next(
                DerivedComposer(GATEWAY, lambda: HEAD).messages(derived_values(), 65536, str(POINT_REPLAY["id"]))
            ).payload,
        },
    )
    yield (
        "pointEvent",
        POINT_TOPICS.event("{point}", "{type}"),
        "point-event-1",
        False,
        "Events of metering points: what rules have found, uses of substitute values, ratios that do not agree. On "
        "MQTT 5 they may expire.",
        {
            words: message.payload
            for words, message in zip(
                ("a finding", "it is over", "substitutes"),
                DerivedComposer(GATEWAY, lambda: HEAD).messages(point_events(), 65536),
                strict=True,
            )
        },
    )
    listens = ReplayOptions()
    yield (
        "replay",
        TOPICS.replay,
        "replay-1",
        False,
        "Requests to publish archived readings or derived values again; listened to only where that is configured, and "
        f"never retained. By default at most {listens.readings} readings a request.",
        {
            "a range": to_json(REPLAY),
            "to the head": to_json({k: v for k, v in REPLAY.items() if k != "to"}),
            "derived values of a point": to_json(POINT_REPLAY),
            "derived values by number": to_json({**REPLAY, "derived": True}),
        },
    )
    yield (
        "replayAnswer",
        TOPICS.replay_answer,
        "replay-answer-1",
        False,
        "What has become of a request. On MQTT 5 its correlation data come back.",
        {
            **{state: _answer(state) for state in ("accepted", "done", "refused", "broken off")},
            "derived values": _answer("done", derived=True),
        },
    )
    default = HomeAssistantOptions().prefix
    for name, (topic, payload) in zip(("homeAssistantGateway", "homeAssistantSensor"), _discovery(), strict=True):
        text = f"Home Assistant discovery ({default} by default); only where that is configured."
        yield name, topic, "home-assistant-config", True, text, {"a configuration": payload}


def _address(kind: Kind) -> str:
    named = Reading("{meter}", None, "{obis}", kind, _at(0), b"", "")
    return TOPICS.reading(named)


def _discovery() -> list[tuple[str, bytes]]:
    """Example configurations of Discovery, with the placeholders that its own topics have at these places."""
    discovery = Discovery("{haPrefix}", Topics("gatewayd", GATEWAY), GATEWAY, VERSION, [METER])
    discovery.note(readings(Kind.REGISTER))
    found = []
    for topic, configuration in discovery.due():
        prefix, component, gateway, item, last = topic.split("/")
        assert gateway == GATEWAY
        item = item if component == "binary_sensor" else "{haRegister}"
        found.append(("/".join((prefix, component, "{haGateway}", item, last)), to_json(configuration)))
    return found


def _answer(state: str, *, derived: bool = False) -> bytes:
    reason = {
        "refused": "asks for 2000000 readings; at most 100000",
        "broken off": "the segment 2026-11 is damaged: see gatewayd archive verify",
    }.get(state)
    count = {"done": 120, "broken off": 40}.get(state, 0)
    known = {key: REPLAY[key] for key in ("from", "to")}
    answer = {"schema": "gatewayd.replay-answer/1", "gateway": GATEWAY, "id": REPLAY["id"], "state": state}
    answer |= {"derived": True, **known} if derived else known
    return to_json({**answer, "readings": count, "reason": reason, "head": head_object(HEAD)})


def _examples(kind: Kind) -> dict[str, bytes]:
    composer = Composer(GATEWAY, {METER.id: METER.point}, lambda: HEAD)
    (message,) = composer.messages(readings(kind), 65536)
    (again,) = composer.messages(readings(kind), 65536, str(REPLAY["id"]))
    return {"as it comes": message.payload, "asked for again": again.payload}


def readings(kind: Kind) -> list[Archived]:
    """Readings of one series for the examples: two where a message may hold several, one missing."""
    match kind:
        case Kind.REGISTER:
            return [_archived(8118, "1.8.0", kind, "0008048.375", "kWh")]
        case Kind.INTERVAL:
            late = {"status": RawStatus.MISSING, "flags": Flag.NO_VALUE | Flag.POWER_DOWN}
            quarter = _archived(8119, "1.29.0", kind, "000.125", "kWh", interval_s=900)
            return [quarter, _archived(8120, "1.29.0", kind, "---.-", "kWh", interval_s=900, **late)]
        case Kind.MAXIMUM:
            return [_archived(8121, "1.6.0", kind, "02.468", "kW", more=("2611211915",), meter_time="2611211915")]
        case Kind.EVENT:
            return [_archived(8122, "P.98", kind, "0080", "")]


def derived_values() -> list[Archived]:
    """Derived values of one series for the examples: one that came late, and a sum that lacks something."""
    channel = Channel("north", Obis.parse("1.29.0"), "kWh")
    good = Value(_at(8130), 900, Decimal("1100.000"), RawStatus.TRUE, inputs=(8119,), reason="em-1001 times 8800")
    part = Value(
        _at(8145),
        900,
        Decimal("550.000"),
        RawStatus.MISSING,
        Flag.POWER_DOWN,
        (8120, 8124),
        Method.SUM,
        1,
        2,
        reason="the sum of 1 of 2 intervals",
    )
    versions = [Derived(good, 2, 4101), Derived(part)]
    return [
        Archived(4711 + n, reading_of(channel, Layer.INTERVAL, one), _at(8150), "", 1, DIRECT, point=METER.point)
        for n, one in enumerate(versions)
    ]


def point_events() -> list[Archived]:
    """Events for the examples: a finding, that it is over, and a use of substitutes."""
    day, channel = date(2026, 11, 21), Channel("north", Obis.parse("1.29.0"), "kWh")
    begin, end = day_bounds(day)
    finding = Finding(
        Rule.REGISTER_ADVANCE,
        Severity.ERROR,
        "north",
        Obis.parse("1.8.0"),
        Layer.DAY,
        begin,
        end,
        "the register went up by 30 kWh, the intervals add up to 24 kWh; have the profile read again",
        Decimal("30.000"),
        Decimal("24.000"),
        "kWh",
        (8101, 8117),
    )
    (found,) = of_findings([finding], [channel.obis], Layer.DAY, day, end)
    values = [
        Value(end - timedelta(minutes=15 * n), 900, Decimal("0.250"), RawStatus.PROVISIONAL, method=Method.INTERPOLATED)
        for n in (1, 0)
    ]
    (used,) = of_values(Series(channel, Layer.INTERVAL, tuple(values)), day, end)
    return [
        Archived(4720 + n, reading_of_event(one), _at(8150), "", 1, DIRECT, point=METER.point)
        for n, one in enumerate((found, over(found), used))
    ]


def _archived(seq: int, code: str, kind: Kind, raw: str, unit: str, **other: object) -> Archived:
    fields: dict[str, object] = {"status": RawStatus.TRUE, "flags": NO_FLAGS, **other}
    reading = Reading(METER.id, Obis.parse(code), code, kind, _at(seq), raw.encode(), raw, unit, **fields)  # type: ignore[arg-type]  # by name
    return Archived(seq, reading, _at(seq + 1), "35031234", ratio_id=3, ratio=RATIO, point=METER.point)


def _at(seq: int) -> datetime:
    return datetime(2026, 11, 21, 20 + seq // 60 % 4, seq % 60, tzinfo=UTC)


def _parsed(payload: bytes) -> object:
    return json.loads(payload, parse_float=Decimal)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, in which numbers keep their digits."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", format(value, "f"))


_Dumper.add_representer(Decimal, _decimal)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
