"""What the administrator of the server may set; filled from the traits of `extension.PowerApp`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Settings of one server.

    Attributes
    ----------
    home : where models are stored.
    max_loaded_models : models in memory at once; 0 is no limit.
    keep_alive : seconds an idle model stays loaded; ``math.inf`` is for ever, 0 not at all.
    gpu_layers : layers put on the GPU when the model does not say; None is all where llama.cpp
        was built for a GPU, -1 all, 0 none.
    load_timeout : seconds a request waits for its model, room made for it included.
    max_queue : requests that may wait for one model; 0 is no limit.
    memory_limit : bytes all loaded models may take together; 0 is what the machine has free.
    preload : names of models that are loaded when the server starts.
    max_pulls : pulls that download at once; 0 is no limit.
    remote_timeout : seconds between two bytes of an answer of a remote model's upstream.
    """

    home: Path
    max_loaded_models: int = 3
    keep_alive: float = 300.0
    gpu_layers: int | None = None
    load_timeout: float = 300.0
    max_queue: int = 256
    memory_limit: int = 0
    preload: tuple[str, ...] = ()
    max_pulls: int = 2
    remote_timeout: float = 300.0
