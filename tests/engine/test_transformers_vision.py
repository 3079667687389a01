"""Test the vision engine with tiny random models of many families, stepped in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, CompletionRequest, Delta, Sampling
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers.vision import VisionEngine, images_only
from support import engine_runs, tiny_vision
from support.engine_runs import decoded
from support.tiny_vision import encode, random_image

GREEDY = Sampling(temperature=0.0, max_tokens=8, logprobs=3)
IMAGE = {"type": "image"}


def load(directory: Path, **parameters: Any) -> VisionEngine:
    names = sorted(path.name for path in directory.iterdir())
    message = Load(
        "vision",
        tuple(str(directory / name) for name in names),
        LoadParameters(num_thread=1, **parameters),
        names=tuple(names),
    )
    return VisionEngine.load(message, lambda _value: None)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> VisionEngine:
    return load(tiny_vision.make(tmp_path_factory.mktemp("vision") / "llava", "llava"))


def ask(*content: Any, files: tuple[bytes, ...] = ()) -> ChatRequest:
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    return ChatRequest([{"role": "user", "content": parts}], GREEDY, list(files))


def run(engine: VisionEngine, request: Any) -> tuple[str, list[float]]:
    """Run one request; return the text and the log-probabilities of its tokens."""
    [items] = engine_runs.run(engine, request)
    deltas = [item for item in items if isinstance(item, Delta)]
    logprobs = [row.logprob for delta in deltas for row in delta.logprobs or []]
    return "".join(delta.text for delta in deltas), logprobs


def expected(directory: Path, text: str, images: list[Any]) -> list[int]:
    """Return the tokens that transformers generates greedily."""
    config = transformers.AutoConfig.from_pretrained(directory)
    processor = images_only(PROCESSOR_MAPPING[type(config)]).from_pretrained(directory)
    model = transformers.AutoModelForImageTextToText.from_pretrained(directory)
    content = [*({"type": "image"} for _ in images), {"type": "text", "text": text}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    inputs = processor(
        text=[prompt], images=[images], return_tensors="pt", add_special_tokens=False
    )
    generated = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    return generated[0, inputs["input_ids"].shape[1] :].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("family", tiny_vision.FAMILIES)
def test_every_family_matches_transformers(family: str, tmp_path: Path) -> None:
    """Test none, one and two images. The images and their order change the logits."""
    directory = tiny_vision.make(tmp_path / "model", family)
    engine = load(directory)
    one, two = random_image(1), random_image(2, 30, 64)
    a, b = encode(one), encode(two)
    for images, files in (([one], (a,)), ([one, two], (a, b))):
        request = ask(*[IMAGE] * len(files), "What is this?", files=files)
        tokens = expected(directory, "What is this?", images)
        pieces = [
            engine._model.token_to_piece(t) for t in tokens if t not in engine._model.eos_token_ids
        ]
        text, _ = run(engine, request)
        assert text == decoded(b"".join(pieces))
    scores = [
        run(engine, ask(*[IMAGE] * len(files), "What?", files=files))[1][0]
        for files in ((a,), (b,), (a, b), (b, a), (a,))
    ]
    assert scores[0] == scores[4]
    assert len({round(score, 6) for score in scores[:4]}) == 4
    plain = ChatRequest([{"role": "user", "content": "Hello"}], GREEDY)
    again = run(engine, plain)
    run(engine, ask(IMAGE, "What?", files=(b,)))
    assert run(engine, plain) == again
    assert run(engine, CompletionRequest("Hello", GREEDY))[1]


def test_image_formats_give_the_same_answer(llava: VisionEngine) -> None:
    image = random_image(3)
    png, webp = encode(image), encode(image, "WEBP", lossless=True)
    assert run(llava, ask(IMAGE, "x", files=(png,))) == run(llava, ask(IMAGE, "x", files=(webp,)))
    _, jpeg = run(llava, ask(IMAGE, "x", files=(encode(image, "JPEG", quality=98),)))
    _, first = run(llava, ask(IMAGE, "x", files=(png,)))
    assert np.isclose(jpeg[0], first[0], atol=0.5)


def test_invalid_images_are_refused_and_take_no_slot(llava: VisionEngine) -> None:
    png = encode(random_image(1))
    with pytest.raises(InvalidParameter, match="Image 2 is broken"):
        llava.prepare(0, ask(IMAGE, IMAGE, "x", files=(png, png[: len(png) // 2])))
    with pytest.raises(InvalidParameter, match="processor rejected these images"):
        llava.prepare(0, ask(IMAGE, "and <image> too", files=(png,)))
    assert llava.idle


def test_image_tokens_count_toward_the_context(tmp_path: Path) -> None:
    engine = load(tiny_vision.make(tmp_path / "model", "idefics3"), num_ctx=40)
    png = encode(random_image(1))
    run(engine, ask(IMAGE, "x", files=(png,)))
    with pytest.raises(ContextLengthExceeded):
        engine.prepare(0, ask(IMAGE, IMAGE, "x", files=(png, png)))


def test_a_template_for_strings_gets_the_image_token(tmp_path: Path) -> None:
    template = "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}{% endfor %}</s>"
    engine = load(tiny_vision.make(tmp_path / "model", "llava"), chat_template=template)
    png = encode(random_image(1))
    prompt = engine.prompt(ask(IMAGE, "Hi", files=(png,)))
    assert "pixel_values" in prompt.inputs
    assert engine._model.tokenizer.decode(prompt.tokens).startswith("<s>user: <image>")


def test_only_the_language_model_is_quantized(tmp_path: Path) -> None:
    engine = load(tiny_vision.make(tmp_path / "model", "llava"), isq="HQQ8")
    kinds = {name: type(part).__name__ for name, part in engine._model.model.named_modules()}
    quantized = [name for name, kind in kinds.items() if kind == "HQQLinear"]
    assert all("language_model" in name for name in quantized)
    png = encode(random_image(1))
    assert run(engine, ask(IMAGE, "x", files=(png,)))[1]
