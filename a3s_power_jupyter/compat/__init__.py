"""Access to private APIs of other packages. No other module uses private APIs.

The upper bounds in ``pyproject.toml`` limit these packages to releases that have these names. The
packages are imported inside the functions, because both the notebook server and the workers import
this module.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from ..contract.errors import BackendUnavailable

if TYPE_CHECKING:
    from jupyter_server.auth.identity import User
    from jupyter_server.base.handlers import JupyterHandler
    from jupyter_server.serverapp import ServerWebApplication

# ---------------------------------------------------------------- jupyter_server

# `JupyterHandler.prepare` sets `_jupyter_current_user` in addition to tornado's `current_user`, and
# the identity provider, the XSRF check and the activity tracking all read it. There is no public
# way to authenticate a request without the identity provider, or to check whether it has run.


async def prepare_without_redirect(handler: JupyterHandler) -> None:
    """Authenticate a request; raise 403 instead of redirecting to the login page."""
    from jupyter_server.base.handlers import JupyterHandler

    await JupyterHandler.prepare(handler, _redirect_to_login=False)


def authenticate(handler: JupyterHandler, user: User) -> None:
    """Authenticate a request as `user`, as if it had sent the server's token."""
    handler._token_authenticated = True  # type: ignore[attr-defined]
    handler.current_user = handler._jupyter_current_user = user


def is_identified(handler: JupyterHandler) -> bool:
    """Return whether the identity provider has run for the request, with any result."""
    return hasattr(handler, "_jupyter_current_user")


def is_authenticated(handler: JupyterHandler) -> bool:
    """Return whether the request has a known user, without running the identity provider."""
    return getattr(handler, "_jupyter_current_user", None) is not None


# tornado has no public way to add routes after those that an application begins with, and the last
# two of Jupyter Server match all paths: one adds a slash, the other replies with a page.


def replace_last_routes(web_app: ServerWebApplication, routes: list[Any]) -> None:
    """Replace the routes that match what no other one of Jupyter Server does."""
    from jupyter_server.base.handlers import Template404, TrailingSlashHandler

    router = web_app.wildcard_router
    last = (Template404, TrailingSlashHandler)
    router.rules[:] = [rule for rule in router.rules if rule.target not in last]
    router.add_rules(routes)


# ---------------------------------------------------------------- llama_cpp

# llama-cpp-python loads the ggml library but has no public bindings of its device functions.

_POINTER = ctypes.c_void_p

#: ggml function -> types of its arguments and of its result (ggml-backend.h).
_GGML_FUNCTIONS: dict[str, tuple[list[Any], Any]] = {
    "ggml_backend_dev_count": ([], ctypes.c_size_t),
    "ggml_backend_dev_get": ([ctypes.c_size_t], _POINTER),
    "ggml_backend_dev_name": ([_POINTER], ctypes.c_char_p),
    "ggml_backend_dev_description": ([_POINTER], ctypes.c_char_p),
    "ggml_backend_dev_type": ([_POINTER], ctypes.c_int),
    "ggml_backend_dev_memory": (
        [_POINTER, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)],
        None,
    ),
}


def ggml_library() -> Any:
    """Return the ggml library that llama-cpp-python loaded, with its device functions bound.

    Raises
    ------
    BackendUnavailable
        If the installed version of llama-cpp-python does not expose it.
    """
    try:
        from llama_cpp._ggml import libggml

        for name, (arguments, result) in _GGML_FUNCTIONS.items():
            function = getattr(libggml, name)
            function.argtypes = arguments
            function.restype = result
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable(
            "This version of llama-cpp-python is not supported. Install a supported version with: "
            "pip install 'llama-cpp-python>=0.3.36,<0.4'"
        ) from error
    return libggml
