"""Compare the modules and settings of sentence-transformers, or test that they are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm, Pooling

from a3s_power_jupyter.contract.errors import ModelLoadFailed
from a3s_power_jupyter.contract.types import EmbeddingRequest
from support.tiny_embeddings import SMALL, embed, load, reference, tiny, write

TEXTS = ["A cat sits on the mat.", "  Größe, naïve and 🙂  ", "The QUICK brown fox " * 20, "x"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pooling = {"pooling_mode_mean_tokens": True}
    directory = tmp_path_factory.mktemp("embeddings") / "bert"
    return tiny(directory, transformers.BertConfig(**SMALL), pooling=pooling)


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bert, tmp_path / "copy")


def assert_matches(directory: Path, **options: Any) -> None:
    [actual] = embed(load(directory), EmbeddingRequest([*TEXTS], truncate="end", **options))
    assert np.abs(actual - reference(directory, TEXTS, **options)).max() < 1e-5


def change(path: Path, **values: Any) -> None:
    write(path, (json.loads(path.read_text()) if path.exists() else {}) | values)


def random(module: Any) -> Any:
    torch.manual_seed(5)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0.5, 0.7)
    return module


MODULES: dict[str, Callable[[], list[Any]]] = {
    "a normalization before a layer": lambda: [Normalize(), random(Dense(64, 24))],
    "a layer before a normalization": lambda: [random(Dense(64, 24)), Normalize()],
    "a layer norm": lambda: [random(LayerNorm(64))],
    "two layers and dropout": lambda: [random(Dense(64, 32)), Dropout(0.3), random(Dense(32, 8))],
    "no bias, gelu": lambda: [
        random(Dense(64, 24, bias=False, activation_function=torch.nn.GELU()))
    ],
    "a residual": lambda: [random(Dense(64, 64, use_residual=True))],
    "a residual of another size": lambda: [random(Dense(64, 24, use_residual=True))],
}


@pytest.mark.parametrize("case", MODULES)
def test_modules_are_applied_in_their_order(bert: Path, tmp_path: Path, case: str) -> None:
    modules = [Transformer(str(bert)), Pooling(64, "mean"), *MODULES[case]()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(tmp_path / "m"))
    assert_matches(tmp_path / "m")


def test_the_default_activation_is_tanh(bert: Path, tmp_path: Path) -> None:
    modules = [Transformer(str(bert)), Pooling(64, "mean"), random(Dense(64, 24))]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(tmp_path / "m"))
    path = tmp_path / "m/2_Dense/config.json"
    config = json.loads(path.read_text())
    del config["activation_function"]
    write(path, config)
    assert_matches(tmp_path / "m")


def test_pooling_without_a_mode_is_mean_pooling(copy: Path) -> None:
    write(copy / "1_Pooling/config.json", {"word_embedding_dimension": 64})
    assert_matches(copy)
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False}
    write(copy / "1_Pooling/config.json", {"word_embedding_dimension": 64, **modes})
    assert_matches(copy)


def test_texts_are_converted_to_lower_case(copy: Path) -> None:
    before = embed(load(copy), EmbeddingRequest([*TEXTS], truncate="end"))
    change(copy / "sentence_bert_config.json", do_lower_case=True)
    assert (
        np.abs(embed(load(copy), EmbeddingRequest([*TEXTS], truncate="end"))[0] - before[0]).max()
        > 0.01
    )
    assert_matches(copy)


def test_settings_under_an_older_name(copy: Path) -> None:
    old = copy / "sentence_roberta_config.json"
    (copy / "sentence_bert_config.json").rename(old)
    change(old, max_seq_length=16)
    assert load(copy).info.num_ctx == 16
    assert_matches(copy)


def test_prompts_that_are_null_are_empty(copy: Path) -> None:
    change(copy / "config_sentence_transformers.json", prompts={"query": None, "passage": "p: "})
    assert_matches(copy, prompt_name="query")
    assert_matches(copy, prompt_name="passage")


@pytest.mark.parametrize("causal", [True, False])
def test_the_pooling_without_modules(tmp_path: Path, causal: bool) -> None:
    """sentence-transformers pools the last token of a causal language model."""
    settings = {**SMALL, "num_key_value_heads": 2, "head_dim": 16}
    config = transformers.Qwen3Config(**settings) if causal else transformers.BertConfig(**SMALL)
    directory = tiny(tmp_path / "m", config, pooling={})
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (directory / name).unlink()
    shutil.rmtree(directory / "1_Pooling")
    if causal:
        change(directory / "config.json", architectures=["Qwen3ForCausalLM"])
    assert load(directory).info.notes == (
        f"There is no modules.json, so the pooling is {'lasttoken' if causal else 'mean'}.",
    )
    assert_matches(directory)


def set_modules(directory: Path, *rows: tuple[str, str]) -> None:
    prefix = "sentence_transformers.models."
    write(
        directory / "modules.json",
        [
            {"path": path, "type": kind if "." in kind else prefix + kind, "name": str(i)}
            for i, (path, kind) in enumerate(rows)
        ],
    )


TRANSFORMER, POOLING = ("", "Transformer"), ("1_Pooling", "Pooling")

#: Modules that are refused, and what the error names.
REFUSED_MODULES: dict[str, tuple[list[tuple[str, str]], str]] = {
    "a missing folder": ([TRANSFORMER, ("9_Pooling", "Pooling")], "9_Pooling/config.json"),
    "a pooling without a folder": ([TRANSFORMER, ("", "Pooling")], "config.json"),
    "no pooling": ([TRANSFORMER], "one Pooling"),
    "two poolings": ([TRANSFORMER, POOLING, POOLING], "one Pooling"),
    "no transformer": ([POOLING], "begin with a Transformer"),
    "nothing": ([], "begin with a Transformer"),
    "a layer before the pooling": ([TRANSFORMER, ("", "Normalize"), POOLING], "one Pooling"),
    "a missing layer": ([TRANSFORMER, POOLING, ("2_Dense", "Dense")], "2_Dense/config.json"),
    "another class": ([TRANSFORMER, POOLING, ("", "WordWeights")], "WordWeights"),
    "the model's own code": ([TRANSFORMER, ("1_Pooling", "custom_st.Pooling")], "custom_st"),
    "the standard library": ([TRANSFORMER, POOLING, ("", "os.system")], "os.system"),
    "the old layout": ([("0_Transformer", "Transformer"), POOLING], "before version 2"),
}


@pytest.mark.parametrize("case", REFUSED_MODULES)
def test_modules_that_are_refused(copy: Path, case: str) -> None:
    rows, message = REFUSED_MODULES[case]
    set_modules(copy, *rows)
    with pytest.raises(ModelLoadFailed, match=message):
        load(copy)


#: File, its new values, and what the error names.
REFUSED_SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    ("1_Pooling/config.json", {"pooling_mode": "sparse"}, "sparse"),
    ("1_Pooling/config.json", {"pooling_mode_new": True}, "pooling_mode_new"),
    ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "fill-mask"),
    ("sentence_bert_config.json", {"max_seq_length": True}, "max_seq_length"),
    ("sentence_bert_config.json", {"max_seq_length": -1}, "max_seq_length"),
    ("sentence_bert_config.json", {"module_output_name": "other"}, "module_output_name"),
    ("sentence_bert_config.json", {"processing_kwargs": {"text": {"a": 1}}}, "processing_kwargs"),
    ("sentence_bert_config.json", {"modality_config": {"message": {}}}, "modality_config"),
    ("config_sentence_transformers.json", {"default_prompt_name": "none"}, "'none'"),
    ("config_sentence_transformers.json", {"prompts": {"a": 1}}, "prompts"),
    ("config_sentence_transformers.json", {"prompts": ["a"]}, "prompts"),
    ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "SparseEncoder"),
]


@pytest.mark.parametrize(("file", "values", "message"), REFUSED_SETTINGS)
def test_settings_that_are_refused(
    copy: Path, file: str, values: dict[str, Any], message: str
) -> None:
    change(copy / file, **values)
    with pytest.raises(ModelLoadFailed, match=message):
        load(copy)


def test_a_directory_whose_list_of_modules_is_missing(copy: Path) -> None:
    (copy / "modules.json").unlink()
    with pytest.raises(ModelLoadFailed, match=r"modules\.json"):
        load(copy)


#: Change of a dense layer's weights, new settings, and what the error names.
Weights = dict[str, torch.Tensor]
LAYERS: dict[str, tuple[Callable[[Weights], Weights], dict[str, Any]]] = {
    "another name": (lambda t: {"weight": t["linear.weight"], "bias": t["linear.bias"]}, {}),
    "no bias": (lambda t: {"linear.weight": t["linear.weight"]}, {}),
    "a bias that is not used": (dict, {"bias": False}),
    "another shape": (dict, {"out_features": 23}),
    "no residual": (dict, {"use_residual": True}),
    "another activation": (dict, {"activation_function": "custom.Tanh"}),
    "another input": (dict, {"module_input_name": "token_embeddings"}),
}


@pytest.fixture(scope="module")
def dense(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dense") / "m"
    modules = [Transformer(str(bert)), Pooling(64, "mean"), random(Dense(64, 24))]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(path))
    return path


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_whose_weights_do_not_fit(dense: Path, tmp_path: Path, case: str) -> None:
    alter, settings = LAYERS[case]
    directory = shutil.copytree(dense, tmp_path / "m")
    weights = directory / "2_Dense/model.safetensors"
    save_file(alter(load_file(weights)), weights)
    change(directory / "2_Dense/config.json", **settings)
    with pytest.raises(ModelLoadFailed):
        load(directory)


def test_a_compiled_layer_loads(dense: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(dense, tmp_path / "m")
    weights = directory / "2_Dense/model.safetensors"
    save_file({f"_orig_mod.{n}": t for n, t in load_file(weights).items()}, weights)
    [actual] = embed(load(directory), EmbeddingRequest([*TEXTS], truncate="end"))
    assert np.abs(actual - reference(dense, TEXTS)).max() < 1e-5
