"""Local language models inside Jupyter.

>>> import a3s_power_jupyter as power
>>> client = power.connect()
>>> client.chat("smollm2", "What is a notebook?")

Heavy modules are imported on first use, because the notebook server imports this package at
startup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from . import errors
    from .client import Client, Reply, connect
    from .contract.errors import PowerError

__version__ = "0.1.0"
__all__ = ["Client", "PowerError", "Reply", "__version__", "connect", "errors"]


def __getattr__(name: str) -> Any:
    if name in ("Client", "Reply", "connect"):
        from . import client

        return getattr(client, name)
    if name == "PowerError":
        from .contract.errors import PowerError

        return PowerError
    if name == "errors":
        import importlib

        return importlib.import_module(".errors", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%power`` and ``%%power`` (``%load_ext a3s_power_jupyter``)."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    from .magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Declare the server extension to Jupyter Server."""
    from .server.extension import PowerApp

    return [{"module": "a3s_power_jupyter.server.extension", "app": PowerApp}]
