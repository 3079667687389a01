"""The Jupyter Server extension, and ``jupyter power``, the same without JupyterLab."""

from __future__ import annotations

import math
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.extension.application import ExtensionApp
from tornado.ioloop import PeriodicCallback
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
from ..contract.runtime_file import RuntimeInfo
from ..handlers.context import SETTING, Context
from ..handlers.metrics import RuntimeMetrics
from ..handlers.routes import ROUTES
from ..service.settings import Settings
from .environment import Environment
from .headless import HeadlessServerApp
from .runtime_file import remove_runtime_file, remove_stale_files, write_runtime_file

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from ..service.service import PowerService

#: Seconds between two looks at whether requests run (idle culler) or nobody asks any more.
ACTIVITY_INTERVAL = 20.0


class PowerApp(ExtensionApp):
    """Local language models: /v1/models and OpenAI's routes in this server."""

    name = "a3s_power_jupyter"
    version = __version__
    description = __doc__
    extension_url = "/v1/models"
    load_other_extensions = False  # concerns ``jupyter power`` alone
    serverapp_class = HeadlessServerApp

    aliases = {
        "port": "ServerApp.port",
        "ip": "ServerApp.ip",
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
            "Log everything, requests that succeed included.",
        )
    }
    examples = """
        jupyter power                               # http://localhost:11434/v1
        jupyter power --port=8080 --keep-alive=30m
        A3S_POWER_HOST=0.0.0.0 jupyter power        # for other machines too
        jupyter power --IdentityProvider.token=''   # no authentication: this machine only
    """

    home = Unicode(help="Directory of the models; default: A3S_POWER_HOME, else ~/.a3s/power.").tag(
        config=True
    )
    max_loaded_models = Integer(
        min=0,
        help="Models in memory at once; 0 is no limit. Default: A3S_POWER_MAX_MODELS, else 3.",
    ).tag(config=True)
    keep_alive = Union(
        [Float(), Unicode()],
        help="How long an idle model stays in memory: '5m', '1h30m', or seconds; 0 unloads it "
        "when its last request ends, a negative one never. Default: A3S_POWER_KEEP_ALIVE, "
        "else '5m'.",
    ).tag(config=True)
    gpu_layers = Integer(
        min=-1,
        allow_none=True,
        help="Layers put on the GPU where the model does not say; -1 is all, 0 none. Default: "
        "A3S_POWER_GPU_LAYERS, else all, where llama.cpp was built for a GPU.",
    ).tag(config=True)
    load_timeout = Float(
        300.0,
        min=1.0,
        help="Seconds that a request waits for its model, room made for it included.",
    ).tag(config=True)
    max_queue = Integer(
        256, min=0, help="Requests that may wait for one model; 0 is no limit."
    ).tag(config=True)
    memory_limit = Integer(
        0,
        min=0,
        help="Bytes that all loaded models may take together; 0 is what the machine has free.",
    ).tag(config=True)
    preload = List(Unicode(), help="Names of models that are loaded when the server starts.").tag(
        config=True
    )
    max_pulls = Integer(
        2, min=0, help="Models that are downloaded at once, the others wait; 0 is no limit."
    ).tag(config=True)
    remote_timeout = Float(
        300.0,
        min=1.0,
        help="Seconds that the upstream of a remote model may take between two bytes of an answer.",
    ).tag(config=True)
    max_request_mb = Float(
        32.0, min=0.001, help="Largest body of a request, in MB of 2**20 bytes."
    ).tag(config=True)
    idle_exit = Float(
        0.0,
        min=0.0,
        help="`jupyter power` ends itself after so many seconds without a request and without a "
        "loaded model; 0 is never.",
    ).tag(config=True)
    open_browser = Bool(False).tag(config=True)
    service_class = Type(
        "a3s_power_jupyter.service.PowerService",
        klass=object,
        help="The class behind the routes; tests put another one here.",
    ).tag(config=True)

    context: Context
    serverapp: ServerApp

    def __init__(self, **kwargs: Any) -> None:
        self.environment = Environment()
        super().__init__(**kwargs)
        self._watch: PeriodicCallback | None = None

    @default("home")
    def _default_home(self) -> str:
        return str(self.environment.get("A3S_POWER_HOME", Path.home() / ".a3s" / "power"))

    @default("max_loaded_models")
    def _default_max_loaded_models(self) -> int:
        return int(self.environment.get("A3S_POWER_MAX_MODELS", 3))

    @default("keep_alive")
    def _default_keep_alive(self) -> str:
        return str(self.environment.get("A3S_POWER_KEEP_ALIVE", "5m"))

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

    # ---------------------------------------------------------------- life of the server

    def initialize_settings(self) -> None:
        for problem in self.environment.problems:
            self.log.error("%s The default is used instead.", problem)
        make = cast(
            "Callable[[Settings, Logger, RuntimeMetrics], PowerService]", self.service_class
        )
        self.context = Context(
            service=make(self._service_settings(), self.log, RuntimeMetrics()),
            kernel_key=secrets.token_urlsafe(32),
            max_request_bytes=int(self.max_request_mb * 2**20),
            problems=self.environment.problems,
        )
        self.settings[SETTING] = self.context

    def _service_settings(self) -> Settings:
        return Settings(
            home=Path(self.home).expanduser(),
            max_loaded_models=self.max_loaded_models,
            keep_alive=parse_keep_alive(self.keep_alive),
            gpu_layers=self.gpu_layers,
            load_timeout=self.load_timeout,
            max_queue=self.max_queue,
            memory_limit=self.memory_limit,
            preload=tuple(self.preload),
            max_pulls=self.max_pulls,
            remote_timeout=self.remote_timeout,
        )

    def initialize_handlers(self) -> None:
        self.handlers.extend(ROUTES)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Runs when the server listens, so its port is known."""
        await self.context.service.start()
        remove_stale_files()
        write_runtime_file(
            RuntimeInfo(
                pid=os.getpid(),
                hostname=socket.gethostname(),
                url=loopback_url(serverapp),
                key=self.context.kernel_key,
                version=__version__,
                headless=isinstance(serverapp, HeadlessServerApp),
                certfile=_absolute(serverapp.certfile),
                sock=_absolute(serverapp.sock),
            )
        )
        interval = min(ACTIVITY_INTERVAL, self.idle_exit / 4 if self.idle_exit else math.inf)
        self._watch = PeriodicCallback(self._look_around, interval * 1000)
        self._watch.start()

    async def stop_extension(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        remove_runtime_file(os.getpid())
        await self.context.service.stop()

    def current_activity(self) -> dict[str, int] | None:
        """What keeps `ServerApp.shutdown_no_activity_timeout` from ending the server."""
        active = self.context.service.active_requests
        return {"active_requests": active} if active else None

    async def _look_around(self) -> None:
        """Tell the idle culler of requests that run; end a headless server that nobody uses."""
        if self.context.service.active_requests:
            self.context.touch()
            # What /api/status shows, and jupyterhub-idle-culler reads, as last_activity.
            self.serverapp.web_app.settings["last_activity_times"][self.name] = datetime.now(UTC)
        elif self._is_headless() and await self._is_idle():
            self.log.info("Nothing was asked for %g seconds; shutting down.", self.idle_exit)
            self.serverapp.stop()

    def _is_headless(self) -> bool:
        return isinstance(self.serverapp, HeadlessServerApp)

    async def _is_idle(self) -> bool:
        if not self.idle_exit or time.monotonic() - self.context.last_request < self.idle_exit:
            return False
        return all(
            model.state in ("unloaded", "failed")
            for model in await self.context.service.catalog.models()
        )


def _absolute(path: str) -> str | None:
    """A kernel has another working directory than its server."""
    return str(Path(path).absolute()) if path else None


def loopback_url(serverapp: ServerApp) -> str:
    """The URL of `serverapp` for a process of the same machine, base URL and slash included."""
    scheme = "https" if serverapp.certfile else "http"
    if serverapp.sock:
        return f"{scheme}://localhost{serverapp.base_url}"
    if serverapp.ip in ("", "0.0.0.0", "localhost"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    else:
        host = "::1" if serverapp.ip == "::" else serverapp.ip
    netloc = f"[{host}]" if ":" in host else host
    return f"{scheme}://{netloc}:{serverapp.port}{serverapp.base_url}"


def main(argv: list[str] | None = None) -> None:
    """``jupyter power``. Unlike the extension it refuses to start with a bad variable."""
    problems = Environment().problems
    if problems:
        sys.exit("\n".join(problems))
    PowerApp.launch_instance(argv)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    # Not this module's main: the server would import PowerApp a second time under its own name.
    from a3s_power_jupyter.server.extension import main as imported_main

    imported_main()
