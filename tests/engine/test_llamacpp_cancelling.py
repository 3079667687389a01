"""Test that the llama.cpp engine ends a step when its requests are cancelled meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Delta,
    EmbeddingRequest,
    Request,
    Sampling,
)
from a3s_power_jupyter.engine.cancellation import CANCELLED
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine, decoder
from a3s_power_jupyter.engine.llamacpp.backend import last_errors
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_gguf, tiny_mtmd
from support.engine_runs import chat, run
from support.nodes import Nodes
from support.tiny_vision import encode, random_image

#: Node of a step after which a request is cancelled.
EARLY = 10

#: The end tokens of the models.
NO_END = {2: -100.0, 257: -100.0}


def load(path: Path, mmproj: Path | None = None, **parameters: Any) -> LlamaCppEngine:
    settings = {"num_ctx": 2048, "num_parallel": 2, "num_thread": 1, **parameters}
    message = Load(
        "gguf", (str(path),), LoadParameters(**settings), mmproj=str(mmproj) if mmproj else None
    )
    return LlamaCppEngine.load(message, lambda _value: None)


def prompt(length: int, start: int = 7, max_tokens: int = 12) -> CompletionRequest:
    """Return a request of `length` tokens, which differ from those of another `start`."""
    tokens = [10 + (start + i * i) % 200 for i in range(length)]
    return CompletionRequest(
        tokens, Sampling(temperature=0.0, max_tokens=max_tokens, logprobs=0, logit_bias=NO_END)
    )


def submit(engine: LlamaCppEngine, id_: int, request: Request) -> None:
    engine.submit(engine.prepare(id_, request))


def step(engine: LlamaCppEngine) -> list[Any]:
    """Step the engine, and cancel requests afterwards as the worker does."""
    outputs = engine.step()
    for id_ in sorted(CANCELLED):
        CANCELLED.discard(id_)
        engine.cancel(id_)
    return outputs


def answer(items: list[Any]) -> list[tuple[str, float]]:
    """Return the text of each token with its log probability, rounded."""
    deltas = [item for item in items if isinstance(item, Delta)]
    rows = [row for delta in deltas for row in delta.logprobs or ()]
    assert rows
    return [(row.token, round(row.logprob, 2)) for row in rows]


def rest_of(engine: LlamaCppEngine, id_: int, outputs: list[Any]) -> list[tuple[str, float]]:
    """Step to the end, and return the answer to a request, including earlier `outputs`."""
    while not engine.idle:
        outputs += step(engine)
    return answer([item for at, item in outputs if at == id_])


@pytest.mark.parametrize("kind", ["full", "window", "recurrent"])
def test_a_cancelled_prompt_ends_its_step(
    cache_kinds: dict[str, Path], kind: str, nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = load(cache_kinds[kind], num_parallel=1)
    good = prompt(200, start=1)
    expected = answer(run(engine, good)[0])
    errors, _ = last_errors(), capsys.readouterr()
    submit(engine, 1, prompt(200, start=2))
    before = nodes.count
    nodes.cancel(1, after=EARLY)
    assert step(engine) == []
    assert nodes.count == before + EARLY
    assert engine.idle
    assert capsys.readouterr().err == ""
    assert last_errors() == errors
    assert answer(run(engine, good)[0]) == expected


def test_what_was_read_before_the_cancelled_step_is_reused(
    cache_kinds: dict[str, Path], nodes: Nodes
) -> None:
    engine = load(cache_kinds["full"], num_parallel=1, num_batch=64)
    submit(engine, 1, prompt(200))
    step(engine)
    nodes.cancel(1, after=EARLY)
    step(engine)
    (items,) = run(engine, prompt(200))
    assert items[-1].cached_tokens == 64


def load_mixed(path: Path, **parameters: Any) -> LlamaCppEngine:
    """Load a model that computes all requests in one batch, as on a GPU."""
    engine = load(path, **parameters)
    assert engine._text is not None
    engine._text._batch._separate = False
    return engine


@pytest.mark.parametrize("kind", ["full", "window", "recurrent"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_the_other_requests_of_a_batch_go_on(
    cache_kinds: dict[str, Path], kind: str, share: float, nodes: Nodes
) -> None:
    """One of them generates, and is long enough to have left the sliding window."""
    long = prompt(900, start=2)
    engine = load_mixed(cache_kinds[kind], num_batch=1024)
    expected = answer(run(engine, prompt(60))[0])

    engine = load_mixed(cache_kinds[kind], num_batch=1024)
    outputs = []
    submit(engine, 1, prompt(60))
    for _ in range(3):
        outputs += step(engine)
    submit(engine, 2, long)
    before = nodes.count
    engine.step()  # the same batch to its end, to count its nodes
    total = nodes.count - before
    engine.reset()

    outputs = []
    submit(engine, 1, prompt(60))
    for _ in range(3):
        outputs += step(engine)
    submit(engine, 2, long)
    before = nodes.count
    nodes.cancel(2, after=1 + int(share * total))
    outputs += step(engine)
    if kind == "full":
        assert nodes.count == before + 1 + int(share * total)
    if kind == "recurrent":
        assert nodes.count == before + total
    assert rest_of(engine, 1, outputs) == expected


def test_a_prompt_beside_a_cancelled_one_is_read_again(
    cache_kinds: dict[str, Path], nodes: Nodes
) -> None:
    engine = load_mixed(cache_kinds["full"])
    expected = answer(run(engine, prompt(40))[0])
    engine = load_mixed(cache_kinds["full"])
    submit(engine, 1, prompt(40))
    submit(engine, 2, prompt(150, start=2))
    nodes.cancel(2, after=EARLY)
    assert step(engine) == []
    assert rest_of(engine, 1, []) == expected


def test_a_step_with_a_small_share_of_cancelled_tokens_is_not_ended(
    cache_kinds: dict[str, Path], nodes: Nodes
) -> None:
    engine = load_mixed(cache_kinds["full"])
    submit(engine, 1, prompt(150))
    submit(engine, 2, prompt(40, start=2))
    nodes.cancel(2, after=EARLY)
    outputs = step(engine)
    assert {id_ for id_, _ in outputs} == {1, 2}


def test_cancels_in_every_step_do_not_stop_the_others(
    cache_kinds: dict[str, Path], nodes: Nodes
) -> None:
    engine = load(cache_kinds["full"])
    expected = answer(run(engine, prompt(40))[0])
    engine = load(cache_kinds["full"])
    submit(engine, 1, prompt(40))
    outputs: list[Any] = []
    for id_ in range(2, 200):
        submit(engine, id_, prompt(150, start=id_))
        nodes.cancel(id_, after=EARLY)
        outputs += step(engine)
        if any(at == 1 and not isinstance(item, Delta) for at, item in outputs[1:]):
            break
    else:
        raise AssertionError("the request did not end")
    assert id_ <= 2 + 2 * 12
    assert answer([item for at, item in outputs if at == 1]) == expected


def test_a_prompt_has_a_computation_of_its_own_on_a_cpu(
    cache_kinds: dict[str, Path], nodes: Nodes
) -> None:
    engine = load(cache_kinds["recurrent"])
    submit(engine, 1, prompt(150))
    submit(engine, 2, prompt(40, start=2))
    nodes.cancel(2, after=EARLY)
    assert {id_ for id_, _ in step(engine) + step(engine)} == {1}


@pytest.mark.parametrize("kind", ["chat model", "encoder"])
def test_a_cancelled_embedding_ends_its_step(
    cache_kinds: dict[str, Path], tmp_path: Path, kind: str, nodes: Nodes
) -> None:
    encoder = kind == "encoder"
    path = tiny_gguf.bert(tmp_path / "bert.gguf", 512) if encoder else cache_kinds["full"]
    engine = load(path, num_ctx=512)
    good = EmbeddingRequest([[5, 6, 7], [8, 9]])
    expected = run(engine, good)
    submit(engine, 1, EmbeddingRequest([[10 + i % 40 for i in range(300)]]))
    before = nodes.count
    nodes.cancel(1, after=EARLY)
    assert step(engine) == []
    assert nodes.count == before + EARLY
    assert engine.idle
    assert run(engine, good) == expected


def test_a_cancelled_image_ends_its_step(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, nodes: Nodes
) -> None:
    monkeypatch.setattr(decoder, "NODES", 1)
    _, model, mmproj = tiny_mtmd.make(tmp_path_factory.mktemp("mtmd"))
    engine = load(model, mmproj, num_ctx=256, num_parallel=1)
    request = chat("", max_tokens=6, logprobs=0)
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    request.messages[0]["content"] = content
    request.images.append(encode(random_image(1, 28, 28)))
    expected = answer(run(engine, request)[0])

    def start() -> None:
        engine.reset()
        submit(engine, 1, request)
        assert step(engine) == []  # the text before the image

    start()
    before = nodes.count
    engine.step()
    total = nodes.count - before
    assert total > 3 * EARLY
    for after in (1, EARLY, total // 2, total - EARLY):
        start()
        before = nodes.count
        nodes.cancel(1, after=after)
        assert step(engine) == []
        assert engine.idle
        # Ending the encoder takes until the first node of the language model.
        assert before + after <= nodes.count <= before + after + 1
        assert answer(run(engine, request)[0]) == expected
