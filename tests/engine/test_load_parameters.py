"""Test that engines say which load parameters have no effect, and refuse contradictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Format, Sampling
from a3s_power_jupyter.engine import registry
from a3s_power_jupyter.engine.llamacpp import model as llamacpp_model
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_embeddings, tiny_gguf, tiny_models, tiny_vision
from support.engine_runs import finished, run
from support.tiny_embeddings import SMALL

#: Parameters that only llama.cpp has.
LLAMA_CPP: dict[str, Any] = {
    "num_batch": 16, "flash_attention": True, "use_mlock": True, "use_mmap": True,
    "kv_cache_type": "f16", "tensor_split": [1.0],
}  # fmt: skip


def load(path: Path, format_: Format, **parameters: Any) -> Any:
    files = [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file()]
    names = [str(file.relative_to(path)) for file in files] if path.is_dir() else []
    values = LoadParameters(**{"num_thread": 1, "num_gpu": 0, **parameters})
    message = Load(format_, tuple(map(str, files)), values, names=tuple(names))
    return registry.engine_class(format_).load(message, lambda _value: None)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.gpt2(tmp_path_factory.mktemp("gguf") / "m.gguf", 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_ctx", 32), ("num_batch", 4), ("num_thread", 2), ("num_parallel", 2),
        ("flash_attention", True), ("flash_attention", False), ("use_mmap", False),
        ("kv_cache_type", "f32"), ("kv_cache_type", "bf16"), ("chat_template", "{{ messages }}"),
        ("isq", "none"),
    ],
)  # fmt: skip
def test_llama_cpp_takes_its_parameters(gpt2: Path, name: str, value: Any) -> None:
    engine = load(gpt2, "gguf", **{name: value})
    assert engine.info.notes == ()
    [items] = run(engine, CompletionRequest([5, 9], Sampling(max_tokens=2)))
    assert finished(items).completion_tokens <= 2


def test_llama_cpp_notes_what_it_cannot_do(gpt2: Path, tmp_path: Path) -> None:
    assert load(gpt2, "gguf", num_ctx=4096).info.notes == (
        "num_ctx is 64, the most that this model can process.",
    )
    encoder = tiny_gguf.bert(tmp_path / "m.gguf", 64)
    notes = load(encoder, "gguf", num_batch=8, chat_template="x").info.notes
    assert notes == (
        "chat_template has no effect on a model that generates no text.",
        "num_batch has no effect on an encoder.",
    )


def test_memory_that_cannot_be_locked_is_noted(gpt2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp_model, "locked_bytes", lambda: 0)
    [note] = load(gpt2, "gguf", use_mlock=True).info.notes
    assert "ulimit -l" in note
    monkeypatch.setattr(llamacpp_model, "locked_bytes", lambda: 4096)
    assert load(gpt2, "gguf", use_mlock=True).info.notes == ()


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"kv_cache_type": "q4_0", "flash_attention": False}, "kv_cache_type"),
        ({"main_gpu": 0, "tensor_split": [1.0]}, "main_gpu"),
        ({"tensor_split": [0.0, 0.0]}, "tensor_split"),
    ],
)
def test_contradictions_are_refused(gpt2: Path, parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        load(gpt2, "gguf", **parameters)
    assert caught.value.param == param


def test_transformers_notes_what_only_llama_cpp_has(tmp_path: Path) -> None:
    text = tiny_models.make(tmp_path / "text", "LlamaConfig", tiny_models.byte_level("gpt-2"))
    vision = tiny_vision.make(tmp_path / "vision", "llava")
    embedding = tiny_embeddings.tiny(
        tmp_path / "embedding", transformers.BertConfig(**SMALL), pooling={}
    )
    text_only = {"isq": "none", "num_parallel": 2, "chat_template": "x"}
    cases: list[tuple[Path, Format, set[str]]] = [
        (text, "safetensors", set()),
        (vision, "vision", {"num_parallel"}),
        (embedding, "huggingface", {"num_parallel", "chat_template"}),
    ]
    for path, format_, more in cases:
        [note] = load(path, format_, **LLAMA_CPP, **text_only).info.notes
        names, _, rest = note.partition(" have ")
        assert set(names.split(", ")) == LLAMA_CPP.keys() | more
        assert rest == "no effect on transformers."
