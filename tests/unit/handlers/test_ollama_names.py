"""Names of models as Ollama's clients write them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from a3s_power_jupyter.contract.errors import ManifestUnreadable, ModelNotFound
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.handlers import model_names
from a3s_power_jupyter.handlers.model_names import spellings
from a3s_power_jupyter.handlers.ollama.names import find, find_name, in_any_case, listed
from a3s_power_jupyter.hub.pull_manager import PullManager
from a3s_power_jupyter.store.names import check_name


class Service:
    """Has models by name, and reads references as the pulls do."""

    pulls = PullManager

    def __init__(self, *names: str, damaged: str | None = None) -> None:
        self._names = names
        self._damaged = damaged
        self.catalog = self

    async def manifest(self, name: str) -> Manifest:
        check_name(name)
        if name == self._damaged:
            raise ManifestUnreadable(f"The manifest of {name!r} cannot be read.")
        if name not in self._names:
            raise ModelNotFound(f"There is no model {name!r}.")
        return Manifest(name, "gguf", created=1)

    async def models(self) -> tuple[list[Any], list[Any]]:
        return [type("Model", (), {"id": name}) for name in self._names], []


async def found(name: str, *names: str) -> str:
    return (await find(cast(Any, Service(*names)), name)).name


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("llama3.2", "llama3.2"),
        ("llama3.2:latest", "llama3.2"),
        ("llama3.2", "llama3.2:latest"),
        ("LLama3.2", "llama3.2"),
        ("LLama3.2:Latest", "llama3.2"),
        ("llama3.2:LATEST", "llama3.2:latest"),
        ("hf.co/owner/repo:Q4_K_M", "owner/repo:Q4_K_M"),
        ("HF.co/owner/repo:q4_k_m", "owner/repo:Q4_K_M"),
        ("huggingface.co/owner/repo", "owner/repo"),
        ("hf.co/owner/repo:latest", "owner/repo"),
        ("https://huggingface.co/owner/repo:Q4_K_M", "owner/repo:Q4_K_M"),
        ("https://huggingface.co/owner/repo/blob/main/a.gguf", "owner/repo/a.gguf"),
        ("owner/repo@main:Q4_0", "owner/repo:Q4_0"),
        ("owner/repo/a.gguf:latest", "owner/repo/a.gguf"),
        ("hf.co/owner/repo:Q4_0", "hf.co/owner/repo:Q4_0"),
        ("hf.co/owner/repo:q4_0", "hf.co/owner/repo:Q4_0"),
        ("a:b/c:latest", "a:b/c"),
        ("x" * 255 + ":latest", "x" * 255),
    ],
)
async def test_names_that_find_a_model(name: str, model: str) -> None:
    assert await found(name, "other", model, "other:8b") == model


@pytest.mark.parametrize("name", ["x", "x:latest", "X", "X:latest", "X:Latest"])
async def test_exact_names_win(name: str) -> None:
    assert await found(name, "x", "x:latest", "X", "X:latest", "X:Latest") == name


async def test_a_name_in_the_same_form_wins_over_one_with_a_tag() -> None:
    assert await found("Llama", "llama:latest", "llama") == "llama"
    assert await found("Llama:latest", "llama:latest", "llama") == "llama:latest"
    assert await found("hf.co/a/b", "a/b", "hf.co/a/b") == "hf.co/a/b"


async def test_names_that_differ_in_case_only() -> None:
    with pytest.raises(ModelNotFound, match=r"^model 'LLAMA' not found\. Use one of 'L.*', 'l"):
        await found("LLAMA", "Llama", "llama")
    assert await found("llama:latest", "Llama", "llama") == "llama"


@pytest.mark.parametrize(
    "name", ["y", "x:8b", "", " ", "x:", "latest", ":latest", "../x", "x" * 999]
)
async def test_names_of_no_model(name: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        await found(name, "x", "z:1b")
    assert raised.value.message.startswith(f"model '{name[:190]}")
    assert " not found. " in raised.value.message
    assert len(raised.value.message) < 400


async def test_the_field_with_the_name() -> None:
    with pytest.raises(ModelNotFound) as raised:
        await find(cast(Any, Service()), "x", param="source")
    assert raised.value.param == "source"


async def test_advice() -> None:
    with pytest.raises(ModelNotFound, match=r"Did you mean 'llama3\.2:3b'"):
        await found("llama3.2:1b", "llama3.2:3b")
    with pytest.raises(ModelNotFound, match="Pull it as owner/repo:TAG"):
        await found("llama3.2:1b")


async def test_a_damaged_model_is_no_missing_one() -> None:
    for name in ("x", "x:latest"):
        with pytest.raises(ManifestUnreadable):
            await find(cast(Any, Service(damaged="x")), name)
        assert await find_name(cast(Any, Service(damaged="x")), name) == "x"
    with pytest.raises(ModelNotFound):
        await find_name(cast(Any, Service(damaged="x")), "y")
    assert await find_name(cast(Any, Service("x")), "X") == "x"


@pytest.mark.parametrize(
    "names",
    [
        ["x"],
        ["x:latest"],
        ["x", "x:latest"],
        ["x", "X", "X:latest", "x:8b"],
        ["owner/repo", "owner/repo:Q4_0", "owner/repo/a.gguf"],
        ["a:b/c", "a:", "hf.co/owner/repo", "owner/repo"],
        ["x" * 255],
    ],
)
async def test_each_listed_name_finds_its_model(names: list[str]) -> None:
    shown = [listed(name, names) for name in names]
    assert len({*shown}) == len(names)
    assert [await found(name, *names) for name in shown] == names


def test_listed_names_have_tags_as_in_ollama() -> None:
    assert listed("x", ["x"]) == "x:latest"
    assert listed("x", ["x", "x:latest"]) == "x"
    assert listed("x:8b", ["x:8b"]) == "x:8b"
    assert listed("owner/repo", ["owner/repo"]) == "owner/repo:latest"


def test_spellings_are_distinct_and_in_order() -> None:
    assert spellings("x", "x") == ["x", "x:latest"]
    assert spellings("hf.co/a/b:latest", "a/b:latest") == [
        "hf.co/a/b:latest", "hf.co/a/b", "a/b:latest", "a/b",
    ]  # fmt: skip


def test_in_any_case() -> None:
    assert in_any_case("X", ["x:latest", "x", "y"]) == ["x"]
    assert in_any_case("X", ["x:latest", "y"]) == ["x:latest"]
    assert in_any_case("X:LATEST", ["x"]) == ["x"]
    assert in_any_case("X:8B", ["x", "x:8b"]) == ["x:8b"]
    assert in_any_case("x:8b", ["x"]) == []


# ---------------------------------------------------------------- other dialects


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("x", ["x", "x:latest"]),
        ("x:latest", ["x", "x:latest"]),
        ("x", ["x:latest"]),
        ("x:latest", ["x"]),
        ("owner/repo:latest", ["owner/repo"]),
        ("x" * 255, ["x" * 255]),
    ],
)
async def test_names_of_lists_find_their_models_in_all_dialects(
    name: str, names: list[str]
) -> None:
    found = await model_names.find(cast(Any, Service(*names)), name)
    assert found.name == (name if name in names else names[0])


@pytest.mark.parametrize("name", ["X", "x:8b", "hf.co/owner/repo", "x" * 250, "y:latest"])
async def test_other_names_are_not_found_in_other_dialects(name: str) -> None:
    service = Service("x", "owner/repo")
    with pytest.raises(ModelNotFound, match=f"There is no model {name!r}"):
        await model_names.find(cast(Any, service), name)
