"""Test that conversations with images start from the caches of earlier turns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import transformers

from a3s_power_jupyter.contract.errors import ModelLoadFailed
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Delta, Sampling
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from a3s_power_jupyter.engine.transformers.joining import require_attention_layers
from a3s_power_jupyter.engine.transformers.vision import VisionEngine
from support import tiny_vision
from support.engine_runs import finished, run
from support.tiny_vision import encode, random_image

IMAGE = {"type": "image"}
A, B = encode(random_image(1)), encode(random_image(2))
LARGE = encode(random_image(3, 120, 120))


def load(directory: Path, memory: int = 2**26) -> VisionEngine:
    names = sorted(path.name for path in directory.iterdir())
    message = Load(
        "vision",
        tuple(str(directory / name) for name in names),
        LoadParameters(num_thread=1, num_ctx=1024),
        names=tuple(names),
        prompt_cache=PromptCacheSettings(memory_bytes=memory),
    )
    return VisionEngine.load(message, lambda _value: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2.5-VL, in which an image takes fewer positions than tokens."""
    return tiny_vision.make(tmp_path_factory.mktemp("vision") / "model", "qwen2.5-vl")


@pytest.fixture(scope="module", params=tiny_vision.FAMILIES)
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vision.make(tmp_path_factory.mktemp("vision") / "model", request.param)


def turn(*content: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    return {"role": "user", "content": parts}


def ask(
    engine: VisionEngine, messages: list[dict[str, Any]], *files: bytes, **sampling: Any
) -> tuple[str, list[float], int]:
    """Return the text of the answer, log-probabilities and the number of cached tokens."""
    settings = {"temperature": 0.0, "max_tokens": 8, "logprobs": 0, **sampling}
    [items] = run(engine, ChatRequest(messages, Sampling(**settings), list(files)))
    deltas = [item for item in items if isinstance(item, Delta)]
    logprobs = [row.logprob for delta in deltas for row in delta.logprobs or []]
    return "".join(d.text for d in deltas), logprobs, finished(items).cached_tokens


def test_a_conversation_about_images_stays_warm(directory: Path) -> None:
    """The later turns are text; between them are text and another image of the same size."""
    warm, cold = load(directory), load(directory, memory=0)
    chats = {A: [turn(IMAGE, "What is this? " * 20)], B: [turn(IMAGE, "What is this? " * 20)]}
    for number in range(2):
        for image, messages in chats.items():
            text, scores, nothing = ask(cold, messages, image)
            answer, warm_scores, cached = ask(warm, messages, image)
            assert answer == text
            assert warm_scores == pytest.approx(scores, abs=1e-4)
            assert nothing == 0
            assert (cached > 150) == (number > 0)
            chats[image] = [*messages, {"role": "assistant", "content": text}, turn("And now?")]
            plain = [turn(f"Hello {number} " * 30)]
            assert ask(warm, plain)[1] == pytest.approx(ask(cold, plain)[1], abs=1e-4)


def test_a_new_image_is_never_taken_for_another(directory: Path) -> None:
    warm, cold = load(directory), load(directory, memory=0)
    begin = [turn("Compare. " * 30, IMAGE, "with", IMAGE)]
    for files in ((A, B), (B, A), (A, A), (A, B)):
        result = ask(warm, begin, *files)
        assert result[1] == pytest.approx(ask(cold, begin, *files)[1], abs=1e-4)
    assert result[2] > 30
    longer = [*begin, {"role": "assistant", "content": "x"}, turn(IMAGE, "and this?")]
    text, scores, cached = ask(warm, longer, A, B, LARGE)
    assert cached == 0  # the images of a prompt are computed together
    assert (text, pytest.approx(scores, abs=1e-4)) == ask(cold, longer, A, B, LARGE)[:2]
    plain = [turn("Compare. " * 30, "without")]
    text, scores, cached = ask(warm, plain)
    assert cached > 20
    assert (text, pytest.approx(scores, abs=1e-4)) == ask(cold, plain)[:2]


def test_a_seed_gives_the_same_bits_with_images(directory: Path) -> None:
    warm, cold = load(directory), load(directory, memory=0)
    messages = [turn("Look. ", IMAGE, "What is this? " * 30)]
    for number in range(2):
        ask(warm, [turn("Look. " * 40)])
        text, scores, cached = ask(warm, messages, LARGE, seed=5, temperature=1.0)
        assert (text, scores, 0) == ask(cold, messages, LARGE, seed=5, temperature=1.0)
        assert (cached > 100) == (number > 0)
        messages += [{"role": "assistant", "content": text}, turn("And now?")]


def test_positions_of_an_image_do_not_reach_the_next_text(folder: Path) -> None:
    """Text of more than one chunk after an image gives the same as in a fresh process."""
    engine = load(folder, memory=0)
    plain = [turn("Hello you there. " * 60)]
    fresh = ask(engine, plain)
    ask(engine, [turn(IMAGE, "What?")], LARGE)
    assert ask(engine, plain) == fresh


def test_other_families_reuse_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_power_jupyter.engine.transformers.vision.CAUSAL_FAMILIES", set())
    engine = load(folder)
    for messages, files in (([turn(IMAGE, "Hi")], [A]), ([turn("Hello you. " * 30)], [])):
        first = ask(engine, messages, *files)
        assert ask(engine, messages, *files) == (*first[:2], 0)
    assert engine.stats().prompt_cache_bytes == 0


def test_hybrid_vision_models_are_refused() -> None:
    text = {"layer_types": ["linear_attention", "full_attention"], "num_hidden_layers": 2}
    config = transformers.Qwen3_5Config(text_config=text)
    model: Any = SimpleNamespace(model=SimpleNamespace(config=config))
    with pytest.raises(ModelLoadFailed, match="keys and values"):
        require_attention_layers(model)
