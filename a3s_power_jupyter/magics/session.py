"""What the magics remember between cells: the client, the model in use, the conversations."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from ..client import Client, connect
from ..client.connection import Connection
from ..client.discovery import find_server
from ..contract.types import Model

Conversation = list[dict[str, Any]]


class Session:
    """
    Attributes
    ----------
    shell : where variables live.
    model : the model that ``%power use`` chose.
    conversations : messages of the last ``%%power`` cell of each model, answers included.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.model: str | None = None
        self.conversations: dict[str, Conversation] = {}
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """Connected when first needed, which may start a headless server."""
        if self._client is None:
            self._client = connect()
        return self._client

    def names(self, kind: str, *, patience: float) -> list[str]:
        """Names of models, or of pulls if `kind` is ``pull``, for completion: got within
        about `patience` seconds; it starts no server.

        Raises
        ------
        PowerError
        """
        server = self._client.server if self._client else find_server(start=False, timeout=patience)
        with Client(Connection(server)) as client:
            if kind == "pull":
                return [status.name for status in client.pulls(timeout=patience)]
            return [model.id for model in client.models(timeout=patience)]

    @property
    def in_notebook(self) -> bool:
        """Whether a front end shows Markdown and updates displays; a terminal does neither."""
        return hasattr(self.shell, "kernel")

    def chat_model(self, name: str | None) -> str:
        """The model to ask: `name`, the one in use, or the only one that chats.

        Raises
        ------
        UsageError
            There is none, or several; it lists them.
        """
        name = name or self.model
        if name:
            return name
        models = self.client.models()
        chatting = [m.id for m in models if "chat" in m.capabilities]
        if len(chatting) == 1:
            return chatting[0]
        if chatting:
            raise UsageError(
                f"Which model? Say %%power NAME, or once: %power use NAME. "
                f"There are: {', '.join(chatting)}."
            )
        raise UsageError(_no_chat_model(models))


def _no_chat_model(models: list[Model]) -> str:
    if not models:
        return "There is no model yet. Add one: %power register NAME PATH"
    return (
        f"None of the registered models chats ({', '.join(m.id for m in models)}). "
        "Add one that does: %power register NAME PATH"
    )


def write(text: str) -> None:
    """Put `text` into the cell's output, now."""
    sys.stdout.write(text)
    sys.stdout.flush()
