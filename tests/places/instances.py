"""Makes values that a JSON Schema accepts, out of the words of a prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where values come from: the prompt, and the schema with its definitions; `open` are references being followed."""

    prompt: str
    root: Json
    open: frozenset[str] = frozenset()

    def follow(self, reference: str) -> tuple[Json, Source]:
        node: Any = self.root
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        return node, replace(self, open=self.open | {reference})


def instance(schema: Json, prompt: str) -> Any:
    """A value that the schema accepts, with numbers, quotations and names out of the prompt."""
    return _value(schema, "value", Source(prompt, schema))


def _value(schema: Json, name: str, source: Source) -> Any:
    if "$ref" in schema:
        node, source = source.follow(schema["$ref"])
        return _value(node, name, source)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        prompt = source.prompt.lower()
        return next((value for value in schema["enum"] if str(value).lower() in prompt), schema["enum"][0])
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return _value(next(choice for choice in choices if choice.get("$ref") not in source.open), name, source)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _of_type(kind if isinstance(kind, str) else kind[0], schema, name, source)


def _of_type(kind: str, schema: Json, name: str, source: Source) -> Any:
    match kind:
        case "object":
            return {key: _value(field_, key, source) for key, field_ in schema.get("properties", {}).items()}
        case "array":
            items = schema.get("items", {})
            return [] if items.get("$ref") in source.open else [_value(items, name, source)]
        case "integer" | "number":
            return int(match[1]) if (match := re.search(r"(-?\d+)", source.prompt)) else 1
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(source.prompt, name)


def _string(prompt: str, name: str) -> str:
    if quoted := re.search(r"'([^']+)'", prompt):
        return quoted[1]
    named = re.findall(r"\b[A-Z]\w+(?:,? [A-Z]\w*)*", prompt)
    return str(named[-1]) if named else f"some {name}"
