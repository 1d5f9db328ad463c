"""Writes a JSON Schema without references: what Ollama reads of a tool's schema has no `$ref`."""

from __future__ import annotations

from typing import Any

# https://github.com/ollama/ollama/blob/main/api/types.go: ToolProperty keeps anyOf, type, items, description, enum,
# properties and required; a property that only refers to a definition would reach the model without any of them.
_DEFINITIONS = ("$defs", "definitions")


def without_references(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema with each reference to a part of it written out; one that leads back into itself allows all."""
    written: dict[str, Any] = _written(schema, schema, ())
    return written


def _written(node: Any, root: dict[str, Any], followed: tuple[str, ...]) -> Any:  # noqa: ANN401 - the JSON boundary
    if isinstance(node, list):
        return [_written(item, root, followed) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    # Elsewhere than at the top it may be a property that has one of these names.
    unwanted = ("$ref", *_DEFINITIONS) if node is root else ("$ref",)
    rest = {key: value for key, value in node.items() if key not in unwanted}
    if not isinstance(reference, str):
        kept = {"$ref": reference} if reference is not None else {}  # a property of this name
        return {key: _written(value, root, followed) for key, value in {**rest, **kept}.items()}
    if reference in followed:
        return rest
    target = _written(_at(root, reference), root, (*followed, reference))
    return {**target, **_written(rest, root, followed)} if isinstance(target, dict) else rest


def _at(root: dict[str, Any], reference: str) -> Any:  # noqa: ANN401 - the JSON boundary
    """What a pointer into the schema points to; `None` where there is nothing."""
    node: Any = root
    for step in reference.lstrip("#").split("/")[1:]:
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node
