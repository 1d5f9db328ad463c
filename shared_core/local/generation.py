"""One answer being generated: is shown logits, chooses tokens, gives events. Knows no context and no thread."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared_core.errors import ContextLengthError, InvalidRequestError
from shared_core.local.answer import Answer
from shared_core.local.answer_parser import THINK_BEGIN, AnswerParser
from shared_core.local.context import Logits
from shared_core.local.gbnf import GbnfConstraint
from shared_core.local.grammar import Constraint
from shared_core.local.logprobs import token_logprob
from shared_core.local.plan import Plan, plan_answer
from shared_core.local.sampling import Sampler, check_sampling, draw_seed, read_extra
from shared_core.local.stops import StopFilter
from shared_core.local.tool_syntax import ToolSyntax
from shared_core.types import ChatRequest, Event, Finish, FinishReason, Timings, TokenLogprob, Usage

if TYPE_CHECKING:
    from shared_core.local.model import Model


@dataclass(frozen=True)
class Prompt:
    """What the model reads. `thinking` says that its reasoning has been begun for it."""

    tokens: list[int]
    thinking: bool
    syntax: ToolSyntax
    plan: Plan


def read_prompt(model: Model, request: ChatRequest, template: str | None) -> Prompt:
    """The prompt that `request` becomes. Raises `InvalidRequestError` or `UnsupportedError`."""
    chat_format = model.chat_format(template)
    plan = plan_answer(request, chat_format.syntax)
    text = chat_format.prompt(request, plan.tools, _template_values(request))
    thinking = text.rstrip().endswith(THINK_BEGIN)
    return Prompt(model.vocabulary.prompt_tokens(text), thinking, chat_format.syntax, plan)


class Generation:
    """The answer of `model` to `request`.

    Decode `prompt`, `take` the logits, decode `token`, take again, until there is a `reason` to finish; then `close`,
    however it came. Raises what is wrong with the request before anything is decoded.
    """

    def __init__(self, model: Model, request: ChatRequest, template: str | None) -> None:
        self._model = model
        self._request = request
        self._seed = draw_seed(request)
        prompt = read_prompt(model, request, template)
        self.prompt = prompt.tokens
        self._room = _room(model, request, len(self.prompt))
        self._single = prompt.plan.single
        self._parser = AnswerParser(
            prompt.syntax if prompt.plan.tools else None,
            thinking=prompt.thinking,
            new_id=_call_ids(self._seed, self.prompt),
        )
        self._answer = Answer(self._parser, StopFilter(_stops(request)))
        check_sampling(request, model.vocabulary.size)
        self._constraint = _constraint(model, prompt.plan)
        self._sampler = Sampler(model.llama, model.vocabulary.size, request, self._seed, model.options.window)
        self._output = 0
        self.token = -1
        self.reason: FinishReason | None = None

    def take(self, logits: Logits) -> list[Event]:
        """Choose the next `token` by `logits`, which are changed; gives the events that are certain now."""
        before = logits.copy() if self._wants_logprobs else logits
        self.token = self._choose(logits)
        self._output += 1
        if self._model.vocabulary.ends(self.token):
            self.reason = "stop"
            return self._answer.close()
        events = self._answer.add(self._model.vocabulary.piece(self.token), self._logprob(before))
        self.reason = self._reason_to_finish()
        return events + (self._answer.close() if self.reason else [])

    def _choose(self, logits: Logits) -> int:
        # A model thinks freely; the grammar is for what it says.
        constraint = None if self._parser.in_reasoning else self._constraint
        token = self._sampler.pick(logits)
        if constraint and not constraint.allows(token):
            constraint.mask(logits)
            token = self._sampler.pick(logits)
        self._sampler.accept(token)
        if constraint:
            constraint.accept(token)
        return token

    def _reason_to_finish(self) -> FinishReason | None:
        if self._answer.stopped or (self._constraint and self._constraint.finished):
            return "stop"
        if self._single and self._answer.calls:
            return "stop"
        return "length" if self._output >= self._room else None

    @property
    def _wants_logprobs(self) -> bool:
        return self._request.logprobs or self._request.top_logprobs is not None

    def _logprob(self, logits: Logits) -> TokenLogprob | None:
        if not self._wants_logprobs:
            return None
        return token_logprob(self._model.vocabulary, logits, self.token, self._request.top_logprobs or 0)

    def finish(self, timings: Timings) -> Finish:
        """The last event, once there is a `reason`."""
        called = self.reason == "stop" and self._answer.calls and not self._answer.stopped
        return Finish(
            reason="tool_calls" if called else self.reason or "unknown",
            usage=Usage(input=len(self.prompt), output=self._output, cached=0, reasoning=self._answer.reasoning_tokens),
            model=self._model.options.path.stem,
            backend="llama_cpp",
            timings=timings,
            metadata={"seed": self._seed},
        )

    def close(self) -> None:
        """Give llama.cpp's memory back."""
        self._sampler.close()
        if self._constraint:
            self._constraint.close()


def _template_values(request: ChatRequest) -> dict[str, object]:
    effort = request.reasoning_effort
    known = {} if effort is None else {"reasoning_effort": effort, "enable_thinking": effort != "none"}
    return known | read_extra(request).chat_template_kwargs


def _room(model: Model, request: ChatRequest, prompt_tokens: int) -> int:
    window = model.options.window
    if prompt_tokens >= window:
        raise ContextLengthError(
            f"the prompt has {prompt_tokens} tokens, the context window of {model.options.path.name} {window}: "
            "no room for an answer. Shorten it, or load the model with a larger n_ctx",
            prompt_tokens=prompt_tokens,
            context_window=window,
        )
    return min(request.max_tokens or window, window - prompt_tokens)


def _stops(request: ChatRequest) -> tuple[str, ...]:
    if not all(request.stop):
        raise InvalidRequestError("a stop string is empty")
    return request.stop


def _call_ids(seed: int, prompt: list[int]) -> Callable[[], str]:
    """Ids that repeat with the same seed and prompt, and do not within one conversation."""
    draw = random.Random(f"{seed}:{prompt}")  # noqa: S311 - names, not secrets
    return lambda: f"call_{draw.getrandbits(96):024x}"


def _constraint(model: Model, plan: Plan) -> Constraint | None:
    if plan.lark is not None:
        return model.schema_compiler.compile(plan.lark)
    return None if plan.gbnf is None else GbnfConstraint(model.llama, model.vocabulary, plan.gbnf)
