"""The routes of the extension.

A model name in a path may be percent-encoded or contain raw slashes. Actions take precedence, so
``POST /v1/models/a/load`` loads ``a``, and a model named ``a/load`` is addressed as ``a%2Fload``.
``gc`` is an action for POST only: GET and DELETE address a model of that name. DELETE of ``pull``
addresses a model, too, while GET lists the pulls; that model is shown as ``%70ull``.
"""

from __future__ import annotations

from typing import Any

from .anthropic.handlers import CountTokensHandler, MessagesHandler, UnknownMessagesHandler
from .assistant import (
    ChatExportHandler,
    ChatHandler,
    ChatsHandler,
    PresetHandler,
    PresetsHandler,
)
from .base import PowerHandler
from .hub import HubModelHandler, HubSearchHandler, HubTokenHandler
from .local_models import LocalModelsHandler
from .models import (
    EstimateHandler,
    GarbageHandler,
    LoadHandler,
    ModelHandler,
    ModelsHandler,
    PinHandler,
    UnloadHandler,
    UnpinHandler,
)
from .ollama import handlers as ollama
from .ollama.models import (
    CopyHandler,
    CreateHandler,
    DeleteHandler,
    ProcessesHandler,
    ShowHandler,
    TagsHandler,
)
from .ollama.pull import OllamaPullHandler
from .ollama.refused import BlobHandler, PushHandler, SignoutHandler
from .ollama.root import RootHandler, UnknownOllamaHandler
from .ollama.version import VersionHandler
from .openai.handlers import ChatCompletionsHandler, CompletionsHandler, EmbeddingsHandler
from .prompts import PromptsHandler
from .pulls import PausePullHandler, PullHandler, PullsHandler, PullStatusHandler
from .recommended import RecommendedHandler
from .rerank import RerankHandler
from .responses.handlers import (
    CancelHandler,
    CompactHandler,
    InputItemsHandler,
    InputTokensHandler,
    ResponseHandler,
    ResponsesHandler,
)
from .system import EventsHandler, HealthHandler, UnknownRouteHandler
from .tokens import ChatTemplateHandler, DetokenizeHandler, TokenizeHandler

Route = tuple[str, type[PowerHandler], dict[str, Any]]

_NAME = "(?P<name>.+)"
_RESPONSE_ID = "(?P<response_id>[^/]+)"
_CHAT_ID = "(?P<chat_id>[^/]+)"


def _route(template: str, handler: type[PowerHandler], pattern: str | None = None) -> Route:
    pattern = pattern or template.replace("{name}", _NAME).replace(
        "{response_id}", _RESPONSE_ID
    ).replace("{chat_id}", _CHAT_ID)
    return pattern, handler, {"template": template}


#: The routes of OpenAI's API, of ranking and of tokens begin so. They are also served without
#: ``/v1``, where llama.cpp's server and vLLM have those of tokens.
_OPENAI = (
    "/v1/chat", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/rerank", "/v1/models",
    "/v1/tokenize", "/v1/detokenize",
)  # fmt: skip

ROUTES: list[Route] = [
    _route("/v1/health", HealthHandler),
    _route("/v1/events", EventsHandler),
    _route("/v1/hub/recommended", RecommendedHandler),
    _route("/v1/local-models", LocalModelsHandler),
    _route("/v1/assistant/prompts", PromptsHandler),
    _route("/v1/chat/completions", ChatCompletionsHandler),
    _route("/v1/completions", CompletionsHandler),
    _route("/v1/embeddings", EmbeddingsHandler),
    _route("/v1/tokenize", TokenizeHandler),
    _route("/v1/detokenize", DetokenizeHandler),
    _route("/v1/chat/template", ChatTemplateHandler),
    _route("/v1/messages", MessagesHandler),
    _route("/v1/messages/count_tokens", CountTokensHandler),
    _route("/v1", UnknownMessagesHandler, "/v1/messages/.*"),
    _route("/v1/rerank", RerankHandler),
    _route("/v1/rerank", RerankHandler, "/v1/reranking"),
    _route("/v1/rerank", RerankHandler, "/v2/rerank"),
    _route("/v1/responses", ResponsesHandler),
    _route("/v1/responses/input_tokens", InputTokensHandler),
    _route("/v1/responses/compact", CompactHandler),
    _route("/v1/responses/{response_id}", ResponseHandler),
    _route("/v1/responses/{response_id}/cancel", CancelHandler),
    _route("/v1/responses/{response_id}/input_items", InputItemsHandler),
    _route("/v1/models", ModelsHandler),
    _route("/v1/models/gc", GarbageHandler, "/v1/models/(?P<name>gc)"),
    _route("/v1/models/pull", PullsHandler, "/v1/models/(?P<name>pull)"),
    _route("/v1/models/pull/{name}/status", PullStatusHandler),
    _route("/v1/models/pull/{name}/pause", PausePullHandler),
    _route("/v1/models/{name}/load", LoadHandler),
    _route("/v1/models/{name}/estimate", EstimateHandler),
    _route("/v1/models/{name}/unload", UnloadHandler),
    _route("/v1/models/{name}/pin", PinHandler),
    _route("/v1/models/{name}/unpin", UnpinHandler),
    _route("/v1/models/pull/{name}", PullHandler),
    _route("/v1/models/{name}", ModelHandler),
    _route("/v1/hub/search", HubSearchHandler),
    _route("/v1/hub/token", HubTokenHandler),
    _route("/v1/hub/models/{name}", HubModelHandler),
    _route("/v1/assistant/chats", ChatsHandler),
    _route("/v1/assistant/chats/{chat_id}", ChatHandler),
    _route("/v1/assistant/chats/{chat_id}/export", ChatExportHandler),
    _route("/v1/assistant/presets", PresetsHandler),
    _route("/v1/assistant/presets/{name}", PresetHandler),
    _route("/v1", UnknownRouteHandler, "/v1(?:/.*)?"),
    _route("/api/chat", ollama.ChatHandler),
    _route("/api/generate", ollama.GenerateHandler),
    _route("/api/embed", ollama.EmbedHandler),
    _route("/api/embeddings", ollama.EmbeddingsHandler),
    _route("/api/version", VersionHandler),
    _route("/api/tags", TagsHandler),
    _route("/api/ps", ProcessesHandler),
    _route("/api/show", ShowHandler),
    _route("/api/pull", OllamaPullHandler),
    _route("/api/delete", DeleteHandler),
    _route("/api/copy", CopyHandler),
    _route("/api/create", CreateHandler),
    _route("/api/push", PushHandler),
    _route("/api/blobs/{digest}", BlobHandler, "/api/blobs/(?P<digest>[^/]+)"),
    _route("/api/signout", SignoutHandler),
]

#: The same handlers without ``/v1``, for clients whose base URL ends before it. Metrics have the
#: template with ``/v1``.
ALIASES: list[Route] = [
    *(
        (pattern.removeprefix("/v1"), handler, options)
        for pattern, handler, options in ROUTES
        if pattern.startswith(_OPENAI)
    ),
    _route("/v1/chat/template", ChatTemplateHandler, "/apply-template"),  # as in llama.cpp's server
]

#: Routes with paths that other extensions may have, too. Theirs take precedence.
YIELDING: list[Route] = [*ALIASES, *(route for route in ROUTES if route[0].startswith("/api/"))]

#: Routes of ``jupyter power`` only. In a notebook server, ``/`` opens the notebooks.
HEADLESS: list[Route] = [_route("/", RootHandler)]

#: What else ``jupyter power`` is asked for, also outside of its base URL. It has no pages, so a
#: client gets JSON for each path.
UNKNOWN: list[Route] = [
    _route("/api", UnknownOllamaHandler, ".*/api/.+"),
    _route("/", UnknownRouteHandler, ".*"),
]
