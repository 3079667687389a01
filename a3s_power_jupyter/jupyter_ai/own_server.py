"""Send requests to the notebook server that this code runs in, without blocking its event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from jupyter_core.paths import jupyter_runtime_dir

from ..client.address import Server, http_options
from ..client.running_servers import read_server
from ..contract import sse
from ..contract.errors import ConnectionLost, PowerError, ServerNotFound, from_wire
from ..contract.runtime_info import runtime_file

#: Seconds to connect. The answer itself may take as long as the model needs.
CONNECT_TIMEOUT = 5.0


class Model(msgspec.Struct, frozen=True):
    """What the persona needs to know of a model."""

    id: str
    capabilities: tuple[str, ...] = ()
    state: str = ""
    num_ctx: int | None = None
    context_length: int | None = None

    @property
    def context(self) -> int | None:
        """Tokens that a conversation may have."""
        return self.num_ctx or self.context_length


class _Models(msgspec.Struct):
    data: list[Model]


class OwnServer:
    """The APIs of the server of this process.

    Its address and key are read from the runtime file, so nothing has to be configured. All
    methods raise `PowerError`.

    Parameters
    ----------
    runtime_dir : Path, optional
        The folder of Jupyter's runtime files.
    """

    def __init__(self, runtime_dir: Path | None = None) -> None:
        self._runtime_dir = runtime_dir
        self._http: httpx2.AsyncClient | None = None

    async def chat_models(self) -> list[Model]:
        """Return the models that chat, those in memory first, then by name."""
        response = await self._sent("GET", "models")
        models = msgspec.json.decode(await response.aread(), type=_Models).data
        chatting = [model for model in models if "chat" in model.capabilities]
        return sorted(chatting, key=lambda model: (model.state != "ready", model.id))

    async def model(self, name: str) -> Model:
        response = await self._sent("GET", f"models/{name}")
        return msgspec.json.decode(await response.aread(), type=Model)

    async def chat(self, model: str, messages: list[dict[str, Any]]) -> AsyncGenerator[Any]:
        """Yield the chunks of an answer. Closing the iterator stops the generation."""
        body = {
            "model": model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        response = await self._sent("POST", "chat/completions", body, stream=True)
        parser = sse.EventParser()
        try:
            async for part in response.aiter_raw():
                for data in parser.feed(part):
                    if data == b"[DONE]":
                        return
                    chunk = msgspec.json.decode(data)
                    if "error" in chunk:
                        raise from_wire(chunk["error"])
                    yield chunk
        except httpx2.TransportError:
            pass  # said below
        finally:
            await asyncio.shield(response.aclose())
        raise ConnectionLost("The answer ended before it was complete. Try again.")

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _sent(
        self, method: str, path: str, body: object = None, *, stream: bool = False
    ) -> httpx2.Response:
        http = await self._opened()
        request = http.build_request(method, path, json=body)
        try:
            response = await http.send(request, stream=stream)
        except httpx2.TransportError:
            raise ConnectionLost("The notebook server did not respond. Try again.") from None
        if not response.is_success:
            raise _error_in(await response.aread())
        return response

    async def _opened(self) -> httpx2.AsyncClient:
        if self._http is None:
            server = await asyncio.to_thread(self._found)
            options = http_options(server)
            if server.sock:
                options["transport"] = httpx2.AsyncHTTPTransport(uds=server.sock)
            self._http = httpx2.AsyncClient(
                base_url=server.url + "v1/",
                headers={"Authorization": f"Bearer {server.key}", "Accept-Encoding": "identity"},
                timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT),
                **options,
            )
        return self._http

    def _found(self) -> Server:
        folder = self._runtime_dir or Path(jupyter_runtime_dir())
        try:
            return read_server(runtime_file(folder, os.getpid()))
        except FileNotFoundError:
            raise ServerNotFound(
                "The extension a3s_power_jupyter does not run in this notebook server. Enable it "
                "with `jupyter server extension enable a3s_power_jupyter`, and restart the server."
            ) from None


def _error_in(content: bytes) -> PowerError:
    try:
        wire = msgspec.json.decode(content)["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return PowerError("The notebook server answered with an unknown error. See its log.")
    return from_wire(wire)
