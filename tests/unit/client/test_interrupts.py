"""Test what an interrupt of the client says."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from a3s_power_jupyter.client import Client
from a3s_power_jupyter.client.address import Server
from a3s_power_jupyter.client.connection import Connection


def interrupted_client(content: Iterator[bytes] | None) -> Client:
    """Return a client that is interrupted in the content of a reply, or before it."""

    def reply(_request: httpx2.Request) -> httpx2.Response:
        if content is None:
            raise KeyboardInterrupt
        return httpx2.Response(200, content=content)

    connection = Connection(Server(url="http://test.invalid/", key=None, found="the test"))
    connection._http = httpx2.Client(
        base_url="http://test.invalid/v1/", transport=httpx2.MockTransport(reply)
    )
    return Client(connection)


def interrupted_content() -> Iterator[bytes]:
    yield b'data: {"status":"pulling"}\n\n'
    raise KeyboardInterrupt


@pytest.mark.parametrize("content", [interrupted_content(), None])
def test_an_interrupted_pull_says_that_it_goes_on(content: Iterator[bytes] | None) -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        list(interrupted_client(content).pull("owner/repo"))
    (note,) = raised.value.__notes__
    assert "goes on" in note
    assert "client.pause_pull('owner/repo')" in note


def test_an_interrupted_answer_says_nothing_about_the_server() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupted_client(None).chat("m", "Hello")
    assert not hasattr(raised.value, "__notes__")
