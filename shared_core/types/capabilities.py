"""What models can do, and what places list of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one model at one place can do. A flag says yes, no, or `None`: unknown, so ask and let the place refuse.

    `json_schema_with_tools` says that a response format and tools may stand in one request, `prefill` that the
    beginning of an answer (`Message.prefix`) is continued. Windows and outputs are in tokens.
    """

    tools: bool | None = None
    tool_choice: bool | None = None
    json_object: bool | None = None
    json_schema: bool | None = None
    json_schema_with_tools: bool | None = None
    images: bool | None = None
    image_urls: bool | None = None
    audio: bool | None = None
    reasoning: bool | None = None
    prefill: bool | None = None
    context_window: int | None = None
    max_output: int | None = None


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a place's own list: windows in tokens, prices in USD per million tokens, `None` if not listed.

    `capabilities` has the flags that the place tells, `kind` what sort of model it is ("other": speech, images,
    ranking, ...), `active` whether it can be called now, `retired` the day on which that ends.
    """

    id: str
    context_window: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    kind: Literal["chat", "embedding", "other"] | None = None
    dimensions: int | None = None
    owned_by: str | None = None
    active: bool | None = None
    retired: date | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)
