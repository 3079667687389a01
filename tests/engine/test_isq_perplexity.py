"""Measure the effect of each quantization on the perplexity of a real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.convert.quantize import quantize
from a3s_power_jupyter.engine.llamacpp.backend import install_log
from a3s_power_jupyter.engine.protocol import Load
from a3s_power_jupyter.engine.transformers.model import LoadedModel
from support import tiny_models
from support.paths import SUPPORT

TEXT = (SUPPORT / "perplexity.txt").read_text()

#: Largest relative change from the perplexity of the unquantized model.
GGML = {"Q8_0": 0.02, "Q6K": 0.03, "Q4K": 0.08, "Q4_0": 0.30}
HQQ = {"HQQ8": 0.02, "HQQ4": 0.25}


def load(directory: Path, kind: str) -> LoadedModel:
    names = sorted(path.name for path in directory.iterdir())
    paths = tuple(str(directory / name) for name in names)
    message = Load("safetensors", paths, LoadParameters(isq=kind), names=tuple(names))  # type: ignore[arg-type]
    return LoadedModel(message, lambda _value: None)


def perplexity(logits: Any, tokens: list[int]) -> float:
    """Return exp(mean(-log p)) over all tokens but the first."""
    scores = torch.log_softmax(torch.as_tensor(logits[:-1]).double(), 1)
    return float(torch.exp(-scores.gather(1, torch.tensor(tokens[1:])[:, None]).mean()))


def torch_logits(model: LoadedModel, tokens: list[int]) -> Any:
    with torch.inference_mode():
        return model.model(torch.tensor([tokens])).logits[0].float().numpy()


@pytest.fixture(scope="module")
def tokens(smollm2_directory: Path) -> list[int]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm2_directory)
    return list(tokenizer(TEXT)["input_ids"])


@pytest.fixture(scope="module")
def plain(smollm2_directory: Path, tokens: list[int]) -> Any:
    """The logits of the unquantized model, computed by transformers."""
    return torch_logits(load(smollm2_directory, "none"), tokens)


@pytest.fixture(scope="module")
def whole(smollm2_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unquantized model as GGUF."""
    install_log()
    target = tmp_path_factory.mktemp("perplexity") / "whole.gguf"
    convert(smollm2_directory, target, lambda _value: None)
    return target


def test_the_conversion_matches_transformers(whole: Path, plain: Any, tokens: list[int]) -> None:
    """The match is not exact, because both compute in 16 bits and in different orders."""
    actual = tiny_models.llama_logits(whole, tokens)
    assert perplexity(actual, tokens) == pytest.approx(perplexity(plain, tokens), rel=5e-3)
    assert (actual.argmax(1) == plain.argmax(1)).mean() > 0.97
    assert np.abs(actual - plain).mean() < 0.2


@pytest.mark.parametrize("kind", GGML)
def test_quantization_by_llamacpp(
    kind: str, whole: Path, plain: Any, tokens: list[int], tmp_path: Path
) -> None:
    quantize(whole, tmp_path / "m.gguf", kind, threads=2)
    actual = perplexity(tiny_models.llama_logits(tmp_path / "m.gguf", tokens), tokens)
    check(kind, actual, perplexity(plain, tokens), GGML[kind])


@pytest.mark.parametrize("kind", HQQ)
def test_quantization_by_hqq(
    kind: str, smollm2_directory: Path, plain: Any, tokens: list[int]
) -> None:
    actual = perplexity(torch_logits(load(smollm2_directory, kind), tokens), tokens)
    check(kind, actual, perplexity(plain, tokens), HQQ[kind])


def check(kind: str, actual: float, plain: float, bound: float) -> None:
    assert abs(actual / plain - 1) < bound, f"{kind}: {actual:.3f}, unquantized {plain:.3f}"
