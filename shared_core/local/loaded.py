"""The models loaded in this process, each shared by all who ask for the same file and options."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared_core.local.engine import Engine, Task
from shared_core.local.options import LoadOptions

if TYPE_CHECKING:
    from shared_core.local.model import Model

# A decode that does not stop in this time, in seconds, is left to the end of the process.
_LONGEST_FAREWELL = 10.0


class LoadedModels:
    """Engines by what they were loaded with."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: dict[LoadOptions, Engine] = {}

    def submit(self, options: LoadOptions, task: Task, *, keep_alive: float | None, load_timeout: float) -> None:
        """Queue `task` for the model of `options`, which is loaded if it is not."""
        with self._lock:
            engine = self._engines.get(options)
            if engine is None or not engine.submit(task, keep_alive):
                self._engines[options] = Engine(
                    options, task, keep_alive=keep_alive, load_timeout=load_timeout, predecessor=engine
                )

    @contextmanager
    def borrow(self, options: LoadOptions) -> Iterator[Model | None]:
        """The model of `options` for the use of its vocabulary only, `None` if it is not loaded."""
        with self._lock:
            engine = self._engines.get(options)
        if engine is None:
            yield None
            return
        with engine.borrow() as model:
            yield model

    def unload(self, options: LoadOptions) -> None:
        """Unload the model of `options` after the calls in progress, and wait for it."""
        with self._lock:
            engine = self._engines.get(options)
        if engine is not None:
            engine.retire()
            engine.join()

    def close(self) -> None:
        """Stop everything, so that no thread is inside llama.cpp when the interpreter goes away."""
        with self._lock:
            engines = list(self._engines.values())
        for engine in engines:
            engine.abandon()
        for engine in engines:
            engine.join(_LONGEST_FAREWELL)

    def forget(self) -> None:
        """Begin anew in a forked process: the threads stayed with the parent, and so did what they hold."""
        self.__init__()  # type: ignore[misc]


LOADED = LoadedModels()
atexit.register(LOADED.close)
getattr(os, "register_at_fork", dict)(after_in_child=LOADED.forget)  # systems without fork need nothing
