"""Exceptions with their HTTP status and error code.

A `PowerError` is raised where the problem is detected. It crosses the pipe of a worker and the REST
API unchanged, and the client raises it again; `PowerError.to_wire` and `from_wire` convert it to
and from JSON. Match on the class or the code, never on the message.

A message states what is wrong and what to do. It never contains a token, a prompt or a traceback.

This module exceeds 300 lines because it defines every code: `from_wire` needs all classes, and
docs/errors.md lists the codes in one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from .text import printable, shortened
from .tracebacks import rendered


class PowerError(Exception):
    """Base class of all errors; raised directly for unexpected failures.

    Parameters
    ----------
    message : str
        One or two sentences: what is wrong and what to do. Control sequences are removed, because
        messages may quote a hub, an upstream server or a log, and are printed in terminals.
    param : str, optional
        The request field that caused the error, as a dotted path (``default_parameters.num_ctx``).
        A long path is cut, because unknown fields are part of it.
    retry_after : int, optional
        Seconds after which the same request may succeed; sent in the ``Retry-After`` header.
    candidates : sequence of str, optional
        References that may be meant and can be pulled, the most likely ones first.
    reason : str, optional
        Which of the causes of an error with this code it is, for programs; see `HubError`.

    Attributes
    ----------
    status : int
        HTTP status.
    code : str
        Stable identifier of the error.
    type : str
        Category of the error, as in the OpenAI API.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        candidates: Sequence[str] = (),
        reason: str | None = None,
    ) -> None:
        self.message = printable(message)
        super().__init__(self.message)
        self.param = None if param is None else shortened(printable(param))
        self.retry_after = retry_after
        self.candidates = tuple(map(printable, candidates))
        self.reason = reason

    def _render_traceback_(self) -> list[str]:
        """Return the traceback that IPython shows."""
        return rendered(self)

    def to_wire(self) -> dict[str, Any]:
        """Return the ``error`` member of an error reply."""
        wire: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.param is not None:
            wire["param"] = self.param
        if self.retry_after is not None:
            wire["retry_after"] = self.retry_after
        if self.candidates:
            wire["candidates"] = list(self.candidates)
        if self.reason is not None:
            wire["reason"] = self.reason
        return wire


def from_wire(wire: dict[str, Any]) -> PowerError:
    """Undo `PowerError.to_wire`; an unknown code becomes a plain `PowerError`."""
    cls = BY_CODE.get(str(wire.get("code")), PowerError)
    candidates = wire.get("candidates")
    param, retry_after, reason = (wire.get(name) for name in ("param", "retry_after", "reason"))
    return cls(
        str(wire.get("message", "Unknown error.")),
        param=param if isinstance(param, str) else None,
        retry_after=retry_after if isinstance(retry_after, int) else None,
        candidates=[each for each in candidates if isinstance(each, str)]
        if isinstance(candidates, list | tuple)
        else (),
        reason=reason if isinstance(reason, str) else None,
    )


# ---------------------------------------------------------------- invalid requests


class BadRequest(PowerError):
    """The request is invalid; sending it again unchanged cannot succeed."""

    status = 400
    code = "bad_request"
    type = "invalid_request_error"


class InvalidJSON(BadRequest):
    """The request body is not a JSON object."""

    code = "invalid_json"


class InvalidParameter(BadRequest):
    """A field is missing, unknown, of the wrong type, out of range, or in conflict with another."""

    code = "invalid_parameter"


class UnsupportedRequestFields(BadRequest):
    """The model or the server does not support a field that the answer depends on."""

    code = "unsupported_request_fields"


def cannot_rerank(reason: str) -> UnsupportedRequestFields:
    """Return the error of a `RerankRequest` to a model that is no cross-encoder.

    Parameters
    ----------
    reason : str
        What the model is or lacks: a sentence without its period.
    """
    return UnsupportedRequestFields(
        f"{reason}, so it cannot rank documents. Choose a model with the capability rerank: a "
        "cross-encoder, such as BAAI/bge-reranker-v2-m3."
    )


class InvalidKeepAlive(BadRequest):
    """`keep_alive` is not a duration."""

    code = "invalid_keep_alive"


class InvalidISQ(BadRequest):
    """`isq` is not a supported quantization, or the model cannot be quantized on load."""

    code = "invalid_isq"


class InvalidModelName(BadRequest):
    """The name contains invalid characters or path segments, or has an invalid length."""

    code = "invalid_model_name"


class InvalidReference(BadRequest):
    """The reference does not name a model, a file or a revision on the hub."""

    code = "invalid_reference"


class AmbiguousReference(BadRequest):
    """The reference matches several files; `candidates` has their references."""

    code = "ambiguous_reference"


class ContextLengthExceeded(BadRequest):
    """The prompt is longer than the context of the loaded model."""

    code = "context_length_exceeded"


class UpstreamRefused(BadRequest):
    """The upstream of a remote model rejected the request as invalid."""

    code = "upstream_refused"


class UnsupportedMediaType(BadRequest):
    """The request body was not sent as ``application/json``."""

    status = 415
    code = "unsupported_media_type"


class BodyTooLarge(BadRequest):
    """The request body is larger than `PowerApp.max_request_mb`."""

    status = 413
    code = "body_too_large"


class RouteNotFound(BadRequest):
    """The route does not exist."""

    status = 404
    code = "route_not_found"


class MethodNotAllowed(BadRequest):
    """The route does not support the HTTP method."""

    status = 405
    code = "method_not_allowed"


class Unauthorized(BadRequest):
    """Credentials are missing or invalid."""

    status = 401
    code = "unauthorized"
    type = "authentication_error"


class Forbidden(Unauthorized):
    """The credentials are valid but do not allow the request: XSRF, origin or authorizer."""

    status = 403
    code = "forbidden"


# ---------------------------------------------------------------- models and their files


class ModelNotFound(BadRequest):
    """No model has this name."""

    status = 404
    code = "model_not_found"


class ModelAlreadyExists(BadRequest):
    """A model of this name has other content, and `overwrite` is not set."""

    status = 409
    code = "model_already_exists"


class ModelBusy(BadRequest):
    """The model is in use by a request, or is being pulled."""

    status = 409
    code = "model_busy"


class ResponseNotFound(BadRequest):
    """The server does not keep a response, or an item of one, with this identifier."""

    status = 404
    code = "response_not_found"


class ChatNotFound(BadRequest):
    """There is no chat with this identifier."""

    status = 404
    code = "chat_not_found"


class ChatChanged(BadRequest):
    """A chat has another revision than the change is based on, or its identifier is in use."""

    status = 409
    code = "chat_changed"


class PresetNotFound(BadRequest):
    """There is no preset of this name."""

    status = 404
    code = "preset_not_found"


class PullStateNotFound(BadRequest):
    """No model was pulled under this name."""

    status = 404
    code = "pull_state_not_found"


class FileNotFound(BadRequest):
    """A file or directory does not exist on the server."""

    code = "file_not_found"


class NotAFile(BadRequest):
    """The path is not a regular file, but the format requires one."""

    code = "not_a_file"


class NotADirectory(BadRequest):
    """The path is not a directory, but the format requires one."""

    code = "not_a_directory"


class PathUnreadable(BadRequest):
    """The server cannot read the path, for example for lack of permission."""

    code = "path_unreadable"


class InvalidGGUF(BadRequest):
    """The file is not a GGUF file, or is truncated or damaged."""

    code = "invalid_gguf"


class InvalidModelDirectory(BadRequest):
    """A directory or repository lacks a part of a model, or has only pickled weights."""

    code = "invalid_model_directory"


class UnsupportedModelFormat(BadRequest):
    """The format is unknown, or the file is not a model on its own (mmproj, LoRA adapter)."""

    code = "unsupported_model_format"


class FileChanged(BadRequest):
    """A file changed after it was registered, or while it was read."""

    status = 409
    code = "file_changed"


class ManifestUnreadable(PowerError):
    """The JSON file that describes the model cannot be read. It is left unchanged."""

    code = "manifest_unreadable"


class ChatUnreadable(PowerError):
    """The file of a chat or of the presets cannot be read. It is left unchanged."""

    code = "chat_unreadable"


class StoreUnavailable(PowerError):
    """The model store cannot be read or written, or does not respond; the message has the path."""

    status = 503
    code = "store_unavailable"


class InsufficientDisk(PowerError):
    """The disk has too little free space; the message gives the sizes."""

    status = 507
    code = "insufficient_disk"


# ---------------------------------------------------------------- loading and running


class BackendUnavailable(PowerError):
    """A package is not installed, or no engine runs this format."""

    status = 503
    code = "backend_unavailable"


class InsufficientMemory(PowerError):
    """The model does not fit in memory; the message gives the sizes."""

    status = 503
    code = "insufficient_memory"


class ModelLoadFailed(PowerError):
    """The engine could not load the model, or the load was stopped."""

    status = 503
    code = "model_load_failed"


class ModelProducesNaN(PowerError):
    """The model computed NaN or infinite numbers, so there is no answer."""

    status = 503
    code = "model_produces_nan"


class WorkerDied(PowerError):
    """The process of a model or a pull exited unexpectedly; the message gives the reason."""

    status = 503
    code = "worker_died"


class InvalidToolCall(PowerError):
    """The model called a function in a way that the reply cannot express."""

    status = 502
    code = "invalid_tool_call"


class ClientTooSlow(PowerError):
    """Too much of a streamed reply was waiting for the client."""

    status = 408
    code = "client_too_slow"


class ServerBusy(PowerError):
    """No room within `load_timeout`, too many waiting requests, or the server is shutting down."""

    status = 503
    code = "server_busy"


def shutting_down(what: str = "The request") -> ServerBusy:
    """Return the error of what is stopped because the server shuts down."""
    return ServerBusy(f"{what} was stopped: the server is shutting down.")


# ---------------------------------------------------------------- the hub and upstreams


class HubError(PowerError):
    """The hub failed or cannot be reached.

    Its `reason` is ``offline`` if this server makes no requests (``HF_HUB_OFFLINE``),
    ``unreachable`` if there was no reply, ``rate_limited`` if the hub got too many requests, and
    None otherwise.
    """

    status = 502
    code = "hub_error"


class HubUnauthorized(PowerError):
    """The hub requires a valid token, or the user's consent to a license.

    Its `reason` is ``gated`` if the author grants access to the files, ``bad_token`` if the hub
    rejected the token, and ``not_found`` if there is no public repository of this name.
    """

    status = 401
    code = "hub_unauthorized"
    type = "authentication_error"


class ChecksumMismatch(PowerError):
    """A downloaded file does not have the checksum that the hub lists."""

    status = 502
    code = "checksum_mismatch"


class UpstreamError(PowerError):
    """The upstream of a remote model failed, lacks the model, or sent an invalid reply."""

    status = 502
    code = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    """The server cannot connect to the `base_url` of the upstream."""

    code = "upstream_unreachable"


class UpstreamUnauthorized(UpstreamError):
    """The upstream rejected this server's API key, or the key is not set."""

    code = "upstream_unauthorized"


class UpstreamLoop(UpstreamError):
    """Too many servers have forwarded a request: a remote model leads back to itself."""

    status = 508
    code = "upstream_loop"


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer within `PowerApp.remote_timeout`."""

    status = 504
    code = "upstream_timeout"


# ---------------------------------------------------------------- raised by the client only


class ServerNotFound(PowerError):
    """No server with the extension was found, or it does not accept connections."""

    status = 503
    code = "server_not_found"


class ConnectionLost(PowerError):
    """The connection to the server broke before the reply was complete."""

    status = 503
    code = "connection_lost"


def _with_subclasses(cls: type[PowerError]) -> Iterator[type[PowerError]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)


#: All error classes by code.
BY_CODE: dict[str, type[PowerError]] = {cls.code: cls for cls in _with_subclasses(PowerError)}
