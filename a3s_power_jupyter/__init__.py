"""Local language models inside Jupyter.

>>> import a3s_power_jupyter as power
>>> client = power.connect()
>>> client.chat("smollm2", "What is a notebook?")

What is heavy is imported when it is first asked for: a notebook server imports this at start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .client import Client, Reply, connect
    from .contract.errors import PowerError

__version__ = "0.1.0"
__all__ = ["Client", "PowerError", "Reply", "__version__", "connect"]


def __getattr__(name: str) -> Any:
    if name in ("Client", "Reply", "connect"):
        from . import client

        return getattr(client, name)
    if name == "PowerError":
        from .contract.errors import PowerError

        return PowerError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext a3s_power_jupyter``: add ``%power`` and ``%%power``."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    from .magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where Jupyter Server finds the extension."""
    from .server.extension import PowerApp

    return [{"module": "a3s_power_jupyter.server.extension", "app": PowerApp}]
