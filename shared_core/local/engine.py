"""The one thread that loads a model, works with it, task after task, and unloads it."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from shared_core.errors import BackendError, StreamInterruptedError
from shared_core.local.cancellation import Cancellation, Cancelled
from shared_core.local.options import LoadOptions
from shared_core.local.reply import AsyncReply, Done, Failure, Ready, Reply

if TYPE_CHECKING:
    from shared_core.local.model import Model

T = TypeVar("T")
Work: TypeAlias = "Callable[[Model, Cancellation], Iterator[T]]"


class Task(Protocol):
    """Something to do with a model, for somebody who waits."""

    def run(self, model: Model) -> None:
        """Do it. Never raises."""
        ...

    def announce(self) -> None:
        """Tell that the model is loaded."""
        ...

    def fail(self, error: Exception) -> None:
        """Tell that it cannot be done."""
        ...

    def cancel(self) -> None:
        """Have it stop as soon as it can."""
        ...


@dataclass(frozen=True)
class Job(Generic[T]):
    """Work to do with a model, and where its results go."""

    work: Work[T]
    reply: Reply[T] | AsyncReply[T]

    def run(self, model: Model) -> None:
        """Do the work, unless nobody wants it any more. Never raises."""
        try:
            self.reply.cancellation.check()
            for result in self.work(model, self.reply.cancellation):
                self.reply.put(result)
        except Exception as error:  # noqa: BLE001 - it is the caller's, in another thread
            self.fail(_signed(error, model))
        else:
            self.reply.put(Done())

    def announce(self) -> None:
        """Start the caller's timeout."""
        self.reply.put(Ready())

    def fail(self, error: Exception) -> None:
        """Hand over `error` instead of results."""
        if isinstance(error, Cancelled):
            error = StreamInterruptedError("the work was stopped before its end", backend="llama_cpp")
        self.reply.put(Failure(error))

    def cancel(self) -> None:
        """Stop the work within a token."""
        self.reply.cancellation.cancel()


def _signed(error: Exception, model: Model) -> Exception:
    if isinstance(error, BackendError):
        error.backend, error.model = "llama_cpp", model.options.path.stem
    return error


class Engine:
    """A model on its thread, loaded for its first `task`.

    It retires after `keep_alive` idle seconds, or when told to, and is never used again. `predecessor` is the engine
    that had the same model before: its memory is given back first.
    """

    def __init__(
        self,
        options: LoadOptions,
        task: Task,
        *,
        keep_alive: float | None,
        load_timeout: float,
        predecessor: Engine | None = None,
    ) -> None:
        self._options = options
        self._load_timeout = load_timeout
        self._predecessor = predecessor
        self._changed = threading.Condition()
        self._tasks: deque[Task] = deque([task])
        self._current: Task | None = None
        self._loading = Cancellation()
        self._model: Model | None = None
        self._borrowers = 0
        self._keep_alive = keep_alive
        self._retired = False
        self._thread = threading.Thread(target=self._serve, name=f"llama.cpp {options.path.name}", daemon=True)
        self._thread.start()

    def submit(self, task: Task, keep_alive: float | None) -> bool:
        """Queue `task`, to be done in order; `False` if the engine has retired."""
        with self._changed:
            if self._retired:
                return False
            self._keep_alive = keep_alive
            self._tasks.append(task)
            if self._model is not None:
                task.announce()
            self._changed.notify_all()
            return True

    @contextmanager
    def borrow(self) -> Iterator[Model | None]:
        """The model, for what its thread need not do; `None` if it is not loaded."""
        with self._changed:
            model = None if self._retired else self._model
            self._borrowers += model is not None
        try:
            yield model
        finally:
            with self._changed:
                self._borrowers -= model is not None
                self._changed.notify_all()

    def retire(self) -> None:
        """Take no more tasks, and unload the model once those already taken are done."""
        with self._changed:
            self._retired = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Retire, and stop the tasks already taken."""
        if predecessor := self._predecessor:
            predecessor.abandon()
        self.retire()
        self._loading.cancel()
        with self._changed:
            for task in [*self._tasks, *([self._current] if self._current else [])]:
                task.cancel()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the memory is given back, after `retire` or `abandon`."""
        self._thread.join(timeout)

    # The rest runs on the engine's own thread.

    def _serve(self) -> None:
        if self._predecessor is not None:
            self._predecessor.join()
            self._predecessor = None
        try:
            from shared_core.local.model import Model  # numpy, jinja2 and llguidance take their time to import

            model = Model(self._options, self._load_timeout, self._loading)
        except Exception as error:  # noqa: BLE001 - it belongs to the callers
            self._refuse(error)
        else:
            self._work(model)

    def _refuse(self, error: Exception) -> None:
        self.retire()
        for task in self._tasks:
            task.fail(copy.copy(error))  # an exception raised in several threads would mix their tracebacks

    def _work(self, model: Model) -> None:
        with self._changed:
            self._model = model
            for waiting in self._tasks:
                waiting.announce()
        while (task := self._next_task()) is not None:
            task.run(model)
        model.close()

    def _next_task(self) -> Task | None:
        """Wait for the next task, at most for `keep_alive`; `None` when it is time to unload."""
        with self._changed:
            self._current = None
            self._changed.wait_for(lambda: self._tasks or self._retired, timeout=self._keep_alive)
            if self._tasks:
                self._current = self._tasks.popleft()
                return self._current
            self._retired, self._model = True, None
            self._changed.wait_for(lambda: not self._borrowers)
            return None
