"""The bytes of a file over one connection of the stand-in hub, and what goes wrong with them."""

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

from support.hub_faults import Fault
from support.hub_repository import Blob

if TYPE_CHECKING:
    from support.hub_handlers import Request

PIECE = 1 << 20  # bytes handed to the system at once
PACE = 0.02  # seconds of a slow connection handed over at once

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Body:
    """How a file is to be answered."""

    fault: Fault
    etag: str
    headers: dict[str, str]


def send(request: Request, one: Blob, body: Body) -> None:
    """Answer with the file, or the range of it that was asked for."""
    asked = None if body.fault.ignore_ranges else _range(request, body.etag)
    if asked is None and _gzipped(request, one, body):
        return
    start, end = _bounds(asked, one.size)
    if asked is not None and start >= end:
        headers = {"Content_Range": f"bytes */{one.size}"}
        request.reply(416, **headers)
        return
    request.record.status = 200 if asked is None else 206
    request.send_response(request.record.status)
    for name, value in body.headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("ETag", f'"{body.etag}"')
    request.send_header("Content-Length", str(end - start))
    if not body.fault.ignore_ranges:
        request.send_header("Accept-Ranges", "bytes")
    if asked is not None:
        request.send_header("Content-Range", f"bytes {start}-{end - 1}/{one.size}")
    request.end_headers()
    if request.command == "GET":
        _Sending(request, one, body.fault).send(start, end)


def _gzipped(request: Request, one: Blob, body: Body) -> bool:
    """Text is compressed for who accepts it, as the hub's cache does, with a weak ETag."""
    text = not one.lfs and request.record.path.endswith((".json", ".txt", ".md"))
    accepted = "gzip" in request.headers.get("Accept-Encoding", "")
    if not text or not accepted or body.fault != Fault():
        return False
    assert isinstance(one.content, bytes) or one.size < PIECE
    content = one.content if isinstance(one.content, bytes) else one.content.read_bytes()
    headers = body.headers | {"ETag": f'W/"{body.etag}"', "Content_Encoding": "gzip"}
    request.reply(200, gzip.compress(content), **headers)
    return True


def _range(request: Request, etag: str) -> tuple[str, str] | None:
    """First and last byte as they were asked for; None for the whole file."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    condition = request.headers.get("If-Range", f'"{etag}"')
    return match.groups() if match and condition == f'"{etag}"' else None  # type: ignore[return-value]


def _bounds(asked: tuple[str, str] | None, size: int) -> tuple[int, int]:
    """Offsets of the first byte and behind the last one."""
    first, last = asked or ("0", "")
    if not first:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last else size


class _Sending:
    def __init__(self, request: Request, one: Blob, fault: Fault) -> None:
        self._request = request
        self._one = one
        self._fault = fault

    def send(self, start: int, end: int) -> None:
        if isinstance(self._one.content, bytes):
            content = memoryview(self._one.content)
            self._walk(start, end, lambda at, count: self._write(content[at : at + count]))
            return
        with self._one.content.open("rb") as file:
            self._walk(start, end, lambda at, count: self._write_file(file.fileno(), at, count))

    def _walk(self, start: int, end: int, write: Callable[[int, int], None]) -> None:
        """Hand over a piece after the other, up to where something is to go wrong."""
        fault, began = self._fault, time.monotonic()
        cut = math.inf if fault.cut_after is None else start + fault.cut_after
        silence = math.inf if fault.silent_after is None else start + fault.silent_after
        at = start
        while at < end:
            if at >= cut:
                self._cut()
                return
            if at >= silence:
                self._request.hub.stopping.wait(fault.silent_for)
                silence = math.inf
                continue
            piece = PIECE if fault.rate is None else max(1, min(PIECE, int(fault.rate * PACE)))
            stop = min(at + piece, end, *(int(x) for x in (cut, silence) if x < math.inf))
            self._write_checked(at, stop - at, write)
            self._request.record.sent += stop - at
            at = stop
            if fault.rate is not None:
                time.sleep(max(0.0, began + (at - start) / fault.rate - time.monotonic()))

    def _write_checked(self, at: int, count: int, write: Callable[[int, int], None]) -> None:
        wrong = self._fault.wrong_at
        if wrong is None or not at <= wrong < at + count:
            write(at, count)
            return
        write(at, wrong - at)
        self._write(bytes([self._byte(wrong) ^ 0xFF]))
        write(wrong + 1, at + count - wrong - 1)

    def _byte(self, at: int) -> int:
        if isinstance(self._one.content, bytes):
            return self._one.content[at]
        with self._one.content.open("rb") as file:
            file.seek(at)
            return file.read(1)[0]

    def _write(self, piece: bytes | memoryview) -> None:
        self._request.connection.sendall(piece)

    def _write_file(self, descriptor: int, at: int, count: int) -> None:
        """Without a copy through Python, so that a benchmark measures the client."""
        while count:
            sent = os.sendfile(self._request.connection.fileno(), descriptor, at, count)
            if not sent:
                raise EOFError("the file became shorter while it was served")
            at += sent
            count -= sent

    def _cut(self) -> None:
        self._request.close_connection = True
        self._request.connection.shutdown(socket.SHUT_RDWR)
