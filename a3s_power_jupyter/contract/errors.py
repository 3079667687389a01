"""Every error that a user can meet, with its HTTP status and its code.

A `PowerError` is raised where the mistake is found, travels unchanged through the
service, the worker's pipe and the REST reply, and is raised again by the client:
`to_wire` and `from_wire` are the two ends. Nobody matches on message text.

The `message` says what to do. It never holds a token, a prompt or a traceback.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PowerError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message
        One or two sentences: what is wrong and what to do about it.
    param
        The request field at fault, as a dotted path (``default_parameters.num_ctx``).
    retry_after
        Seconds after which the same request may succeed; sent as ``Retry-After``.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def to_wire(self) -> dict[str, Any]:
        """The value of the ``error`` member of an error reply (contract, "Errors")."""
        wire: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.param is not None:
            wire["param"] = self.param
        if self.retry_after is not None:
            wire["retry_after"] = self.retry_after
        return wire


def from_wire(wire: dict[str, Any]) -> PowerError:
    """Rebuild the error that `PowerError.to_wire` described; the base class for an unknown code."""
    cls = BY_CODE.get(str(wire.get("code")), PowerError)
    return cls(
        str(wire.get("message", "unknown error")),
        param=wire.get("param"),
        retry_after=wire.get("retry_after"),
    )


class BadRequest(PowerError):
    """The request itself is wrong; sending it again unchanged cannot help."""

    status = 400
    code = "bad_request"
    type = "invalid_request_error"


class InvalidJSON(BadRequest):
    code = "invalid_json"


class UnsupportedMediaType(BadRequest):
    status = 415
    code = "unsupported_media_type"


class BodyTooLarge(BadRequest):
    status = 413
    code = "body_too_large"


class RouteNotFound(BadRequest):
    status = 404
    code = "route_not_found"


class MethodNotAllowed(BadRequest):
    status = 405
    code = "method_not_allowed"


class Unauthorized(BadRequest):
    """No credentials, or wrong ones."""

    status = 403
    code = "unauthorized"
    type = "authentication_error"


class Forbidden(Unauthorized):
    """Credentials are right, but do not allow this (XSRF, origin, authorizer)."""

    code = "forbidden"


class ModelNotFound(BadRequest):
    status = 404
    code = "model_not_found"


class PullStateNotFound(BadRequest):
    status = 404
    code = "pull_state_not_found"


class FileNotFound(BadRequest):
    code = "file_not_found"


class NotAFile(BadRequest):
    code = "not_a_file"


class NotADirectory(BadRequest):
    code = "not_a_directory"


class PathUnreadable(BadRequest):
    code = "path_unreadable"


class InvalidGGUF(BadRequest):
    code = "invalid_gguf"


class InvalidModelDirectory(BadRequest):
    code = "invalid_model_directory"


class UnsupportedModelFormat(BadRequest):
    code = "unsupported_model_format"


class InvalidISQ(BadRequest):
    code = "invalid_isq"


class InvalidModelName(BadRequest):
    code = "invalid_model_name"


class InvalidReference(BadRequest):
    code = "invalid_reference"


class AmbiguousReference(BadRequest):
    code = "ambiguous_reference"


class UnsupportedRequestFields(BadRequest):
    code = "unsupported_request_fields"


class InvalidKeepAlive(BadRequest):
    code = "invalid_keep_alive"


class InvalidParameter(BadRequest):
    code = "invalid_parameter"


class ContextLengthExceeded(BadRequest):
    code = "context_length_exceeded"


class ModelAlreadyExists(BadRequest):
    status = 409
    code = "model_already_exists"


class ModelBusy(BadRequest):
    status = 409
    code = "model_busy"


class FileChanged(BadRequest):
    """A file registered in place is not the file that was registered."""

    status = 409
    code = "file_changed"


class ManifestUnreadable(PowerError):
    """The JSON file that describes a model cannot be read; it is left as it is."""

    code = "manifest_unreadable"


class InsufficientMemory(PowerError):
    status = 503
    code = "insufficient_memory"


class InsufficientDisk(PowerError):
    status = 507
    code = "insufficient_disk"


class ModelLoadFailed(PowerError):
    status = 503
    code = "model_load_failed"


class WorkerDied(PowerError):
    """The process that held the model ended; the message says why (signal, last log lines)."""

    status = 503
    code = "worker_died"


class ServerBusy(PowerError):
    status = 503
    code = "server_busy"


class BackendUnavailable(PowerError):
    status = 503
    code = "backend_unavailable"


class HubError(PowerError):
    status = 502
    code = "hub_error"


class HubUnauthorized(PowerError):
    status = 401
    code = "hub_unauthorized"
    type = "authentication_error"


class ChecksumMismatch(PowerError):
    status = 502
    code = "checksum_mismatch"


class UpstreamError(PowerError):
    """The server behind a remote model failed, or answered what cannot be understood."""

    status = 502
    code = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"


class UpstreamUnauthorized(UpstreamError):
    """The upstream does not take this server's key; the client's own credentials are right."""

    code = "upstream_unauthorized"


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamRefused(BadRequest):
    """The upstream says that the request is wrong."""

    code = "upstream_refused"


class ServerNotFound(PowerError):
    """The client found no server that has the extension (never sent over the wire)."""

    status = 503
    code = "server_not_found"


class ConnectionLost(PowerError):
    """The server's reply did not arrive, or not to its end (never sent over the wire)."""

    status = 503
    code = "connection_lost"


def _by_code() -> dict[str, type[PowerError]]:
    found: dict[str, type[PowerError]] = {}
    todo: list[type[PowerError]] = [PowerError]
    while todo:
        cls = todo.pop()
        found[cls.code] = cls
        todo.extend(cls.__subclasses__())
    return found


BY_CODE: dict[str, type[PowerError]] = _by_code()
