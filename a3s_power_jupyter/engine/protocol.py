"""Messages between the server and a worker.

The first command is `Load`, `Measure` or `Probe`. Every message about a request carries the
request's id. Each submitted request ends with exactly one `Ended`, whether it finishes, fails or is
cancelled, so the server knows when its slot is free.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.msgpack import Decoder

from ..contract.parameters import LoadParameters
from ..contract.types import (
    Capability,
    Device,
    EngineStatus,
    Format,
    Item,
    MemoryUse,
    Request,
    TokenItem,
    TokenRequest,
)

# ---------------------------------------------------------------- server to worker


class Probe(msgspec.Struct, frozen=True, tag="probe"):
    """List this machine's engines and devices. The worker replies with `Probed` and exits."""


class PromptCacheSettings(msgspec.Struct, frozen=True):
    """Limits of the conversations that an engine keeps warm beyond its own cache.

    Attributes
    ----------
    memory_bytes : int
        Bytes of host memory; 0 for none.
    directory : str
        Folder for warm conversations of the same weights on disk, which may not exist; empty if
        they are not kept on disk.
    weights : str
        Tells weights apart that were made from the same files; empty for the files themselves.
    disk_bytes : int
        Bytes that the folders of all models, next to `directory`, may have together.
    """

    memory_bytes: int = 0
    directory: str = ""
    weights: str = ""
    disk_bytes: int = 0


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Load a model. The worker replies with `Loading` messages, then `Loaded` or `LoadFailed`.

    Attributes
    ----------
    format : Format
        Selects the engine.
    paths : tuple of str
        Files of the model, the first shard first.
    parameters : LoadParameters
        UNSET fields are chosen by the engine.
    names : tuple of str
        For a model directory, the relative path of each of `paths`, which may be named after
        their hashes.
    mmproj : str or None
        Projector file of a GGUF model with vision.
    notes : tuple of str
        Messages for the user about the choice of engine and files; returned in `Loaded`.
    gpu_layers : int or None
        The server's default for `num_gpu`; None offloads as many layers as fit.
    prompt_cache : PromptCacheSettings or None
        Where conversations stay warm; None for the engine's own cache only.
    """

    format: Format
    paths: tuple[str, ...]
    parameters: LoadParameters
    names: tuple[str, ...] = ()
    mmproj: str | None = None
    notes: tuple[str, ...] = ()
    gpu_layers: int | None = None
    prompt_cache: PromptCacheSettings | None = None

    @property
    def files(self) -> dict[str, Path]:
        """The files of a model directory by name."""
        return dict(zip(self.names, map(Path, self.paths), strict=True))


class Measure(msgspec.Struct, frozen=True, tag="measure"):
    """Compute what a load would take. The worker replies with `Measured` or `LoadFailed`."""

    load: Load


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Process a request. The worker replies with `Output` messages, then `Ended`.

    A `TokenRequest` takes no slot, and its reply does not wait for the others.

    Attributes
    ----------
    models : int
        Number of models that process requests, including this one.
    """

    id: int
    request: Request | TokenRequest
    models: int = 1


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Drop a request, at the latest before the next step. Unknown ids are ignored.

    The request may have just ended.
    """

    id: int


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Save what the next load can use, for up to `seconds` from the arrival of this, and exit."""

    seconds: float


Command = Probe | Measure | Load | Submit | Cancel | Stop
COMMAND_DECODER: Decoder[Command] = Decoder(Command)


# ---------------------------------------------------------------- worker to server


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """The engines by name, and the devices they can use."""

    engines: dict[str, EngineStatus]
    devices: list[Device]


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """What a load would take.

    Attributes
    ----------
    use : MemoryUse
        Without the memory of the worker process itself.
    devices : list of Device
        The devices, with their free memory.
    gpu_layers : int
        Layers that would be put on the GPUs; -1 for all.
    """

    use: MemoryUse
    devices: list[Device]
    gpu_layers: int


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """Progress of the load, from 0 to 1."""

    progress: float


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model accepts requests.

    Attributes
    ----------
    slots : int
        Number of requests that the engine processes concurrently.
    num_ctx : int
        Context length of a request, in tokens.
    device : str
        "cpu", or the names of the GPUs that hold layers.
    memory : MemoryUse or None
        What the engine says that it took, without the worker process itself.
    gpus : dict
        Bytes of memory that the load took on each GPU, by llama.cpp's name of the GPU.
    engine : str
        Name of the engine, set by the worker.
    notes : tuple of str
        Messages for the user: those of `Load`, then the engine's.
    template_capabilities : tuple of str or None
        ``tools`` and ``reasoning``, as far as the chat template has them; None without one.
    """

    slots: int
    num_ctx: int
    device: str
    memory: MemoryUse | None = None
    gpus: dict[str, int] = msgspec.field(default_factory=dict)
    engine: str = ""
    notes: tuple[str, ...] = ()
    template_capabilities: tuple[Capability, ...] | None = None

    @property
    def device_bytes(self) -> int:
        """GPU memory that the load took; 0 on the CPU."""
        return sum(self.gpus.values())


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The load failed with this error (`PowerError.to_wire`); the worker exits."""

    error: dict[str, Any]


class Output(msgspec.Struct, frozen=True, tag="output"):
    """One item of a request's result."""

    id: int
    item: Item | TokenItem


class Stats(msgspec.Struct, frozen=True, tag="stats"):
    """Use of the engine's caches; sent when it has changed, at most once a second.

    Attributes
    ----------
    cache_tokens : int
        Tokens in the KV cache, including those that wait for another request with this prefix.
    cache_capacity : int
        Tokens that the KV cache can hold; UNSET if it has no fixed size.
    prompt_cache_bytes : int
        Host memory of the prefixes that were moved out of the KV cache; UNSET if the engine moves
        none.
    requests_held : int
        Requests that have a slot and wait: for room in the KV cache, or for tokens that another one
        is about to read.
    """

    cache_tokens: int
    cache_capacity: int | UnsetType = UNSET
    prompt_cache_bytes: int | UnsetType = UNSET
    requests_held: int = 0


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The worker computes. It sends at least one message a second while it has requests."""


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The request's slot is free. `error` (`PowerError.to_wire`) is set if the request failed."""

    id: int
    error: dict[str, Any] | None = None


Reply = Probed | Measured | Loading | Loaded | LoadFailed | Output | Stats | Alive | Ended
REPLY_DECODER: Decoder[Reply] = Decoder(Reply)
