"""Register or pull the models of the application when they are first used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from logging import Logger
from typing import Any
from urllib.parse import quote

import httpx2

from ..contract.errors import HubError, PowerError, ServerBusy, from_wire
from ..contract.sse import EventParser

#: Seconds after which a client tries again while a model is pulled.
RETRY_AFTER = 10


class FirstUse:
    """Brings models into the store of a server, each once.

    Servers that share a store may pull a model at the same time; its files are downloaded once.

    Parameters
    ----------
    models : Mapping
        The path or the reference of each model.
    wait : float
        Seconds that a request waits for a pull.
    client : httpx2.AsyncClient
        Reaches the server.
    headers : dict
        Headers with its token.
    """

    def __init__(
        self,
        models: Mapping[str, str],
        wait: float,
        client: httpx2.AsyncClient,
        headers: dict[str, str],
        log: Logger,
    ) -> None:
        self._models = models
        self._wait = wait
        self._client = client
        self._headers = headers
        self._log = log
        self._ready: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, str] = {}

    async def prepare(self, model: str) -> None:
        """Return once a model can be used, or if it is not one of the application.

        Raises
        ------
        ServerBusy
            If it is still pulled after `wait` seconds, with the progress.
        PowerError
            If it cannot be registered or pulled. The next request tries again.
        """
        name = next((n for n in (model, model.removesuffix(":latest")) if n in self._models), "")
        if not name or name in self._ready:
            return
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(self._bring(name))
            task.add_done_callback(lambda _: self._running.pop(name, None))
        done, _ = await asyncio.wait({task}, timeout=self._wait)
        if not done:
            raise ServerBusy(
                f"The model {name!r} is being pulled on first use"
                f"{self._progress.get(name, '')}. Try again later.",
                retry_after=RETRY_AFTER,
            )
        task.result()

    async def _bring(self, name: str) -> None:
        reply = await self._client.get(f"/v1/models/{quote(name, safe='')}", headers=self._headers)
        if reply.status_code != 200:
            source = self._models[name]
            self._log.info("The model %s is needed, from %s.", name, source)
            if source.startswith("/"):
                await self._post("/v1/models", {"name": name, "path": source})
            else:
                await self._pull(name, source)
        self._ready.add(name)

    async def _pull(self, name: str, reference: str) -> None:
        async with self._client.stream(
            "POST", "/v1/models/pull", headers=self._headers, json={"name": reference}
        ) as reply:
            if reply.status_code != 200:
                raise _error(await reply.aread())
            last: dict[str, Any] = {}
            parser = EventParser()
            async for piece in reply.aiter_bytes():
                for event in parser.feed(piece):
                    last = json.loads(event)
                    self._progress[name] = _progress(last)
        if "error" in last:
            raise from_wire(last["error"])
        if last.get("status") not in ("success", "already_exists"):
            raise HubError(f"The pull of {reference} has ended as {last.get('status')!r}.")
        found = last.get("id") or last.get("name") or reference
        if found != name:
            await self._post("/api/copy", {"source": found, "destination": name})

    async def _post(self, route: str, body: dict[str, str]) -> None:
        reply = await self._client.post(route, headers=self._headers, json=body)
        if reply.status_code >= 400:
            raise _error(reply.content)


def _error(body: bytes) -> PowerError:
    """Return the error of a reply, which has Ollama's form if the route is one of Ollama's."""
    reply = json.loads(body)
    error = reply["error"]
    return from_wire(error if isinstance(error, dict) else reply | {"message": error})


def _progress(event: Mapping[str, Any]) -> str:
    total = event.get("total")
    return f" ({100 * event.get('completed', 0) // total} % of {total} bytes)" if total else ""
