"""The JSON Schema (2020-12) of the configuration, for editors and as the loader's own map.

Rules: it is generated from gatewayd.config.definition and says nothing more or less, apart from `x-expected`: the words
in which a message says what belongs at a place. It describes the file as an editor reads it (YAML 1.2), where `1001`
is a number; so a text may be written as a number.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gatewayd.config.definition import document

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PERIOD = {
    "type": "string",
    "pattern": "^[0-9]{1,9}[smhd]$",
    "format": "period",
    "x-expected": "a period such as 15m, 60s, 1h or 1d",
}
CLOCK = {
    "type": "string",
    "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$",
    "format": "clock",
    "x-expected": "a time of day such as 00:05 or 00:05:30",
}


def json_schema(drivers: Mapping[str, type[BaseModel]], sinks: Mapping[str, type[BaseModel]]) -> dict[str, object]:
    """The schema of a configuration file for these drivers and sinks."""
    return dict(schema_of(document(drivers, sinks)))


def schema_of(definition: type[BaseModel]) -> Schema:
    schema = definition.model_json_schema(by_alias=True, schema_generator=_Generator)
    for variant in _tagged(schema):
        name = variant["$ref"].rsplit("/", 1)[-1]
        required = schema["$defs"][name].setdefault("required", [])
        if variant["tag"] not in required:  # a line's type has a default in Python, but must be written in the file
            required.append(variant["tag"])
    return {"$schema": DIALECT, **schema, "title": "Configuration of gatewayd"}


def _tagged(schema: object) -> Iterator[dict[str, str]]:
    """Every variant that is chosen by the value of a key, with that key as `tag`."""
    if isinstance(schema, list):
        for item in schema:
            yield from _tagged(item)
    if isinstance(schema, dict):
        if isinstance(discriminator := schema.get("discriminator"), dict) and "mapping" in discriminator:
            for reference in discriminator["mapping"].values():
                if isinstance(reference, str):
                    yield {"$ref": reference, "tag": discriminator["propertyName"]}
        for value in schema.values():
            yield from _tagged(value)


class _Generator(GenerateJsonSchema):
    """Where pydantic describes what it reads from JSON, and the loader reads it otherwise from YAML."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        found = super().str_schema(schema)
        if found.get("type") == "string" and "format" not in found:
            found["type"] = ["string", "number"]
        return found

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        found: Schema = {"type": "number"}
        for bound, keyword in _BOUNDS:
            if schema.get(bound) is not None:
                value = schema[bound]  # type: ignore[literal-required]  # one of _BOUNDS
                found[keyword] = int(value) if value == int(value) else float(value)
        return found

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return dict(PERIOD)

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        return dict(CLOCK)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        if "patternProperties" in found:
            keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
            found["propertyNames"] = {key: value for key, value in keys.items() if key in ("pattern", "x-expected")}
            found["additionalProperties"] = False
        return found


_BOUNDS = (("ge", "minimum"), ("gt", "exclusiveMinimum"), ("le", "maximum"), ("lt", "exclusiveMaximum"))
