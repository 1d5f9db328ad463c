"""Narrows a JSON schema to what a model should write: no properties beyond those that are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Where these stand, other parts of the schema may add properties, or it has said itself what else may be there.
_OPEN = {"additionalProperties", "unevaluatedProperties", "patternProperties", "anyOf", "oneOf", "$ref", "if", "not"}
# https://github.com/guidance-ai/llguidance/blob/main/docs/json_schema.md
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
_NAMED_SCHEMAS = {"properties", "patternProperties", "$defs", "definitions"}
_SCHEMAS = {"items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf"}


def narrow_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with `additionalProperties: false` where it says nothing; what it then accepts, `schema` accepts too.

    JSON Schema's default is that anything more may follow, and small models go on for ever. Formats that llguidance
    does not know are left out: to JSON Schema they are remarks.
    """
    return _Narrowing(closing=not _mentions(schema, "allOf")).schema(schema)


def _mentions(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_mentions(item, key) for item in value.values())
    return isinstance(value, list) and any(_mentions(item, key) for item in value)


@dataclass(frozen=True)
class _Narrowing:
    closing: bool

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        narrow = {key: self._below(key, value) for key, value in schema.items() if not _unknown_format(key, value)}
        if self.closing and "properties" in schema and not _OPEN & schema.keys():
            narrow["additionalProperties"] = False
        return narrow

    def _below(self, key: str, value: Any) -> Any:  # noqa: ANN401 - the JSON boundary
        if key in _NAMED_SCHEMAS and isinstance(value, dict):
            return {name: self._any(item) for name, item in value.items()}
        if key in _SCHEMAS:
            return [self._any(item) for item in value] if isinstance(value, list) else self._any(value)
        return value

    def _any(self, schema: Any) -> Any:  # noqa: ANN401 - a schema may be `true` or `false`
        return self.schema(schema) if isinstance(schema, dict) else schema


def _unknown_format(key: str, value: object) -> bool:
    return key == "format" and isinstance(value, str) and value not in _FORMATS
