"""Changes of the default parameters of a model, and its chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import (
    InvalidISQ,
    InvalidKeepAlive,
    InvalidParameter,
    ModelNotFound,
)
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest, Upstream
from a3s_power_jupyter.store import ModelStore
from a3s_power_jupyter.store.defaults import change_parameters, template_of
from a3s_power_jupyter.store.manifest import loaded_content
from support.model_files import LLAMA, gguf, model_directory

THINKS = "{% if enable_thinking %}<think>{% endif %}"
TOOLS = "{{ tools }}"


def register(store: ModelStore, path: Path, **parameters: Any) -> Manifest:
    request = RegisterRequest(name="a", path=str(path))
    return store.register(request, DefaultParameters(**parameters))[0]


def chat_model(path: Path) -> Path:
    path.write_bytes(gguf(LLAMA | {"tokenizer.chat_template": TOOLS}))
    return path


def test_parameters_are_set_and_removed(store: ModelStore, model: Path) -> None:
    register(store, model, temperature=0.5, num_ctx=512)
    changes = {"temperature": None, "top_k": 7, "seed": None, "num_ctx": 1024.0}
    before, after = change_parameters(store, "a", changes)
    assert before.default_parameters == DefaultParameters(temperature=0.5, num_ctx=512)
    assert after.default_parameters == DefaultParameters(top_k=7, num_ctx=1024)
    assert after.created == before.created
    assert store.get("a") == after


def test_nothing_is_written_if_nothing_changes(store: ModelStore, home: Path, model: Path) -> None:
    register(store, model, temperature=0.5)
    [file] = (home / "models" / "manifests").iterdir()
    written = file.stat().st_ino
    before, after = change_parameters(store, "a", {"temperature": 0.5, "seed": None})
    assert before == after
    assert file.stat().st_ino == written


@pytest.mark.parametrize(
    ("changes", "error", "param"),
    [
        ({"temperatur": None}, InvalidParameter, "temperatur"),
        ({"temperature": 101}, InvalidParameter, "temperature"),
        ({"num_ctx": {}}, InvalidParameter, "num_ctx"),
        ({"keep_alive": "soon"}, InvalidKeepAlive, "keep_alive"),
        ({"isq": "Q9"}, InvalidISQ, "isq"),
        ({"isq": "Q4K"}, InvalidISQ, "isq"),  # not for a GGUF model
    ],
)
def test_a_wrong_change_is_refused_whole(
    store: ModelStore, model: Path, changes: dict[str, Any], error: type, param: str
) -> None:
    before = register(store, model, temperature=0.5)
    with pytest.raises(error) as caught:
        change_parameters(store, "a", {"top_k": 3, **changes})
    assert caught.value.param == f"default_parameters.{param}"
    assert store.get("a") == before


def test_a_change_without_effect_is_refused(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "embedder.gguf"
    path.write_bytes(gguf(LLAMA | {"llama.pooling_type": 1}))
    register(store, path)
    with pytest.raises(InvalidParameter, match="only computes embeddings, so temperature"):
        change_parameters(store, "a", {"temperature": 0.1})
    upstream = Upstream(base_url="http://localhost:1/v1", model="m")
    store.register(
        RegisterRequest(name="r", format="remote", upstream=upstream), DefaultParameters()
    )
    with pytest.raises(InvalidParameter, match="loaded by its upstream, so num_ctx"):
        change_parameters(store, "r", {"num_ctx": 512})
    _, after = change_parameters(store, "r", {"temperature": 0.1})
    assert after.default_parameters.temperature == 0.1


def test_a_model_that_does_not_exist(store: ModelStore, home: Path) -> None:
    with pytest.raises(ModelNotFound):
        change_parameters(store, "a", {"seed": 1})
    assert not home.exists()


def test_the_default_quantization_comes_back(store: ModelStore, tmp_path: Path) -> None:
    register(store, model_directory(tmp_path / "m"), isq="Q4K")
    _, after = change_parameters(store, "a", {"isq": None})
    assert after.default_parameters.isq == "Q8_0"


def test_capabilities_follow_the_chat_template(store: ModelStore, tmp_path: Path) -> None:
    before = register(store, chat_model(tmp_path / "m.gguf"))
    assert before.capabilities == ("completion", "chat", "embeddings", "tools")
    _, other = change_parameters(store, "a", {"chat_template": THINKS})
    assert other.capabilities == ("completion", "chat", "embeddings", "reasoning")
    assert template_of(other, store.resolve(other)) == THINKS
    _, own = change_parameters(store, "a", {"chat_template": None})
    assert own == before
    assert template_of(own, store.resolve(own)) == TOOLS


def test_a_model_without_a_template(store: ModelStore, tmp_path: Path) -> None:
    path = tmp_path / "plain.gguf"
    plain = {key: value for key, value in LLAMA.items() if key != "tokenizer.chat_template"}
    path.write_bytes(gguf(plain))
    before = register(store, path)
    assert template_of(before, store.resolve(before)) is None
    change_parameters(store, "a", {"chat_template": THINKS})
    _, after = change_parameters(store, "a", {"chat_template": None})
    assert after.capabilities == before.capabilities


def test_the_template_of_a_directory(store: ModelStore, tmp_path: Path) -> None:
    path = model_directory(tmp_path / "m")
    settings = {"chat_template": [{"name": "default", "template": "D"}]}
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    manifest = register(store, path)
    assert template_of(manifest, store.resolve(manifest)) == "D"
    (path / "chat_template.jinja").write_text("J" * 300_000)
    request = RegisterRequest(name="b", path=str(path))
    manifest, _ = store.register(request, DefaultParameters())
    template = template_of(manifest, store.resolve(manifest))
    assert template == "J" * 2**18


def test_only_load_parameters_matter_to_a_model_in_memory(store: ModelStore, model: Path) -> None:
    register(store, model)
    before, warmer = change_parameters(store, "a", {"temperature": 0.1, "keep_alive": -1})
    assert loaded_content(before) == loaded_content(warmer)
    _, longer = change_parameters(store, "a", {"num_ctx": 512})
    assert loaded_content(longer) != loaded_content(warmer)
    assert longer.default_parameters.num_batch is UNSET
