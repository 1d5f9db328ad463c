"""Asks for JSON of a schema, where tools exclude a format, as one more tool whose arguments are the answer."""

from __future__ import annotations

from shared_core.errors import UnsupportedError
from shared_core.types import ChatRequest, JsonObject, JsonSchema, Tool

FINAL_TOOL = "multillm_final_answer"
"""A call of this name is no call: its arguments are the text of the answer."""

_DESCRIPTION = "Give the final answer to the user. Call this once, when no other tool is needed any more."


def with_final_tool(request: ChatRequest) -> ChatRequest:
    """The request with tools or a format, not both.

    Who may call no tools needs none, and who must call one of the caller's answers in no format yet.
    """
    wanted = request.response_format
    if not request.tools or not isinstance(wanted, JsonSchema | JsonObject):
        return request
    if request.tool_choice == "none":
        return request.model_copy(update={"tools": (), "tool_choice": None})
    if request.tool_choice not in (None, "auto"):
        return request.model_copy(update={"response_format": None})
    final = Tool(name=FINAL_TOOL, description=_DESCRIPTION, parameters=_parameters(wanted))
    return request.model_copy(
        update={"response_format": None, "tools": (*request.tools, final), "tool_choice": "required"}
    )


def _parameters(wanted: JsonSchema | JsonObject) -> dict[str, object]:
    if isinstance(wanted, JsonObject):
        return {"type": "object", "properties": {}, "additionalProperties": True}
    if wanted.schema.get("type") != "object":
        raise UnsupportedError(
            "beside tools this place takes a schema only if its type is object: wrap it in one, or leave out the tools"
        )
    return wanted.schema
