"""The replies to requests that fail, and what the log says about them."""

from __future__ import annotations

import traceback
from http.client import responses
from types import TracebackType
from typing import Any

import msgspec
from tornado import web

from ..compat import is_authenticated, is_identified
from ..contract.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    MethodNotAllowed,
    PowerError,
    RouteNotFound,
    Unauthorized,
)
from ..contract.field_errors import either
from ..contract.text import shortened
from .auth import AuthHandler


class ErrorHandler(AuthHandler):
    """A handler that replies to every exception with the JSON of a `PowerError`.

    Attributes
    ----------
    template : str
        The route as it appears in the documentation, in metrics and in the log.
    has_warned : bool
        Whether the log has a warning with the reason why the request failed.
    """

    template: str
    has_warned = False

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        error = self.to_error(raised, status_code)
        of_tornado = isinstance(raised, web.HTTPError) and not isinstance(error, Unauthorized)
        self.set_status(status_code if of_tornado else error.status)
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        if isinstance(error, BodyTooLarge):
            self.set_header("Connection", "close")  # the rest of the body is not read
        if isinstance(error, MethodNotAllowed):
            self.set_header("Allow", ", ".join(self._allowed_methods()))
        if isinstance(error, Unauthorized) and self.get_status() == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        self.finish(msgspec.json.encode(self.error_body(error)))

    def error_body(self, error: PowerError) -> dict[str, Any]:
        """Return the JSON of a reply to a request that fails. Dialects have their own."""
        return {"error": error.to_wire()}

    def to_error(self, raised: BaseException | None, status: int = 500) -> PowerError:
        """Return the error of the reply to an exception, without the server's secrets."""
        error = self._to_power_error(raised, status)
        self.context.redactor().clean(error)
        return error

    def _to_power_error(self, raised: BaseException | None, status: int) -> PowerError:
        if isinstance(raised, PowerError):
            return raised
        if status == 405:
            method = shortened(str(self.request.method))
            return MethodNotAllowed(f"{method} is not supported here. Use {either(self.verbs())}.")
        if not isinstance(raised, web.HTTPError) or status >= 500:
            return PowerError("Internal error. See the notebook server's log for details.")
        message = (raised.log_message or responses.get(status, "Bad request")) % raised.args
        if status in (401, 403):
            # A 403 of the identity provider is about a user that it knows.
            known = is_authenticated(self) or (status == 403 and not is_identified(self))
            return (Forbidden if known else Unauthorized)(message)
        return (RouteNotFound if status == 404 else BadRequest)(message)

    @classmethod
    def verbs(cls) -> list[str]:
        """Return the HTTP methods of this handler, except ``OPTIONS`` and ``HEAD``."""
        return [
            verb
            for verb in cls.SUPPORTED_METHODS
            if verb not in ("OPTIONS", "HEAD")
            and getattr(cls, verb.lower()) is not getattr(web.RequestHandler, verb.lower())
        ]

    def _allowed_methods(self) -> list[str]:
        verbs = self.verbs()
        return [*verbs, "HEAD"] if "GET" in verbs else verbs

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log user errors at debug level and bugs with a traceback, all without secrets.

        The URL is left out because it may contain a token. Jupyter's access log has it without.
        """
        where = (self.request.method, self.template)
        redact = self.context.redactor()
        if isinstance(value, PowerError):
            self.has_warned = value.status >= 500
            log = self.log.warning if self.has_warned else self.log.debug
            log("%s %s: %s: %s", *where, value.code, redact(value.message))
        elif isinstance(value, web.HTTPError):
            log = self.log.warning if value.status_code >= 500 else self.log.debug
            log("%s %s: %s", *where, redact(str(value)))
        elif typ is not None and value is not None:
            text = redact("".join(traceback.format_exception(typ, value, tb)))
            self.log.error("Uncaught exception in %s %s\n%s", *where, text)
