"""Compare images in the llama.cpp engine with transformers on the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from llama_cpp import mtmd_cpp

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
    PowerError,
)
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Delta, Finished, Sampling, Started
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_mtmd
from support.engine_runs import finished, run
from support.native_objects import NativeObjects
from support.tiny_vision import encode, random_image

IMAGE = {"type": "image"}
#: The images have the size of the model's input, so neither library scales them.
A, B = random_image(1, 28, 28), random_image(2, 28, 28)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return tiny_mtmd.make(tmp_path_factory.mktemp("mtmd"))


def load(model: Path, mmproj: Path | None, **parameters: Any) -> LlamaCppEngine:
    load_parameters = LoadParameters(num_thread=1, **{"num_ctx": 256, **parameters})
    message = Load("gguf", (str(model),), load_parameters, mmproj=str(mmproj) if mmproj else None)
    return LlamaCppEngine.load(message, lambda _value: None)


@pytest.fixture
def engine(files: tuple[Path, Path, Path]) -> LlamaCppEngine:
    return load(files[1], files[2])


def ask(*content: Any, images: tuple[Any, ...] = (), **sampling: Any) -> ChatRequest:
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    values = {"temperature": 0.0, "max_tokens": 8, "logprobs": 5, **sampling}
    encoded = [encode(image) for image in images]
    return ChatRequest([{"role": "user", "content": parts}], Sampling(**values), encoded)


def logprobs(items: list[Any]) -> list[float]:
    """Return the log-probability of each sampled token."""
    deltas = [item for item in items if isinstance(item, Delta)]
    return [row.logprob for delta in deltas for row in delta.logprobs or []]


def expected(directory: Path, text: str, images: list[Any], count: int) -> list[float]:
    """Return the log-probabilities that transformers computes."""
    processor = transformers.AutoProcessor.from_pretrained(directory)
    model = transformers.AutoModelForImageTextToText.from_pretrained(directory)
    inputs = processor(text=[text], images=images, return_tensors="pt", add_special_tokens=False)
    generated = model.generate(
        **inputs,
        max_new_tokens=count,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return [torch.log_softmax(logits[0], 0).max().item() for logits in generated.logits]


def test_logprobs_match_transformers(
    engine: LlamaCppEngine, files: tuple[Path, Path, Path]
) -> None:
    """Test one image, and two images with text between them."""
    one = ask(IMAGE, "What?", images=(A,))
    two = ask("First", IMAGE, "then", IMAGE, "What?", images=(A, B))
    actual = [logprobs(run(engine, request)[0]) for request in (one, two)]
    texts = ("<image>\nWhat?", "First\n<image>\nthen\n<image>\nWhat?")
    for values, text, images in zip(actual, texts, ([A], [A, B]), strict=True):
        prompt = f"<s>user\n{text}</s><s>assistant"
        reference = expected(files[0], prompt, images, len(values))
        assert np.abs(np.array(values) - reference).max() < 5e-3


def test_an_image_is_cached(engine: LlamaCppEngine) -> None:
    """If the image changes, only the prefix before it is reused."""
    first = run(engine, ask(IMAGE, "What?", images=(A,)))[0]
    again = run(engine, ask(IMAGE, "Who?", images=(A,)))[0]
    other = run(engine, ask(IMAGE, "Who?", images=(B,)))[0]
    cached = [item.cached_tokens for items in (first, again, other) for item in items[-1:]]
    started = [item.prompt_tokens for item in first if isinstance(item, Started)]
    assert started[0] > cached[1] > cached[2] > cached[0] == 0
    assert cached[1] >= cached[2] + 4
    fresh = run(engine, ask(IMAGE, "Who?", images=(B,), seed=1))[0]
    assert logprobs(other)[0] == pytest.approx(logprobs(fresh)[0], abs=1e-4)
    longer = run(engine, ask(IMAGE, "Who?", IMAGE, "And?", images=(B, A)))[0]
    assert longer[-1].cached_tokens >= cached[2] + 4


def test_no_image_is_refused_for_its_hash(engine: LlamaCppEngine) -> None:
    for seed in range(6):
        image = random_image(seed, 28, 28)
        [items] = run(engine, ask("hi", IMAGE, "x", images=(image,), max_tokens=1))
        assert isinstance(items[-1], Finished)


def test_a_seed_does_not_reuse_chunks_of_other_lengths(
    files: tuple[Path, Path, Path],
) -> None:
    engine = load(files[1], files[2], num_ctx=512)
    content = {"images": (A,), "max_tokens": 2}
    [cold] = run(engine, ask("ab " * 100, IMAGE, "x", seed=1, **content))
    engine.reset()
    run(engine, ask("ab " * 100, IMAGE, "x", **content))  # reads up to the image at once
    [warm] = run(engine, ask("ab " * 100, IMAGE, "x", seed=1, **content))
    assert finished(cold).prompt_tokens > 200
    assert finished(warm).cached_tokens == 0
    assert logprobs(warm) == logprobs(cold)


def test_an_image_in_one_slot_changes_nothing_in_another(
    files: tuple[Path, Path, Path],
) -> None:
    engine = load(files[1], files[2], num_parallel=2)
    text = ask("Tell me", max_tokens=24)
    image = ask(IMAGE, "What?", images=(A,))
    alone = [run(engine, request)[0] for request in (text, image)]
    engine = load(files[1], files[2], num_parallel=2)
    together = run(engine, text, image)
    for one, other in zip(alone, together, strict=True):
        difference = np.abs(np.array(logprobs(one)) - logprobs(other))
        assert difference.max() < 1e-2  # batches round differently


def test_a_request_can_be_cancelled_before_and_after_an_image(engine: LlamaCppEngine) -> None:
    request = ask("x" * 100, IMAGE, "What?", IMAGE, "Well?", images=(A, B))
    for steps in range(4):
        engine.submit(engine.prepare(1, request))
        for _ in range(steps):
            engine.step()
        engine.cancel(1)
        assert engine.idle
    assert isinstance(run(engine, ask(IMAGE, "What?", images=(A,)))[0][-1], Finished)


def test_invalid_requests_and_projectors_are_refused(
    engine: LlamaCppEngine, files: tuple[Path, Path, Path]
) -> None:
    broken = ChatRequest([{"role": "user", "content": [IMAGE]}], Sampling(), [encode(A)[:90]])
    with pytest.raises(InvalidParameter, match="Image 1 is broken"):
        engine.prepare(1, broken)
    with pytest.raises(ContextLengthExceeded):
        engine.prepare(1, ask(*[IMAGE] * 48, "x", images=(A,) * 48))
    assert engine.idle
    bare = load(files[1], files[2], chat_template="{{ messages[0].content }}")
    with pytest.raises(InvalidParameter, match="ends with an image"):
        bare.prepare(1, ask("What?", IMAGE, images=(A,)))
    with pytest.raises(InvalidParameter, match="does not support images"):
        load(files[1], None).prepare(1, ask(IMAGE, "x", images=(A,)))
    with pytest.raises(ModelLoadFailed, match="mmproj"):
        load(files[1], files[1])


def test_an_image_sends_heartbeats(engine: LlamaCppEngine, heartbeats: list[float]) -> None:
    engine.submit(engine.prepare(1, ask(IMAGE, "What?", images=(A,))))
    engine.step()  # the text before the image
    heartbeats.clear()
    engine.step()
    assert len(heartbeats) > 2


def test_refused_images_leave_no_native_objects(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = {
        "mtmd_bitmap_init": "mtmd_bitmap_free",
        "mtmd_input_chunks_init": "mtmd_input_chunks_free",
    }
    objects = NativeObjects(monkeypatch, mtmd_cpp, functions)
    too_many = ask(*[IMAGE] * 48, "x", images=(A,) * 48)
    unknown_token = ask(IMAGE, "x", images=(A,), logit_bias={10**6: 1.0})
    for request in (too_many, unknown_token):
        try:
            engine.prepare(1, request)
        except PowerError as error:
            refused = error.code
        assert refused in ("context_length_exceeded", "invalid_parameter")
    run(engine, ask(IMAGE, "What?", images=(A,)))
    assert objects.created == 48 + 1 + 1 + 3
    assert objects.count == 0
