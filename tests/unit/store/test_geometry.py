"""What the memory of a model depends on, read from its headers.

tests/engine/test_memory_estimates.py compares it with llama.cpp.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.contract.types import Geometry
from a3s_power_jupyter.store.files import source_file
from a3s_power_jupyter.store.formats import directory_geometry
from a3s_power_jupyter.store.formats.geometry import directory_geometry_of, gguf_geometry_of
from a3s_power_jupyter.store.formats.gguf import read_header
from a3s_power_jupyter.store.formats.gguf_geometry import read_layers
from support import model_files


def written(folder: Path, architecture: str, **keys: Any) -> Path:
    """Write a model of 4 layers with the given keys; ``__`` stands for a point."""
    values = {
        "block_count": 4,
        "context_length": 128,
        "embedding_length": 64,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        **{key.replace("__", "."): value for key, value in keys.items()},
    }
    metadata: dict[str, Any] = {
        f"{architecture}.{key}": value for key, value in values.items() if value is not None
    }
    metadata = {
        "general.architecture": architecture,
        "tokenizer.ggml.tokens": ["a", "b"],
    } | metadata
    tensors = {
        "token_embd.weight": (model_files.F32, (64, 2)),
        "blk.3.attn_norm.weight": (model_files.F32, (64,)),
    }
    path = folder / "model.gguf"
    path.write_bytes(model_files.gguf(metadata, tensors))
    return path


def geometry(folder: Path, architecture: str, **keys: Any) -> Geometry:
    return gguf_geometry_of([written(folder, architecture, **keys)])


def test_the_geometry_of_a_dense_model(tmp_path: Path) -> None:
    read = geometry(tmp_path, "llama", feed_forward_length=100)
    assert read == Geometry(
        weights=4 * 64 * 3,
        embedding=4 * 64 * 2,
        layers=4,
        width=64,
        activations=2 * 64 + 2 * 100,
        heads=4,
        cache=4 * 2 * 2 * 16,
        layer_cache=2 * 2 * 16,
        vocabulary=2,
        texts=2,
        context_length=128,
    )


def test_each_layer_has_its_own_weights(tmp_path: Path) -> None:
    header = read_header(source_file(written(tmp_path, "llama")))
    assert [layer.weights for layer in read_layers([header])] == [0, 0, 0, 4 * 64]


@pytest.mark.parametrize(
    ("architecture", "keys", "full", "windowed"),
    [
        ("gemma3", {"attention.sliding_window": 8, "block_count": 12}, 2, 10),
        ("gpt-oss", {"attention.sliding_window": 8}, 2, 2),
        ("gemma2", {}, 2, 2),
        ("cohere2moe", {"attention.sliding_window": 8}, 1, 3),
        ("gemma3", {}, 4, 0),
        ("llama", {"attention.sliding_window": 8}, 4, 0),
        ("gemma3", {"attention.sliding_window": 8, "attention.sliding_window_pattern": 2}, 2, 2),
        (
            "gemma4",
            {
                "attention.sliding_window": 8,
                "attention.sliding_window_pattern": [True, True, True, False],
            },
            1,
            3,
        ),
        ("exaone4", {"attention.sliding_window": 8}, 4, 0),
        ("gemma4", {"attention.shared_kv_layers": 3}, 1, 0),
        ("glm4moe", {"nextn_predict_layers": 1}, 3, 0),
        ("bert", {}, 0, 0),
        ("mamba", {"attention.head_count": None, "attention.head_count_kv": None}, 0, 0),
        ("jamba", {"attention.head_count_kv": [0, 2, 0, 0], "ssm.inner_size": 9}, 1, 0),
        ("qwen3next", {"ssm.inner_size": 9}, 1, 0),
        ("qwen3next", {"ssm.inner_size": 9, "full_attention_interval": 2}, 2, 0),
        ("falcon-h1", {"ssm.inner_size": 9}, 4, 0),
    ],
)
def test_the_layers_with_a_cache(
    tmp_path: Path, architecture: str, keys: dict[str, Any], full: int, windowed: int
) -> None:
    read = geometry(tmp_path, architecture, **keys)
    each = 2 * 2 * 16
    assert (read.cache, read.window_cache) == (full * each, windowed * each)
    assert bool(read.window) == bool(windowed)


def test_windows_may_have_smaller_heads(tmp_path: Path) -> None:
    read = geometry(
        tmp_path,
        "gemma4",
        attention__sliding_window=8,
        attention__sliding_window_pattern=[True, True, True, False],
        attention__key_length=32,
        attention__value_length=32,
        attention__key_length_swa=8,
        attention__value_length_swa=8,
    )
    assert (read.cache, read.window_cache) == (2 * 64, 3 * 2 * 16)


def test_latent_attention_keeps_keys_only(tmp_path: Path) -> None:
    read = geometry(
        tmp_path,
        "deepseek2",
        attention__head_count_kv=1,
        attention__key_length=40,
        attention__value_length=32,
        attention__key_length_mla=24,
    )
    assert (read.cache, read.layer_cache) == (4 * 40, 40 + 32)


@pytest.mark.parametrize(
    ("architecture", "keys", "state"),
    [
        ("mamba", {"ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16}, 19 * 128),
        ("rwkv7", {"wkv.head_size": 8}, 64 * (2 + 8)),
        ("lfm2", {"shortconv.l_cache": 3, "attention.head_count_kv": [0, 0, 0, 0]}, 64 * 2),
        ("kimi-linear", {"kda.head_dim": 8, "attention.head_count_kv": [0, 0, 0, 0]}, 8 * 4 * 17),
    ],
)
def test_recurrent_layers_keep_a_state(
    tmp_path: Path, architecture: str, keys: dict[str, Any], state: int
) -> None:
    read = geometry(tmp_path, architecture, **keys)
    assert (read.cache, read.state, read.layer_state) == (0, 4 * state, state)


def test_the_heads_of_layers_may_differ(tmp_path: Path) -> None:
    read = geometry(tmp_path, "llama", attention__head_count_kv=[1, 2, 3, 4])
    assert read.cache == 10 * 2 * 16


@pytest.mark.parametrize(
    "keys",
    [
        {"block_count": None},
        {"block_count": 2**31},
        {"embedding_length": None, "attention.head_count": None},
        {"attention.head_count": "many", "attention.head_count_kv": [1.5, 2.0]},
        {"attention.sliding_window": 2**32 - 1, "attention.sliding_window_pattern": "all"},
        {"attention.head_count_kv": [1]},
    ],
)
def test_a_header_with_missing_or_invalid_values(tmp_path: Path, keys: dict[str, Any]) -> None:
    for architecture in ("llama", "gemma3", "mamba", "jamba", "nemotron_h", "qwen35"):
        read = geometry(tmp_path, architecture, **keys)
        assert min(read.cache, read.window_cache, read.state, read.activations) >= 0


def test_a_projector_is_counted(tmp_path: Path) -> None:
    metadata = {
        "general.architecture": "clip",
        "clip.vision.image_size": 28,
        "clip.vision.patch_size": 14,
        "clip.vision.embedding_length": 8,
        "clip.vision.feed_forward_length": 16,
    }
    mmproj = tmp_path / "mmproj.gguf"
    mmproj.write_bytes(model_files.gguf(metadata, {"v.a": (model_files.F32, (10,))}))
    read = gguf_geometry_of([written(tmp_path, "llama")], mmproj)
    assert (read.projector, read.image) == (40, 4 * (4 * 8 + 3 * 16))


def test_the_geometry_of_a_model_directory(tmp_path: Path) -> None:
    path = model_files.model_directory(tmp_path / "m") / "config.json"
    read = directory_geometry_of(path)
    assert (read.layers, read.width, read.cache, read.window) == (2, 8, 2 * 2 * 2 * 2, 0)
    path.write_text("[]")
    with pytest.raises(InvalidModelDirectory):
        directory_geometry_of(path)


def test_the_layers_of_a_model_directory() -> None:
    text = {
        "num_hidden_layers": 4,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "sliding_window": 16,
        "layer_types": ["sliding_attention"] * 2 + ["full_attention", "linear_attention"],
    }
    read = directory_geometry.read_geometry({"text_config": text})
    assert (read.cache, read.window_cache, read.window) == (2 * 2 * 32, 2 * 2 * 2 * 32, 16)
    latent = {"kv_lora_rank": 8, "qk_nope_head_dim": 6, "qk_rope_head_dim": 2, "v_head_dim": 4}
    read = directory_geometry.read_geometry(text | latent | {"layer_types": None})
    assert read.cache == 4 * 4 * (8 + 4)
    invalid = {"num_hidden_layers": True, "hidden_size": -1, "num_attention_heads": 1e99}
    assert directory_geometry.read_geometry(invalid).cache == 0
