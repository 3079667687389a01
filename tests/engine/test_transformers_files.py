"""The caches of a model on transformers are saved, and fit to the next load of the same model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest, Delta, Sampling
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from a3s_power_jupyter.engine.transformers import TransformersEngine
from a3s_power_jupyter.engine.transformers.vision import VisionEngine
from support import tiny_vision
from support.engine_runs import finished, load_directory, run
from support.prompts import only_file
from support.tiny_models import byte_level, make

PROMPT = [1, *(i * 13 % 380 + 3 for i in range(299))]

#: Suppresses the end of the answer.
BIAS = {2: -10000.0}


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=str)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("llama"), "LlamaConfig", byte_level("gpt-2"),
        max_position_embeddings=1024, dtype=request.param,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompts" / "model"


def settings(folder: Path, weights: str = "") -> PromptCacheSettings:
    return PromptCacheSettings(2**26, str(folder), weights, 2**28)


def load(directory: Path, cache: PromptCacheSettings, **parameters: Any) -> TransformersEngine:
    parameters = {"num_thread": 1, "isq": "none", **parameters}
    return load_directory(TransformersEngine, directory, prompt_cache=cache, **parameters)


def ask(engine: TransformersEngine, prompt: list[int], **sampling: Any) -> tuple[list[Any], int]:
    """Return the answer with its log probabilities, and the number of cached tokens."""
    fields = {"temperature": 0.0, "max_tokens": 6, "logprobs": 1, "logit_bias": BIAS}
    [items] = run(engine, CompletionRequest(prompt, Sampling(**fields | sampling)))
    return [item for item in items if isinstance(item, Delta)], finished(items).cached_tokens


def test_the_next_load_gives_the_same_numbers_with_a_seed(directory: Path, folder: Path) -> None:
    first = load(directory, settings(folder))
    expected, _ = ask(first, PROMPT, seed=1, temperature=1.0)
    first.save(math.inf)
    second = load(directory, settings(folder))
    assert second.stats().prompt_cache_bytes == 0
    assert ask(second, PROMPT, seed=1, temperature=1.0) == (expected, 256)
    second.save(math.inf)
    assert ask(load(directory, settings(folder)), PROMPT, seed=1, temperature=1.0)[1] == 256


def test_the_next_turn_replaces_the_file(directory: Path, folder: Path) -> None:
    prompt = PROMPT
    for size in (305, 330, 355):  # without the last token of the answer
        engine = load(directory, settings(folder), num_ctx=1024)
        active = engine.prepare(
            0, CompletionRequest(prompt, Sampling(max_tokens=6, logit_bias=BIAS))
        )
        engine.submit(active)
        while not engine.idle:
            engine.step()
        assert active.generation.num_cached_tokens == (0 if size == 305 else size - 25)
        engine.save(math.inf)
        assert only_file(folder).stat().st_size > size * 256
        prompt = [*active.tokens, *range(20, 39)]


def test_requests_in_progress_are_saved(directory: Path, folder: Path) -> None:
    first = load(directory, settings(folder))
    for id_, prompt in enumerate((PROMPT[:50], PROMPT[::-1])):
        first.submit(first.prepare(id_, CompletionRequest(prompt, Sampling(max_tokens=99))))
    first.step()
    first.step()
    first.save(math.inf)
    second = load(directory, settings(folder))
    assert ask(second, PROMPT)[1] == 50
    assert ask(second, PROMPT[::-1])[1] == 128


@pytest.mark.parametrize(
    ("parameters", "weights"),
    [({"num_ctx": 512}, ""), ({"num_thread": 2}, ""), ({"isq": "HQQ8"}, ""), ({}, "other")],
)
def test_another_load_does_not_use_them(
    directory: Path, folder: Path, parameters: dict[str, Any], weights: str
) -> None:
    first = load(directory, settings(folder))
    ask(first, PROMPT)
    first.save(math.inf)
    second = load(directory, settings(folder, weights), **parameters)
    assert ask(second, PROMPT)[1] == 0


def test_a_damaged_file_is_removed(directory: Path, folder: Path) -> None:
    first = load(directory, settings(folder))
    expected, _ = ask(first, PROMPT)
    first.save(math.inf)
    path = only_file(folder)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    second = load(directory, settings(folder))
    assert ask(second, PROMPT) == (expected, 0)
    assert not path.exists()


def test_a_state_that_contradicts_its_tokens_is_refused(
    directory: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is right, as in a file that a program has replaced."""
    first = load(directory, settings(folder))
    ask(first, PROMPT)
    [entry] = first._prefixes._cache
    short = entry.state.cut(100, 128)
    monkeypatch.setattr(entry, "state", short)
    first.save(math.inf)
    path = only_file(folder)
    second = load(directory, settings(folder))
    assert ask(second, PROMPT)[1] == 0
    assert not path.exists()


def test_conversations_with_images_are_saved(tmp_path: Path, folder: Path) -> None:
    """In this family, an image takes fewer positions than tokens."""
    directory = tiny_vision.make(tmp_path / "model", "qwen2.5-vl")

    def load(cache: PromptCacheSettings) -> VisionEngine:
        names = sorted(path.name for path in directory.iterdir())
        message = Load(
            "vision",
            tuple(str(directory / name) for name in names),
            LoadParameters(num_thread=1),
            names=tuple(names),
            prompt_cache=cache,
        )
        return VisionEngine.load(message, lambda _value: None)

    parts = [{"type": "image"}, {"type": "text", "text": "What is this? " * 30}]
    image = tiny_vision.encode(tiny_vision.random_image(1, 120, 120))
    sampling = Sampling(temperature=1.0, max_tokens=6, logprobs=1, seed=1)
    request = ChatRequest([{"role": "user", "content": parts}], sampling, [image])
    first = load(settings(folder))
    [expected] = run(first, request)
    first.save(math.inf)
    second = load(settings(folder))
    [items] = run(second, request)
    assert finished(items).cached_tokens > 100
    deltas = [[item for item in one if isinstance(item, Delta)] for one in (items, expected)]
    assert deltas[0] == deltas[1]


def test_nothing_is_written_without_a_directory(directory: Path, tmp_path: Path) -> None:
    engine = load(directory, PromptCacheSettings(2**26))
    ask(engine, PROMPT)
    engine.save(math.inf)
    assert not [*tmp_path.iterdir()]
