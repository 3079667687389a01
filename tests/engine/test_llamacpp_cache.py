"""Requests share one memory, and conversations stay warm."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.memory import Memory
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from support import tiny_gguf
from support.engine_runs import finished, run, text_of

MIB = 2**20


def load(path: Path, *, cache: int = 256 * MIB, **parameters: Any) -> LlamaCppEngine:
    settings = PromptCacheSettings(memory_bytes=cache)
    request = Load("gguf", (str(path),), LoadParameters(**parameters), prompt_cache=settings)
    return LlamaCppEngine.load(request, lambda _value: None)


def memory(engine: LlamaCppEngine) -> Memory:
    assert engine._text is not None
    return engine._text.memory


def tokens(seed: int, count: int, *, most: int = 40_000) -> list[int]:
    rng = random.Random(seed)  # noqa: S311  # reproducible
    return [rng.randrange(100 if most > 1000 else 3, most) for _ in range(count)]


def complete(prompt: list[int], **sampling: Any) -> CompletionRequest:
    settings = {"temperature": 0.0, "max_tokens": 8, "logprobs": 1} | sampling
    return CompletionRequest(prompt, Sampling(**settings))


def numbers(items: list[Any]) -> list[tuple[str, float]]:
    """Return the tokens of an answer with their log probabilities."""
    logprobs = [entry for item in items for entry in getattr(item, "logprobs", None) or ()]
    return [(entry.token, entry.logprob) for entry in logprobs]


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    return load(smollm2_path, num_ctx=2048)


@pytest.fixture(autouse=True)
def cold(request: pytest.FixtureRequest) -> None:
    if "engine" in request.fixturenames:
        request.getfixturevalue("engine").reset()


# ---------------------------------------------------------------- conversations


@pytest.mark.parametrize("length", [40, 300])
def test_conversations_that_take_turns_stay_warm(engine: LlamaCppEngine, length: int) -> None:
    shared = tokens(0, 30)  # as of a template
    conversations = {name: shared + tokens(name, length) for name in range(1, 4)}
    for turn in range(3):
        for name, prompt in conversations.items():
            [items] = run(engine, complete(prompt))
            cached = finished(items).cached_tokens
            assert cached >= len(prompt) - 40 if turn else cached <= 30
            prompt += tokens(100 * turn + name, 30)


def test_a_prompt_cache_of_zero_keeps_the_last_conversation_only(smollm2_path: Path) -> None:
    engine = load(smollm2_path, num_ctx=1024, cache=0)
    first, second = tokens(1, 200), tokens(2, 200)
    cached = [
        finished(run(engine, complete(prompt))[0]).cached_tokens
        for prompt in (first, first, second, first)
    ]
    assert cached == [0, 199, 0, 0]


def test_the_limit_of_the_prompt_cache_is_kept(smollm2_path: Path) -> None:
    engine = load(smollm2_path, num_ctx=1024, cache=10 * MIB)  # about 450 tokens
    for seed in range(6):
        run(engine, complete(tokens(seed, 200)))
    cache = memory(engine).cache
    assert 0 < cache.size <= 10 * MIB
    assert len(cache) == 2


def test_parallel_requests_share_the_cells_of_their_prompt(engine: LlamaCppEngine) -> None:
    prompt = tokens(1, 400)
    engine.submit(engine.prepare(0, complete(prompt, max_tokens=50)))
    engine.step()
    engine.step()
    for id_ in range(1, 8):
        engine.submit(engine.prepare(id_, complete(prompt, max_tokens=5)))
    engine.step()
    assert 400 < memory(engine).used_cells < 450
    while not engine.idle:
        engine.step()
    [items] = run(engine, complete(prompt))
    assert finished(items).cached_tokens == 399


def outputs(engine: LlamaCppEngine) -> Iterator[tuple[int, Any]]:
    while not engine.idle:
        yield from engine.step()


def cached_of(engine: LlamaCppEngine, ids: int) -> list[int]:
    """Run all requests to their end, and return how many tokens each did not compute."""
    cached = dict.fromkeys(range(ids), -1)
    for id_, item in outputs(engine):
        if hasattr(item, "cached_tokens"):
            cached[id_] = item.cached_tokens
    return [*cached.values()]


def test_requests_that_arrive_together_compute_what_they_have_in_common_once(
    engine: LlamaCppEngine,
) -> None:
    prompt = tokens(1, 900)
    for id_ in range(8):
        engine.submit(engine.prepare(id_, complete(prompt)))
    assert cached_of(engine, 8) == [0] + 7 * [899]
    engine.reset()
    questions = [tokens(9, 10), *(tokens(seed, 20) for seed in range(2, 5))]
    for id_, question in enumerate(questions):
        engine.submit(engine.prepare(id_, complete(prompt[:600] + question)))
    assert cached_of(engine, 4) == [0, 600, 600, 600]


def test_a_request_goes_on_without_the_one_that_read_its_beginning(engine: LlamaCppEngine) -> None:
    prompt = tokens(1, 900)
    for id_ in range(3):
        engine.submit(engine.prepare(id_, complete(prompt)))
    engine.step()
    assert engine._text is not None
    assert len(engine._text._pool.waiting) == 2
    assert memory(engine).stats(2).requests_held == 2
    engine.cancel(0)
    assert cached_of(engine, 3) == [-1, 256, 899]


def test_a_request_that_waits_for_a_prefix_keeps_its_slot(smollm2_path: Path) -> None:
    engine = load(smollm2_path, num_ctx=2048, num_parallel=2)
    prompt = tokens(1, 900)
    for id_, other in enumerate([prompt, prompt, tokens(2, 20)]):
        engine.submit(engine.prepare(id_, complete(other, max_tokens=30)))
    ends = [id_ for id_, item in outputs(engine) if hasattr(item, "finish_reason")]
    assert ends == [0, 1, 2]


def test_a_cancelled_prompt_is_read_on_from_where_it_was(engine: LlamaCppEngine) -> None:
    prompt = tokens(3, 400)
    engine.submit(engine.prepare(7, complete(prompt)))
    engine.step()
    engine.cancel(7)
    assert engine.idle
    [items] = run(engine, complete(prompt))
    assert finished(items).cached_tokens == 256


# ---------------------------------------------------------------- seeds


def test_a_seed_gives_the_same_numbers_with_any_cache(engine: LlamaCppEngine) -> None:
    prompt, other = tokens(1, 300), tokens(2, 150)
    seeded = complete(prompt, seed=5, temperature=1.0, max_tokens=20)

    def answer() -> tuple[list[tuple[str, float]], int]:
        [items] = run(engine, seeded)
        return numbers(items), finished(items).cached_tokens

    cold, cached = answer()
    assert cached == 0
    assert len(cold) == 20
    assert answer() == (cold, 256)  # from the last boundary
    run(engine, complete(other), complete(tokens(3, 100)))
    assert answer() == (cold, 256)  # from host memory
    run(engine, complete(prompt[:270]))  # without a seed, so with other chunks
    again, cached = answer()
    assert again == cold
    engine.reset()
    run(engine, complete(prompt), complete(other))
    assert answer() == (cold, 0)  # nothing was computed alone
    run(engine, complete(prompt, seed=8, max_tokens=30))
    assert answer() == (cold, 256)


def test_the_next_turn_with_a_seed_starts_from_the_last_boundary(engine: LlamaCppEngine) -> None:
    prompt = tokens(4, 280)
    run(engine, complete(prompt, seed=1))
    longer = prompt + tokens(5, 80)
    [warm] = run(engine, complete(longer, seed=1))
    engine.reset()
    [cold] = run(engine, complete(longer, seed=1))
    assert finished(warm).cached_tokens == 256
    assert numbers(warm) == numbers(cold)


def test_a_seed_reuses_nothing_that_was_restored_beside_others(tmp_path: Path) -> None:
    """Its later tokens may be in earlier cells, so attention would add in another order."""
    path = tiny_gguf.gpt2(tmp_path / "model.gguf", 1024)
    engine = load(path, num_ctx=1024, flash_attention=False)
    prompt = tokens(1, 300, most=250)
    seeded = complete(prompt, seed=1, max_tokens=4)
    [cold] = run(engine, seeded)
    engine.submit(engine.prepare(1, complete(tokens(2, 400, most=250), max_tokens=4)))
    engine.step()
    engine.step()
    engine.submit(engine.prepare(2, complete(prompt, max_tokens=40)))
    while not engine.idle:
        engine.step()
    run(engine, complete([7], max_tokens=1))
    [warm] = run(engine, seeded)
    assert numbers(warm) == numbers(cold)


# ---------------------------------------------------------------- a full memory


def test_a_request_that_fits_only_with_shared_cells_shares_them(smollm2_path: Path) -> None:
    engine = load(smollm2_path, num_ctx=512)
    prompt = tokens(1, 100)
    saved = prompt + tokens(2, 260)
    run(engine, complete(saved, max_tokens=1))
    run(engine, complete(tokens(3, 20), max_tokens=1))
    engine.submit(engine.prepare(1, complete(prompt, max_tokens=40)))
    engine.step()
    assert [len(entry.tokens) for entry in memory(engine).cache] == [360, 20]
    engine.submit(engine.prepare(2, complete(saved + tokens(4, 52), max_tokens=2)))
    while not engine.idle:
        engine.step()
        assert engine._text is not None
        assert not engine._text._pool.waiting


def test_requests_are_set_aside_and_finish(smollm2_path: Path) -> None:
    """The answers are those of single requests, up to the first token that rounding changes."""
    engine = load(smollm2_path, num_ctx=256)
    requests = [complete(tokens(seed, 90), max_tokens=40) for seed in range(4)]
    alone = [numbers(run(engine, request)[0]) for request in requests]
    engine.reset()
    aside = 0
    answers: list[list[Any]] = [[] for _ in requests]
    for id_, request in enumerate(requests):
        engine.submit(engine.prepare(id_, request))
    while not engine.idle:
        for id_, item in engine.step():
            answers[id_].append(item)
        assert memory(engine).used_cells <= 256
        assert engine._text is not None
        aside += any(s.has_begun for s in engine._text._pool.waiting)
    assert aside > 0
    for expected, items in zip(alone, answers, strict=True):
        assert len(numbers(items)) == len(expected) == 40
        assert_equal_up_to_rounding(expected, numbers(items))


def assert_equal_up_to_rounding(
    expected: list[tuple[str, float]], actual: list[tuple[str, float]]
) -> None:
    """Compare greedy answers. Where they part, both tokens must have been about as likely."""
    for (token, logprob), (other, its_logprob) in zip(expected, actual, strict=True):
        assert abs(logprob - its_logprob) < 0.5
        if token != other:
            return


def test_a_prompt_that_fills_the_memory_waits_for_its_turn(smollm2_path: Path) -> None:
    engine = load(smollm2_path, num_ctx=512)
    requests = [
        complete(tokens(1, 100), max_tokens=60),
        complete(tokens(2, 500), max_tokens=3),
        *(complete(tokens(seed, 20), max_tokens=5) for seed in range(3, 20)),
    ]
    order: list[int] = []
    for id_, request in enumerate(requests[:8]):
        engine.submit(engine.prepare(id_, request))
    following = iter(enumerate(requests[8:], 8))
    while not engine.idle:
        for id_, item in engine.step():
            if hasattr(item, "finish_reason"):
                order.append(id_)
                for new, request in [*filter(None, [next(following, None)])]:
                    engine.submit(engine.prepare(new, request))
    assert sorted(order) == list(range(len(requests)))
    assert 1 < order.index(1) < len(requests) - 1  # some pass it, but not all


def test_a_short_prompt_does_not_wait_for_a_long_one(engine: LlamaCppEngine) -> None:
    engine.submit(engine.prepare(1, complete(tokens(1, 1900))))
    engine.step()
    engine.submit(engine.prepare(2, complete(tokens(2, 60))))
    assert 2 in [id_ for _ in range(2) for id_, _ in engine.step()]
    engine.cancel(1)
    while not engine.idle:
        engine.step()


# ---------------------------------------------------------------- states that cannot be cut


@pytest.fixture(scope="module", params=[tiny_gguf.mamba, tiny_gguf.falcon_h1, tiny_gguf.gemma3])
def stateful(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    write: Callable[[Path], Path] = request.param
    return write(tmp_path_factory.mktemp("stateful") / "model.gguf")


def test_a_state_that_cannot_be_cut_is_reused_where_it_was_saved(stateful: Path) -> None:
    engine, fresh = load(stateful, num_ctx=1024), load(stateful, num_ctx=1024)

    def check(prompt: list[int], at_least: int, *, seed: bool = False) -> list[int]:
        """Compare the answer with that of an engine without a cache, and return the tokens."""
        request = complete(prompt, max_tokens=6, **({"seed": 1} if seed else {}))
        [items] = run(engine, request)
        [expected] = run(fresh, request)
        fresh.reset()
        assert_equal_up_to_rounding(numbers(expected), numbers(items))
        assert text_of(items) == text_of(expected)
        assert finished(items).cached_tokens >= at_least
        return prompt

    first = check(tokens(1, 120, most=250), 0)
    check(first, 100)  # the same again
    other = check(tokens(2, 90, most=250), 0)
    longer = check([*first[:-2], *tokens(3, 60, most=250)], 100)  # another end of the prompt
    check([*longer, *tokens(4, 30, most=250)], 160)
    check(longer[:50], 0)
    check([*other, 5, 6], 70)
    check([*longer, 7], 0, seed=True)


def test_states_that_cannot_be_cut_run_side_by_side(stateful: Path) -> None:
    engine = load(stateful, num_ctx=1024)
    requests = [complete(tokens(seed, 30 + 40 * seed, most=250), seed=1) for seed in range(6)]
    alone = [numbers(run(engine, request)[0]) for request in requests[:4]]
    together = [numbers(items) for items in run(engine, *requests[:4])]
    for expected, actual in zip(alone, together, strict=True):
        assert_equal_up_to_rounding(expected, actual)
    for expected, request in zip(alone, requests[:4], strict=True):
        assert_equal_up_to_rounding(expected, numbers(run(engine, request)[0]))
