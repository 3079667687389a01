"""Methods of the client that start, show and stop pulls."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from ..contract.redaction import clean_token
from .connection import DEFAULT_TIMEOUT, Connection, EventStream
from .replies import decoded
from .results import Pulls, PullStatus


class _Pulls(msgspec.Struct):
    data: list[PullStatus]


class PullMethods:
    """Pull operations of `Client`, which provides the connection."""

    _connection: Connection

    def pull(
        self,
        name: str,
        *,
        token: str | None = None,
        force: bool = False,
        revision: str | None = None,
    ) -> EventStream:
        """Pull a model from the hub and return the events of the pull::

            for event in client.pull("bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M"):
                print(event["status"], event.get("completed"))

        A paused or interrupted pull is resumed. The last event has the status ``success``,
        ``already_exists``, ``paused`` or ``cancelled``. The member ``pull`` of an event is the
        `PullStatus` as a dict. The pull continues if the iteration stops or is interrupted; use
        `pause_pull` or `cancel_pull` to stop it.

        Parameters
        ----------
        name : str
            ``owner/repo:TAG``, ``owner/repo/path/file.gguf`` or ``owner/repo``, optionally with
            ``@revision`` after the repository.
        token : str or None
            Token for a private or gated repository. The default is the server's token, which
            ``%power login`` stores.
        force : bool
            Whether to verify an existing model, and download files that are damaged or outdated.
        revision : str or None
            Branch, tag or commit.

        Returns
        -------
        EventStream
            Iterator over the events, which are dicts.

        Raises
        ------
        PowerError
            If the request is invalid, or during the iteration if the pull fails.
        """
        body = _body(name, token, force, revision)
        return self._connection.stream(
            "POST",
            "models/pull",
            body=body,
            if_interrupted=f"The pull goes on in the server. Stop it with "
            f"client.pause_pull({name!r}) or client.cancel_pull({name!r}).",
        )

    def pull_in_background(
        self,
        name: str,
        *,
        token: str | None = None,
        force: bool = False,
        revision: str | None = None,
    ) -> PullStatus:
        """Start a pull, as `pull` does, and return its status without waiting."""
        body = _body(name, token, force, revision) | {"background": True}
        return self._status("POST", "models/pull", body)

    def pulls(self, *, timeout: float | None = DEFAULT_TIMEOUT) -> Pulls:
        """Return all known pulls, including those that have ended, sorted by name.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait for the server; None waits forever.
        """
        reply = self._connection.request("GET", "models/pull", timeout=timeout)
        return Pulls(decoded(reply, _Pulls).data)

    def pull_status(self, name: str) -> PullStatus:
        """Return the status of a pull.

        Raises
        ------
        PullStateNotFound
            If there is no pull of this model.
        """
        return self._status("GET", _path(name) + "/status")

    def pause_pull(self, name: str) -> PullStatus:
        """Pause a pull; pulling the same model again resumes it.

        Raises
        ------
        PullStateNotFound
            If there is no pull of this model.
        ModelBusy
            If the pull is running on another server.
        """
        return self._status("POST", _path(name) + "/pause")

    def cancel_pull(self, name: str, *, keep_partial: bool = False) -> PullStatus:
        """Cancel a pull, and remove its partial files unless `keep_partial` is true.

        Raises
        ------
        PullStateNotFound
            If there is no pull of this model.
        ModelBusy
            If the pull is running on another server.
        """
        query = "?keep_partial=true" if keep_partial else ""
        return self._status("DELETE", _path(name) + query)

    def _status(self, method: str, path: str, body: object = None) -> PullStatus:
        __tracebackhide__ = True  # also where another error is raised from this one
        reply = self._connection.request(method, path, body=body)
        return decoded(reply, PullStatus)


def _path(name: str) -> str:
    return f"models/pull/{quote(name, safe='')}"


def _body(name: str, token: str | None, force: bool, revision: str | None) -> dict[str, Any]:
    token = clean_token(token, "The hub token", param="token")
    body = {"name": name, "token": token, "force": force or None, "revision": revision}
    return {key: value for key, value in body.items() if value is not None}
