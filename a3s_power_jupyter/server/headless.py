"""The server of ``jupyter power``: a Jupyter Server with the routes of this package only."""

from __future__ import annotations

from typing import Any

from jupyter_core.application import JupyterApp
from jupyter_server.serverapp import ServerApp
from traitlets import HasTraits, Integer, Unicode, default
from traitlets.config import Config

from ..compat import replace_last_routes
from ..handlers.routes import UNKNOWN
from .environment import Environment

DEFAULT_PORT = 11434
DEFAULT_HOST = "localhost"


class HeadlessServerApp(ServerApp):
    """A server without kernels, files and terminals. Its token grants access to models only.

    It is configured by ``jupyter_power_config.py``, so settings for notebook servers, such as
    address, port and allowed origins, do not apply.
    """

    name = "jupyter-power"
    default_services = ("api", "auth", "security", "shutdown")  # type: ignore[assignment]

    # The methods with `@default` read environment variables. The defaults here are shown by --help.
    port = Integer(
        DEFAULT_PORT,
        help="Port to listen on; 0 means a free one. Default: A3S_POWER_PORT, else "
        f"{DEFAULT_PORT}.",
    ).tag(config=True)
    ip = Unicode(
        DEFAULT_HOST,
        help="Address to listen on; 0.0.0.0 means all interfaces. Default: A3S_POWER_HOST, else "
        f"{DEFAULT_HOST}.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The contents manager adds its route even if its service is disabled.
        self.update_config(Config({"ContentsManager": {"files_handler_class": None}}))

    @default("port")
    def _default_port(self) -> int:
        if self.sock:  # Jupyter Server refuses a socket with any other port
            return int(self.port_default_value)
        return int(Environment().get("A3S_POWER_PORT", DEFAULT_PORT))

    @default("ip")
    def _default_power_ip(self) -> str:
        return str(Environment().get("A3S_POWER_HOST", DEFAULT_HOST))

    @default("port_retries")
    def _default_no_port_retries(self) -> int:
        """Do not try other ports, since clients expect the configured one."""
        return 0

    @default("allow_root")
    def _default_allow_root(self) -> bool:
        """Allow root, because the server does not run code for its clients."""
        return True

    @default("answer_yes")
    def _default_answer_yes(self) -> bool:
        """Stop on Control-C without a prompt: there are no notebooks to lose."""
        return True

    @default("no_browser_open_file")
    def _default_no_browser_open_file(self) -> bool:
        return True

    def init_webapp(self) -> None:
        super().init_webapp()
        replace_last_routes(self.web_app, UNKNOWN)

    @classmethod
    def class_get_help(cls, inst: HasTraits | None = None) -> str:
        """Describe what differs from `ServerApp`, which ``--help-all`` describes, too."""
        title = f"{cls.__name__}({ServerApp.__name__}) options"
        own = cls.class_own_traits(config=True).values()
        texts = (cls.class_get_trait_help(trait, inst) for trait in own)
        return "\n".join([title, "-" * len(title), *texts])

    def start_app(self) -> None:
        """Start, and log how to send requests instead of opening a browser."""
        JupyterApp.start(self)
        self.log.info(self.running_server_info(kernel_count=False))
        self.write_server_info_file()

    def running_server_info(self, kernel_count: bool = True) -> str:
        provider = self.identity_provider
        token = provider.token if getattr(provider, "token_generated", False) else "$TOKEN"
        url = f"{self.connection_url}v1"
        auth = f'-H "Authorization: Bearer {token}" ' if provider.auth_enabled else ""
        post = f"  curl {auth}-H 'Content-Type: application/json' {url}"
        model = '{"name": "my-model", "path": "/path/to/model.gguf"}'
        chat = '{"model": "my-model", "messages": [{"role": "user", "content": "Hello"}]}'
        return (
            f"A3S Power is listening on {url} (stop with Control-C).\n"
            "Register a model and send a request:\n"
            f"{post}/models -d '{model}'\n"
            f"{post}/chat/completions -d '{chat}'"
        )
