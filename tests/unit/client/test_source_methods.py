"""The models that the client suggests are tables in notebooks, and plain objects otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
from IPython.lib.pretty import pretty

from a3s_power_jupyter.client.source_methods import SourceMethods
from a3s_power_jupyter.contract import types
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
PROMPTS = {
    name: {"system": "", "user": f"{name} <this>\n\n{{code}}\n"}
    for name in types.Prompts.__struct_fields__
} | {"explain": {"system": "You explain.", "user": "Explain."}}


class StubConnection:
    def __init__(self) -> None:
        self.paths: list[str] = []

    def request(self, method: str, path: str, **options: Any) -> bytes:
        self.paths.append(path)
        reply = {"assistant/prompts": PROMPTS, "local-models": FOUND}.get(path, LIST)
        return msgspec.json.encode(reply)


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


def test_a_recommended_model_is_facts_and_its_variants() -> None:
    methods, _ = client()
    models = methods.recommended()
    assert isinstance(models[:2], type(models))
    first = models[0]
    assert (
        repr(first)
        == f"<RecommendedModel {first.title}: {first.reference}, 986 MB, fits in memory>"
    )
    shown = pretty(first)
    assert f"Reference:     {first.reference}\n" in shown
    assert all(variant.reference in shown for variant in first.variants)
    assert first._repr_html_().count("<table>") == 2


def test_prompts_are_texts_below_their_attributes() -> None:
    methods, _ = client()
    prompts = methods.prompts()
    assert repr(prompts).startswith("<Prompts: explain_error, fix_error, explain, ")
    shown = pretty(prompts)
    assert "explain_error.user:\n\nexplain_error <this>\n\n{code}\n\nfix_error.user:" in shown
    assert "explain.system:\n\nYou explain.\n\nexplain.user:\n\nExplain." in shown
    assert "explain_error.system" not in shown
    assert "explain_error &lt;this&gt;" in prompts._repr_html_()
    assert repr(prompts.fix_error) == "<Prompt: fix_error <this>>"
    assert pretty(prompts.explain).startswith("system:\n\nYou explain.")
    assert msgspec.json.decode(msgspec.json.encode(prompts)) == PROMPTS
    fields = [field.name for field in msgspec.structs.fields(type(prompts))]
    assert fields == [*types.Prompts.__struct_fields__]
    assert all(field.type is type(prompts.explain) for field in msgspec.structs.fields(prompts))
