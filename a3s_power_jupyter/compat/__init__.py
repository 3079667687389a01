"""Uses of other packages' private APIs. No other module touches one.

The upper bounds in ``pyproject.toml`` (``jupyter-server<3``) hold these packages to
releases that have these names. The libraries are imported by their callers or inside the
functions, because both the notebook server and the workers import this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.auth.identity import User
    from jupyter_server.base.handlers import JupyterHandler

# ---------------------------------------------------------------- jupyter_server

# `JupyterHandler.prepare` sets `_jupyter_current_user` beside tornado's `current_user`, and the
# identity provider, the XSRF check and the activity tracking all read it. There is no public way
# to authenticate a request without the identity provider, or to ask whether it has been asked.


async def prepare_without_redirect(handler: JupyterHandler) -> None:
    """Authenticate a request; raise 403 instead of redirecting to the login page."""
    from jupyter_server.base.handlers import JupyterHandler

    await JupyterHandler.prepare(handler, _redirect_to_login=False)


def authenticate(handler: JupyterHandler, user: User) -> None:
    """Authenticate a request as `user`, as if it had sent the server's token."""
    handler._token_authenticated = True  # type: ignore[attr-defined]
    handler.current_user = handler._jupyter_current_user = user


def is_identified(handler: JupyterHandler) -> bool:
    """Whether the identity provider has been asked about the request, whatever the answer."""
    return hasattr(handler, "_jupyter_current_user")


def is_authenticated(handler: JupyterHandler) -> bool:
    """Whether the request has a known user. Unlike ``current_user``, never asks for one."""
    return getattr(handler, "_jupyter_current_user", None) is not None
