"""The published JSON Schema says the same as the loader, for a file as an editor reads it (YAML 1.2)."""

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml

from gatewayd import config
from tests.gatewayd.config.doubles import DRIVERS, EVERYTHING, HEAD, SINKS, faults


class Editor(yaml.SafeLoader):
    """YAML 1.2 core: what editors' language servers make of plain scalars."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way of configuring a loader


for kind, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(rf"(?:{pattern})$"), first)


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    return config.json_schema(DRIVERS, SINKS)


def errors(schema: dict[str, object], text: str) -> list[str]:
    document = yaml.load(text, Loader=Editor)
    json.dumps(document)  # what an editor sees is JSON
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def test_it_is_a_schema(schema: dict[str, object]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


def test_the_example_passes(schema: dict[str, object]) -> None:
    assert errors(schema, EVERYTHING) == []


@pytest.mark.parametrize(
    "text",
    [
        "gateway: {id: 1001}",
        "gateway: {id: gw, clock: trusted}",
        "acquisition: {sessions: 1, spread: 0s}",
        "manual: {most_rows: 10000, tolerance: 1.5, maximum: 2, hold: true}",
        "policies: {A: {on: 28, deadline: none, retry_window: 31d}, B: {on: mon}, C: {at: 10:05, set_clock: true}}",
        "policies: {AMM: {period: 5m, evaluation: 60m, retry_window: 4d, backfill_months: 120}}",
        "meters: [{id: m, driver: telegram, line: l, voltage: low, policy: {at: 00:10}}]",
        "lines: {l1: {type: serial, device: d, framing: 7E1}}",
        "lines: {l: {type: serial, device: d, framing: 8E1, baud: 300}}",
        "lines: {l: {type: modem, device: d, call_window: 00:10-05:30, init: [ATX3, {command: AT, required: false}]}}",
        "lines: {l: {type: modem, host: h, port: 1, pool: 1}}",
        "lines: {l: {type: tcp_listen, port: 4059, bind: 192.0.2.5, idle_s: 60, framing: 8N1}}",
        "lines: {l: {type: udp_listen, port: 4059, bind: '::'}}",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{listen: true, silence: 26h}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0, 2.8], every: 15m}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 1h, rollover: 100000}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 0300s}]}]",
        "meters: [{id: 1, driver: telegram, line: l, serial: 12345678, point: {ean: 859182400123456789}}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{registers: [1.8, 1.8.0], at: 10:05}]}]",
        "meters: [{id: m, driver: field, line: l, field: {unit: 1, map: 7}}]",
    ],
)
def test_what_an_editor_takes_for_numbers_passes_too(schema: dict[str, object], text: str) -> None:
    key = text.partition(":")[0]
    document = "\n".join(line for line in HEAD.splitlines() if not line.startswith(f"{key}:") or key == "lines")
    document = document.replace("lines:\n  l: {type: tcp, host: h, port: 1}", "") if key == "lines" else document
    assert errors(schema, f"{document}\n{text}\n") == []
    assert faults(f"{document}\n{text}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "gatewy: {}",
        "gateway: {id: gw, clock: ntp}",
        "manual: {most_rows: 0}",
        "manual: {tolerance: 1}",
        "manual: {hold: 1}",
        "acquisition: {sessions: 0}",
        "acquisition: {sessions: 10001}",
        "acquisition: {spread: 60}",
        "acquisition: {jitter: 60s}",
        "policies: {D: {}}",
        "policies: {A: {on: 29}}",
        "policies: {A: {on: monday}}",
        "policies: {A: {deadline: never}}",
        "policies: {A: {backfill_months: 0}}",
        "meters: [{id: m, driver: telegram, line: l, voltage: 400}]",
        "meters: [{id: m, driver: telegram, line: l, policy: {time: 00:10}}]",
        "lines: {l: {device: d}}",
        "lines: {l: {type: modem}}",
        "lines: {l: {type: modem, device: d, host: h, port: 1}}",
        "lines: {l: {type: modem, device: d, via: tcp}}",
        "lines: {l: {type: modem, host: h}}",
        "lines: {l: {type: modem, device: d, call_window: 5:00-6:00}}",
        "lines: {l: {type: modem, device: d, call_window: []}}",
        "lines: {l: {type: modem, device: d, init: [{comand: AT}]}}",
        "lines: {l: {type: modem, device: d, network: gsm}}",
        "lines: {l: {type: tcp_listen}}",
        "lines: {l: {type: udp_listen, port: 4059, framing: 8N1}}",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{listen: false}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{listen: true, registers: all}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{every: 1h}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0]}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [], every: 15m}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: all, every: 15m}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 20m}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 15m, registers: all}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 15m, at: '00:05'}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{intervals: [1.8.0], every: 15m, rollover: -1}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{registers: all, every: 15m, rollover: 1000}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{listen: true, rollover: 1000}]}]",
        "meters: [{id: m, driver: telegram, line: l, phone: 12a}]",
        "lines: {l: {type: serial, device: d, id: l}}",
        "lines: {l: {type: serial, device: d, baud: 9601}}",
        "lines: {l: {type: serial, device: d, framing: 7N1}}",
        "lines: {l: {type: tcp, host: h, port: 70000}}",
        "lines: {a b: {type: tcp, host: h, port: 1}}",
        "meters: [{id: a b, driver: telegram, line: l}]",
        "meters: [{id: m, line: l}]",
        "meters: [{id: m, driver: x, line: l}]",
        "meters: [{id: m, driver: telegram, line: l, field: {unit: 1, map: m}}]",
        "meters: [{id: m, driver: field, line: l}]",
        "meters: [{id: m, driver: field, line: l, field: {unit: 300, map: m}}]",
        "meters: [{id: m, driver: telegram, line: l, point: {}}]",
        "meters: [{id: m, driver: telegram, line: l, point: {eic: X}}]",
        "meters: [{id: m, driver: telegram, line: l, ratio: [{ct: '200'}]}]",
        "meters: [{id: m, driver: telegram, line: l, telegram: {password: x}}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{registers: all}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{registers: all, every: 1h, at: '00:05'}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{registers: all, every: 15min}]}]",
        "meters: [{id: m, driver: telegram, line: l, jobs: [{registers: [], every: 1h}]}]",
        "meters: [{id: m, driver: telegram, line: l, metering_type: D}]",
        "sinks: [{id: s, type: broker}]",
        "sinks: [{id: s, type: mqtt, host: h}]",
    ],
)
def test_what_the_loader_refuses_the_schema_refuses_too(schema: dict[str, object], text: str) -> None:
    head = HEAD if not text.startswith("lines") else "".join(HEAD.splitlines(keepends=True)[:2])
    head = head.replace("gateway: {id: gw}\n", "") if text.startswith("gateway:") else head
    assert errors(schema, f"{head}{text}\n") != []
    assert faults(f"{head}{text}\n") != []


def test_every_key_of_ours_is_described(schema: dict[str, object]) -> None:
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    lines = ("SerialLine", "TcpLine", "Rfc2217Line", "ModemLine")
    settings = ("GatewaySettings", "ArchiveSettings", "AcquisitionSettings")
    ours = (*settings, *lines, "JobEntry", "RatioEntry", "PointEntry", "PartEntry", "PolicyEntry", "PolicyEntries")
    for name in (*ours, "Meter-telegram", "Meter-field", "Sink-broker", "Sink-database"):
        definition = definitions[name]
        assert definition["description"], name
        for key, value in definition["properties"].items():
            target = definitions.get(value.get("$ref", "").rpartition("/")[2], {})
            assert value.get("description") or target.get("description"), f"{name}.{key}"
