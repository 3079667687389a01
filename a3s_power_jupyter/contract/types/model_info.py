"""Registered models: manifests, and the Model object of the REST API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..parameters import DefaultParameters, SparseStruct

#: A path that a user wrote; 4,096 is PATH_MAX of Linux.
PathText = Annotated[str, Meta(max_length=4096)]
Format = Literal["gguf", "safetensors", "vision", "huggingface", "remote"]
State = Literal["unloaded", "loading", "loaded", "busy", "unloading", "failed"]
LoadPhase = Literal["converting", "loading"]
Capability = Literal[
    "completion", "chat", "embeddings", "rerank", "fill_in", "vision", "tools", "reasoning"
]


def generates(capabilities: tuple[Capability, ...]) -> bool:
    """Return whether a model generates text; encoders only embed, or only rank documents."""
    return capabilities not in (("embeddings",), ("rerank",))


class ModelDetails(SparseStruct, frozen=True):
    """The `parameters` member of the Model object.

    Attributes
    ----------
    family : str
        Architecture, as named in the model's files (``llama``).
    quantization : str
        Type of most of the weights (``Q4_K_M``, ``BF16``).
    embedding_length : int
        Width of the hidden state.
    """

    family: str | UnsetType = UNSET
    parameter_count: int | UnsetType = UNSET
    quantization: str | UnsetType = UNSET
    embedding_length: int | UnsetType = UNSET


class Source(SparseStruct, frozen=True):
    """Origin of a model: a path that was registered, or a hub reference that was pulled.

    Attributes
    ----------
    path : str
        Path of a registered model.
    reference : str
        Hub reference, as requested.
    revision : str
        Commit that was pulled.
    shared_home : str
        Shared home that the model is in, or was in when its parameters were changed.
    """

    path: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    revision: str | UnsetType = UNSET
    shared_home: str | UnsetType = UNSET


#: URL of an API without a route (``http://localhost:8000/v1``).
BaseUrl = Annotated[str, Meta(max_length=2048)]


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The OpenAI-compatible server behind a `remote` model, or several that are alike.

    Attributes
    ----------
    base_url : str or tuple of str
        URL of the API without a route (``http://localhost:8000/v1``), or those of several servers
        with the same model and key.
    model : str
        Name of the model on the upstream.
    api_key_env : str
        Name of the server's environment variable with the API key. The key itself is not stored.
    """

    base_url: BaseUrl | Annotated[tuple[BaseUrl, ...], Meta(min_length=1, max_length=16)]
    model: Annotated[str, Meta(max_length=1024)]
    api_key_env: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Replace a list of one URL by the URL, which means the same."""
        if not isinstance(self.base_url, str) and len(self.base_url) == 1:
            msgspec.structs.force_setattr(self, "base_url", self.base_url[0])

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The URLs of all servers."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url


class UpstreamStatus(SparseStruct, frozen=True):
    """What is known of one of several servers behind a `remote` model.

    Attributes
    ----------
    state : str
        ``unknown`` before the first request or check, ``failed`` if the last one had no answer,
        and ``busy`` while the server wants no requests.
    requests_running : int
        Requests of this model in progress.
    failures : int
        Requests that it did not answer.
    error : dict
        Its last error, until it answers again.
    """

    base_url: str
    state: Literal["unknown", "available", "busy", "failed"]
    requests_running: int
    failures: int
    error: dict[str, Any] | UnsetType = UNSET


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a model, registered in place or stored as the blob ``sha256-<sha256>``.

    Attributes
    ----------
    name : str
        Path in the model, with slashes.
    size : int
        Bytes.
    sha256 : str
        Hex digest.
    path : str
        Absolute path of a file that was registered in place; unset for a blob.
    mtime_ns : int
        Modification time of that file. With `size`, it shows whether the file has changed.
    role : {"mmproj"}
        Set for the multimodal projector of a GGUF model.
    """

    name: str
    size: int
    sha256: str
    path: str | UnsetType = UNSET
    mtime_ns: int | UnsetType = UNSET
    role: Literal["mmproj"] | UnsetType = UNSET


class Manifest(msgspec.Struct, frozen=True):
    """A registered model; the content of its JSON file in ``models/manifests/``.

    Attributes
    ----------
    created : int
        Unix time of the registration.
    files : tuple of StoredFile
        In the order for the engine: the first shard first, the mmproj last.
    context_length : int
        Context length that the model was trained with, in tokens.
    generation_defaults : DefaultParameters
        Sampling defaults in the model's files.
    unsupported_settings : tuple of str
        Settings in the model's files that would change its texts, and have no effect here.
    schema : int
        Version of the file format: 2 if `upstream` has several URLs, which older versions of this
        package cannot use.
    """

    name: str
    format: Format
    created: int
    files: tuple[StoredFile, ...] = ()
    details: ModelDetails = msgspec.field(default_factory=ModelDetails)
    capabilities: tuple[Capability, ...] = ()
    context_length: int | UnsetType = UNSET
    default_parameters: DefaultParameters = msgspec.field(default_factory=DefaultParameters)
    source: Source = msgspec.field(default_factory=Source)
    upstream: Upstream | UnsetType = UNSET
    generation_defaults: DefaultParameters = msgspec.field(default_factory=DefaultParameters)
    unsupported_settings: tuple[str, ...] = ()
    schema: Literal[1, 2] = 1

    @property
    def generates(self) -> bool:
        """Whether the model generates text."""
        return generates(self.capabilities)

    @property
    def size_bytes(self) -> int:
        return sum(f.size for f in self.files)

    @property
    def request_defaults(self) -> DefaultParameters:
        """`default_parameters`, and `generation_defaults` where those are unset."""
        values = {
            name: getattr(self.generation_defaults, name)
            for name in DefaultParameters.__struct_fields__
            if getattr(self.default_parameters, name) is UNSET
        }
        return msgspec.structs.replace(self.default_parameters, **values)


class Deletion(msgspec.Struct, frozen=True):
    """What the deletion of a model would free and keep.

    Attributes
    ----------
    freed_bytes : int
        Size on disk of the files and warm prompts that no other model uses.
    kept_paths : tuple of str
        Files that were registered in place.
    shared_with : tuple of str
        Other models that use files of this one, which stay for them.
    """

    freed_bytes: int
    kept_paths: tuple[str, ...] = ()
    shared_with: tuple[str, ...] = ()


class Model(SparseStruct, frozen=True):
    """A registered model and its current state: the Model object of the REST API.

    Attributes
    ----------
    id : str
        Name of the model.
    created : int
        Unix time of the registration.
    size_bytes : int
        Total size of the files.
    size : int
        The same as `size_bytes`.
    loaded : bool
        Whether the model is in memory; true in the states ``loaded`` and ``busy``.
    pinned : bool
        Whether the model stays loaded until it is unpinned.
    sha256 : str
        Digest of a model that is one file.
    context_length : int
        Context length that the model was trained with, in tokens.
    generation_defaults : DefaultParameters
        Sampling defaults in the model's files; `default_parameters` take precedence.
    expires_at : float
        Unix time at which the model is unloaded if it stays idle.
    last_used_at : float
        Unix time of the last request.
    memory_bytes : int
        Memory of the worker process, including GPU memory; set while the model is loaded.
    gpu_memory_bytes : int
        The part of `memory_bytes` on GPUs; set while the model is loaded.
    memory : dict
        The sizes of ``weights``, ``cache`` and ``buffers`` in bytes, as the engine reports them.
    num_ctx : int
        Context length of each request, in tokens; set while the model is loaded.
    requests_running : int
        Requests that the model processes; set while it is loaded.
    requests_waiting : int
        Requests that wait for the model's load or for their turn; set while it is in memory.
    tokens_per_second : float
        Tokens that the model generated for all requests in the last seconds; set while it does.
    cache_tokens : int
        Tokens in the KV cache, in use and kept for the next turns of conversations.
    cache_capacity : int
        Tokens that fit the KV cache, if its size is fixed.
    prompt_cache_bytes : int
        Memory of conversations that were moved out of the KV cache.
    phase : {"converting", "loading"}
        Current step of a load.
    progress : float
        Progress of `phase`, 0 to 1.
    engine : str
        Name of the engine that runs the model.
    notes : tuple of str
        Differences between the requested and the actual settings, as sentences.
    error : dict
        Error of the last load or of the worker, as returned by `PowerError.to_wire`.
    template : str
        The chat template, or its first 262,144 characters; set if it was asked for.
    deletion : Deletion
        What its deletion would free and keep; set if it was asked for.
    upstreams : tuple of UpstreamStatus
        The servers behind a `remote` model, if there are several.
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
    generation_defaults: DefaultParameters | UnsetType = UNSET
    expires_at: float | UnsetType = UNSET
    last_used_at: float | UnsetType = UNSET
    memory_bytes: int | UnsetType = UNSET
    gpu_memory_bytes: int | UnsetType = UNSET
    memory: dict[str, int] | UnsetType = UNSET
    device: str | UnsetType = UNSET
    num_ctx: int | UnsetType = UNSET
    requests_running: int | UnsetType = UNSET
    requests_waiting: int | UnsetType = UNSET
    tokens_per_second: float | UnsetType = UNSET
    cache_tokens: int | UnsetType = UNSET
    cache_capacity: int | UnsetType = UNSET
    prompt_cache_bytes: int | UnsetType = UNSET
    phase: LoadPhase | UnsetType = UNSET
    progress: float | UnsetType = UNSET
    engine: str | UnsetType = UNSET
    notes: tuple[str, ...] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET
    template: str | UnsetType = UNSET
    deletion: Deletion | UnsetType = UNSET
    upstreams: tuple[UpstreamStatus, ...] | UnsetType = UNSET


class Removable(msgspec.Struct, frozen=True):
    """A file that garbage collection removed or would remove; `size` is in bytes.

    ``prompts`` are the warm prompts of a model, which are in several files.
    """

    kind: Literal["orphan_blob", "partial", "conversion", "temporary", "prompts"]
    name: str
    size: int


class ManifestProblem(msgspec.Struct, frozen=True):
    """The file name of a manifest that cannot be read, and the reason."""

    file: str
    reason: str
