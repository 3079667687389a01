"""The pulls of a server as methods of the client."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from ..contract.types import PullStatus
from .connection import Connection, EventStream


class PullMethods:
    """What `Client` can do about pulls; it has the `_connection`."""

    _connection: Connection

    def pull(
        self,
        name: str,
        *,
        token: str | None = None,
        force: bool = False,
        revision: str | None = None,
    ) -> EventStream:
        """Pull a model from the hub, and give its events as they come::

            for event in client.pull("bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M"):
                print(event["status"], event.get("completed"))

        The last has the status ``success``, ``already_exists``, ``paused`` or ``cancelled``; a
        failure is raised. Who stops to look on stops nothing: that is what `pause_pull` and
        `cancel_pull` are for. A pull that was paused, or whose server ended, goes on.

        Parameters
        ----------
        name
            ``owner/repo:TAG``, ``owner/repo/path/file.gguf`` or ``owner/repo``, with
            ``@revision`` behind the repo if need be.
        token
            For a private or gated repository; default: the server's own, see ``%power login``.
        force
            Verify what is there, and fetch what is newer or wrong.
        """
        body = _body(name, token, force, revision)
        return self._connection.stream("POST", "models/pull", body=body)

    def pull_in_background(
        self,
        name: str,
        *,
        token: str | None = None,
        force: bool = False,
        revision: str | None = None,
    ) -> PullStatus:
        """As `pull`, but do not wait for it."""
        body = _body(name, token, force, revision) | {"background": True}
        return self._status("POST", "models/pull", body)

    def pulls(self, *, timeout: float | None = 60.0) -> list[PullStatus]:
        """All pulls that are known, also those that ended, by name; `timeout` in seconds."""
        reply = self._connection.request("GET", "models/pull", timeout=timeout)
        return msgspec.convert(msgspec.json.decode(reply)["data"], list[PullStatus])

    def pull_status(self, name: str) -> PullStatus:
        """How one pull does, or how it ended."""
        return self._status("GET", _path(name) + "/status")

    def pause_pull(self, name: str) -> PullStatus:
        """Stop a pull such that the same pull goes on from there."""
        return self._status("POST", _path(name) + "/pause")

    def cancel_pull(self, name: str, *, keep_partial: bool = False) -> PullStatus:
        """Stop a pull for good, and remove what came unless `keep_partial`."""
        query = "?keep_partial=true" if keep_partial else ""
        return self._status("DELETE", _path(name) + query)

    def _status(self, method: str, path: str, body: object = None) -> PullStatus:
        reply = self._connection.request(method, path, body=body)
        return msgspec.json.decode(reply, type=PullStatus)


def _path(name: str) -> str:
    return f"models/pull/{quote(name, safe='')}"


def _body(name: str, token: str | None, force: bool, revision: str | None) -> dict[str, Any]:
    body = {"name": name, "token": token, "force": force or None, "revision": revision}
    return {key: value for key, value in body.items() if value is not None}
