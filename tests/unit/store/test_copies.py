"""Further names for a model: no bytes are copied, and each name is a model of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import (
    InvalidModelName,
    ManifestUnreadable,
    ModelAlreadyExists,
    ModelNotFound,
)
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest
from a3s_power_jupyter.store import ModelStore
from support.model_files import LLAMA, gguf

COLD = DefaultParameters(temperature=0.0)


def register(
    store: ModelStore, name: str, path: Path, *, copy: bool = True, **parameters: float
) -> Manifest:
    request = RegisterRequest(name=name, path=str(path), copy=copy)
    return store.register(request, DefaultParameters(**parameters))[0]


def blobs(store: ModelStore, home: Path) -> list[str]:
    return sorted(path.name for path in (home / "models" / "blobs").glob("sha256-*"))


def test_a_copy_shares_the_blobs(store: ModelStore, home: Path, model: Path) -> None:
    original = register(store, "a", model, temperature=0.5)
    before = blobs(store, home)
    copy, replaced = store.copy("a", "b:latest")
    assert (copy.name, replaced) == ("b:latest", False)
    assert copy.files == original.files
    assert copy.default_parameters.temperature == 0.5
    assert copy.created == original.created
    assert blobs(store, home) == before
    assert store.resolve(store.get("b:latest")) == store.resolve(original)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_removing_one_name_leaves_the_other(
    store: ModelStore, home: Path, model: Path, first: str, second: str
) -> None:
    size = register(store, "a", model).size_bytes
    store.copy("a", "b")
    assert store.delete(first) == 0
    assert store.resolve(store.get(second))[0].stat().st_size == size
    assert store.delete(second) == size
    assert blobs(store, home) == []


def test_a_copy_of_a_file_in_place(store: ModelStore, model: Path) -> None:
    register(store, "a", model, copy=False)
    store.copy("a", "b")
    store.delete("a")
    assert store.resolve(store.get("b")) == [model]


def test_other_parameters(store: ModelStore, model: Path) -> None:
    register(store, "a", model, temperature=0.5)
    copy, replaced = store.copy("a", "b", COLD)
    assert (copy.default_parameters, replaced) == (COLD, False)
    assert store.copy("a", "b", COLD) == (copy, False)
    changed, replaced = store.copy("a", "b", DefaultParameters(seed=1))
    assert (changed.default_parameters.seed, replaced) == (1, True)
    assert store.get("a").default_parameters.temperature == 0.5
    itself, replaced = store.copy("a", "a", COLD)
    assert (itself.default_parameters, replaced) == (COLD, True)


def test_the_capabilities_of_another_chat_template(store: ModelStore, model: Path) -> None:
    register(store, "a", model)
    template = "{% if enable_thinking %}{% endif %}{{ tools }}"
    thinking = DefaultParameters(chat_template=template)
    copy, _ = store.copy("a", "b", thinking)
    assert {"completion", "tools", "reasoning"} <= {*copy.capabilities}
    assert "reasoning" not in store.get("a").capabilities
    plain = DefaultParameters(chat_template="{{ messages }}")
    assert not {"tools", "reasoning"} & {*store.copy("b", "b", plain)[0].capabilities}


def test_the_same_copy_again_changes_nothing(store: ModelStore, model: Path) -> None:
    register(store, "a", model)
    copy, _ = store.copy("a", "b")
    assert store.copy("a", "b") == (copy, False)
    assert store.copy("a", "a") == (store.get("a"), False)


def test_another_model_is_not_replaced(store: ModelStore, tmp_path: Path, model: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(gguf(LLAMA | {"llama.context_length": 64}))
    register(store, "a", model)
    register(store, "b", other)
    store.copy("a", "c", COLD)
    before = {manifest.name: manifest for manifest in store.list()}
    for name, parameters in (("b", None), ("b", COLD), ("c", None)):
        with pytest.raises(ModelAlreadyExists, match="delete it first"):
            store.copy("a", name, parameters)
    assert {manifest.name: manifest for manifest in store.list()} == before


def test_mistakes(store: ModelStore, home: Path, model: Path) -> None:
    with pytest.raises(ModelNotFound):
        store.copy("a", "b")
    assert not home.exists()
    register(store, "a", model)
    with pytest.raises(InvalidModelName):
        store.copy("a", "../b")
    (home / "models" / "manifests" / "b.json").write_text("{")
    with pytest.raises(ManifestUnreadable):
        store.copy("a", "b")
    with pytest.raises(ManifestUnreadable):
        store.copy("b", "c")
