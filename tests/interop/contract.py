"""The published contract as a check: any message that a test receives, against the schema of its topic.

Rules: the schemas are the files that users get; here they are closed, so that a field which no schema describes is a
fault although readers would ignore it. What topic and document both say must agree. A topic that the contract does not
know is a fault as well.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gatewayd.sink.topics import level

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "mqtt"
HOME_ASSISTANT = "homeassistant"

Document = dict[str, Any]  # JSON of another process, whose types only its schema knows
_Agrees = Callable[[Document, re.Match[str]], bool]


def _gateway(document: Document, levels: re.Match[str]) -> bool:
    return level(document["gateway"]) == levels["gateway"]


def _meter(document: Document, levels: re.Match[str]) -> bool:
    return level(document["id"]) == levels["meter"]


def _series(document: Document, levels: re.Match[str]) -> bool:
    code = document["obis"] if document["obis"] is not None else document["obis_raw"]
    written = (level(document["meter"]), document["kind"], level(code))
    return _gateway(document, levels) and written == (levels["meter"], levels["kind"], levels["obis"])


def _derived(document: Document, levels: re.Match[str]) -> bool:
    written = (level(document["point"]["id"]), document["layer"], level(document["obis"]))
    return _gateway(document, levels) and written == (levels["point"], levels["layer"], levels["obis"])


def _event(document: Document, levels: re.Match[str]) -> bool:
    written = (level(document["point"]["id"]), level(document["type"]))
    return _gateway(document, levels) and written == (levels["point"], levels["type"])


def _request(document: Document, _: re.Match[str]) -> bool:
    first = document.get("from", 1)
    return bool(first <= document.get("to", first))


def _component(document: Document, levels: re.Match[str]) -> bool:
    return bool((document.get("device_class") == "connectivity") == (levels["component"] == "binary_sensor"))


_BELOW_PREFIX: tuple[tuple[str, str, _Agrees], ...] = (
    (r"(?P<gateway>[^/]+)/status", "status-1", _gateway),
    (r"(?P<gateway>[^/]+)/replay", "replay-1", _request),
    (r"(?P<gateway>[^/]+)/replay/answer", "replay-answer-1", _gateway),
    (r"(?P<gateway>[^/]+)/(?P<meter>[^/]+)/meta", "meta-1", _meter),
    (
        r"(?P<gateway>[^/]+)/(?P<meter>[^/]+)/(?P<kind>register|interval|maximum|event)/(?P<obis>[^/]+)",
        "readings-1",
        _series,
    ),
    (r"(?P<gateway>[^/]+)/points/(?P<point>[^/]+)/event/(?P<type>[^/]+)", "point-event-1", _event),
    (r"(?P<gateway>[^/]+)/points/(?P<point>[^/]+)/(?P<layer>[a-z_]+)/(?P<obis>[^/]+)", "derived-1", _derived),
)
_DISCOVERY = r"(?P<component>sensor|binary_sensor)/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/config"


def check_message(topic: str, payload: bytes, prefix: str = "gatewayd") -> None:
    """AssertionError, with topic and place, unless the contract allows this payload on this topic."""
    schema, agrees, levels = _contract(topic, prefix)
    if not payload and schema == "home-assistant-config":
        return  # takes back a retained configuration
    document = _parse(topic, payload)
    fault = next(iter(sorted(validator(schema).iter_errors(document), key=lambda error: error.json_path)), None)
    if fault is not None:
        raise AssertionError(f"{topic}: {fault.json_path}: {fault.message} ({schema})")
    if not agrees(document, levels):
        raise AssertionError(f"{topic}: $: the document is not the one of this topic ({schema}): {payload!r}")


@cache
def validator(schema: str) -> Draft202012Validator:
    """The compiled schema `docs/mqtt/{schema}.schema.json`, without room for further fields."""
    return Draft202012Validator(_closed(load(schema)), registry=_registry())


@cache
def load(schema: str) -> Document:
    """The schema as it is in its file."""
    document: Document = json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(document)
    return document


@cache
def _registry() -> Registry[bool | Mapping[str, Any]]:
    """All schemas by their own name and by that of their file, so that they may refer to each other."""
    registry: Registry[bool | Mapping[str, Any]] = Registry()
    for path in SCHEMAS.glob("*.schema.json"):
        document = _closed(load(path.name.removesuffix(".schema.json")))
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        registry = registry.with_resources([(document["$id"], resource), (path.name, resource)])
    return registry


def _closed(schema: Any) -> Any:  # any part of a schema
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _contract(topic: str, prefix: str) -> tuple[str, _Agrees, re.Match[str]]:
    if topic.startswith(f"{HOME_ASSISTANT}/"):
        levels = re.fullmatch(_DISCOVERY, topic.removeprefix(f"{HOME_ASSISTANT}/"))
        if levels is not None:
            return "home-assistant-config", _component, levels
    elif topic.startswith(f"{prefix}/"):
        for pattern, schema, agrees in _BELOW_PREFIX:
            levels = re.fullmatch(pattern, topic.removeprefix(f"{prefix}/"))
            if levels is not None:
                return schema, agrees, levels
    raise AssertionError(f"{topic}: the contract has no such topic (prefix {prefix})")


def _parse(topic: str, payload: bytes) -> Document:
    def no_number(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number of JSON")

    def once(pairs: list[tuple[str, Any]]) -> Document:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise ValueError(f"a name stands twice in {names}")
        return dict(pairs)

    try:
        document = json.loads(payload.decode("utf-8"), parse_constant=no_number, object_pairs_hook=once)
    except ValueError as error:
        raise AssertionError(f"{topic}: $: not JSON in UTF-8: {error}: {payload!r}") from error
    if not isinstance(document, dict):
        raise AssertionError(f"{topic}: $: not a JSON object: {payload!r}")
    return document
