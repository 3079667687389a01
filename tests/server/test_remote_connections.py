"""Connections to upstreams that are kept, and closed by the upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from a3s_power_jupyter.contract.errors import UpstreamError
from a3s_power_jupyter.contract.types import Manifest
from a3s_power_jupyter.contract.types import Upstream as UpstreamOf
from a3s_power_jupyter.remote import Upstreams

REPLY = (
    b'HTTP/1.1 200 OK\r\nSet-Cookie: user=ada; Path=/\r\nContent-Length: 13\r\n\r\n{"choices":1}'
)

#: Connections that are opened before a request is answered.
CONNECTIONS = 3


class Closing:
    """A server that closes a connection when it receives one request too many.

    Attributes
    ----------
    answered : int
        Requests that are answered on each connection.
    received : list of int
        The number of requests on each connection.
    heads : list of bytes
        The heads of all requests.
    """

    def __init__(self) -> None:
        self.answered = 1
        self.received: list[int] = []
        self.heads: list[bytes] = []
        self.full = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = len(self.received)
        self.received.append(0)
        while head := await self._head(reader):
            self.heads.append(head)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.received[connection] += 1
            if self.received[connection] > self.answered:
                break
            if len(self.received) == CONNECTIONS:
                self.full.set()
            await self.full.wait()  # so that each request has its own connection
            writer.write(REPLY)
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""


@pytest.fixture
async def closing() -> AsyncIterator[tuple[Closing, Manifest]]:
    found = Closing()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = UpstreamOf(f"http://127.0.0.1:{port}/v1", "m")
    yield found, Manifest("far", "remote", 0, upstream=upstream)
    server.close()


def ignore(*_of_a_model: str) -> None:
    pass


@pytest.fixture
async def upstreams() -> AsyncIterator[Upstreams]:
    opened = Upstreams(5.0, ".*", ignore, ignore, ignore)
    yield opened
    await opened.close()


async def test_a_request_on_a_connection_that_is_being_closed_is_sent_again(
    closing: tuple[Closing, Manifest], upstreams: Upstreams
) -> None:
    server, manifest = closing
    requests = (upstreams.reply(manifest, "chat/completions", {}) for _ in range(CONNECTIONS))
    await asyncio.gather(*requests)
    assert server.received == [1, 1, 1]
    await upstreams.reply(manifest, "chat/completions", {})
    assert server.received == [2, 2, 2, 1]
    assert upstreams.health(manifest).servers[0].failures == 0


async def test_a_new_connection_that_is_closed_is_an_error(
    closing: tuple[Closing, Manifest], upstreams: Upstreams
) -> None:
    server, manifest = closing
    server.answered = 0
    with pytest.raises(UpstreamError, match=r"Lost the connection .*[a-z]\. Try again\.$"):
        await upstreams.reply(manifest, "chat/completions", {})
    assert server.received == [1]


async def test_cookies_of_an_upstream_are_not_sent_back(
    closing: tuple[Closing, Manifest], upstreams: Upstreams
) -> None:
    server, manifest = closing
    server.answered = 2
    server.full.set()
    for _ in range(2):
        await upstreams.reply(manifest, "chat/completions", {})
    assert len(server.heads) == 2
    assert not any(b"cookie" in head.lower() for head in server.heads)
