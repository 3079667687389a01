"""Images in the llama.cpp engine, compared with transformers on the same tiny weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
)
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Delta, Finished, Sampling, Started
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_mtmd
from support.tiny_vision import file_of, picture

IMAGE = {"type": "image"}
#: As large as the model looks at them, so that nobody scales them.
A, B = picture(1, 28, 28), picture(2, 28, 28)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return tiny_mtmd.make(tmp_path_factory.mktemp("mtmd"))


def load(model: Path, mmproj: Path | None, **parameters: Any) -> LlamaCppEngine:
    given = LoadParameters(num_thread=1, **{"num_ctx": 256, **parameters})
    message = Load("gguf", (str(model),), given, mmproj=str(mmproj) if mmproj else None)
    return LlamaCppEngine.load(message, lambda _value: None)


@pytest.fixture
def engine(files: tuple[Path, Path, Path]) -> LlamaCppEngine:
    return load(files[1], files[2])


def ask(*content: Any, images: tuple[Any, ...] = (), **sampling: Any) -> ChatRequest:
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    values = {"temperature": 0.0, "max_tokens": 8, "logprobs": 5, **sampling}
    encoded = [file_of(image) for image in images]
    return ChatRequest([{"role": "user", "content": parts}], Sampling(**values), encoded)


def run(engine: LlamaCppEngine, *requests: ChatRequest) -> list[list[Any]]:
    for id_, request in enumerate(requests):
        engine.submit(id_, request)
    outputs: list[Any] = []
    while not engine.idle:
        outputs += engine.step()
    return [[item for at, item in outputs if at == id_] for id_ in range(len(requests))]


def scores(items: list[Any]) -> list[float]:
    """The log-probability of each token that was drawn."""
    deltas = [item for item in items if isinstance(item, Delta)]
    return [row.logprob for delta in deltas for row in delta.logprobs or []]


def expected(directory: Path, text: str, images: list[Any], count: int) -> list[float]:
    """The same of transformers."""
    processor = transformers.AutoProcessor.from_pretrained(directory)
    model = transformers.AutoModelForImageTextToText.from_pretrained(directory)
    inputs = processor(text=[text], images=images, return_tensors="pt", add_special_tokens=False)
    made = model.generate(
        **inputs,
        max_new_tokens=count,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return [torch.log_softmax(logits[0], 0).max().item() for logits in made.logits]


def test_as_transformers(engine: LlamaCppEngine, files: tuple[Path, Path, Path]) -> None:
    """One image, and two with text between them."""
    one = ask(IMAGE, "What?", images=(A,))
    two = ask("First", IMAGE, "then", IMAGE, "What?", images=(A, B))
    got = [scores(run(engine, request)[0]) for request in (one, two)]
    texts = ("<image>\nWhat?", "First\n<image>\nthen\n<image>\nWhat?")
    for values, text, images in zip(got, texts, ([A], [A, B]), strict=True):
        prompt = f"<s>user\n{text}</s><s>assistant"
        wanted = expected(files[0], prompt, images, len(values))
        assert np.abs(np.array(values) - wanted).max() < 5e-3


def test_an_image_is_known_again(engine: LlamaCppEngine) -> None:
    """The same prefix with the same image is not computed twice; with another one, all behind
    what they share is."""
    first = run(engine, ask(IMAGE, "What?", images=(A,)))[0]
    again = run(engine, ask(IMAGE, "Who?", images=(A,)))[0]
    other = run(engine, ask(IMAGE, "Who?", images=(B,)))[0]
    cached = [item.cached_tokens for items in (first, again, other) for item in items[-1:]]
    started = [item.prompt_tokens for item in first if isinstance(item, Started)]
    assert started[0] > cached[1] > cached[2] > cached[0] == 0
    assert cached[1] >= cached[2] + 4
    fresh = run(engine, ask(IMAGE, "Who?", images=(B,), seed=1))[0]
    assert scores(other)[0] == pytest.approx(scores(fresh)[0], abs=1e-4)
    longer = run(engine, ask(IMAGE, "Who?", IMAGE, "And?", images=(B, A)))[0]
    assert longer[-1].cached_tokens >= cached[2] + 4


def test_beside_a_text_that_is_written(files: tuple[Path, Path, Path]) -> None:
    """Two slots: an image in one changes nothing in the other."""
    engine = load(files[1], files[2], num_parallel=2)
    text = ask("Tell me", max_tokens=24)
    seen = ask(IMAGE, "What?", images=(A,))
    alone = [run(engine, request)[0] for request in (text, seen)]
    engine = load(files[1], files[2], num_parallel=2)
    together = run(engine, text, seen)
    for one, other in zip(alone, together, strict=True):
        assert np.abs(np.array(scores(one)) - scores(other)).max() < 1e-3


def test_cancelled_before_and_after_its_image(engine: LlamaCppEngine) -> None:
    request = ask("x" * 100, IMAGE, "What?", IMAGE, "Well?", images=(A, B))
    for steps in range(4):
        engine.submit(1, request)
        for _ in range(steps):
            engine.step()
        engine.cancel(1)
        assert engine.idle
    assert isinstance(run(engine, ask(IMAGE, "What?", images=(A,)))[0][-1], Finished)


def test_mistakes(engine: LlamaCppEngine, files: tuple[Path, Path, Path]) -> None:
    broken = ChatRequest([{"role": "user", "content": [IMAGE]}], Sampling(), [file_of(A)[:90]])
    with pytest.raises(InvalidParameter, match="Image 1 is broken"):
        engine.submit(1, broken)
    with pytest.raises(ContextLengthExceeded):
        engine.submit(1, ask(*[IMAGE] * 48, "x", images=(A,) * 48))
    assert engine.idle
    bare = load(files[1], files[2], chat_template="{{ messages[0].content }}")
    with pytest.raises(InvalidParameter, match="ends with an image"):
        bare.submit(1, ask("What?", IMAGE, images=(A,)))
    with pytest.raises(InvalidParameter, match="no vision"):
        load(files[1], None).submit(1, ask(IMAGE, "x", images=(A,)))
    with pytest.raises(ModelLoadFailed, match="mmproj"):
        load(files[1], files[1])
