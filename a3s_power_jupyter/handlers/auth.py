"""Authenticate and authorize requests, and check their origin.

Jupyter's identity provider and authorizer decide, except for kernels of this server, which
authenticate with the key from the runtime file.
"""

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
from ..contract.errors import Forbidden, PowerError, Unauthorized
from ..contract.text import shortened
from .context import SETTING, Context

Verb = TypeVar("Verb", bound=Callable[..., Any])

#: Name of the user of requests with the kernel key.
KERNEL_USER = "a3s-power-kernel"

ALLOW_ORIGIN = "Access-Control-Allow-Origin"

#: Headers of replies that a page of an allowed origin may read.
EXPOSED_HEADERS = "Retry-After, WWW-Authenticate, X-Power-Ignored, request-id"

#: Names of headers. ``*``, which is a name in HTTP, would allow all in a preflight reply.
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+")
_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)


def allowed(action: Literal["read", "write", "execute"]) -> Callable[[Verb], Verb]:
    """Decorate a verb to require authentication, and authorization for `action`."""

    def decorate(verb: Verb) -> Verb:
        checked: Callable[[Verb], Verb] = authorized(action)
        return cast("Verb", web.authenticated(checked(verb)))

    return decorate


class KernelUser(User):
    """The user of a request with the kernel key, which only the server's user can read.

    JupyterHub's authorizer compares ``hub_user["scopes"]`` with the scopes that grant access to
    this single-user server (jupyterhub/singleuser/extension.py). The owner has all of them.
    """

    def __init__(self) -> None:
        super().__init__(username=KERNEL_USER, display_name="Kernel")
        scopes = json.loads(os.environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES") or "[]")
        self.hub_user = {"name": self.username, "kind": "user", "scopes": scopes}


class AuthHandler(APIHandler):
    """Base class with the authentication, origin and XSRF rules of all routes.

    The rules are Jupyter's, with five differences:

    - The kernel key is accepted as a token.
    - A token may also be in the header ``x-api-key``, as Anthropic's clients send it. If both
      headers have one, one of them has to be valid.
    - A refused request is never redirected to the login page.
    - Pages of other origins are refused, unless ``ServerApp.allow_origin`` or
      ``allow_origin_pat`` matches the origin; ``*`` does not count.
    - If authentication is disabled, the origin check replaces the XSRF check, so plain ``curl``
      works.
    """

    auth_resource = "a3s_power"

    _lacks_xsrf_token = False

    @property
    def context(self) -> Context:
        return cast(Context, self.settings[SETTING])

    async def prepare(self) -> None:  # type: ignore[override]
        """Authenticate the request.

        Raises
        ------
        Unauthorized
            If the credentials are missing or invalid.
        Forbidden
            If the host, the origin or the XSRF token is not accepted.
        """
        if not self.check_host():
            self.current_user = None
            raise Forbidden(
                "The Host header does not name this machine. Use localhost, or set "
                "ServerApp.allow_remote_access."
            )
        given = self._authorizations()
        if any(map(self._has_kernel_key, given)):
            # Bypasses the identity provider, which may ask JupyterHub and does not know the key.
            CallContext.set(CallContext.JUPYTER_HANDLER, self)
            authenticate(self, KernelUser())
            return
        await self._identify(given)
        self.check_origin()
        if self.current_user is None and self.request.method != "OPTIONS":
            raise self._unauthorized()

    def _unauthorized(self) -> Unauthorized:
        """Return the error about a request without valid credentials."""
        sent = self._authorizations() or self.get_query_argument("token", "")
        if self._lacks_xsrf_token and not sent:
            return _xsrf_error()
        reason = "The token is wrong." if sent else "The token is missing."
        wanted = "the server's token"
        if isinstance(hint := getattr(self.authorizer, "wanted_credentials", None), str):
            wanted = hint
        elif hasattr(self.identity_provider, "hub_auth"):
            wanted = "a token of JupyterHub, which its page 'Token' makes"
        elif getattr(self.identity_provider, "token", ""):  # there is none with a password
            wanted += ", which 'jupyter server list' prints"
        return Unauthorized(
            f"Not authenticated. {reason} Send {wanted}, as 'Authorization: Bearer TOKEN'."
        )

    def _authorizations(self) -> list[str]:
        """Return the tokens of the request's headers, each as a value of ``Authorization``."""
        headers = self.request.headers
        given = headers.get("Authorization", "")
        key = headers.get("X-API-Key", "").strip()
        found = [given] if token_in(given) else []
        return found + ([f"Bearer {key}"] if key not in ("", token_in(given)) else [])

    def _has_kernel_key(self, authorization: str) -> bool:
        given = token_in(authorization)
        return hmac.compare_digest(given.encode(), self.context.kernel_key.encode())

    async def _identify(self, authorizations: list[str]) -> None:
        """Let the identity provider find the user, by one token after the other.

        The provider reads the token from ``Authorization``, and some keep what they find on the
        handler, also that they find nothing. This is removed before the next token.

        Raises
        ------
        HTTPError, PowerError
            If no token is accepted, nor the request without one. It is the error of the first.
        """
        known = set(vars(self))
        failure: Exception | None = None
        for i, authorization in enumerate(authorizations or [""], start=1):
            for name in set(vars(self)) - known:
                delattr(self, name)
            if authorization:
                self.request.headers["Authorization"] = authorization
            try:
                await prepare_without_redirect(self)
            except (web.HTTPError, PowerError) as error:
                failure = failure or error
            else:
                if self.token_authenticated or i >= len(authorizations):
                    return
        if failure is not None:
            raise failure

    # ---------------------------------------------------------------- origins and XSRF

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.clear_header(ALLOW_ORIGIN)
        self.set_header("Vary", "Origin")
        origin = self.get_origin()
        if origin is not None and self._is_configured(origin):
            self.set_header(ALLOW_ORIGIN, origin)
            self.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)
            if self.allow_credentials:
                self.set_header("Access-Control-Allow-Credentials", "true")

    def set_cors_headers(self) -> None:
        """Do nothing: `set_default_headers` sets the headers, also of error replies."""

    def _is_configured(self, origin: str) -> bool:
        """Whether the administrator allowed exactly `origin`; ``*`` is ignored."""
        allowed = self.allow_origin or self.settings.get("headers", {}).get(ALLOW_ORIGIN)
        if allowed:
            return bool(allowed == origin)
        pattern = self.allow_origin_pat or ""
        return pattern != "" and bool(origin_matches_pat(pattern, origin))

    def check_origin(self, origin_to_satisfy_tornado: str = "") -> bool:
        """Return True, or raise `Forbidden` where Jupyter would reply 404."""
        origin = self.get_origin()
        if origin is None or self.request.method == "OPTIONS" or self.token_authenticated:
            return True
        host = self.request.headers.get("Host", "").lower()
        if urlsplit(origin.lower()).netloc == host or self._is_configured(origin):
            return True
        raise Forbidden(
            f"Requests from {shortened(origin)} are not allowed. Set ServerApp.allow_origin to "
            "allow them."
        )

    def check_xsrf_cookie(self) -> None:
        if is_identified(self) and not self.identity_provider.auth_enabled:
            self.check_origin()
            return
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as error:
            if not is_identified(self):
                # JupyterHub's provider checks this before it accepts a cookie.
                self._lacks_xsrf_token = True
                raise
            if self.current_user is None:
                raise self._unauthorized() from None
            raise _xsrf_error() from error

    @allow_unauthenticated
    def options(self, *args: Any, **kwargs: Any) -> None:
        """Answer a preflight request: allow what it asks for if its origin is allowed.

        Headers need no list. Whoever may send requests at all may send them with any header.
        """
        origin = self.get_origin()
        if origin is not None and self._is_configured(origin):
            asked = self.request.headers.get("Access-Control-Request-Headers", "").split(",")
            names = [name.strip() for name in asked if _HEADER_NAME.fullmatch(name.strip())]
            self.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
            self.set_header("Access-Control-Allow-Headers", ", ".join(names))
        self.set_header("Vary", "Origin, Access-Control-Request-Headers")
        self.set_status(204)
        self.finish()


def _xsrf_error() -> Forbidden:
    return Forbidden(
        "XSRF token missing or invalid. Send the value of the _xsrf cookie as X-XSRFToken, or the "
        "server's token as 'Authorization: Bearer TOKEN'."
    )


def token_in(authorization: str) -> str:
    """Return the token in the header ``Authorization``, or an empty string."""
    match = _AUTHORIZATION.fullmatch(authorization)
    return match.group(1) if match else ""
