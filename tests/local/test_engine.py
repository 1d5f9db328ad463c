"""Loading, sharing, unloading; many callers at once; stopping in the middle."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from shared_core.errors import (
    ModelFileError,
    UnsupportedError,
)
from shared_core.local import LocalBackend, connect_local
from shared_core.local.loaded import LOADED
from shared_core.types import EmbedRequest, Finish, TextDelta
from tests.local.asking import PATIENCE, ask, endless, eventually


def loaded(backend: LocalBackend) -> bool:
    with LOADED.borrow(backend.options) as model:
        return model is not None


def engine_threads(backend: LocalBackend) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"llama.cpp {backend.options.path.name}"]


# --- sharing and unloading -----------------------------------------------------------------------------------------


def test_construction_loads_nothing(fresh: LocalBackend) -> None:
    assert fresh.capabilities.context_window == 2048
    assert not loaded(fresh)
    assert not engine_threads(fresh)


def test_equal_descriptions_share_one_model_across_threads(fresh: LocalBackend) -> None:
    together = threading.Barrier(8)

    def call(number: int) -> str:
        backend = connect_local(str(fresh.options.path))
        together.wait()
        return backend.chat(ask(max_tokens=5, seed=number % 2)).text

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(call, range(8)))
    assert texts == texts[:2] * 4
    assert len(engine_threads(fresh)) == 1


def test_other_load_options_are_another_model(fresh: LocalBackend) -> None:
    other = replace(fresh, options=replace(fresh.options, n_ctx=64))
    fresh.chat(ask(max_tokens=1))
    other.chat(ask(max_tokens=1))
    assert len(engine_threads(fresh)) == 2
    other.unload()
    assert len(engine_threads(fresh)) == 1


def test_unload_frees_and_the_next_call_loads_again(fresh: LocalBackend) -> None:
    fresh.unload()  # nothing to do
    before = fresh.chat(ask(max_tokens=5, seed=1)).text
    assert loaded(fresh)
    fresh.unload()
    assert not loaded(fresh)
    assert not engine_threads(fresh)
    assert fresh.chat(ask(max_tokens=5, seed=1)).text == before


def test_unload_waits_for_the_calls_in_progress(fresh: LocalBackend) -> None:
    stream = fresh.stream(endless(max_tokens=200))
    first = next(stream)
    fresh.unload()
    events = [first, *stream]
    assert isinstance(events[-1], Finish)
    assert events[-1].usage.output == 200


def test_keep_alive_of_zero_unloads_at_once(fresh: LocalBackend) -> None:
    brief = replace(fresh, keep_alive=0)
    brief.chat(ask(max_tokens=1))
    assert eventually(lambda: not engine_threads(brief))
    assert brief.chat(ask(max_tokens=1)).usage.output


def test_an_idle_model_is_unloaded_after_a_while(fresh: LocalBackend) -> None:
    replace(fresh, keep_alive=0.05).chat(ask(max_tokens=1))
    assert eventually(lambda: not engine_threads(fresh))
    assert fresh.count_tokens("xyz") == 3


def test_the_last_call_says_how_long(fresh: LocalBackend) -> None:
    replace(fresh, keep_alive=None).chat(ask(max_tokens=1))
    replace(fresh, keep_alive=0).chat(ask(max_tokens=1))
    assert eventually(lambda: not engine_threads(fresh))


def test_memory_is_given_back(large_path: Path) -> None:
    process, size = psutil.Process(), large_path.stat().st_size
    large = connect_local(str(large_path))
    connect_local().chat(ask(max_tokens=1))  # the library itself
    gc.collect()
    before = process.memory_info().rss
    large.chat(ask(max_tokens=1))
    during = process.memory_info().rss
    large.unload()
    after = process.memory_info().rss
    assert size > 120_000_000
    assert during - before > 0.8 * size
    assert after - before < 0.2 * size


def test_a_model_in_use_for_its_vocabulary_is_not_freed(fresh: LocalBackend) -> None:
    fresh.chat(ask(max_tokens=1))
    with LOADED.borrow(fresh.options) as model:
        unloading = threading.Thread(target=fresh.unload)
        unloading.start()
        unloading.join(0.05)
        assert unloading.is_alive()
        assert model is not None
        assert model.vocabulary.tokenize("xyz") == list(b"xyz")
    unloading.join(PATIENCE)
    assert not loaded(fresh)


def test_tokens_are_counted_beside_a_running_call(fresh: LocalBackend) -> None:
    with closing(fresh.stream(endless())) as stream:
        next(stream)
        assert fresh.count_tokens("hello") == 5
        assert fresh.count_prompt_tokens(ask("hello")) == 24


# --- many at once --------------------------------------------------------------------------------------------------


def test_calls_are_answered_in_order(fresh: LocalBackend) -> None:
    async def call(number: int) -> str:
        text = (await fresh.achat(ask(max_tokens=5, seed=number))).text
        finished.append(number)
        return text

    async def main() -> list[str]:
        return await asyncio.gather(*map(call, range(20)))

    finished: list[int] = []
    texts = asyncio.run(main())
    assert finished == list(range(20))
    assert texts == [fresh.chat(ask(max_tokens=5, seed=number)).text for number in range(20)]


def test_threads_and_tasks_together(fresh: LocalBackend) -> None:
    alone = {seed: fresh.chat(ask(max_tokens=8, seed=seed)).text for seed in range(4)}

    def in_thread(number: int) -> bool:
        return fresh.chat(ask(max_tokens=8, seed=number % 4)).text == alone[number % 4]

    async def tasks() -> list[bool]:
        replies = await asyncio.gather(*(fresh.achat(ask(max_tokens=8, seed=number % 4)) for number in range(16)))
        return [reply.text == alone[number % 4] for number, reply in enumerate(replies)]

    def in_loop(_: int) -> bool:
        return all(asyncio.run(tasks()))

    with ThreadPoolExecutor(12) as pool:
        results = [*pool.map(in_thread, range(24)), *pool.map(in_loop, range(3))]
    assert all(results)


async def test_the_event_loop_is_never_blocked(large_path: Path) -> None:
    large = connect_local(str(large_path))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await large.achat(endless("x" * 400, max_tokens=10))
    ticking.cancel()
    await asyncio.to_thread(large.unload)
    assert ticks > 20  # loading, reading 400 tokens and writing 10 take far longer than 20 ms


async def test_a_stream_comes_while_it_is_written(fresh: LocalBackend) -> None:
    async with aclosing(fresh.astream(endless())) as stream:
        first = await anext(stream)
    assert isinstance(first, TextDelta)


# --- what one model cannot do --------------------------------------------------------------------------------------


def test_an_embedding_model_refuses_to_chat(minilm: Path) -> None:
    embedding = connect_local(str(minilm))
    with pytest.raises(UnsupportedError, match=r"all-MiniLM-L6-v2.gguf .bert. cannot chat"):
        embedding.chat(ask())
    assert embedding.embed(EmbedRequest(texts=("still here",))).vectors
    assert embedding.capabilities.tools is False


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Room for another gigabyte in this process."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("little_memory")
def test_a_window_too_large_for_the_memory_is_told(fresh: LocalBackend) -> None:
    huge = replace(fresh, options=replace(fresh.options, n_ctx=2**26))
    with pytest.raises(ModelFileError, match=r"context of 67108864 tokens.*smaller n_ctx"):
        huge.chat(ask(max_tokens=1))
    huge.unload()
