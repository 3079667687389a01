"""The settings of the service, made from the traits of `server.extension.PowerApp`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Names that end in _KEY or _TOKEN, but not those of other services, which a request must not send
#: to any host. The case is ignored, as Windows ignores it in these names.
UPSTREAM_KEY_PATTERN = (
    r"(?i)(?!JUPYTER|JPY|CONFIGPROXY|A3S_POWER|HF_|HUGGING|AWS_|AZURE_|GOOGLE_|GCP_"
    r"|GITHUB_|GH_|GITLAB_|CI_|NPM_|PYPI_|DOCKER|KUBE|VAULT_|SSH_|GPG_)"
    r"(?!.*(SECRET|PRIVATE|PASSWORD|ACCESS_KEY))"
    r"[A-Z0-9_]+_(KEY|TOKEN)"
)

#: Default of the bytes on disk for warm conversations.
PROMPT_CACHE_DISK = 2 * 1024**3


@dataclass(frozen=True)
class Settings:
    """Settings of one server.

    Attributes
    ----------
    home : Path
        Directory of the models.
    shared_homes : tuple of Path
        Directories of other users' models, which are used and never written.
    max_loaded_models : int
        Models in memory at once; 0 for no limit.
    keep_alive : float
        Seconds an idle model stays loaded; 0 to unload it at once, ``math.inf`` to keep it.
    gpu_layers : int or None
        Layers on the GPU for models that do not set them: -1 for all, 0 for none, None for as many
        as fit.
    load_timeout : float
        Seconds a request waits for memory to become free, and a load may make no progress.
    step_timeout : float
        Seconds without an answer after which the worker of a model with requests is ended.
    max_queue : int
        Requests that may wait for one model; 0 for no limit.
    memory_limit : int
        Bytes all loaded models may use together; 0 for the free memory of the machine.
    memory_headroom : int or None
        Bytes that a worker may use beyond the estimated size of its model; 0 for no limit, None for
        a quarter of the machine's memory, but at least 2 GiB.
    prompt_cache : int or None
        Bytes of host memory for the warm conversations of each model; 0 to keep none beyond the
        model's own cache, None for an eighth of the memory that is free once the model is loaded,
        but at most 4 GiB.
    prompt_cache_disk : int
        Bytes on disk for the warm conversations of all models that were unloaded; 0 for none.
    preload : tuple of str
        Models to load at startup.
    max_pulls : int
        Concurrent pulls; 0 for no limit.
    remote_timeout : float
        Seconds the upstream of a remote model may stay silent during a reply.
    recommended_models : Path or None
        File with the models to recommend; None for the list of the package.
    prompts : Path or None
        File with prompts of the assistant; None for those of the package.
    assistant_dir : Path or None
        Folder of the chats and presets; None for ``assistant`` in `home`.
    upstream_key_pattern : str
        Regular expression that matches the whole name of an environment variable that may be sent
        to an upstream as its key.
    """

    home: Path
    max_loaded_models: int = 3
    keep_alive: float = 300.0
    gpu_layers: int | None = None
    load_timeout: float = 300.0
    step_timeout: float = 120.0
    max_queue: int = 256
    memory_limit: int = 0
    memory_headroom: int | None = None
    prompt_cache: int | None = None
    prompt_cache_disk: int = PROMPT_CACHE_DISK
    preload: tuple[str, ...] = ()
    max_pulls: int = 2
    remote_timeout: float = 300.0
    recommended_models: Path | None = None
    shared_homes: tuple[Path, ...] = ()
    prompts: Path | None = None
    assistant_dir: Path | None = None
    upstream_key_pattern: str = UPSTREAM_KEY_PATTERN

    @property
    def keeps_prompts(self) -> bool:
        """Whether warm conversations are kept on disk."""
        return self.prompt_cache != 0 and self.prompt_cache_disk > 0
