"""Test that requests on transformers start from the caches of others, and answer as without."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from a3s_power_jupyter.contract.types import CompletionRequest, Delta, Reading, Sampling, Started
from a3s_power_jupyter.engine import stopwatch
from a3s_power_jupyter.engine.protocol import PromptCacheSettings
from a3s_power_jupyter.engine.threads import CpuThreads
from a3s_power_jupyter.engine.transformers import TransformersEngine
from a3s_power_jupyter.engine.transformers.engine import CPU_PREFILL_CHUNK as CHUNK
from support import nan_models
from support.engine_runs import finished, load_directory, run, text_of
from support.nan_models import GOOD_TOKENS, NAN_TOKEN
from support.tiny_models import byte_level, make

MB = 2**20
LONG = {"max_position_embeddings": 1024}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "gemma3": (
        "Gemma3TextConfig",
        {"head_dim": 32, "sliding_window": 16, "num_hidden_layers": 7},
    ),
    "neox": ("GPTNeoXConfig", {}),
    "gpt2": ("GPT2Config", {}),
    "mixtral": ("MixtralConfig", {"num_local_experts": 4, "sliding_window": 24}),
}


def load(directory: Path, memory: int = 64 * MB, **parameters: Any) -> TransformersEngine:
    settings = {"num_thread": 1, "isq": "none", "num_ctx": 1024, **parameters}
    cache = PromptCacheSettings(memory_bytes=memory)
    return load_directory(TransformersEngine, directory, prompt_cache=cache, **settings)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"), **LONG)


@pytest.fixture
def engine(directory: Path) -> TransformersEngine:
    return load(directory)


@pytest.fixture(scope="module")
def cold(directory: Path) -> TransformersEngine:
    """An engine that keeps nothing."""
    return load(directory, memory=0)


def tokens(start: int, count: int) -> list[int]:
    """Return different tokens for each `start`, after the same first one."""
    return [1, *((start * 7 + i * 13) % 380 + 3 for i in range(count - 1))]


def complete(prompt: list[int], **sampling: Any) -> CompletionRequest:
    settings = {"temperature": 0.0, "max_tokens": 8, "logit_bias": {2: -1000.0}, **sampling}
    return CompletionRequest(prompt, Sampling(**settings))


def ask(engine: TransformersEngine, prompt: list[int], **sampling: Any) -> tuple[str, int]:
    """Return the text of the answer and the number of cached tokens."""
    [items] = run(engine, complete(prompt, **sampling))
    return text_of(items), finished(items).cached_tokens


def turn(
    engine: TransformersEngine, prompt: list[int], **sampling: Any
) -> tuple[list[int], list[float], int]:
    """Run a request alone; return the prompt with its answer, log-probabilities, cached tokens."""
    active = engine.prepare(1, complete(prompt, logprobs=0, **sampling))
    engine.submit(active)
    items = []
    while not engine.idle:
        items += [item for _, item in engine.step()]
    rows = [row for item in items if isinstance(item, Delta) for row in item.logprobs or []]
    return active.tokens, [row.logprob for row in rows], finished(items).cached_tokens


def count_tokens(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of tokens of each computation."""
    counts: list[int] = []
    forward = engine._model.forward

    def counted(inputs: dict[str, Any], cache: Any) -> torch.Tensor:
        counts.append(inputs["input_ids"].numel())
        return forward(inputs, cache)

    monkeypatch.setattr(engine._model, "forward", counted)
    return counts


@pytest.mark.parametrize("family", FAMILIES)
def test_a_warm_conversation_answers_as_a_cold_one(family: str, tmp_path: Path) -> None:
    """Two conversations take turns; the prompts are longer than a sliding window."""
    config, settings = FAMILIES[family]
    directory = make(tmp_path / "m", config, byte_level("gpt-2"), **LONG | settings)
    warm, cold = load(directory), load(directory, memory=0)
    prompts = [tokens(k, 150 + 40 * k) for k in range(2)]
    for number in range(3):
        for k, prompt in enumerate(prompts):
            expected, scores, nothing = turn(cold, prompt)
            answer, warm_scores, cached = turn(warm, prompt)
            assert answer == expected
            assert warm_scores == pytest.approx(scores, abs=1e-4)
            assert nothing == 0
            assert cached == (0 if number == 0 else len(prompt) - 20 - 1)
            prompts[k] = [*answer, *tokens(number + k, 20)]


@pytest.mark.parametrize("length", [1, 2, 40, 128, 129, 157])
def test_a_conversation_may_branch_anywhere(
    engine: TransformersEngine, cold: TransformersEngine, length: int
) -> None:
    """The earlier prompt and its answer have 158 tokens, of which all but the last are cached."""
    whole, *_ = turn(engine, tokens(1, 150))
    branch = [*whole[:length], 390]
    assert ask(engine, branch) == (ask(cold, branch)[0], length)
    assert ask(engine, whole[:length]) == (ask(cold, whole[:length])[0], length - 1)


def test_a_seed_gives_the_same_bits_after_other_conversations(
    engine: TransformersEngine, cold: TransformersEngine
) -> None:
    prompts = [tokens(k, 300 + 50 * k) for k in range(2)]
    sampling = {"temperature": 1.5, "seed": 7, "max_tokens": 20}
    for number in range(3):
        for k, prompt in enumerate(prompts):
            ask(engine, [*prompt[: 270 + k], 5, 6])  # another branch, without a seed
            answer, scores, cached = turn(engine, prompt, **sampling)
            assert (answer, scores, 0) == turn(cold, prompt, **sampling)
            assert cached == CHUNK * (270 // CHUNK if number == 0 else (len(prompt) - 60) // CHUNK)
            prompts[k] = [*answer, *tokens(number + k, 40)]


def test_a_prompt_of_whole_chunks_computes_its_last_chunk_again(
    engine: TransformersEngine, cold: TransformersEngine
) -> None:
    prompt = tokens(1, 2 * CHUNK)
    results = [turn(engine, prompt, seed=1, temperature=1.0) for _ in range(2)]
    assert results[0] == turn(cold, prompt, seed=1, temperature=1.0)
    assert results[1] == (*results[0][:2], CHUNK)


def test_a_seed_reuses_nothing_that_other_threads_computed(directory: Path) -> None:
    """torch's sums depend on the number of threads."""

    class Threads(CpuThreads):
        def next_count(self) -> int:
            return 3

    engine = load(directory)
    engine._model.threads = Threads(8)
    assert engine._model.threads.steady == 4
    prompt = tokens(1, 300)
    assert ask(engine, prompt)[1] == 0
    assert ask(engine, prompt, seed=1)[1] == 0
    assert ask(engine, prompt, seed=1)[1] == 2 * CHUNK
    assert ask(engine, prompt)[1] == len(prompt) - 1


def test_requests_at_the_same_time_compute_a_common_prefix_once(
    engine: TransformersEngine, cold: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tokens(1, 400)
    requests = [complete([*context, k, k + 1, k + 2], max_tokens=6) for k in (10, 20, 30, 40)]
    alone = [text_of(run(cold, request)[0]) for request in requests]
    counts = count_tokens(engine, monkeypatch)
    results = run(engine, *requests)
    assert list(map(text_of, results)) == alone
    prompts = sum(counts) - 4 * 5
    assert 400 < prompts < 400 + 2 * CHUNK
    usage = list(map(finished, results))
    assert sum(one.prompt_tokens - one.cached_tokens for one in usage) == prompts


def test_a_request_starts_from_the_cache_of_one_that_generates(
    engine: TransformersEngine, cold: TransformersEngine
) -> None:
    """The other requests of the batch have other lengths, and go on as if they were alone."""
    requests = [complete(tokens(k, 60 * k), max_tokens=40) for k in (1, 3, 2)]
    alone = [text_of(run(cold, request)[0]) for request in requests]
    for id_, request in enumerate(requests):
        engine.submit(engine.prepare(id_, request))
    outputs: list[Any] = []
    while len(engine._decoding) < 3:
        outputs += engine.step()
    branch = complete([*tokens(1, 60), 17, 18])
    engine.submit(engine.prepare(3, branch))
    while not engine.idle:
        outputs += engine.step()
    items = [[item for at, item in outputs if at == id_] for id_ in range(4)]
    assert list(map(text_of, items)) == [*alone, text_of(run(cold, branch)[0])]
    assert finished(items[3]).cached_tokens == 60


def test_a_seed_gives_the_same_bits_from_the_cache_of_a_running_request(
    engine: TransformersEngine, cold: TransformersEngine
) -> None:
    prompt = tokens(1, 300)
    engine.submit(engine.prepare(0, complete(prompt, max_tokens=500)))
    for _ in range(5):
        engine.step()
    engine.submit(engine.prepare(1, complete(prompt, seed=3, logprobs=0, max_tokens=1)))
    items = []
    while len(engine._prefilling) or len(engine._decoding) > 1:
        items += [item for at, item in engine.step() if at == 1]
    engine.cancel(0)
    assert finished(items).cached_tokens == 2 * CHUNK
    [expected] = run(cold, complete(prompt, seed=3, logprobs=0, max_tokens=1))
    deltas = [[i.logprobs for i in one if isinstance(i, Delta)] for one in (items, expected)]
    assert deltas[0] == deltas[1]


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
def test_a_cancelled_request_leaves_what_it_has_computed(
    engine: TransformersEngine, cold: TransformersEngine, steps: int
) -> None:
    """The prompt has three chunks."""
    active = engine.prepare(0, complete(tokens(1, 300), max_tokens=50))
    engine.submit(active)
    for _ in range(steps):
        engine.step()
    engine.cancel(0)
    assert engine.idle
    prompt = [*active.tokens, 55, 56]
    expected = {1: CHUNK, 2: 2 * CHUNK, 3: 300, 6: 303}[steps]
    assert ask(engine, prompt) == (ask(cold, prompt)[0], expected)


# ---------------------------------------------------------------- memory


def test_the_least_recently_used_conversation_is_dropped(directory: Path) -> None:
    """A token takes 2 layers * 2 * 2 heads * 16 * 4 bytes = 512 bytes."""
    engine = load(directory, memory=512 * 250)
    first, second, third = (tokens(k, 100) for k in range(3))
    ask(engine, first)
    ask(engine, second)
    assert engine.stats().prompt_cache_bytes == 2 * 107 * 512
    assert ask(engine, first)[1] == 99
    ask(engine, third)  # the first one was used later than the second one
    assert ask(engine, first)[1] == 99
    assert ask(engine, second)[1] == 0
    assert engine.stats().prompt_cache_bytes == 2 * 107 * 512


def test_the_next_turn_replaces_the_last_one(engine: TransformersEngine) -> None:
    prompt = tokens(1, 100)
    for _ in range(4):
        prompt, *_ = turn(engine, prompt)
    assert engine.stats().prompt_cache_bytes == (len(prompt) - 1) * 512
    ask(engine, prompt[:120])  # a part of what is there already
    assert engine.stats().prompt_cache_bytes == (len(prompt) - 1) * 512


@pytest.mark.parametrize("memory", [0, 512 * 100])
def test_a_conversation_larger_than_the_limit_is_not_kept(directory: Path, memory: int) -> None:
    engine = load(directory, memory)
    ask(engine, tokens(1, 30))
    kept = engine.stats().prompt_cache_bytes
    assert kept == (37 * 512 if memory else 0)
    assert ask(engine, tokens(2, 200))[1] == 0
    assert engine.stats().prompt_cache_bytes == kept


def test_kept_rows_hold_no_other_memory(engine: TransformersEngine) -> None:
    """A row of a batch is kept without the batch."""
    run(engine, *(complete(tokens(k, 20 + 50 * k), max_tokens=5 + k) for k in range(4)))
    tensors = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for entry in engine._prefixes._cache
        for layer in entry.state.state.layers
        for tensor in (layer.keys, layer.values)
    }
    assert sum(tensors.values()) == engine.stats().prompt_cache_bytes > 0


def test_a_reset_empties_the_caches(engine: TransformersEngine) -> None:
    ask(engine, tokens(1, 100))
    engine.submit(engine.prepare(0, complete(tokens(2, 300))))
    engine.step()
    assert engine.stats().cache_tokens == CHUNK
    engine.reset()
    assert (engine.stats().cache_tokens, engine.stats().prompt_cache_bytes) == (0, 0)
    assert ask(engine, tokens(1, 100))[1] == 0


def test_without_memory_to_keep_a_cache_the_request_ends_well(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_state: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    ask(engine, tokens(2, 40))
    monkeypatch.setattr("a3s_power_jupyter.engine.transformers.states.KvState.on_host", fail)
    with caplog.at_level(logging.WARNING):
        ask(engine, tokens(1, 40))
    assert "can't allocate memory" in caplog.text
    assert engine.stats().prompt_cache_bytes == 0


# ---------------------------------------------------------------- failures


def test_a_failed_batch_leaves_nothing(
    engine: TransformersEngine, cold: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first layer has one token more than the second one."""
    for id_ in (0, 1):
        engine.submit(engine.prepare(id_, complete(tokens(id_, 50), max_tokens=100)))
    for _ in range(4):
        engine.step()
    layer = engine._model.model.model.layers[1]
    with monkeypatch.context() as patch:
        patch.setattr(layer, "forward", lambda *_a, **_k: 1 / 0)
        outputs = engine.step()
    assert {id_ for id_, error in outputs if isinstance(error, Exception)} == {0, 1}
    assert engine.idle
    assert engine.stats().prompt_cache_bytes == 0
    assert ask(engine, tokens(1, 50)) == (ask(cold, tokens(1, 50))[0], 0)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_nan_is_neither_kept_nor_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    """The good prompt has its first tokens in common with the bad one.

    In the chunk of a NaN, the caches of earlier tokens become NaN in the second layer.
    """
    monkeypatch.setattr("a3s_power_jupyter.engine.transformers.engine.CPU_PREFILL_CHUNK", 32)
    directory = nan_models.make_safetensors(tmp_path)
    engine, cold = load(directory, num_ctx=256), load(directory, memory=0, num_ctx=256)
    good, bad = [*GOOD_TOKENS, 9, 9], [*GOOD_TOKENS, NAN_TOKEN, *[5] * 150]
    engine.submit(engine.prepare(0, complete(bad)))
    engine.step()
    if cancelled:
        engine.cancel(0)
        assert engine.stats().prompt_cache_bytes == 0
    engine.submit(engine.prepare(1, complete(good)))
    outputs: list[Any] = []
    while not engine.idle:
        outputs += engine.step()
    assert text_of([item for at, item in outputs if at == 1]) == ask(cold, good)[0]


# ---------------------------------------------------------------- reading


def test_a_short_prompt_waits_for_one_chunk_of_a_long_one(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that generates gets a token in every step meanwhile."""
    monkeypatch.setattr(stopwatch, "REPORT_INTERVAL", 0.0)
    engine.submit(engine.prepare(0, complete([1, 4], max_tokens=50)))
    engine.step()
    engine.submit(engine.prepare(1, complete(tokens(1, 900), return_progress=True)))
    outputs = [engine.step(), engine.step()]
    engine.submit(engine.prepare(2, complete([1, 9, 5])))
    outputs += [engine.step(), engine.step()]
    assert all(any(at == 0 for at, _ in step) for step in outputs)
    first = next(n for n, step in enumerate(outputs) if any(at == 2 for at, _ in step))
    assert first <= 3
    reading = [i for step in outputs for at, i in step if at == 1]
    assert all(isinstance(item, Reading) for item in reading)
    assert (reading[0].processed, reading[0].total) == (CHUNK, 900)
    engine.cancel(1)
    rest: list[Any] = []
    while not engine.idle:
        rest += engine.step()
    assert not any(isinstance(item, Started) for at, item in rest if at == 1)
