"""Read the sampling defaults in a model's files, and use them below the user's."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidGGUF, InvalidModelDirectory
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.store import ModelStore
from support.model_files import LLAMA, gguf, model_directory
from support.registering import register


def registered(store: ModelStore, path: Path, config: object, **fields: Any) -> Manifest:
    model_directory(path)
    (path / "generation_config.json").write_text(json.dumps(config))
    return register(store, path.name, path, **fields)[0]


#: generation_config.json, and the parameters that it sets.
CONFIGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"eos_token_id": [1, 2], "transformers_version": "5.0.0"}, {}),
    (
        {
            "do_sample": True,
            "temperature": 0.7,
            "top_p": 0.8,
            "top_k": 20,
            "min_p": 0.1,
            "typical_p": 0.9,
        },
        {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.1, "typical_p": 0.9},
    ),
    (
        {"repetition_penalty": 1.05, "max_new_tokens": 512},
        {"repeat_penalty": 1.05, "repeat_last_n": -1, "max_tokens": 512},
    ),
    ({"stop_strings": ["END"]}, {"stop": ["END"]}),
    ({"temperature": 1, "top_k": 50.0}, {"temperature": 1.0, "top_k": 50}),
    ({"temperature": None, "top_k": -1}, {"top_k": 0}),
    ({"temperature": 0.6, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9}),
    ({"do_sample": False}, {"temperature": 0.0}),
    (
        {
            "do_sample": False,
            "temperature": 0.9,
            "top_p": 0.5,
            "top_k": 5,
            "repetition_penalty": 1.2,
        },
        {"temperature": 0.0, "repeat_penalty": 1.2, "repeat_last_n": -1},
    ),
]


@pytest.mark.parametrize(("config", "parameters"), CONFIGS)
def test_the_settings_of_transformers(
    store: ModelStore, tmp_path: Path, config: dict[str, Any], parameters: dict[str, Any]
) -> None:
    manifest = registered(store, tmp_path / "m", config)
    assert manifest.generation_defaults == DefaultParameters(**parameters)
    assert manifest.unsupported_settings == ()
    assert store.get("m") == manifest


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 7}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"repetition_penalty": 0}, "repeat_penalty"),
        ({"max_new_tokens": 2**40}, "max_tokens"),
        ([], "not a JSON object"),
    ],
)
def test_settings_that_cannot_be_used(
    store: ModelStore, tmp_path: Path, config: object, reason: str
) -> None:
    with pytest.raises(InvalidModelDirectory, match=reason) as caught:
        registered(store, tmp_path / "m", config)
    assert "generation_config.json" in caught.value.message


def test_settings_without_effect_are_listed(store: ModelStore, tmp_path: Path) -> None:
    config = {"num_beams": 4, "no_repeat_ngram_size": 3, "typical_p": 1.0, "bad_words_ids": None}
    manifest = registered(store, tmp_path / "m", config)
    assert manifest.unsupported_settings == ("num_beams", "no_repeat_ngram_size")


def test_the_users_defaults_take_precedence(store: ModelStore, tmp_path: Path) -> None:
    config = {"temperature": 0.7, "top_p": 0.8}
    manifest = registered(
        store, tmp_path / "m", config, default_parameters={"temperature": 0.1, "seed": 3}
    )
    assert manifest.default_parameters == DefaultParameters(temperature=0.1, seed=3, isq="Q8_0")
    assert manifest.request_defaults == DefaultParameters(
        temperature=0.1, seed=3, isq="Q8_0", top_p=0.8
    )


def test_an_embedding_model_has_none(store: ModelStore, tmp_path: Path) -> None:
    manifest = registered(store, tmp_path / "m", {"temperature": 0.7}, format="huggingface")
    assert manifest.generation_defaults == DefaultParameters()


def header(**sampling: Any) -> bytes:
    return gguf(LLAMA | {f"general.sampling.{name}": value for name, value in sampling.items()})


def test_the_keys_of_a_gguf_header(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(header(temp=0.7, top_k=20, top_p=0.8, min_p=0.0, penalty_repeat=1.05))
    manifest, _ = register(store, "m", path)
    assert manifest.generation_defaults == DefaultParameters(
        temperature=0.7, top_k=20, top_p=0.8, min_p=0.0, repeat_penalty=1.05
    )
    path.write_bytes(header(temp=-1.0, sequence="k;t"))
    manifest, _ = register(store, "n", path)
    assert manifest.generation_defaults == DefaultParameters(temperature=0.0)
    assert manifest.unsupported_settings == ("general.sampling.sequence",)


def test_the_keys_of_a_gguf_header_for_other_samplers(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    settings = {
        "xtc_probability": 0.5,
        "xtc_threshold": 0.2,
        "mirostat": 2,
        "mirostat_tau": 4.0,
        "mirostat_eta": 0.2,
    }
    path.write_bytes(header(penalty_last_n=256, **settings))
    manifest, _ = register(store, "m", path)
    assert manifest.generation_defaults == DefaultParameters(repeat_last_n=256, **settings)


@pytest.mark.parametrize("sampling", [{"temp": math.nan}, {"top_p": math.inf}, {"top_k": "many"}])
def test_keys_of_a_gguf_header_that_cannot_be_used(
    store: ModelStore, tmp_path: Path, sampling: dict[str, Any]
) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(header(**sampling))
    with pytest.raises(InvalidGGUF, match="sampling defaults"):
        register(store, "m", path)
