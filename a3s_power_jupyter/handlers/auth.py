"""Who may ask: Jupyter's identity provider and authorizer, and the key of this server's kernels."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from jupyter_server import CallContext
from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import origin_matches_pat
from tornado import web

from ..compat import authenticate, is_identified, prepare_without_redirect
from ..contract.errors import Forbidden, Unauthorized
from .context import SETTING, Context

Verb = TypeVar("Verb", bound=Callable[..., Any])

NOT_AUTHENTICATED = "Not authenticated. Send the server's token as 'Authorization: Bearer TOKEN'."
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)


def allowed(action: Literal["read", "write", "execute"]) -> Callable[[Verb], Verb]:
    """Decorate a verb: authenticated, and authorized for `action` on ``a3s_power``."""

    def decorate(verb: Verb) -> Verb:
        checked: Callable[[Verb], Verb] = authorized(action)
        return cast("Verb", web.authenticated(checked(verb)))

    return decorate


class KernelUser(User):
    """Whoever holds the key of the runtime file: a process of the server's own user.

    JupyterHub's authorizer compares ``hub_user["scopes"]`` with the scopes that open this
    single-user server; the server's owner has them all (jupyterhub/singleuser/extension.py).
    """

    def __init__(self) -> None:
        super().__init__(username="a3s-power-kernel", display_name="Kernel")
        scopes = json.loads(os.environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES") or "[]")
        self.hub_user = {"name": self.username, "kind": "user", "scopes": scopes}


class AuthHandler(APIHandler):
    """Authentication, origin and XSRF rules of every route of this package.

    They are Jupyter's, with four differences: the kernel's key is a credential; a refusal is
    never a redirect; no page of another origin is let in, unless the administrator named that
    very origin; and where authentication is off the origin alone guards the writes, so that
    plain ``curl`` works.
    """

    auth_resource = "a3s_power"

    @property
    def context(self) -> Context:
        return cast(Context, self.settings[SETTING])

    async def prepare(self) -> None:  # type: ignore[override]
        """
        Raises
        ------
        Unauthorized
            No credentials, or wrong ones.
        Forbidden
            Host, origin or XSRF token is wrong.
        """
        if not self.check_host():
            self.current_user = None
            raise Forbidden(
                "The Host header is no name of this machine. Use localhost, or set "
                "ServerApp.allow_remote_access."
            )
        if self._holds_kernel_key():
            # Not asked: the identity provider, which may reach out (JupyterHub) and say no.
            CallContext.set(CallContext.JUPYTER_HANDLER, self)
            authenticate(self, KernelUser())
            return
        await prepare_without_redirect(self)
        self.check_origin()
        if self.current_user is None and self.request.method != "OPTIONS":
            raise Unauthorized(NOT_AUTHENTICATED)

    def _holds_kernel_key(self) -> bool:
        match = _AUTHORIZATION.fullmatch(self.request.headers.get("Authorization", ""))
        given = match.group(1) if match else ""
        return hmac.compare_digest(given.encode(), self.context.kernel_key.encode())

    # ---------------------------------------------------------------- other origins

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.clear_header(ALLOW_ORIGIN)
        self.set_header("Vary", "Origin")
        origin = self.get_origin()
        if origin is not None and self._is_configured(origin):
            self.set_header(ALLOW_ORIGIN, origin)
            if self.allow_credentials:
                self.set_header("Access-Control-Allow-Credentials", "true")

    def set_cors_headers(self) -> None:
        """Nothing more: `set_default_headers` did it, for error replies too."""

    def _is_configured(self, origin: str) -> bool:
        """Whether the administrator named `origin`; ``*`` names nobody."""
        named = self.allow_origin or self.settings.get("headers", {}).get(ALLOW_ORIGIN)
        if named:
            return bool(named == origin)
        pattern = self.allow_origin_pat or ""
        return pattern != "" and bool(origin_matches_pat(pattern, origin))

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """True, or `Forbidden`: Jupyter's own answer would be a 404."""
        origin = self.get_origin()
        if origin is None or self.request.method == "OPTIONS" or self.token_authenticated:
            return True
        host = self.request.headers.get("Host", "").lower()
        if urlsplit(origin.lower()).netloc == host or self._is_configured(origin):
            return True
        raise Forbidden(
            f"Pages of {origin} may not use this server. "
            "An administrator can allow them with ServerApp.allow_origin."
        )

    def check_xsrf_cookie(self) -> None:
        if is_identified(self) and not self.identity_provider.auth_enabled:
            self.check_origin()
            return
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            if self.current_user is None:
                raise Unauthorized(NOT_AUTHENTICATED) from None
            raise Forbidden(
                "A login cookie alone changes nothing: send the value of the _xsrf cookie as "
                "X-XSRFToken, or the token as 'Authorization: Bearer TOKEN'."
            ) from error

    @allow_unauthenticated
    def options(self, *args: Any, **kwargs: Any) -> None:
        """Answer a preflight; it allows something only beside `ALLOW_ORIGIN`."""
        self.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE")
        self.set_header(
            "Access-Control-Allow-Headers", "accept, authorization, content-type, x-xsrftoken"
        )
        self.set_status(204)
        self.finish()
