"""Data of the REST API, the store, and the messages between processes.

All types are frozen msgspec structs. An unknown value is `msgspec.UNSET`, which is left out of the
JSON. Sizes are in bytes, times in Unix seconds, and text lengths in tokens.
"""

from __future__ import annotations

from .device_info import Device, EngineStatus
from .hub import Fit, HubFormat, HubModel, HubPage, HubRepository, QuantizedOnLoad, Variant
from .items import (
    Delta,
    Embedded,
    Finished,
    FinishReason,
    GenerationItem,
    Item,
    Ranked,
    Reading,
    Started,
    Timings,
    TokenLogprob,
    ToolCallDelta,
)
from .memory import Estimate, Geometry, MemoryUse
from .model_info import (
    Capability,
    Format,
    LoadPhase,
    Manifest,
    ManifestProblem,
    Model,
    ModelDetails,
    RegisterRequest,
    Removable,
    Source,
    State,
    StoredFile,
    Upstream,
    generates,
)
from .pull_status import PulledFile, PullRequest, PullStatus
from .recommended import RecommendedModel, RecommendedModels
from .requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Request,
    RerankRequest,
    Route,
    ToolChoice,
    Truncate,
)
from .sampling import Constraint, ConstraintKind, Sampling
from .tokens import (
    Detokenized,
    DetokenizeRequest,
    Rendered,
    RenderRequest,
    TokenItem,
    Tokenized,
    TokenizeRequest,
    TokenRequest,
)

__all__ = [
    "Capability",
    "ChatRequest",
    "CompletionRequest",
    "Constraint",
    "ConstraintKind",
    "Delta",
    "DetokenizeRequest",
    "Detokenized",
    "Device",
    "Embedded",
    "EmbeddingRequest",
    "EngineStatus",
    "Estimate",
    "FinishReason",
    "Finished",
    "Fit",
    "Format",
    "GenerationItem",
    "Geometry",
    "HubFormat",
    "HubModel",
    "HubPage",
    "HubRepository",
    "Item",
    "LoadPhase",
    "Manifest",
    "ManifestProblem",
    "MemoryUse",
    "Model",
    "ModelDetails",
    "PullRequest",
    "PullStatus",
    "PulledFile",
    "QuantizedOnLoad",
    "Ranked",
    "Reading",
    "RecommendedModel",
    "RecommendedModels",
    "RegisterRequest",
    "Removable",
    "RenderRequest",
    "Rendered",
    "Request",
    "RerankRequest",
    "Route",
    "Sampling",
    "Source",
    "Started",
    "State",
    "StoredFile",
    "Timings",
    "TokenItem",
    "TokenLogprob",
    "TokenRequest",
    "TokenizeRequest",
    "Tokenized",
    "ToolCallDelta",
    "ToolChoice",
    "Truncate",
    "Upstream",
    "Variant",
    "generates",
]
