"""Random orders of requests, steps and cancels, compared with what llama.cpp's memory holds."""

from __future__ import annotations

import ctypes
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp as lc
import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Finished, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.context import UNLIMITED
from a3s_power_jupyter.engine.llamacpp.text import TextGenerator
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from support import tiny_gguf
from support.engine_runs import run, text_of

NO_END = {2: -100.0, 257: -100.0}


def write_gpt2(path: Path) -> Path:
    return tiny_gguf.gpt2(path, 1024)


@pytest.fixture(
    scope="module", params=[write_gpt2, tiny_gguf.mamba, tiny_gguf.falcon_h1, tiny_gguf.gemma3]
)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    write: Callable[[Path], Path] = request.param
    return write(tmp_path_factory.mktemp("walk") / "model.gguf")


def load(path: Path, cache: int, **parameters: Any) -> LlamaCppEngine:
    settings = PromptCacheSettings(memory_bytes=cache)
    fields = LoadParameters(num_thread=1, flash_attention=False, **parameters)
    message = Load("gguf", (str(path),), fields, prompt_cache=settings)
    return LlamaCppEngine.load(message, lambda _value: None)


class Requests:
    """Random prompts, which often begin like an earlier one."""

    def __init__(self, rng: random.Random, num_ctx: int) -> None:
        self._rng = rng
        self._num_ctx = num_ctx
        self._bases = [self._tokens(num_ctx) for _ in range(2)]

    def _tokens(self, count: int) -> list[int]:
        return [self._rng.randrange(100, 200) for _ in range(count)]

    def next(self) -> CompletionRequest:
        rng = self._rng
        length = rng.choice([1, 2, 20, 60, 129, self._num_ctx // 2, self._num_ctx - 1])
        common = rng.randrange(length + 1)
        prompt = rng.choice(self._bases)[:common] + self._tokens(length - common)
        seed = {"seed": 1} if rng.random() < 0.3 else {}
        most = rng.choice([1, 2, 8, 60])
        return CompletionRequest(
            prompt, Sampling(temperature=0.0, max_tokens=most, logit_bias=NO_END, **seed)
        )


def check(text: TextGenerator) -> None:
    """Compare the memory with llama.cpp's."""
    memory, pool = text.memory, text._pool
    held = [*pool.running, *([memory._idle] if memory._idle else [])]
    assert sorted([h.seq_id for h in held] + memory._free_ids) == list(range(memory.n_slots))
    native = lc.llama_get_memory(text.context.pointer)
    ends = {h.seq_id: h.n_past for h in held} | dict.fromkeys(memory._free_ids, 0)
    for seq_id, n_past in ends.items():
        assert lc.llama_memory_seq_pos_max(native, seq_id) == n_past - 1
    assert all(len(h.cells) == len(h.positions) == h.n_computed for h in held)
    assert memory.used_cells == len({cell for h in held for cell in h.cells})
    if text.context.n_cells != UNLIMITED:
        assert memory.used_cells == native_cells(text.context.pointer)
    assert memory.cache.size == sum(entry.total_size for entry in memory.cache)
    assert memory.cache.size <= memory.cache.limit


def native_cells(pointer: Any) -> int:
    """Return the number of cells in use, from the beginning of the state of a whole context.

    The state has the length of the architecture's name, the name, the number of streams, and the
    number of cells (`state_write_data` in llama-context.cpp, `state_write` in llama-kv-cache.cpp).
    """
    size = lc.llama_state_get_size(pointer)
    state = (ctypes.c_uint8 * size)()
    lc.llama_state_get_data(pointer, state, size)
    at = 4 + int.from_bytes(state[:4], "little") + 4
    return int.from_bytes(state[at : at + 4], "little")


@pytest.mark.parametrize(
    ("seed", "cache", "parameters"),
    [
        (1, 0, {"num_ctx": 256, "num_parallel": 4}),
        (2, 200_000, {"num_ctx": 300, "num_parallel": 3, "num_batch": 7}),
        (3, 10**8, {"num_ctx": 96, "num_parallel": 8, "num_batch": 2048}),
    ],
)
def test_a_random_walk(model: Path, seed: int, cache: int, parameters: dict[str, Any]) -> None:
    rng = random.Random(seed)  # noqa: S311  # reproducible
    engine = load(model, cache, **parameters)
    assert engine._text is not None
    requests = Requests(rng, engine.info.num_ctx)
    ends: Counter[int] = Counter()
    number = 0
    for _ in range(80):
        action = rng.random()
        live = [id_ for id_ in range(number) if not ends[id_]]
        if action < 0.3 and len(live) < parameters["num_parallel"]:
            engine.submit(engine.prepare(number, requests.next()))
            number += 1
        elif action < 0.36 and live:
            id_ = rng.choice(live)
            engine.cancel(id_)
            ends[id_] += 1
        else:
            ends.update(id_ for id_, item in engine.step() if isinstance(item, Finished))
        check(engine._text)
    while not engine.idle:
        ends.update(id_ for id_, item in engine.step() if isinstance(item, Finished))
        check(engine._text)
    assert ends == dict.fromkeys(range(number), 1)
    fresh = load(model, 0, **parameters)
    for request in [requests.next() for _ in range(3)]:
        [items], [expected] = run(engine, request), run(fresh, request)
        assert text_of(items) == text_of(expected)
        fresh.reset()


def test_a_reset_frees_what_an_error_has_left(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise OSError

    engine = load(model, 10**6, num_ctx=256, num_parallel=3)
    assert engine._text is not None
    request = CompletionRequest([7] * 20, Sampling(max_tokens=1, logit_bias=NO_END))
    with monkeypatch.context() as patch:
        patch.setattr(engine._text.context, "save", fail)
        with pytest.raises((OSError, ValueError)):
            run(engine, request, request)
    engine.reset()
    check(engine._text)
    assert engine._text.memory.used_cells == 0
    assert all(isinstance(items[-1], Finished) for items in run(engine, *[request] * 3))
