"""Chooses the next token: penalties, truncation, temperature, then a draw."""

from __future__ import annotations

import math
import secrets
from types import ModuleType

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared_core.errors import InvalidRequestError, ServerError
from shared_core.local.candidates import Candidates
from shared_core.local.context import Logits
from shared_core.types import ChatRequest

# llama.cpp's own defaults.
DEFAULT_TOP_K, DEFAULT_TOP_P, DEFAULT_MIN_P = 40, 0.95, 0.05
_UNTYPICAL = 1.0
# llama.cpp takes seeds of 32 bits, and the largest as the wish for a random one.
_SEEDS = 2**32 - 1


class SamplingExtra(BaseModel):
    """What `ChatRequest.extra` may carry for llama.cpp, beside the request's own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repeat_last_n: int | None = Field(default=None, ge=0, description="tokens the penalties look back on; all")
    typical_p: float | None = Field(default=None, ge=0, le=1)
    logit_bias: dict[int, float] = Field(default_factory=dict, description="token id to what is added to its logit")
    chat_template_kwargs: dict[str, object] = Field(default_factory=dict, description="variables of the chat template")


def read_extra(request: ChatRequest) -> SamplingExtra:
    """`request.extra`, checked. Raises `InvalidRequestError`, which names the key."""
    try:
        return SamplingExtra.model_validate(request.extra)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        known = ", ".join(SamplingExtra.model_fields)
        raise InvalidRequestError(f"llama_cpp cannot use `extra`: {problems}. It takes {known}") from None


def draw_seed(request: ChatRequest) -> int:
    """The request's seed as llama.cpp takes it, or a new one."""
    return secrets.randbelow(_SEEDS) if request.seed is None else request.seed % _SEEDS


def check_sampling(request: ChatRequest, size: int) -> None:
    """Refuse numbers over which llama.cpp would end the process. Raises `InvalidRequestError`."""
    penalties = {
        name: getattr(request, name) for name in ("repetition_penalty", "frequency_penalty", "presence_penalty")
    }
    wrong = [name for name, value in penalties.items() if value is not None and not math.isfinite(value)]
    if request.repetition_penalty is not None and request.repetition_penalty <= 0:
        wrong.append("repetition_penalty")
    if wrong:
        raise InvalidRequestError(f"{', '.join(wrong)} must be finite, and repetition_penalty positive")
    strangers = [token for token in read_extra(request).logit_bias if not 0 <= token < size]
    if strangers:
        raise InvalidRequestError(f"logit_bias names tokens {strangers}; the model has 0 to {size - 1}")


class Sampler:
    """llama.cpp's sampler chain for one answer to a checked request, which has a temperature.

    Penalties count what was generated, not the prompt.
    """

    def __init__(self, llama: ModuleType, size: int, request: ChatRequest, seed: int, window: int) -> None:
        self._llama = llama
        self._candidates = Candidates(llama, size)
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for sampler in [*self._shaping(size, request, window), *self._drawing(request, seed)]:
            llama.llama_sampler_chain_add(self._chain, sampler)

    def _shaping(self, size: int, request: ChatRequest, window: int) -> list[int]:
        llama, extra = self._llama, read_extra(request)
        bias = (llama.llama_logit_bias * len(extra.logit_bias))(*extra.logit_bias.items())
        return [
            llama.llama_sampler_init_logit_bias(size, len(bias), bias),
            llama.llama_sampler_init_penalties(
                size,
                window if extra.repeat_last_n is None else min(extra.repeat_last_n, window),
                1.0 if request.repetition_penalty is None else request.repetition_penalty,
                request.frequency_penalty or 0.0,
                request.presence_penalty or 0.0,
            ),
        ]

    def _drawing(self, request: ChatRequest, seed: int) -> list[int]:
        llama = self._llama
        if not request.temperature:
            return [llama.llama_sampler_init_greedy()]
        typical = read_extra(request).typical_p
        return [
            llama.llama_sampler_init_top_k(DEFAULT_TOP_K if request.top_k is None else request.top_k),
            llama.llama_sampler_init_typical(_UNTYPICAL if typical is None else typical, 1),
            llama.llama_sampler_init_top_p(DEFAULT_TOP_P if request.top_p is None else request.top_p, 1),
            llama.llama_sampler_init_min_p(DEFAULT_MIN_P if request.min_p is None else request.min_p, 1),
            llama.llama_sampler_init_temp(request.temperature),
            llama.llama_sampler_init_dist(seed),
        ]

    def pick(self, logits: Logits) -> int:
        """A token. Raises `ServerError` if none is possible, as with damaged weights."""
        if not np.isfinite(logits.max()):
            raise ServerError("the model gives no probabilities for the next token: its weights are damaged")
        self._candidates.fill(logits)
        self._candidates.apply(self._chain)
        return self._candidates.selected

    def accept(self, token: int) -> None:
        """Count `token` as generated."""
        self._llama.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Give the memory back."""
        self._llama.llama_sampler_free(self._chain)
