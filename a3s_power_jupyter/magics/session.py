"""Keep state between cells: the client, the default model and the conversations."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from ..client import Client, connect
from ..client.connection import Connection
from ..client.discovery import find_server
from ..contract.types import Model
from . import suggestions
from .failures import Failures

Conversation = list[dict[str, Any]]


class Session:
    """State of the magics of one shell.

    Attributes
    ----------
    shell : InteractiveShell
        The shell, which holds the user's variables.
    model : str or None
        Default model of ``%%power``, set by ``%power use``.
    conversations : dict of str to list of dict
        For each model, the messages of its last ``%%power`` cell, including the answer.
    failures : Failures
        The cells that have raised.
    found : list of str
        What the last ``%power search`` found: names of repositories, or references.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.model: str | None = None
        self.conversations: dict[str, Conversation] = {}
        self.failures = Failures(shell)
        self.found: list[str] = []
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The client. The first access connects, and may start a headless server."""
        if self._client is None:
            self._client = connect()
        return self._client

    @property
    def server_description(self) -> str:
        """The URL of the server and how it was found."""
        server = self.client.server
        return f"{server.display_url} ({server.found})"

    def names(self, kind: str, *, timeout: float) -> list[str]:
        """Return the names of models or pulls for completion. Never starts a server.

        Parameters
        ----------
        kind : str
            ``"model"`` or ``"pull"``.
        timeout : float
            Seconds to wait for the server.

        Raises
        ------
        PowerError
            If no server responds in time.
        """
        server = self._client.server if self._client else find_server(start=False, timeout=timeout)
        with Client(Connection(server)) as client:
            if kind == "pull":
                return [status.name for status in client.pulls(timeout=timeout)]
            return [model.id for model in client.models(timeout=timeout)]

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the notebook, without those of IPython, such as ``open`` and ``In``."""
        hidden = self.shell.user_ns_hidden
        missing = object()
        return {
            name: value
            for name, value in self.shell.user_ns.items()
            if hidden.get(name, missing) is not value
        }

    @property
    def functions(self) -> list[str]:
        """The names of the functions in the notebook, for completion."""
        return [
            name
            for name, value in self.variables.items()
            if inspect.isfunction(value) and not name.startswith("_")
        ]

    @property
    def in_notebook(self) -> bool:
        """Whether the front end renders HTML and updates displays, unlike a terminal."""
        return hasattr(self.shell, "kernel")

    def chat_model(self, name: str | None) -> str:
        """Return `name`, the default model, or the only registered chat model.

        Raises
        ------
        UsageError
            If there is no chat model, or if there are several.
        """
        name = name or self.model
        if name:
            return name
        models = self.client.models()
        chat_models = [m.id for m in models if "chat" in m.capabilities]
        if len(chat_models) == 1:
            return chat_models[0]
        if chat_models:
            raise UsageError(
                f"Several models can chat: {', '.join(chat_models)}. "
                "Choose one: %%power NAME, or set the default: %power use NAME."
            )
        raise UsageError(f"{_no_chat_model(models)}{suggestions.how_to_get_a_model(self.client)}")


def _no_chat_model(models: Sequence[Model]) -> str:
    if not models:
        return "No models yet. "
    return f"None of the registered models can chat ({', '.join(m.id for m in models)}). "
