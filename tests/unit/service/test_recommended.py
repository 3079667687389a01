"""The list of models to begin with: each entry is plausible, and lists of administrators."""

from __future__ import annotations

import logging
from pathlib import Path

import gguf
import msgspec
import pytest

from a3s_power_jupyter.contract.types import Manifest, ModelDetails, Source
from a3s_power_jupyter.handlers.metrics import RuntimeMetrics
from a3s_power_jupyter.hub.resolve.gguf_files import GGUF
from a3s_power_jupyter.hub.resolve.reference import parse
from a3s_power_jupyter.service.fits import Machine
from a3s_power_jupyter.service.recommended import recommended
from a3s_power_jupyter.service.recommended_list import Entry, built_in_list, read_list
from a3s_power_jupyter.service.service import PowerService
from a3s_power_jupyter.service.settings import Settings
from a3s_power_jupyter.store.formats.geometry import gguf_geometry_of
from a3s_power_jupyter.store.formats.ggml import TENSOR_TYPES
from a3s_power_jupyter.store.names import check_name
from support.model_files import smollm2

LIST = built_in_list()
GB = 10**9
NO_GPU = Machine(memory=8 * GB)


def bits_of(quantization: str) -> float:
    """Return the bits per weight of the type of most tensors."""
    kinds = [kind for kind in TENSOR_TYPES.values() if quantization.startswith(kind.name)]
    kind = max(kinds, key=lambda kind: len(kind.name))
    return 8 * kind.size / kind.elements


@pytest.mark.parametrize("entry", LIST, ids=lambda entry: entry.title)
def test_the_entries_follow_the_rules_of_names_and_pulls(entry: Entry) -> None:
    for quantization in entry.variants:
        reference = parse(entry.reference(quantization))
        check_name(reference.name)
        assert (reference.repo, reference.tag) == (entry.repository, quantization)
        assert GGUF((), f"model-{quantization}").quantization == quantization


@pytest.mark.parametrize("entry", LIST, ids=lambda entry: entry.title)
def test_the_sizes_are_those_of_so_many_weights(entry: Entry) -> None:
    """Tensors with more bits, such as the embedding, count most in small models."""
    for quantization, size in entry.variants.items():
        stated = bits_of(quantization)
        assert 0.99 * stated <= 8 * size / entry.parameter_count <= 1.4 * stated, quantization
    sizes = {bits_of(quantization): size for quantization, size in entry.variants.items()}
    assert [sizes[bits] for bits in sorted(sizes)] == sorted(sizes.values())


@pytest.mark.parametrize("entry", LIST, ids=lambda entry: entry.title)
def test_the_header_has_about_as_many_weights_as_stated(entry: Entry) -> None:
    """Count the matrices of a transformer with a gate, without those of further experts."""
    if entry.header["architecture"] in ("gpt-oss", "qwen3moe"):
        return
    width, layers = entry.number("embedding_length"), entry.number("block_count")
    heads = entry.number("attention.head_count")
    kv_heads = entry.number("attention.head_count_kv") or heads
    head = entry.number("attention.key_length") or width // heads
    gated = 2 if entry.header["architecture"] == "nomic-bert" else 3
    layer = width * head * 2 * (heads + kv_heads)
    layer += gated * width * entry.number("feed_forward_length")
    embedding = entry.number("vocabulary") * width
    tied = layers * layer + embedding
    assert any(
        0.93 * count <= entry.parameter_count <= 1.22 * count for count in (tied, tied + embedding)
    )


def test_the_list_has_a_small_default_with_a_permissive_license() -> None:
    [default] = [entry for entry in LIST if entry.default]
    assert default is LIST[0]
    assert default.license in ("apache-2.0", "mit")
    assert "chat" in default.capabilities
    assert recommended(default, Machine(memory=2 * GB), [], 8192).variants[0].fit == "memory"


def test_the_list_has_models_for_images_and_embeddings_and_for_all_machines() -> None:
    capabilities = {name for entry in LIST for name in entry.capabilities}
    assert capabilities >= {"chat", "vision", "embeddings", "tools", "reasoning"}
    assert 10 <= len(LIST) <= 14
    assert min(entry.parameter_count for entry in LIST) < 0.2 * GB
    assert max(entry.parameter_count for entry in LIST) > 20 * GB


def test_the_architectures_are_known_to_llama_cpp() -> None:
    assert {entry.header["architecture"] for entry in LIST} <= {*gguf.MODEL_ARCH_NAMES.values()}


def test_the_geometry_is_that_of_a_real_file() -> None:
    [entry] = [entry for entry in LIST if entry.title == "SmolLM2 135M Instruct"]
    real = gguf_geometry_of([smollm2()])
    assert entry.number("context_length") == real.context_length
    listed = entry.geometry(real.weights)
    for name in ("layers", "width", "activations", "heads", "cache", "layer_cache", "vocabulary"):
        assert getattr(listed, name) == getattr(real, name), name
    assert listed.texts >= real.texts


def test_the_usual_variant_is_recommended_or_the_largest_that_fits() -> None:
    [entry] = [entry for entry in LIST if entry.title == "Qwen3 8B"]
    by_memory = {8: "Q4_K_M", 64: "Q4_K_M", 4: None}
    for memory, label in by_memory.items():
        model = recommended(entry, Machine(memory * GB), [], 8192)
        chosen = [variant.label for variant in model.variants if variant.recommended]
        assert chosen == ([label] if label else [])
        assert model.reference == "Qwen/Qwen3-8B-GGUF:Q4_K_M"
    [entry] = [entry for entry in LIST if entry.title == "SmolLM2 135M Instruct"]
    tight = recommended(entry, Machine(400_000_000), [], 8192)
    assert [v.label for v in tight.variants if v.recommended] == ["Q4_K_M"]
    assert tight.reference.endswith(":Q4_K_M")


def test_a_gpu_and_the_context_length_change_what_fits() -> None:
    [entry] = [entry for entry in LIST if entry.title == "Llama 3.2 3B Instruct"]
    small = recommended(entry, NO_GPU, [], 4096).variants[0]
    large = recommended(entry, NO_GPU, [], 131_072).variants[0]
    assert (small.fit, large.fit) == ("memory", "too_large")
    assert isinstance(small.memory_bytes, int)
    assert isinstance(large.memory_bytes, int)
    assert small.size_bytes < small.memory_bytes < large.memory_bytes
    assert recommended(entry, Machine(8 * GB, 8 * GB), [], 4096).variants[0].fit == "gpu"


@pytest.mark.parametrize(
    ("reference", "label"),
    [
        ("bartowski/Llama-3.2-3B-Instruct-GGUF:q4_k_m", "Q4_K_M"),
        ("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q6_K", "Q6_K"),
        ("bartowski/Llama-3.2-3B-Instruct-GGUF", "Q8_0"),
        ("bartowski/Llama-3.2-3B-Instruct-GGUF/x-Q8_0.gguf", "Q8_0"),
        ("other/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", None),
    ],
)
def test_installed_models_are_marked(reference: str, label: str | None) -> None:
    [entry] = [entry for entry in LIST if entry.title == "Llama 3.2 3B Instruct"]
    manifest = Manifest(
        "mine",
        "gguf",
        created=0,
        details=ModelDetails(quantization="Q8_0"),
        source=Source(reference=reference),
    )
    model = recommended(entry, NO_GPU, [manifest], 8192)
    installed = {v.label: v.installed for v in model.variants if v.installed is not None}
    assert installed == ({label: "mine"} if label else {})


# ---------------------------------------------------------------- lists of administrators

ENTRY = """
[[models]]
title = "Tiny"
repository = "org/tiny"
good_for = "Tests"
license = "mit"
default = true
capabilities = ["chat"]
parameter_count = 1000
variants = {Q8_0 = 1100}
header = {architecture = "llama", block_count = 1, embedding_length = 8, "attention.head_count" = 1, context_length = 64, vocabulary = 10}
"""  # noqa: E501


def test_a_list_of_an_administrator_is_read() -> None:
    [entry] = read_list(ENTRY)
    assert recommended(entry, NO_GPU, [], 8192).reference == "org/tiny:Q8_0"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('license = "mit"', "", "missing required field `license`"),
        ("Q8_0 = 1100", "Q9 = 1100", "'Q9' is not a quantization"),
        ("Q8_0 = 1100", "Q8_0 = -1", "variants"),
        ("org/tiny", "tiny", "not a model on the hub"),
        ("org/tiny", "https://huggingface.co/org/tiny", "is not owner/repo"),
        ("default = true", "", "0 models have"),
        ('"chat"', '"flying"', "flying"),
        ("block_count = 1, ", "", "no block_count"),
        ('architecture = "llama"', "architecture = 3", "no architecture"),
        ("[[models]]", "[[models]", "not TOML"),
        (ENTRY, "", "models"),
    ],
)
def test_a_list_that_is_not_valid_is_refused(old: str, new: str, message: str) -> None:
    assert old in ENTRY
    with pytest.raises(ValueError, match=message):
        read_list(ENTRY.replace(old, new))


async def test_a_list_that_cannot_be_read_is_reported_and_not_used(tmp_path: Path) -> None:
    log = logging.getLogger("tests")
    settings = Settings(tmp_path / "power", recommended_models=tmp_path / "none.toml")
    service = PowerService(settings, log, RuntimeMetrics())
    try:
        assert "none.toml is not used: No such file" in (service.recommended.problem or "")
        assert (await service.recommended.models()).data[0].title == LIST[0].title
    finally:
        await service.stop()


async def test_the_service_recommends_the_list_of_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(ENTRY)
    settings = Settings(tmp_path / "power", recommended_models=path)
    service = PowerService(settings, logging.getLogger("tests"), RuntimeMetrics())
    try:
        models = await service.recommended.models(64)
        assert [model.title for model in models.data] == ["Tiny"]
        assert msgspec.to_builtins(models)["num_ctx"] == 64
    finally:
        await service.stop()
