"""Finds out, as a server is used, below which path its API lies and under which id it has a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from shared_core.errors import BackendError, ModelNotFoundError
from shared_core.types import ListedModel
from shared_core.wire import Call

# FastAPI's answer for a path without a route; a missing model is told in other words.
_NO_SUCH_PATH = re.compile(r'\s*\{\s*"detail"\s*:\s*"(?:Not Found|Method Not Allowed)"\s*\}\s*')


class Surface:
    """What is known so far of one server whose versions differ; shared by all that use it.

    Llama Stack had its OpenAI API below /openai/v1 and bare model ids, and later neither.
    """

    __slots__ = ("ids", "root", "roots")

    def __init__(self, roots: tuple[str, ...]) -> None:
        self.roots = roots
        self.root = roots[0]
        self.ids: dict[str, str] = {}


class Way:
    """How one call gets there, and what it still tries when the server says that it went wrong."""

    __slots__ = ("_asked", "_has_asked", "_root", "_surface", "_tried", "asks")

    def __init__(self, surface: Surface, model: str = "") -> None:
        self._surface = surface
        self._asked = model
        # The list of models is asked for where the newer API lies: older servers have one there that tells providers.
        self._root = surface.root if model else surface.roots[0]
        self._tried = {self._root}
        self._has_asked = False
        self.asks: BackendError | None = None
        """The error on which the server's list of models is to be read before the next try."""

    @property
    def model(self) -> str:
        """The id to ask for."""
        return self._surface.ids.get(self._asked, self._asked)

    def locate(self, call: Call) -> Call:
        """The call, to where the API lies."""
        return replace(call, path=self._root + call.path) if self._root else call

    def mends(self, error: BackendError) -> bool:
        """Whether the same call may go through now, another way."""
        if len(self._surface.roots) == 1 or error.response is None:
            return False
        if _NO_SUCH_PATH.fullmatch(error.response.text):
            return self._moves()
        if not isinstance(error, ModelNotFoundError) or not self._asked or self._has_asked:
            return False
        self.asks, self._has_asked = error, True
        return True

    def _moves(self) -> bool:
        untried = [root for root in self._surface.roots if root not in self._tried]
        if not untried:
            return False
        self._root = untried[0]
        if self._asked:
            self._surface.root = self._root
        self._tried.add(self._root)
        return True

    @contextmanager
    def asking(self, because: BackendError) -> Iterator[None]:
        """Around the reading of the list: if that is of no help, the error that led to it is the one to tell."""
        self.asks = None
        try:
            yield
        except BackendError:
            raise because from None

    def learn(self, listed: Sequence[ListedModel]) -> None:
        """Take the one listed model that was meant, with or without its provider. Raises `ModelNotFoundError`."""
        provider, _, bare = self._asked.partition("/")
        with_it = {model.id for model in listed if model.id == bare and model.owned_by in (None, provider)}
        meant = with_it | {model.id for model in listed if model.id.partition("/")[2] == self._asked}
        if len(meant) != 1:
            raise ModelNotFoundError("no such model is listed")
        self._surface.ids[self._asked] = meant.pop()
