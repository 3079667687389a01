"""The data that crosses a border: the wire, the disk, the pipe to a worker.

All are frozen msgspec structs. Unknown values are `msgspec.UNSET`, which is left out of the
JSON: nothing is guessed. Sizes are bytes, times are unix seconds, counts of text are tokens.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from .parameters import DefaultParameters, Known

Format = Literal["gguf", "safetensors", "vision", "huggingface", "remote"]
State = Literal["unloaded", "loading", "loaded", "busy", "unloading", "failed"]
#: The routes that a remote model's upstream has, too, as they follow its base URL.
Route = Literal["chat/completions", "completions", "embeddings"]
LoadPhase = Literal["converting", "loading"]
Capability = Literal["completion", "chat", "embeddings", "vision", "tools", "reasoning"]
FinishReason = Literal["stop", "length", "tool_calls"]


# ---------------------------------------------------------------- what a model is


class ModelDetails(Known, frozen=True):
    """`parameters` of the Model object."""

    family: str | UnsetType = UNSET
    parameter_count: int | UnsetType = UNSET
    quantization: str | UnsetType = UNSET
    embedding_length: int | UnsetType = UNSET


class Geometry(msgspec.Struct, frozen=True):
    """What the memory estimate needs: the KV cache holds, for each layer and token,
    ``kv_heads * (key_length + value_length)`` numbers."""

    layers: int
    kv_heads: int
    key_length: int
    value_length: int


class Source(Known, frozen=True):
    """Where the model came from: a path registered by hand, or a hub reference."""

    path: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    revision: str | UnsetType = UNSET


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The OpenAI-compatible server behind a `remote` model. `api_key_env` names an environment
    variable of the server process; the key itself is stored nowhere."""

    base_url: str
    model: str
    api_key_env: str | UnsetType = UNSET


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a model.

    With `path` the file stays where the user has it, and `mtime_ns` (with `size`) tells
    whether it changed since. Without, it is the blob ``sha256-<sha256>``. `role` is set where
    it is no part of the weights: ``mmproj`` is the image part of a GGUF model.
    """

    name: str
    size: int
    sha256: str
    path: str | UnsetType = UNSET
    mtime_ns: int | UnsetType = UNSET
    role: Literal["mmproj"] | UnsetType = UNSET


class Manifest(msgspec.Struct, frozen=True):
    """One JSON file in ``models/manifests/``: everything known of a model that is not loaded."""

    name: str
    format: Format
    created: int
    files: tuple[StoredFile, ...] = ()
    details: ModelDetails = msgspec.field(default_factory=ModelDetails)
    capabilities: tuple[Capability, ...] = ()
    context_length: int | UnsetType = UNSET
    geometry: Geometry | UnsetType = UNSET
    default_parameters: DefaultParameters = msgspec.field(default_factory=DefaultParameters)
    source: Source = msgspec.field(default_factory=Source)
    upstream: Upstream | UnsetType = UNSET
    schema: Literal[1] = 1

    @property
    def size_bytes(self) -> int:
        return sum(f.size for f in self.files)


class RegisterRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/models``; `default_parameters` is checked on its own. `mmproj` is the path
    of the image part of a GGUF model."""

    name: str
    path: str | None = None
    mmproj: str | None = None
    format: str | None = None
    default_parameters: dict[str, Any] | None = None
    copy: bool = False
    overwrite: bool = False
    upstream: Upstream | None = None


class Model(Known, frozen=True):
    """The Model object of the wire: a `Manifest` and what the runtime knows of it now.

    `phase` and `progress` (0 to 1 in each phase) are there while it loads, `error` after a load or
    a worker failed. `engine` runs it; `notes` say what it runs without, or otherwise than asked.
    """

    id: str
    created: int
    format: Format
    size_bytes: int
    size: int
    state: State
    loaded: bool
    parameters: ModelDetails
    default_parameters: DefaultParameters
    capabilities: tuple[Capability, ...]
    source: Source
    pinned: bool
    object: Literal["model"] = "model"
    owned_by: Literal["local"] = "local"
    sha256: str | UnsetType = UNSET
    context_length: int | UnsetType = UNSET
    upstream: Upstream | UnsetType = UNSET
    expires_at: float | UnsetType = UNSET
    last_used_at: float | UnsetType = UNSET
    memory_bytes: int | UnsetType = UNSET
    device: str | UnsetType = UNSET
    num_ctx: int | UnsetType = UNSET
    phase: LoadPhase | UnsetType = UNSET
    progress: float | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    notes: tuple[str, ...] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class Removable(msgspec.Struct, frozen=True):
    """One thing that garbage collection removed, or would remove."""

    kind: Literal["orphan_blob", "partial", "conversion", "temporary"]
    name: str
    size: int


class ManifestProblem(msgspec.Struct, frozen=True):
    """A manifest that cannot be read: its file name and why."""

    file: str
    reason: str


# ---------------------------------------------------------------- pulls


class PullRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /v1/models/pull``: `name` is a reference to the hub (`hub.reference`)."""

    name: str
    token: str | None = None
    force: bool = False
    revision: str | None = None
    background: bool = False

    def __repr__(self) -> str:
        return f"PullRequest(name={self.name!r})"  # no token


class PulledFile(msgspec.Struct, frozen=True):
    """One of the files of a pull, and how much of it is here."""

    name: str
    size: int
    completed: int = 0


class PullStatus(Known, frozen=True):
    """How the pull of a model does, or did. `phase` is there while it is `pulling`, `files` where
    they are more than one."""

    name: str
    status: Literal["pulling", "done", "failed", "paused", "cancelled"]
    started_at: float
    completed: int = 0
    total: int | UnsetType = UNSET
    phase: Literal["waiting", "resolving", "downloading", "verifying"] | UnsetType = UNSET
    bytes_per_second: float | UnsetType = UNSET
    eta_seconds: float | UnsetType = UNSET
    note: str | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET
    finished_at: float | UnsetType = UNSET
    files: tuple[PulledFile, ...] | UnsetType = UNSET


# ---------------------------------------------------------------- asking a model


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are drawn. A field that is UNSET takes the model's `default_parameters`, then
    the engine's default. `logprobs` counts the alternatives given for each token."""

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    repeat_penalty: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    stop: tuple[str, ...] | UnsetType = UNSET
    logit_bias: dict[int, float] | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    json_schema: dict[str, Any] | UnsetType = UNSET


class ChatRequest(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation.

    Attributes
    ----------
    messages : ``{"role": str, "content": str}``; where a message has images, its content is a list
        of ``{"type": "text", "text": str}`` and ``{"type": "image"}`` parts.
    images : the files (JPEG, PNG, WebP) of the image parts, in the order of these.
    """

    messages: list[dict[str, Any]]
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    images: list[bytes] = []

    def __repr__(self) -> str:
        return f"ChatRequest({len(self.messages)} messages, {len(self.images)} images)"


class CompletionRequest(msgspec.Struct, frozen=True, tag="completion"):
    """`prompt` as text, or as token ids of the model's vocabulary."""

    prompt: str | list[int]
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    echo: bool = False


class EmbeddingRequest(msgspec.Struct, frozen=True, tag="embedding"):
    """Each input as text, or as token ids of the model's vocabulary.

    `prompt_name` is one of the prompts that the model's own files have for its tasks; None is
    the one that they call the default, if any.
    """

    inputs: list[str | list[int]]
    prompt_name: str | None = None


Request = ChatRequest | CompletionRequest | EmbeddingRequest


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token's text, its bytes, its natural-log probability, and the likeliest alternatives."""

    token: str
    bytes: list[int]
    logprob: float
    top: list[tuple[str, list[int], float]]


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The prompt is in the context; generation begins."""

    prompt_tokens: int
    cached_tokens: int


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """More text: whole characters, no part of a stop string."""

    text: str
    logprobs: list[TokenLogprob] | None = None


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last item of a generation."""

    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class Embedded(msgspec.Struct, frozen=True, tag="embedded"):
    """The one item of an embedding: `vectors` is little-endian float32, row after row, each
    row `dimensions` long, L2-normalised; shape (inputs, dimensions)."""

    vectors: bytes
    dimensions: int
    prompt_tokens: int


Item = Started | Delta | Finished | Embedded


# ---------------------------------------------------------------- machines


class Device(Known, frozen=True):
    """A device as the engine's own library reports it."""

    name: str
    kind: Literal["cpu", "gpu"]
    description: str | UnsetType = UNSET
    memory_total: int | UnsetType = UNSET
    memory_free: int | UnsetType = UNSET


class EngineStatus(Known, frozen=True):
    """Whether an engine can run here. `hint` is the command that would make it better."""

    available: bool
    version: str | UnsetType = UNSET
    formats: tuple[Format, ...] = ()
    gpu: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET
