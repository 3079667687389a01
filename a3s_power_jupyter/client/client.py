"""The operations of a server as methods."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..contract.errors import BackendUnavailable, ConnectionLost, InvalidParameter
from ..contract.types import LoadPhase, Model, Removable
from . import discovery
from .connection import Connection, Server, http_options
from .health import Health
from .pulls import PullMethods
from .results import ChatStream, Reply

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    import openai

    from ..widgets import Chat, ModelTable, PullProgress

#: One question, or a conversation as OpenAI has it.
Messages = str | Iterable[Mapping[str, Any]]


def connect(url: str | None = None, token: str | None = None, *, start: bool = True) -> Client:
    """A client of the server that is nearest: of the address given; of ``A3S_POWER_URL``; the
    server that started this kernel; any server of this user; and last a headless one.

    Parameters
    ----------
    url
        A server of your choice, as ``"http://localhost:8888"``.
    token
        Its Jupyter token.
    start
        Whether to start a headless server where none is found.

    Raises
    ------
    ServerNotFound
        With what was tried, and what to do.
    """
    if url is not None:
        return Client(Connection(discovery.at_address(url, token, "the address given")))

    def find() -> Server:
        return discovery.find(start=start)

    return Client(Connection(find(), find))


class Client(PullMethods):
    """One server; made by `connect`.

    Every method raises the `PowerError` that the server sent, `ServerNotFound` when nobody
    answers, or `ConnectionLost` when the connection broke.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<a3s_power_jupyter.Client of {self.server.url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; leaving a ``with`` block does it too."""
        self._connection.close()

    @property
    def server(self) -> Server:
        """Which server it is, and how it was found."""
        return self._connection.server

    # ------------------------------------------------------------ models

    def models(self, *, timeout: float | None = 60.0) -> list[Model]:
        """All registered models, by name; `timeout` in seconds."""
        body = self._connection.request("GET", "models", timeout=timeout)
        return msgspec.convert(msgspec.json.decode(body)["data"], list[Model])

    def show(self, name: str) -> Model:
        """One model."""
        return self._model("GET", _path(name))

    def ps(self) -> list[Model]:
        """The models that take memory now, or are about to."""
        return [m for m in self.models() if m.state not in ("unloaded", "failed")]

    def register(
        self,
        name: str,
        path: str | Path | None = None,
        *,
        format: str | None = None,  # noqa: A002  # the contract's word
        default_parameters: Mapping[str, Any] | None = None,
        copy: bool = False,
        overwrite: bool = False,
        upstream: Mapping[str, str] | None = None,
        mmproj: str | Path | None = None,
    ) -> Model:
        """Make a model known under `name`.

        Parameters
        ----------
        path
            A GGUF file or a model's directory on the server's machine, relative to this process's
            directory. It is hashed once, which takes seconds for each GB.
        format
            Found out when not given; ``"remote"`` takes `upstream` and no path.
        default_parameters
            Of loading and sampling (``num_ctx``, ``temperature``, ...).
        copy
            Bring the file into the server's store; otherwise it stays where it is.
        overwrite
            Replace another model of that name.
        mmproj
            The image part of a GGUF model, a file of its own.
        """
        body = {
            "name": name,
            "path": _absolute(path),
            "mmproj": _absolute(mmproj),
            "format": format,
            "default_parameters": default_parameters,
            "copy": copy,
            "overwrite": overwrite,
            "upstream": upstream,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return self._model("POST", "models", body=given)

    def delete(self, name: str, *, force: bool = False) -> int:
        """Forget a model, unloading it first; the bytes that became free.

        A file that was registered in place stays. A busy model is refused unless `force`.
        """
        body = self._connection.request("DELETE", _path(name, force=force), timeout=None)
        freed: int = msgspec.json.decode(body)["freed_bytes"]
        return freed

    def load(
        self,
        name: str,
        *,
        keep_alive: str | float | None = None,
        progress: Callable[[LoadPhase, float], None] | None = None,
        **parameters: Any,
    ) -> Model:
        """Load a model and wait for it.

        Parameters
        ----------
        keep_alive
            How long it stays when idle: ``"5m"``, seconds, 0 or -1 (for ever).
        progress
            Is called with what is being done, ``"converting"`` or ``"loading"``, and how far it is,
            from 0 to 1.
        parameters
            Load parameters of the contract: ``num_ctx``, ``num_gpu``, ``num_thread``, ...
        """
        body = parameters if keep_alive is None else {**parameters, "keep_alive": keep_alive}
        with closing(self._connection.stream("POST", _path(name, "/load"), body=body)) as events:
            for event in events:
                if event["status"] == "success":
                    return msgspec.convert(event["model"], Model)
                if progress is not None and "progress" in event:
                    progress(event["status"], event["progress"])
        raise ConnectionLost(f"The server stopped telling how {name!r} loads; ask again.")

    def unload(self, name: str, *, force: bool = False) -> Model:
        """Free a model's memory. A busy model is refused unless `force`."""
        return self._model("POST", _path(name, "/unload", force=force))

    def pin(self, name: str) -> Model:
        """Keep a model loaded, once it is, until `unpin` or `unload`."""
        return self._model("POST", _path(name, "/pin"))

    def unpin(self, name: str) -> Model:
        """Let a model be unloaded again when it is idle."""
        return self._model("POST", _path(name, "/unpin"))

    def gc(self, *, dry_run: bool = True) -> list[Removable]:
        """What no model needs any more; removed unless `dry_run`."""
        body = {"dry_run": dry_run}
        reply = self._connection.request("POST", "models/gc", body=body, timeout=None)
        return msgspec.convert(msgspec.json.decode(reply)["removed"], list[Removable])

    # ------------------------------------------------------------ inference

    def chat(
        self, model: str, messages: Messages, *, system: str | None = None, **parameters: Any
    ) -> Reply:
        """Ask a model and wait for the whole answer.

        Parameters
        ----------
        messages
            A question, or the messages of a conversation.
        system
            Put in front as the system message.
        parameters
            Any other field of ``/v1/chat/completions``: ``temperature``, ``max_tokens``, ``stop``,
            ``seed``, ``response_format``, ``keep_alive``, ...
        """
        body = _chat(model, messages, system, parameters)
        return Reply.of(self._ask("chat/completions", body), model)

    def stream(
        self, model: str, messages: Messages, *, system: str | None = None, **parameters: Any
    ) -> ChatStream:
        """As `chat`, but gives the text piece by piece.

        Leaving the ``with`` block ends the generation::

            with client.stream("smollm2", "Why is the sky blue?") as answer:
                for piece in answer:
                    print(piece, end="")
            answer.reply.usage
        """
        if parameters.get("n", 1) != 1:
            raise InvalidParameter("A stream is of one answer; use chat() for n > 1.", param="n")
        body = _chat(model, messages, system, parameters)
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        return ChatStream(self._connection.stream("POST", "chat/completions", body=body), model)

    def complete(self, model: str, prompt: str | list[int], **parameters: Any) -> Reply:
        """Continue a text, given as a string or as token ids, without a chat template."""
        body = {**parameters, "model": model, "prompt": prompt}
        return Reply.of(self._ask("completions", body), model)

    def embed(
        self, model: str, texts: str | list[str], **parameters: Any
    ) -> numpy.typing.NDArray[numpy.float32]:
        """Vectors of unit length, float32: shape (dimensions,) for one text, (texts, dimensions)
        for a list."""
        import numpy

        body = {**parameters, "model": model, "input": texts, "encoding_format": "base64"}
        rows = self._ask("embeddings", body)["data"]
        vectors = [numpy.frombuffer(base64.b64decode(r["embedding"]), "<f4") for r in rows]
        matrix = numpy.stack(vectors)  # a copy, which can be written to
        return matrix[0] if isinstance(texts, str) else matrix

    # ------------------------------------------------------------ the server

    def health(self) -> Health:
        """Version, engines, devices, and what would make it faster."""
        return msgspec.json.decode(self._connection.request("GET", "health"), type=Health)

    def events(self) -> Iterator[dict[str, Any]]:
        """First a ``snapshot``, then one event for each change of a model or pull. Endless."""
        yield from self._connection.stream("GET", "events")

    # ------------------------------------------------------------ displays

    def table(self) -> ModelTable:
        """A widget: the models, with what can be done with each, and the pulls."""
        from ..widgets import ModelTable

        return ModelTable(self._connection)

    def pull_widget(self, name: str) -> PullProgress:
        """A widget: how the pull of `name` does, to pause and go on with. It begins none."""
        from ..widgets import PullProgress

        return PullProgress(self._connection, name)

    def chat_widget(self, model: str = "") -> Chat:
        """A widget: a small conversation; without `model`, one is chosen there."""
        from ..widgets import Chat

        return Chat(self._connection, model)

    def openai(self) -> openai.OpenAI:
        """A client of the `openai` package for this server.

        Raises
        ------
        BackendUnavailable
            The package is not installed.
        """
        try:
            import openai
        except ModuleNotFoundError:
            raise BackendUnavailable(
                "The openai package is not installed here. Add it: pip install openai"
            ) from None
        return openai.OpenAI(
            base_url=self.server.url + "v1",
            api_key=self.server.key or "none",  # the package insists on one
            http_client=openai.DefaultHttpxClient(**http_options(self.server)),
        )

    def _model(self, method: str, path: str, body: object = None) -> Model:
        reply = self._connection.request(method, path, body=body, timeout=None)
        return msgspec.json.decode(reply, type=Model)

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = self._connection.request("POST", path, body=body, timeout=None)
        return msgspec.json.decode(reply, type=dict[str, Any])


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())


def _path(name: str, action: str = "", *, force: bool = False) -> str:
    quoted = "%70ull" if name == "pull" else quote(name, safe="")  # a plain one lists the pulls
    return f"models/{quoted}{action}{'?force=true' if force else ''}"


def _chat(
    model: str, messages: Messages, system: str | None, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    conversation = list(messages)
    if system is not None:
        conversation.insert(0, {"role": "system", "content": system})
    return {**parameters, "model": model, "messages": conversation}
