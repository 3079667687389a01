"""Models of a Ray application are brought with requests to a server."""

from __future__ import annotations

import logging

import httpx2
import msgspec
import pytest

from a3s_power_jupyter.contract.errors import InvalidModelName, ModelBusy, PowerError
from a3s_power_jupyter.handlers.ollama.errors import error_body
from a3s_power_jupyter.ray.first_use import FirstUse

PULLED = b'data: {"status": "success", "id": "org/repo:Q4"}\n\n'


@pytest.mark.parametrize("error", [InvalidModelName("no"), ModelBusy("wait", retry_after=3)])
async def test_an_error_of_a_copy_keeps_its_code(error: PowerError) -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models/pull":
            return httpx2.Response(200, content=PULLED)
        if request.url.path == "/api/copy":
            content = msgspec.json.encode(error_body(error))
            return httpx2.Response(error.status, content=content)
        return httpx2.Response(404)

    transport = httpx2.MockTransport(reply)
    async with httpx2.AsyncClient(base_url="http://test.invalid", transport=transport) as client:
        log = logging.getLogger("tests")
        first_use = FirstUse({"mine": "org/repo:Q4"}, 10, client, {}, log)
        with pytest.raises(type(error)) as raised:
            await first_use.prepare("mine")
    assert raised.value.to_wire() == error.to_wire()
