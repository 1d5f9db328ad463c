"""Says which class of error a status and its words stand for."""

from __future__ import annotations

import re

from shared_core.errors import (
    AuthenticationError,
    BackendError,
    BillingError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    RateLimitError,
    ToolCallRefusedError,
    UnsupportedError,
    error_class,
)

# Throttles speak of tokens too, so they are looked for before overflow.
_THROTTLED = re.compile(
    r"too many tokens, please wait|(?:tokens|requests) per (?:minute|day|hour|second)|rate.?limit|too many requests"
    r"|queue_exceeded|quota_exceeded|queue_full",
    re.IGNORECASE,
)
_OVERFLOW = re.compile(
    r"context_length_exceeded|maximum context length (?:is|of) \d+|context length is only \d+ tokens"
    r"|longer than the model'?s context length|longer than the maximum model length"
    r"|(?:`inputs` tokens \+ `max_new_tokens`|`inputs`) must (?:be <=|have less than) \d+"
    r"|prompt is too long|prompt is longer than the context length|input length exceeds the context length"
    r"|exceed(?:s|ed)? max(?:imum)? context length|exceeds? the (?:available|max(?:imum)?) context (?:size|length)"
    r"|exceed_context_size_error|larger than the max context size|exceed context window"
    r"|reduce the length of the (?:messages|input|prompt)|current length is \d+ while limit is \d+"
    r"|input is too long for requested model|model_context_window_exceeded|contextwindowexceedederror"
    r"|tokens to keep from the initial prompt is greater than the context length"
    r"|trying to keep the first \d+ tokens when context|input (?:\(\d+ tokens\) )?is too large to process",
    re.IGNORECASE,
)
_REFUSED_CALL = re.compile(r"tool_use_failed")
_BILLING = re.compile(
    r"billing|payment required|blocked_api_access|insufficient (?:credits|balance|funds)|budget.?exceeded",
    re.IGNORECASE,
)
_OVER_BUDGET = re.compile(r"budget.?exceeded", re.IGNORECASE)
# LiteLLM without a database knows no key but its master's, and says so.
_BAD_KEY = re.compile(
    r"(?:invalid|incorrect|wrong).{0,8}api.?key|invalid_authentication|unauthorized|no_db_connection", re.IGNORECASE
)
_NO_MODEL = re.compile(
    r"model_not_found|model_not_available|model .{1,200}(?:does not exist|not found)"
    r"|invalid model name passed in model=|passed in model=.{1,200}no healthy deployments",
    re.IGNORECASE,
)

# What a server was started without, or what the place behind a gateway has no form for.
_UNSUPPORTED = re.compile(
    r"requires --enable-auto-tool-choice|requires --jinja|image input is not supported|is not a multimodal model"
    r"|unsupportedparamserror|not_supported_error|must be created with embedding=true",
    re.IGNORECASE,
)
# llama-cpp-python's server tells of the caller's mistakes as its own.
_INVALID = re.compile(r"^\d+ validation errors?:")

# (class, what its message or code says), the first that fits wins; only for statuses that leave the matter open.
_MEANINGS: tuple[tuple[re.Pattern[str], type[BackendError]], ...] = (
    (_REFUSED_CALL, ToolCallRefusedError),
    (_THROTTLED, RateLimitError),
    (_OVERFLOW, ContextLengthError),
    (_UNSUPPORTED, UnsupportedError),
    (_INVALID, InvalidRequestError),
    (_BILLING, BillingError),
    (_BAD_KEY, AuthenticationError),
    (_NO_MODEL, ModelNotFoundError),
)
_ANY = frozenset({200, 400, 413, 422, 500})
"""Statuses that leave the matter open."""

# A forbidden request may be one that is too long (Together), or not paid for; LiteLLM may say 429 for its budgets.
_OTHERS: dict[int, tuple[tuple[re.Pattern[str], type[BackendError]], ...]] = {
    403: ((_OVERFLOW, ContextLengthError), (_BILLING, BillingError)),
    429: ((_OVER_BUDGET, BillingError),),
}


def classify(status: int, text: str) -> type[BackendError]:
    """The class for an HTTP status and the words that came with it, message, code and type."""
    meanings = _MEANINGS if status in _ANY else _OTHERS.get(status, ())
    return next((kind for pattern, kind in meanings if pattern.search(text)), error_class(status))
