"""What is known of a model at a place, in the words of LangChain's `ModelProfile`."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.language_models import ModelProfile

from shared_core import Capabilities


class ResolvedProfile(dict[str, Any]):
    """A profile that was looked up, not given by the user: it goes when the model changes."""


def profile_of(can: Capabilities) -> ModelProfile:
    """Translate capabilities; what is unknown is absent.

    `structured_output` says that a response format and tools may stand in one request, because an agent that reads
    it sends both.
    """
    known = {
        "max_input_tokens": can.context_window,
        "max_output_tokens": can.max_output,
        "tool_calling": can.tools,
        "tool_choice": can.tool_choice,
        "structured_output": can.json_schema_with_tools,
        "image_inputs": can.images,
        "image_url_inputs": can.image_urls,
        "audio_inputs": can.audio,
        "reasoning_output": can.reasoning,
        "text_inputs": True,
        "text_outputs": True,
    }
    return cast("ModelProfile", ResolvedProfile({key: value for key, value in known.items() if value is not None}))
