"""What all handlers share: JSON in, JSON out, errors in the shape of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from http.client import responses
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import msgspec
from tornado import web

from ..compat import is_authenticated
from ..contract.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    InvalidJSON,
    InvalidParameter,
    MethodNotAllowed,
    PowerError,
    RouteNotFound,
    Unauthorized,
    UnsupportedMediaType,
)
from . import metrics
from .auth import AuthHandler

if TYPE_CHECKING:
    from ..service.service import PowerService

T = TypeVar("T")

#: nginx's status for a client that went away before its answer; seen in logs and metrics only.
CLIENT_CLOSED_REQUEST = 499


@web.stream_request_body
class PowerHandler(AuthHandler):
    """Base class of every route.

    Bodies are streamed in, so credentials and Content-Length are judged before a byte of the
    body is kept. A verb raises; `write_error` turns what it raised into the reply.
    """

    template: str

    def initialize(self, template: str) -> None:
        """`template` is the route as the documentation and the metrics write it."""
        self.template = template
        self._body = bytearray()
        self._body_too_large = False
        self._refused = False
        self._work: asyncio.Task[Any] | None = None
        self._client_gone = False

    @property
    def service(self) -> PowerService:
        return self.context.service

    # ---------------------------------------------------------------- request

    async def prepare(self) -> None:  # type: ignore[override]
        length = self.request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self.context.max_request_bytes:
            raise self._too_large()
        try:
            await super().prepare()
        except (PowerError, web.HTTPError) as error:
            self.refuse(error)
        else:
            self.context.touch()

    def refuse(self, error: Exception) -> None:
        """Answer with `error`, but only when the body has arrived, and is thrown away.

        tornado drops the connection of a request that is answered earlier, which a client that
        is still writing may see before it sees the answer.
        """

        def verb(*args: str, **kwargs: str) -> NoReturn:
            raise error

        self._refused = True
        setattr(self, str(self.request.method).lower(), verb)

    def data_received(self, chunk: bytes) -> None:
        """Keep the body; what a chunked request sends over the limit is dropped."""
        self._body_too_large |= len(self._body) + len(chunk) > self.context.max_request_bytes
        if self._body_too_large or self._refused:
            self._body.clear()
        else:
            self._body += chunk

    def _too_large(self) -> BodyTooLarge:
        megabytes = self.context.max_request_bytes / 2**20
        return BodyTooLarge(
            f"The body is larger than {megabytes:g} MB; PowerApp.max_request_mb is the limit."
        )

    def json_body(self) -> dict[str, Any]:
        """The JSON object of the body; an empty body is an empty object.

        Raises
        ------
        BodyTooLarge, UnsupportedMediaType, InvalidJSON
        """
        if self._body_too_large:
            raise self._too_large()
        body = bytes(self._body)
        if not body.strip():
            return {}
        content_type = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if content_type != "application/json":
            raise UnsupportedMediaType(
                "Send the body as JSON, with Content-Type: application/json."
            )
        return decode_object(body)

    def flag(self, name: str) -> bool:
        """The boolean of the query argument `name`; False without it.

        Raises
        ------
        InvalidParameter
        """
        value = self.get_query_argument(name, "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise InvalidParameter(f"{name}={value!r} is neither true nor false.", param=name)
        return value in ("true", "1")

    # ---------------------------------------------------------------- reply

    def finish_json(self, value: Any, status: int = 200) -> None:
        """End the reply with `value`: anything that msgspec encodes."""
        self.set_status(status)
        self.finish(msgspec.json.encode(value))

    async def until_disconnect(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`; it is cancelled when the client goes away, and then ends the request."""
        self._work = asyncio.ensure_future(work)
        try:
            return cast(T, await self._work)
        except asyncio.CancelledError:
            if not self._client_gone:
                raise
            self.set_status(CLIENT_CLOSED_REQUEST, "Client Closed Request")
            raise web.Finish from None

    def on_connection_close(self) -> None:
        self._client_gone = True
        if self._work is not None:
            self._work.cancel()

    def on_finish(self) -> None:
        metrics.observe_request(
            str(self.request.method),
            self.template,
            self.get_status(),
            self.request.request_time(),
        )

    # ---------------------------------------------------------------- errors

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        error = self.to_error(raised, status_code)
        self.set_status(status_code if isinstance(raised, web.HTTPError) else error.status)
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        if isinstance(error, BodyTooLarge):
            # The rest of the body will not be read (see `refuse`).
            self.set_header("Connection", "close")
        if isinstance(error, MethodNotAllowed):
            self.set_header("Allow", ", ".join(self.verbs()))
        self.finish(msgspec.json.encode({"error": error.to_wire()}))

    def to_error(self, raised: BaseException | None, status: int = 500) -> PowerError:
        """The error of the contract for whatever a verb, tornado or Jupyter raised."""
        if isinstance(raised, PowerError):
            return raised
        if status == 405:
            return MethodNotAllowed(
                f"{self.request.method} is not possible here; use {' or '.join(self.verbs())}."
            )
        if not isinstance(raised, web.HTTPError) or status >= 500:
            return PowerError("The server made a mistake; its log says more.")
        message = raised.log_message or responses.get(status, "Bad request")
        if status in (401, 403):
            return (Forbidden if is_authenticated(self) else Unauthorized)(message)
        return (RouteNotFound if status == 404 else BadRequest)(message)

    @classmethod
    def verbs(cls) -> list[str]:
        """The HTTP methods that this handler implements, ``OPTIONS`` aside."""
        return [
            verb
            for verb in cls.SUPPORTED_METHODS
            if verb != "OPTIONS"
            and getattr(cls, verb.lower()) is not getattr(web.RequestHandler, verb.lower())
        ]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """A user's mistake is a line at debug level; only a bug gets a traceback.

        The URL is left out (it may hold a token), the access log has it scrubbed.
        """
        where = (self.request.method, self.template)
        if isinstance(value, PowerError):
            log = self.log.warning if value.status >= 500 else self.log.debug
            log("%s %s: %s: %s", *where, value.code, value.message)
        elif isinstance(value, web.HTTPError):
            log = self.log.warning if value.status_code >= 500 else self.log.debug
            log("%s %s: %s", *where, value)
        elif typ is not None and value is not None:
            self.log.error("Uncaught exception in %s %s", *where, exc_info=(typ, value, tb))


def decode_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Raises
    ------
    InvalidJSON
        With the place of the mistake, as a byte offset.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidJSON(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InvalidJSON(f"The body must be a JSON object, not {_json_kind(value)}.")
    return value


def _json_kind(value: object) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
