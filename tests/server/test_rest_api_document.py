"""rest-api.yml is valid and describes exactly the routes and fields of the server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

import a3s_power_jupyter
from a3s_power_jupyter.contract.parameters import DefaultParameters, LoadParameters
from a3s_power_jupyter.contract.types import (
    Chat,
    ChatSummary,
    Estimate,
    HubModel,
    HubPage,
    HubRepository,
    HubToken,
    LocalModel,
    LocalModels,
    Model,
    Preset,
    Prompt,
    Prompts,
    PullRequest,
    PullStatus,
    QuantizedOnLoad,
    RecommendedModel,
    RecommendedModels,
    RegisterBody,
    Variant,
)
from a3s_power_jupyter.handlers import assistant, tokens
from a3s_power_jupyter.handlers.anthropic.fields import MessageFields
from a3s_power_jupyter.handlers.hub import TokenFields
from a3s_power_jupyter.handlers.ollama import fields as ollama_fields
from a3s_power_jupyter.handlers.ollama import models as ollama_models
from a3s_power_jupyter.handlers.ollama.options import Options
from a3s_power_jupyter.handlers.ollama.pull import PullFields
from a3s_power_jupyter.handlers.openai import fields as openai_fields
from a3s_power_jupyter.handlers.rerank import RerankFields
from a3s_power_jupyter.handlers.responses.fields import ResponseFields
from a3s_power_jupyter.handlers.routes import ROUTES
from a3s_power_jupyter.handlers.system import UnknownRouteHandler
from support.rest_document import load_document
from support.servers import Server


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load_document()


def properties(document: dict[str, Any], name: str) -> set[str]:
    """Return the fields of a schema, including those of its parts."""
    schema = document["components"]["schemas"][name]
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        names |= properties(document, part["$ref"].rpartition("/")[2])
    return names


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["info"]["version"] == a3s_power_jupyter.__version__


def test_the_document_has_every_verb_of_every_route(document: dict[str, Any]) -> None:
    verbs = {"get", "post", "put", "patch", "delete"}
    documented = {(path, v) for path, item in document["paths"].items() for v in verbs & set(item)}
    served = {
        (options["template"], verb.lower())
        for _, handler, options in ROUTES
        if not issubclass(handler, UnknownRouteHandler)
        for verb in handler.verbs()
    }
    assert documented == served


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("LoadParameters", LoadParameters),
        ("Estimate", Estimate),
        ("DefaultParameters", DefaultParameters),
        ("RegisterRequest", RegisterBody),
        ("Model", Model),
        ("LocalModel", LocalModel),
        ("LocalModels", LocalModels),
        ("RecommendedModel", RecommendedModel),
        ("RecommendedModels", RecommendedModels),
        ("Variant", Variant),
        ("Prompt", Prompt),
        ("Prompts", Prompts),
        ("Chat", Chat),
        ("ChatSummary", ChatSummary),
        ("NewChat", assistant.NewChat),
        ("ChatContent", assistant.ChatContent),
        ("ChatChange", assistant.ChatChange),
        ("Preset", Preset),
        ("PresetContent", assistant.PresetContent),
        ("PullRequest", PullRequest),
        ("PullStatus", PullStatus),
        ("HubModel", HubModel),
        ("HubPage", HubPage),
        ("HubRepository", HubRepository),
        ("HubToken", HubToken),
        ("HubTokenRequest", TokenFields),
        ("QuantizedOnLoad", QuantizedOnLoad),
        ("ChatRequest", openai_fields.ChatFields),
        ("CompletionRequest", openai_fields.CompletionFields),
        ("EmbeddingRequest", openai_fields.EmbeddingFields),
        ("TokenizeRequest", tokens.TextFields),
        ("TokenizeChatRequest", tokens.MessagesFields),
        ("DetokenizeRequest", tokens.TokensFields),
        ("OllamaChatRequest", ollama_fields.ChatFields),
        ("OllamaGenerateRequest", ollama_fields.GenerateFields),
        ("OllamaEmbedRequest", ollama_fields.EmbedFields),
        ("OllamaEmbeddingsRequest", ollama_fields.EmbeddingsFields),
        ("OllamaOptions", Options),
        ("OllamaShowRequest", ollama_models.ShowFields),
        ("OllamaPullRequest", PullFields),
        ("OllamaDeleteRequest", ollama_models.DeleteFields),
        ("OllamaCopyRequest", ollama_models.CopyFields),
        ("OllamaCreateRequest", ollama_models.CreateFields),
        ("AnthropicRequest", MessageFields),
        ("RerankRequest", RerankFields),
        ("ResponseRequest", ResponseFields),
    ],
)
def test_the_document_has_the_fields_of_the_types(
    document: dict[str, Any], name: str, type_: type
) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(type_)}
    assert properties(document, name) == ours


def test_real_replies_match_the_document(
    document: dict[str, Any], server: Server, smollm2: str
) -> None:
    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(value)

    with server.api() as api:
        check("Model", api.get(f"v1/models/{smollm2}").json())
        check("RecommendedModels", api.get("v1/hub/recommended").json())
        check("Prompts", api.get("v1/assistant/prompts").json())
        check("LocalModels", api.get("v1/local-models").json())
        check("Garbage", api.post("v1/models/gc", json={"dry_run": True}).json())
        check("Health", api.get("v1/health").json())
        check("Error", api.get("v1/models/nope").json())
