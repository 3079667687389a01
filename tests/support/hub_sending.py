"""Send the bytes of a file over one connection of the test hub, and simulate failures."""

from __future__ import annotations

import gzip
import math
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.hub_failures import Failure
from support.hub_repository import Blob

if TYPE_CHECKING:
    from support.hub_handlers import Request

PIECE = 1 << 20  # bytes sent at once
PACE = 0.02  # seconds between two pieces of a slow connection

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Body:
    """How to send a file."""

    failure: Failure
    etag: str
    headers: dict[str, str]


def send(request: Request, blob: Blob, body: Body) -> None:
    """Reply with the file, or with the requested range of it."""
    requested = None if body.failure.ignore_ranges else _range(request, body.etag)
    if requested is None and _gzipped(request, blob, body):
        return
    start, end = _bounds(requested, blob.size)
    if requested is not None and start >= end:
        headers = {"Content_Range": f"bytes */{blob.size}"}
        request.reply(416, **headers)
        return
    request.record.status = 200 if requested is None else 206
    request.send_response(request.record.status)
    for name, value in body.headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("ETag", f'"{body.etag}"')
    request.send_header("Content-Length", str(end - start))
    if not body.failure.ignore_ranges:
        request.send_header("Accept-Ranges", "bytes")
    if requested is not None:
        request.send_header("Content-Range", f"bytes {start}-{end - 1}/{blob.size}")
    request.end_headers()
    if request.command == "GET":
        _Sending(request, blob, body.failure).send(start, end)


def _gzipped(request: Request, blob: Blob, body: Body) -> bool:
    """Compress text for clients that accept it, with a weak ETag, as the hub's cache does."""
    text = not blob.lfs and request.record.path.endswith((".json", ".txt", ".md"))
    accepted = "gzip" in request.headers.get("Accept-Encoding", "")
    if not text or not accepted or body.failure != Failure():
        return False
    assert isinstance(blob.content, bytes) or blob.size < PIECE
    content = blob.content if isinstance(blob.content, bytes) else blob.content.read_bytes()
    headers = body.headers | {"ETag": f'W/"{body.etag}"', "Content_Encoding": "gzip"}
    request.reply(200, gzip.compress(content), **headers)
    return True


def _range(request: Request, etag: str) -> tuple[str, str] | None:
    """Return the first and last byte as requested; None for the whole file."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    condition = request.headers.get("If-Range", f'"{etag}"')
    return match.groups() if match and condition == f'"{etag}"' else None  # type: ignore[return-value]


def _bounds(requested: tuple[str, str] | None, size: int) -> tuple[int, int]:
    """Return the offsets of the first byte and after the last one."""
    first, last = requested or ("0", "")
    if not first:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last else size


class _Sending:
    def __init__(self, request: Request, blob: Blob, failure: Failure) -> None:
        self._request = request
        self._blob = blob
        self._failure = failure

    def send(self, start: int, end: int) -> None:
        if isinstance(self._blob.content, bytes):
            content = memoryview(self._blob.content)
            self._send_pieces(start, end, lambda at, count: self._write(content[at : at + count]))
            return
        with self._blob.content.open("rb") as file:
            self._send_pieces(
                start, end, lambda at, count: self._write_file(file.fileno(), at, count)
            )

    def _send_pieces(self, start: int, end: int, write: Callable[[int, int], None]) -> None:
        """Send piece by piece, up to a simulated failure."""
        failure, began = self._failure, time.monotonic()
        cut = math.inf if failure.cut_after is None else start + failure.cut_after
        stall = math.inf if failure.stall_after is None else start + failure.stall_after
        at = start
        while at < end:
            if at >= cut:
                self._cut()
                return
            if at >= stall:
                self._request.hub.stopping.wait(failure.stall_for)
                stall = math.inf
                continue
            piece = PIECE if failure.rate is None else max(1, min(PIECE, int(failure.rate * PACE)))
            stop = min(at + piece, end, *(int(x) for x in (cut, stall) if x < math.inf))
            self._write_checked(at, stop - at, write)
            self._request.record.sent += stop - at
            at = stop
            if failure.rate is not None:
                time.sleep(max(0.0, began + (at - start) / failure.rate - time.monotonic()))

    def _write_checked(self, at: int, count: int, write: Callable[[int, int], None]) -> None:
        wrong = self._failure.wrong_at
        if wrong is None or not at <= wrong < at + count:
            write(at, count)
            return
        write(at, wrong - at)
        self._write(bytes([self._byte(wrong) ^ 0xFF]))
        write(wrong + 1, at + count - wrong - 1)

    def _byte(self, at: int) -> int:
        if isinstance(self._blob.content, bytes):
            return self._blob.content[at]
        with self._blob.content.open("rb") as file:
            file.seek(at)
            return file.read(1)[0]

    def _write(self, piece: bytes | memoryview) -> None:
        self._request.connection.sendall(piece)

    def _write_file(self, descriptor: int, at: int, count: int) -> None:
        """Send without a copy through Python, so that a benchmark measures the client."""
        while count:
            sent = os.sendfile(self._request.connection.fileno(), descriptor, at, count)
            if not sent:
                raise EOFError("the file became shorter while it was served")
            at += sent
            count -= sent

    def _cut(self) -> None:
        self._request.close_connection = True
        self._request.connection.shutdown(socket.SHUT_RDWR)
