"""The base class of all handlers: read JSON, and reply with JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast
from urllib.parse import unquote_to_bytes

import msgspec
from tornado import web
from tornado.iostream import IOStream, StreamClosedError

from ..contract import hops
from ..contract.errors import BadRequest, BodyTooLarge, InvalidParameter, PowerError
from ..contract.parameters import check
from ..contract.text import quoted
from . import metrics
from .auth import allowed
from .error_replies import ErrorHandler
from .fields import wrong_value
from .json_body import LARGE_BODY, decode_body
from .json_reply import encode_pieces

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1Connection

    from ..service.service import PowerService

T = TypeVar("T")

#: nginx's status for a client that disconnected before the reply. Appears in logs and metrics only.
CLIENT_CLOSED_REQUEST = 499

#: Bytes of a reply above which it is sent in pieces of about this size.
LARGE_REPLY = 64 * 1024


class _NoFields(msgspec.Struct, forbid_unknown_fields=True):
    pass


@web.stream_request_body
class PowerHandler(ErrorHandler):
    """Base class of all routes.

    Request bodies are streamed, so that credentials and Content-Length are checked before the body
    is read. Verbs raise `PowerError`; `write_error` turns it into the reply.
    """

    def initialize(self, template: str) -> None:
        """Set the route as it appears in the documentation and in metrics."""
        self.template = template
        self._body = bytearray()
        self._received = 0
        self._body_too_large = False
        self._refused = False
        self._work: asyncio.Task[Any] | None = None
        self._client_gone = False
        if self.request.method not in self.SUPPORTED_METHODS:
            # tornado would refuse it before the body has been received.
            self.SUPPORTED_METHODS = (*self.SUPPORTED_METHODS, str(self.request.method))
            self.refuse(web.HTTPError(405))

    @property
    def service(self) -> PowerService:
        return self.context.service

    # ---------------------------------------------------------------- request

    async def prepare(self) -> None:  # type: ignore[override]
        hops.set_hops(self.request.headers.get(hops.HEADER))
        length = self.request.headers.get("Content-Length", "")
        # A number this long is not converted: Python refuses more than 4,300 digits.
        if length.isdecimal() and (
            len(length) > 18 or int(length) > self.context.max_request_bytes
        ):
            raise self._too_large()
        try:
            self._check_url()
            await super().prepare()
        except (PowerError, web.HTTPError) as error:
            self.refuse(error)
        else:
            self.context.touch()
            self.update_api_activity()  # also at the start, because an answer may take minutes

    def _check_url(self) -> None:
        try:
            unquote_to_bytes(str(self.request.uri)).decode()
        except UnicodeDecodeError:
            raise BadRequest("The URL is not valid UTF-8. Percent-encode it as UTF-8.") from None

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Decode a part of the URL. `prepare` refuses a URL that is not UTF-8.

        tornado calls this before `prepare`, and would close the connection of a request with a
        body (see `refuse`).
        """
        return value.decode(errors="replace")

    def refuse(self, error: Exception) -> None:
        """Reply with `error` once the body has been received and discarded.

        tornado closes the connection of a request that is answered earlier. A client that is still
        sending the body may then see a broken connection instead of the reply.
        """

        def verb(*args: str, **kwargs: str) -> NoReturn:
            raise error

        self._refused = True
        setattr(self, str(self.request.method).lower(), verb)

    def data_received(self, chunk: bytes) -> None:
        """Collect the body, or discard it if it is refused or too large."""
        self._received += len(chunk)
        self._body_too_large |= self._received > self.context.max_request_bytes
        if self._body_too_large or self._refused:
            self._body.clear()
        else:
            self._body += chunk

    def _too_large(self) -> BodyTooLarge:
        megabytes = self.context.max_request_bytes / 2**20
        return BodyTooLarge(
            f"The body is larger than {megabytes:g} MB, the limit set by PowerApp.max_request_mb."
        )

    def json_body(self) -> dict[str, Any]:
        """Return the JSON object of the body; an empty body is an empty object.

        It can be read once: the bytes are dropped here. Call it through `decode`.

        Raises
        ------
        BodyTooLarge
            If the body exceeds `Context.max_request_bytes`.
        UnsupportedMediaType, InvalidJSON, InvalidParameter
            As `decode_body`.
        """
        if self._body_too_large:
            raise self._too_large()
        body, self._body = self._body, bytearray()
        return decode_body(body, self.request.headers.get("Content-Type", ""))

    async def decode(self, decode: Callable[[], T]) -> T:
        """Call `decode`, which reads or checks the body: in a thread if the body is large."""
        if self._received > LARGE_BODY:
            return await self.context.decoder.run(decode)
        return decode()

    async def check_no_fields(self) -> None:
        """Check the body of a route that has no fields.

        Raises
        ------
        BodyTooLarge, UnsupportedMediaType, InvalidJSON, InvalidParameter
            As `json_body`, or if there is a field.
        """
        await self.decode(lambda: check(self.json_body(), _NoFields))

    def flag(self, name: str) -> bool:
        """Return a boolean query argument, False if it is absent.

        Raises
        ------
        InvalidParameter
            If it is not ``true``, ``false``, ``1`` or ``0``.
        """
        value = self.get_query_argument(name, "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise wrong_value(name, "true or false", value, is_choice=True)
        return value in ("true", "1")

    def number(self, name: str, least: int, most: int) -> int | None:
        """Return an integer query argument, None if it is absent.

        Raises
        ------
        InvalidParameter
            If it is not an integer from `least` to `most`.
        """
        text = self.get_query_argument(name, "")
        if not text:
            return None
        if text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise InvalidParameter(
            f"{name} must be an integer from {least} to {most}, not {quoted(text)}.", param=name
        )

    # ---------------------------------------------------------------- reply

    @allowed("read")
    async def head(self, *args: str, **kwargs: str) -> None:
        """Reply like GET. tornado does not send the body."""
        if "GET" not in self.verbs():
            raise web.HTTPError(405)
        await cast("Coroutine[Any, Any, None]", self.get(*args, **kwargs))

    def finish_json(self, value: Any, status: int = 200) -> None:
        """Finish the reply with `value`, encoded by msgspec."""
        self.set_status(status)
        self.finish(msgspec.json.encode(value))

    async def finish_pieces(self, value: Any) -> None:
        """Finish the reply with `value`, encoded by `encode_pieces`.

        Between two pieces of a large reply, the event loop runs, and the client reads.
        """
        buffered = bytearray()
        for piece in encode_pieces(value):
            buffered += piece
            if len(buffered) >= LARGE_REPLY:
                self.set_header("Content-Type", "application/json")
                self.write(bytes(buffered))
                buffered.clear()
                await self.send_written()
                await asyncio.sleep(0)
        self.finish(bytes(buffered))

    async def send_written(self) -> None:
        """Send what was written, and return once the socket has taken it.

        If the client reads nothing for `Context.client_timeout`, close the connection.
        `on_connection_close` then stops the work of the request.
        """
        try:
            async with asyncio.timeout(self.context.client_timeout):
                await self.flush()
        except StreamClosedError:
            pass
        except TimeoutError:
            self.log.warning(
                "Power: closed the connection of a client of %s that read nothing for %g seconds "
                "(PowerApp.client_timeout)",
                self.template,
                self.context.client_timeout,
            )
            self.iostream.close()

    @property
    def iostream(self) -> IOStream:
        """The connection to the client."""
        return cast("HTTP1Connection", self.request.connection).stream

    async def until_disconnect(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`. If the client disconnects, cancel it and finish the request."""
        if self._client_gone:  # during an earlier await, such as the lookup of the model
            work.close()
            raise self._client_closed_request()
        self._work = asyncio.ensure_future(work)
        try:
            return cast(T, await self._work)
        except asyncio.CancelledError:
            if not self._client_gone:
                raise
            raise self._client_closed_request() from None

    def _client_closed_request(self) -> web.Finish:
        self.set_status(CLIENT_CLOSED_REQUEST, "Client Closed Request")
        return web.Finish()

    def on_connection_close(self) -> None:
        self._client_gone = True
        self._body = bytearray()
        if self._work is not None:
            self._work.cancel()

    def _log(self) -> None:
        """Log the request; at debug level if the client left, as users do who stop an answer.

        A request that failed for a known reason is in the log already. Jupyter Server would add
        seven lines, which are many in an overload.
        """
        if self.get_status() == CLIENT_CLOSED_REQUEST:
            self.log.debug("%s %s: the client disconnected", self.request.method, self.template)
        elif self.has_warned:
            self.log.debug("%s %s: %d", self.request.method, self.template, self.get_status())
        else:
            super()._log()

    def on_finish(self) -> None:
        # Without these references, nothing waits for the garbage collector: the task and the verb
        # of a refusal lead back to this handler, and their tracebacks to the decoded body.
        self._body = bytearray()
        self._work = None
        self.__dict__.pop(str(self.request.method).lower(), None)
        metrics.observe_request(
            str(self.request.method),
            self.template,
            self.get_status(),
            self.request.request_time(),
        )
