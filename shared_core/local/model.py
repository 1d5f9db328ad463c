"""A loaded model: its weights, its vocabulary, and the contexts made of them. Belongs to one thread."""

from __future__ import annotations

import time
from functools import cached_property
from types import ModuleType

from shared_core.errors import BackendTimeoutError, ModelFileError, UnsupportedError
from shared_core.local.cancellation import Cancellation
from shared_core.local.chat_format import ChatFormat
from shared_core.local.context import ChatContext
from shared_core.local.embeddings import EmbeddingContext
from shared_core.local.grammar import SchemaCompiler
from shared_core.local.library import library, recorded_problems
from shared_core.local.options import LoadOptions
from shared_core.local.vocabulary import Vocabulary


class Model:
    """The model that `options` describe. Only its vocabulary may be used by other threads than its own.

    Raises `ModelFileError`, `BackendTimeoutError` after `load_timeout` seconds, or `Cancelled`.
    """

    def __init__(self, options: LoadOptions, load_timeout: float, cancellation: Cancellation) -> None:
        self.options = options
        self._llama = library()
        self._model = _load(self._llama, options, load_timeout, cancellation)
        self.vocabulary = Vocabulary(self._llama, self._model)
        self._embedding: EmbeddingContext | None = None
        self._formats: dict[str | None, ChatFormat] = {}

    @property
    def llama(self) -> ModuleType:
        """llama.cpp's functions."""
        return self._llama

    @cached_property
    def chat_context(self) -> ChatContext:
        """Where chats are decoded. Raises `UnsupportedError` if the model writes no text token by token."""
        if self.options.header.embeds_only or self._other_kind():
            raise UnsupportedError(
                f"the model {self.options.path.name} ({self.options.header.architecture}) cannot chat: it is not a "
                "text generation model. Use it for embeddings, or name a chat model"
            )
        return ChatContext(self._llama, self._model, self.options, self.vocabulary.size)

    def _other_kind(self) -> bool:
        encodes = self._llama.llama_model_has_encoder(self._model)
        return bool(encodes or self._llama.llama_model_is_diffusion(self._model))

    def chat_format(self, template: str | None) -> ChatFormat:
        """How this model is prompted and answers, by `template` or by its own chat template."""
        if template not in self._formats:
            source = template or self.options.header.chat_template
            self._formats[template] = ChatFormat(source, self.vocabulary, self.options.path.name)
        return self._formats[template]

    @cached_property
    def schema_compiler(self) -> SchemaCompiler:
        """Turns JSON schemas into constraints on this model's tokens."""
        return SchemaCompiler(self.vocabulary)

    def embedding_context(self, longest: int) -> EmbeddingContext:
        """Where texts of up to `longest` tokens are embedded; made anew when a longer one comes."""
        if self._embedding is not None and self._embedding.room < longest:
            self._embedding.close()
            self._embedding = None
        if self._embedding is None:
            self._embedding = EmbeddingContext(self._llama, self._model, self.options, longest)
        return self._embedding

    def close(self) -> None:
        """Give the memory back. The model must not be used afterwards."""
        if "chat_context" in self.__dict__:
            self.chat_context.close()
        if self._embedding is not None:
            self._embedding.close()
        self._llama.llama_model_free(self._model)


def _load(llama: ModuleType, options: LoadOptions, load_timeout: float, cancellation: Cancellation) -> int:
    problems = recorded_problems()
    problems.clear()
    _ = options.header  # llama.cpp may end the process over a damaged file: look at it first
    deadline = time.monotonic() + load_timeout

    def on_progress(_part: float, _user_data: object) -> bool:
        return time.monotonic() < deadline and not cancellation.requested

    callback = llama.llama_progress_callback(on_progress)
    parameters = llama.llama_model_default_params()
    parameters.n_gpu_layers = options.n_gpu_layers
    parameters.progress_callback = callback
    model = llama.llama_model_load_from_file(str(options.path).encode(), parameters)
    if model:
        return int(model)
    cancellation.check()
    if time.monotonic() >= deadline:
        raise BackendTimeoutError(
            f"loading {options.path} took more than load_timeout={load_timeout:g} s",
            backend="llama_cpp",
            model=options.path.stem,
        )
    raise ModelFileError(f"llama.cpp cannot load {options.path}: {'; '.join(problems) or 'it does not say why'}")
