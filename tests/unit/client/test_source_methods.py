"""The models that the client suggests are tables in notebooks, and plain objects otherwise."""

from __future__ import annotations

from typing import Any

import msgspec

from a3s_power_jupyter.client.source_methods import SourceMethods
from a3s_power_jupyter.contract.types import (
    LocalModel,
    LocalModels,
    ModelDetails,
    RecommendedModels,
    ScanProblem,
)
from a3s_power_jupyter.service.fits import Machine
from a3s_power_jupyter.service.recommended import recommended
from a3s_power_jupyter.service.recommended_list import built_in_list

MACHINE = Machine(6 * 10**9)
LIST = RecommendedModels(
    tuple(recommended(entry, MACHINE, [], 8192) for entry in built_in_list()), 8192
)
FOUND = LocalModels(
    (LocalModel("/m/<a>.gguf", "a", "gguf", 10**9, "ollama", ModelDetails(), ("chat",)),),
    (ScanProblem("/dead", "The folder does not respond."),),
)


class StubConnection:
    def __init__(self) -> None:
        self.paths: list[str] = []

    def request(self, method: str, path: str, **options: Any) -> bytes:
        self.paths.append(path)
        return msgspec.json.encode(LIST if path.startswith("hub/") else FOUND)


def client() -> tuple[SourceMethods, StubConnection]:
    methods, connection = SourceMethods(), StubConnection()
    methods._connection = connection  # type: ignore[assignment]
    return methods, connection


def test_recommended_models_are_a_list_and_a_table() -> None:
    methods, connection = client()
    models = methods.recommended(num_ctx=4096)
    assert connection.paths == ["hub/recommended?num_ctx=4096"]
    assert [model.default for model in models] == [True, *[False] * (len(models) - 1)]
    assert repr(models).splitlines()[1].startswith("bartowski/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M ")
    assert models._repr_html_().startswith("<table>")
    assert repr(type(models)()) == "The list is empty."


def test_local_models_are_data_and_a_table() -> None:
    methods, _ = client()
    found = methods.local_models()
    assert [model.name for model in found.data] == ["a"]
    assert "%power register a '/m/<a>.gguf'" in repr(found)
    assert "/dead: The folder does not respond." in repr(found)
    assert "&lt;a&gt;.gguf" in found._repr_html_()
