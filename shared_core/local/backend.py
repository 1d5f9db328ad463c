"""llama.cpp in this process, as a backend."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, TypeVar

from shared_core.backends.base import AsyncStream, Stream
from shared_core.errors import ConfigurationError
from shared_core.folding import Fold, fold
from shared_core.local.engine import Job, Task
from shared_core.local.files import find_model
from shared_core.local.library import require_packages
from shared_core.local.loaded import LOADED
from shared_core.local.options import LoadOptions, Pooling, load_options
from shared_core.local.reply import AsyncReply, Reply
from shared_core.local.tool_syntax import LLAMA3, detect_syntax
from shared_core.models import Price
from shared_core.models.prefixes import Prefixes, check_prefixes, prefixed
from shared_core.types import (
    Capabilities,
    ChatRequest,
    ChatResponse,
    EmbedRequest,
    EmbedResponse,
    Event,
)

if TYPE_CHECKING:
    from shared_core.local.cancellation import Cancellation
    from shared_core.local.engine import Work
    from shared_core.local.model import Model

T = TypeVar("T")

DEFAULT_TEMPERATURE = 0.7
DEFAULT_KEEP_ALIVE = 300.0
DEFAULT_LOAD_TIMEOUT = 300.0


def connect_local(  # noqa: PLR0913 - settings, each of its own
    model: str | None = None,
    *,
    model_dir: str | os.PathLike[str] | None = None,
    n_ctx: int | None = None,
    n_gpu_layers: int | None = None,
    n_threads: int | None = None,
    pooling: Pooling | None = None,
    keep_alive: float | None = DEFAULT_KEEP_ALIVE,
    timeout: float | None = None,
    load_timeout: float = DEFAULT_LOAD_TIMEOUT,
    temperature: float = DEFAULT_TEMPERATURE,
    max_tokens: int | None = None,
    chat_template: str | None = None,
    prefixes: Prefixes = None,
    **unknown: object,
) -> LocalBackend:
    """The model in the file `model`, run in this process; loaded on first use, and shared.

    `model` is an absolute path, or a name in `model_dir` (else LLAMA_CPP_MODEL_DIR, else ~/llama_models), ".gguf"
    optional; without it, the bundled demo model. `n_ctx` (else LLAMA_CPP_N_CTX) is the context window, by default
    the one of the training, at most 8192 tokens; `n_gpu_layers` (else LLAMA_CPP_N_GPU_LAYERS, else 0) goes to the
    GPU, -1 is all; `n_threads` (else LLAMA_CPP_N_THREADS) is by default the number of physical cores. `pooling`
    goes before the model's own. The model is unloaded after `keep_alive` idle seconds: 0 is at once, `None` or
    infinity never.
    A call may take `timeout` seconds, waiting for its turn included, and loading `load_timeout` besides.
    `temperature` and `max_tokens` hold where a request has none; `chat_template`, Jinja or "chatml", goes before
    the model's own. `prefixes` are put before texts to embed: a pair, for queries and for documents, or "auto".

    Raises `ModelFileError`, `ConfigurationError` and `MissingDependencyError`.
    """
    if unknown:
        raise ConfigurationError(_unknown_options(unknown))
    _check_at_least(0, keep_alive=keep_alive, timeout=timeout, load_timeout=load_timeout, temperature=temperature)
    _check_at_least(1, max_tokens=max_tokens)
    check_prefixes(prefixes)
    require_packages()
    return LocalBackend(
        options=load_options(find_model(model, model_dir), n_ctx, n_gpu_layers, n_threads, pooling),
        model_dir=model_dir,
        keep_alive=None if keep_alive == math.inf else keep_alive,
        timeout=timeout,
        load_timeout=load_timeout,
        temperature=temperature,
        max_tokens=max_tokens,
        chat_template=chat_template,
        prefixes=prefixes,
    )


def _unknown_options(unknown: Mapping[str, object]) -> str:
    known = [name for name, option in signature(connect_local).parameters.items() if option.kind is option.KEYWORD_ONLY]
    return f"llama_cpp takes no option named {', '.join(sorted(unknown))}. It takes: {', '.join(known)}"


def _check_at_least(least: int, **options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not value >= least:
            raise ConfigurationError(f"{name} must be at least {least}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class LocalBackend:
    """One GGUF model in this process. Made by `connect_local`; describes the model, and does not hold it.

    Calls of all threads and tasks on the same model are answered one after another, in order.
    """

    options: LoadOptions
    model_dir: str | os.PathLike[str] | None = None
    keep_alive: float | None = DEFAULT_KEEP_ALIVE
    timeout: float | None = None
    load_timeout: float = DEFAULT_LOAD_TIMEOUT
    temperature: float = DEFAULT_TEMPERATURE
    max_tokens: int | None = None
    chat_template: str | None = None
    prefixes: Prefixes = None

    @property
    def name(self) -> str:
        """The place: this process."""
        return "llama_cpp"

    @property
    def model(self) -> str:
        """The model file's name, without ".gguf"."""
        return self.options.path.stem

    @property
    def price(self) -> Price:
        """Nothing."""
        return Price(0.0, 0.0)

    @property
    def capabilities(self) -> Capabilities:
        """What the model file says it can do. Raises `ModelFileError`."""
        header = self.options.header
        chats = not header.embeds_only
        template = self.chat_template or header.chat_template or ""
        return Capabilities(
            tools=chats,
            tool_choice=chats,
            json_object=chats,
            json_schema=chats,
            # Llama 3 calls are bare JSON: nothing tells one from an answer in JSON.
            json_schema_with_tools=chats and detect_syntax(template) is not LLAMA3,
            images=False,
            image_urls=False,
            audio=False,
            reasoning=chats and ("<think>" in template or "reasoning_content" in template),
            prefill=chats,
            context_window=self.options.window,
        )

    def with_model(self, model: str) -> LocalBackend:
        """The same settings with another model file."""
        return replace(self, options=replace(self.options, path=find_model(model, self.model_dir)))

    def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole."""
        return fold(self.stream(request))

    def stream(self, request: ChatRequest) -> Stream:
        """Answer, as it comes."""
        return self._results(self._chat_work(request), request.timeout)

    async def achat(self, request: ChatRequest) -> ChatResponse:
        """Answer, whole, without blocking the event loop."""
        whole = Fold()
        async with aclosing(self.astream(request)) as events:
            async for event in events:
                whole.add(event)
        return whole.response()

    def astream(self, request: ChatRequest) -> AsyncStream:
        """Answer, as it comes, without blocking the event loop."""
        return self._aresults(self._chat_work(request), request.timeout)

    def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors of length 1 in the order of the texts, pooled as the model wants it."""
        (response,) = self._results(self._embed_work(request), request.timeout)
        return response

    async def aembed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors of length 1 in the order of the texts, without blocking the event loop."""
        async with aclosing(self._aresults(self._embed_work(request), request.timeout)) as responses:
            (response,) = [response async for response in responses]
        return response

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens not added. Waits for no other call, once the model is loaded."""
        return self._count(lambda model: len(model.vocabulary.tokenize(text)))

    def count_prompt_tokens(self, request: ChatRequest) -> int:
        """Tokens of the prompt that `request` becomes: its messages and tools in the model's chat template."""

        def count(model: Model) -> int:
            from shared_core.local.generation import read_prompt

            return len(read_prompt(model, request, self.chat_template).tokens)

        return self._count(count)

    def unload(self) -> None:
        """Give the model's memory back after the calls in progress, and wait for it; the next call loads it anew."""
        LOADED.unload(self.options)

    def _count(self, count: Callable[[Model], int]) -> int:
        with LOADED.borrow(self.options) as model:
            if model is not None:
                return count(model)
        (number,) = self._results(lambda model, _: iter([count(model)]), None)
        return number

    def _chat_work(self, request: ChatRequest) -> Work[Event]:
        request = request.model_copy(
            update={
                "temperature": self.temperature if request.temperature is None else request.temperature,
                "max_tokens": self.max_tokens if request.max_tokens is None else request.max_tokens,
            }
        )

        def work(model: Model, cancellation: Cancellation) -> Iterator[Event]:
            from shared_core.local.serial import answer

            return answer(model, request, self.chat_template, cancellation)

        return work

    def _embed_work(self, request: EmbedRequest) -> Work[EmbedResponse]:
        texts = prefixed(request.texts, request.kind, self.prefixes, self.model)
        request = request.model_copy(update={"texts": texts})

        def work(model: Model, cancellation: Cancellation) -> Iterator[EmbedResponse]:
            from shared_core.local.embeddings import embed

            yield embed(model, request, cancellation)

        return work

    def _results(self, work: Work[T], seconds: float | None) -> Generator[T, None, None]:
        reply: Reply[T] = Reply(seconds or self.timeout)
        self._submit(Job(work, reply))
        yield from reply.results()

    async def _aresults(self, work: Work[T], seconds: float | None) -> AsyncGenerator[T, None]:
        reply: AsyncReply[T] = AsyncReply(seconds or self.timeout)
        self._submit(Job(work, reply))
        async with aclosing(reply.results()) as results:
            async for result in results:
                yield result

    def _submit(self, task: Task) -> None:
        LOADED.submit(self.options, task, keep_alive=self.keep_alive, load_timeout=self.load_timeout)
