"""The Jupyter Server extension, and the ``jupyter power`` command that runs it without a lab.

This module exceeds 300 lines because traitlets reads all options from one class.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from traitlets import (
    Bool,
    Float,
    Integer,
    List,
    TraitError,
    Type,
    Unicode,
    Union,
    default,
    validate,
)
from traitlets.utils.bunch import Bunch

from .. import __version__
from ..contract.errors import InvalidKeepAlive
from ..contract.parameters import parse_keep_alive
from ..contract.redaction import Redactor
from ..handlers.context import SETTING, Context
from ..handlers.metrics import RuntimeMetrics
from ..handlers.responses.store import ResponseStore
from ..handlers.routes import HEADLESS, ROUTES, YIELDING
from ..service.settings import PROMPT_CACHE_DISK, UPSTREAM_KEY_PATTERN, Settings
from .activity import ActivityMonitor
from .environment import Environment
from .headless import HeadlessServerApp
from .runtime_file import (
    describe_server,
    remove_runtime_file,
    remove_stale_files,
    write_runtime_file,
)

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from ..service.service import PowerService

DEFAULT_MAX_LOADED_MODELS = 3
DEFAULT_KEEP_ALIVE = "5m"


class PowerApp(ExtensionApp):
    """Serve local language models with the APIs of OpenAI, Anthropic and Ollama."""

    name = "a3s_power_jupyter"
    version = __version__
    description = __doc__
    extension_url = "/v1/models"
    load_other_extensions = False  # applies to ``jupyter power`` only
    serverapp_class = HeadlessServerApp
    subcommand_description = "For help: jupyter power SUBCOMMAND --help"
    classes = [*ExtensionApp.classes, HeadlessServerApp]

    aliases = {
        "port": "HeadlessServerApp.port",
        "ip": "HeadlessServerApp.ip",
        "certfile": "ServerApp.certfile",
        "keyfile": "ServerApp.keyfile",
        "sock": "ServerApp.sock",
        "home": "PowerApp.home",
        "max-models": "PowerApp.max_loaded_models",
        "keep-alive": "PowerApp.keep_alive",
        "gpu-layers": "PowerApp.gpu_layers",
        "idle-exit": "PowerApp.idle_exit",
        "log-level": "Application.log_level",
        "config": "JupyterApp.config_file",
    }
    flags = {
        "debug": (
            {"Application": {"log_level": "DEBUG"}},
            "Log at debug level, including successful requests.",
        )
    }
    subcommands = {
        "fsck": ("a3s_power_jupyter.server.fsck.FsckApp", "Check the model store, and repair it.")
    }
    examples = "\n".join(
        (
            "jupyter power                               # http://localhost:11434/v1",
            "jupyter power --port=8080 --keep-alive=30m",
            "A3S_POWER_HOST=0.0.0.0 jupyter power        # on all interfaces",
            "jupyter power --IdentityProvider.token=''   # no authentication: this machine only",
        )
    )

    # The methods with `@default` read environment variables. The defaults here are shown by --help.
    home = Unicode(
        "~/.a3s/power",
        help="Directory of the model store. Default: A3S_POWER_HOME, else ~/.a3s/power.",
    ).tag(config=True)
    shared_homes = List(
        Unicode(),
        help="Directories of model stores whose models are listed and used, and never changed, "
        "such as one for all users. Default: A3S_POWER_SHARED_HOMES, separated as in PATH.",
    ).tag(config=True)
    max_loaded_models = Integer(
        DEFAULT_MAX_LOADED_MODELS,
        min=0,
        help="Models in memory at once; 0 means no limit. Default: A3S_POWER_MAX_MODELS, else 3.",
    ).tag(config=True)
    keep_alive = Union(
        [Float(), Unicode()],
        default_value=DEFAULT_KEEP_ALIVE,
        help="How long an idle model stays loaded: '5m', '1h30m', or seconds. 0 unloads it after "
        "its last request, a negative value keeps it. Default: A3S_POWER_KEEP_ALIVE, else '5m'.",
    ).tag(config=True)
    gpu_layers = Integer(
        None,
        min=-1,
        allow_none=True,
        help="Layers on the GPU, unless the model sets them; -1 means all, 0 none. Default: "
        "A3S_POWER_GPU_LAYERS, else as many as fit.",
    ).tag(config=True)
    load_timeout = Float(
        300.0,
        min=1.0,
        help="Seconds that a request waits for memory to become free, and that a load may make "
        "no progress.",
    ).tag(config=True)
    step_timeout = Float(
        120.0,
        min=1.0,
        help="Seconds without an answer after which the worker of a model that has requests is "
        "ended, as if it had died. A worker answers at least every second while it computes.",
    ).tag(config=True)
    max_queue = Integer(
        256, min=0, help="Requests that may wait for one model; 0 means no limit."
    ).tag(config=True)
    memory_limit = Integer(
        0,
        min=0,
        help="Bytes that all loaded models may use together; 0 means the free memory of the "
        "machine.",
    ).tag(config=True)
    memory_headroom = Integer(
        None,
        min=0,
        allow_none=True,
        help="Bytes that the worker of a model may use beyond the estimated size of the model "
        "before it is ended; 0 means no limit. Default: a quarter of the memory of the machine, "
        "but at least 2 GiB.",
    ).tag(config=True)
    prompt_cache = Integer(
        None,
        min=0,
        allow_none=True,
        help="Bytes of memory for the warm conversations of each model, beyond the model's own "
        "cache; 0 means none, also on disk. Default: an eighth of the memory that is free when "
        "the model is loaded, but at most 4 GiB.",
    ).tag(config=True)
    prompt_cache_disk = Integer(
        PROMPT_CACHE_DISK,
        min=0,
        help="Bytes on disk for the warm conversations of all models that were unloaded; 0 means "
        "that no prompt is written to disk.",
    ).tag(config=True)
    preload = List(Unicode(), help="Names of models to load when the server starts.").tag(
        config=True
    )
    max_pulls = Integer(2, min=0, help="Concurrent pulls, others wait; 0 means no limit.").tag(
        config=True
    )
    remote_timeout = Float(
        300.0,
        min=1.0,
        help="Seconds that the upstream of a remote model may stay silent during a reply, and that "
        "the head of a reply may take.",
    ).tag(config=True)
    recommended_models = Unicode(
        "",
        help="File with the models to recommend, in TOML. Default: the list of the package.",
    ).tag(config=True)
    prompts = Unicode(
        "",
        help="File with prompts of the assistant, in TOML. Those that it lacks are the package's. "
        "Default: the prompts of the package.",
    ).tag(config=True)
    assistant_dir = Unicode(
        help="Folder of the chats and presets of the assistant. Default: a3s-power in Jupyter's "
        "data folder.",
    ).tag(config=True)
    upstream_key_pattern = Unicode(
        UPSTREAM_KEY_PATTERN,
        help="Regular expression that matches the whole name of an environment variable that may "
        "be the api_key_env of a remote model, whose value is sent to the upstream. Default: names "
        "that end in _KEY or _TOKEN, except those of Jupyter, Hugging Face, cloud providers and "
        "code hosts.",
    ).tag(config=True)
    max_request_mb = Float(32.0, min=0.001, help="Maximum size of a request body, in MiB.").tag(
        config=True
    )
    response_store_mb = Float(
        64.0,
        min=0.0,
        help="Memory for responses of /v1/responses that clients may refer to, in MiB. Those used "
        "least recently are dropped first; 0 keeps none.",
    ).tag(config=True)
    response_mark = Unicode(
        "",
        help="Lower-case letters and digits in the identifiers of responses, by which a router "
        "finds the server that has a response.",
    ).tag(config=True)
    client_timeout = Float(
        60.0,
        min=1.0,
        help="Seconds that a client may read nothing of a reply before its request is stopped.",
    ).tag(config=True)
    idle_exit = Float(
        0.0,
        min=0.0,
        help="Seconds without a request and without a loaded model after which `jupyter power` "
        "exits; 0 means never.",
    ).tag(config=True)
    open_browser = Bool(False).tag(config=True)
    service_class = Type(
        "a3s_power_jupyter.service.PowerService",
        klass=object,
        help="Class that implements the operations behind the routes.",
    ).tag(config=True)

    context: Context
    serverapp: ServerApp

    def __init__(self, **kwargs: Any) -> None:
        self.environment = Environment()
        super().__init__(**kwargs)
        self._activity: ActivityMonitor | None = None

    @default("home")
    def _default_home(self) -> str:
        return str(self.environment.get("A3S_POWER_HOME", Path.home() / ".a3s" / "power"))

    @default("shared_homes")
    def _default_shared_homes(self) -> list[str]:
        return list(self.environment.get("A3S_POWER_SHARED_HOMES", ()))

    @default("assistant_dir")
    def _default_assistant_dir(self) -> str:
        return str(Path(jupyter_data_dir()) / "a3s-power")

    @default("max_loaded_models")
    def _default_max_loaded_models(self) -> int:
        return int(self.environment.get("A3S_POWER_MAX_MODELS", DEFAULT_MAX_LOADED_MODELS))

    @default("keep_alive")
    def _default_keep_alive(self) -> str:
        return str(self.environment.get("A3S_POWER_KEEP_ALIVE", DEFAULT_KEEP_ALIVE))

    @default("gpu_layers")
    def _default_gpu_layers(self) -> int | None:
        layers: int | None = self.environment.get("A3S_POWER_GPU_LAYERS", None)
        return layers

    @validate("keep_alive")
    def _valid_keep_alive(self, proposal: Bunch) -> float | str:
        value: float | str = proposal["value"]
        try:
            parse_keep_alive(value)
        except InvalidKeepAlive as error:
            raise TraitError(error.message) from None
        return value

    @validate("upstream_key_pattern")
    def _valid_upstream_key_pattern(self, proposal: Bunch) -> str:
        pattern: str = proposal["value"]
        try:
            re.compile(pattern)
        except re.error as error:
            raise TraitError(
                f"upstream_key_pattern is not a regular expression: {error}."
            ) from None
        return pattern

    @validate("response_mark")
    def _valid_response_mark(self, proposal: Bunch) -> str:
        mark: str = proposal["value"]
        if not re.fullmatch("[a-z0-9]{0,32}", mark):
            raise TraitError("response_mark must be at most 32 lower-case letters and digits.")
        return mark

    # ---------------------------------------------------------------- lifecycle

    def initialize_settings(self) -> None:
        for problem in self.environment.problems:
            self.log.error("Power: %s Using the default.", problem)
        service_class = cast(
            "Callable[[Settings, Logger, RuntimeMetrics], PowerService]", self.service_class
        )
        self.context = Context(
            service=service_class(self._service_settings(), self.log, RuntimeMetrics()),
            kernel_key=secrets.token_urlsafe(32),
            max_request_bytes=int(self.max_request_mb * 2**20),
            client_timeout=self.client_timeout,
            problems=self.environment.problems,
            responses=ResponseStore(int(self.response_store_mb * 2**20)),
            redactor=self._redactor,
            response_mark=self.response_mark,
        )
        self.settings[SETTING] = self.context

    def _redactor(self) -> Redactor:
        """Return a function that removes the server's secrets, as they are now, from texts."""
        token = getattr(self.serverapp.identity_provider, "token", None)
        return Redactor(token, self.context.kernel_key)

    def _service_settings(self) -> Settings:
        return Settings(
            home=Path(self.home).expanduser().absolute(),  # workers have another directory
            shared_homes=tuple(Path(home).expanduser().absolute() for home in self.shared_homes),
            max_loaded_models=self.max_loaded_models,
            keep_alive=parse_keep_alive(self.keep_alive),
            gpu_layers=self.gpu_layers,
            load_timeout=self.load_timeout,
            step_timeout=self.step_timeout,
            max_queue=self.max_queue,
            memory_limit=self.memory_limit,
            memory_headroom=self.memory_headroom,
            prompt_cache=self.prompt_cache,
            prompt_cache_disk=self.prompt_cache_disk,
            preload=tuple(self.preload),
            max_pulls=self.max_pulls,
            remote_timeout=self.remote_timeout,
            recommended_models=_file(self.recommended_models),
            prompts=_file(self.prompts),
            assistant_dir=_file(self.assistant_dir),
            upstream_key_pattern=self.upstream_key_pattern,
        )

    def initialize_handlers(self) -> None:
        self.handlers.extend(route for route in ROUTES if route not in YIELDING)
        if isinstance(self.serverapp, HeadlessServerApp):
            self.handlers.extend(HEADLESS)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Start the service. Jupyter Server calls this once its port is known."""
        self._add_yielding_routes(serverapp)
        await self.context.service.start()
        remove_stale_files()
        headless = isinstance(serverapp, HeadlessServerApp)
        write_runtime_file(describe_server(serverapp, self.context.kernel_key, headless=headless))
        self._activity = ActivityMonitor(self.name, self.context, serverapp, self.idle_exit)
        self._activity.start()

    def _add_yielding_routes(self, serverapp: ServerApp) -> None:
        """Add routes after those of all extensions, and before those of Jupyter Server itself."""
        base_url = serverapp.web_app.settings["base_url"]
        handlers = [(url_path_join(base_url, pattern), *rest) for pattern, *rest in YIELDING]
        serverapp.web_app.add_handlers(".*$", handlers)  # type: ignore[no-untyped-call]

    async def stop_extension(self) -> None:
        if self._activity is not None:
            self._activity.stop()
        remove_runtime_file(os.getpid())
        await self.context.responses.close()
        await self.context.service.stop()
        await self.context.answered()

    def current_activity(self) -> dict[str, int] | None:
        """Keep `ServerApp.shutdown_no_activity_timeout` from stopping a server with requests."""
        active = self.context.service.active_requests
        return {"active_requests": active} if active else None


def _file(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def main(argv: list[str] | None = None) -> None:
    """Run ``jupyter power``. Unlike the extension, refuse to start with an invalid variable."""
    problems = Environment().problems
    if problems:
        sys.exit("\n".join(problems))
    PowerApp.launch_instance(argv)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    # The server imports this module by its name, not as __main__, and must get the same PowerApp.
    from a3s_power_jupyter.server.extension import main as imported_main

    imported_main()
