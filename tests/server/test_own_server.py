"""The connection of the persona for Jupyter AI to the server that it runs in."""

from __future__ import annotations

import os
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import ContextLengthExceeded, ModelNotFound, ServerNotFound
from a3s_power_jupyter.contract.runtime_info import runtime_file
from a3s_power_jupyter.jupyter_ai.own_server import OwnServer
from support.servers import Server

QUESTION = [{"role": "user", "content": "Count from 1 to 1000, in words."}]


@pytest.fixture
def own(server: Server, tmp_path: Path) -> OwnServer:
    """As if this process were the server: the runtime file has its process id in the name."""
    path = runtime_file(tmp_path, os.getpid())
    path.write_bytes(server.runtime_file.read_bytes())
    path.chmod(0o600)
    return OwnServer(tmp_path)


async def test_an_answer_that_is_no_longer_wanted_stops(
    own: OwnServer, server: Server, smollm2: str
) -> None:
    assert smollm2 in [model.id for model in await own.chat_models()]
    async with aclosing(own.chat(smollm2, QUESTION)) as chunks:
        async for chunk in chunks:
            if any(choice["delta"].get("content") for choice in chunk["choices"]):
                break
    deadline = time.monotonic() + 30
    with server.api() as api:
        while api.get(f"v1/models/{smollm2}").json().get("requests_running"):
            assert time.monotonic() < deadline
    assert (await own.model(smollm2)).context
    await own.close()


async def test_errors_have_their_class(own: OwnServer, smollm2: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        await anext(own.chat("nonsense", QUESTION))
    with pytest.raises(ContextLengthExceeded):
        await anext(own.chat(smollm2, [{"role": "user", "content": "word " * 20_000}]))
    await own.close()
    with pytest.raises(ServerNotFound, match="does not run in this notebook server"):
        await OwnServer(tmp_path / "other").chat_models()
