"""Python client of the REST API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..contract.errors import BackendUnavailable, InvalidParameter
from .address import Server, http_options
from .answers import Reply
from .chat import ChatStream, Messages, ProgressCallback, chat_request
from .connection import Connection
from .discovery import find_server, server_at
from .embeddings import Embeddings, batches, count_of, stacked, vectors
from .health import Health
from .model_methods import ModelMethods
from .pull_methods import PullMethods
from .replies import decoded

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    import openai

    from ..widgets import Chat, ModelTable, PullProgress


def connect(url: str | None = None, token: str | None = None, *, start: bool = True) -> Client:
    """Connect to a server.

    Without `url`, the server is the one in ``A3S_POWER_URL``, the server that started this kernel,
    any running server of this user, or else a new headless server.

    Parameters
    ----------
    url : str, optional
        URL of the server, such as ``"http://localhost:8888"``.
    token : str, optional
        Jupyter token of the server at `url`.
    start : bool
        Whether to start a headless server if none is running.

    Returns
    -------
    Client

    Raises
    ------
    ServerNotFound
        If no server is found. The message lists what was tried.
    InvalidParameter
        If `url` or ``A3S_POWER_URL`` is not an HTTP URL, or the token contains spaces or line
        breaks.
    """
    if url is not None:
        return Client(Connection(server_at(url, token, "the given URL")))

    def find() -> Server:
        return find_server(start=start)

    return Client(Connection(find(), find))


class Client(ModelMethods, PullMethods):
    """Thread-safe client of one server, created by `connect`. Can be used in a ``with`` block.

    Every method raises the `PowerError` of the server's reply, `ServerNotFound` if the server does
    not respond, `ConnectionLost` if the connection is closed before the reply is complete, and
    `UpstreamError` if the reply is not as expected.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<a3s_power_jupyter.Client of {self.server.display_url}>"

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
        """Close the connections. Leaving a ``with`` block also closes them."""
        self._connection.close()

    @property
    def server(self) -> Server:
        """Address of the server, and how it was found."""
        return self._connection.server

    # ------------------------------------------------------------ inference

    def chat(
        self, model: str, messages: Messages, *, system: str | None = None, **parameters: Any
    ) -> Reply:
        """Send a chat request and wait for the complete answer.

        Parameters
        ----------
        model : str
            Name of the model. It is loaded if necessary.
        messages : str or iterable of mappings
            A question, or the messages of a conversation.
        system : str, optional
            System message, inserted before `messages`.
        **parameters
            Other fields of ``/v1/chat/completions``, such as ``temperature``, ``max_tokens``,
            ``stop``, ``seed``, ``response_format`` and ``keep_alive``.

        Returns
        -------
        Reply
            The text of the answer, with the token counts and the finish reason.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        UnsupportedRequestFields, InvalidParameter
            If a parameter is unknown or invalid.
        ContextLengthExceeded
            If the conversation is longer than the model's context.
        """
        body = chat_request(model, messages, system, parameters)
        return Reply.from_json(self._post("chat/completions", body), model)

    def stream(
        self,
        model: str,
        messages: Messages,
        *,
        system: str | None = None,
        progress: ProgressCallback | None = None,
        **parameters: Any,
    ) -> ChatStream:
        """Send a chat request and return the answer as a stream of text.

        The other parameters are those of `chat`. Leaving the ``with`` block stops the generation::

            with client.stream("smollm2", "Why is the sky blue?") as answer:
                for piece in answer:
                    print(piece, end="")
            answer.reply.usage

        Parameters
        ----------
        progress : callable, optional
            Called with a `Reading` about twice a second while a prompt is read, and at its end. The
            upstream of a remote model must know llama.cpp's field ``return_progress``.

        Raises
        ------
        InvalidParameter
            If ``n`` is greater than 1.
        """
        if parameters.get("n", 1) != 1:
            raise InvalidParameter("stream() returns one answer. Use chat() for n > 1.", param="n")
        body = chat_request(model, messages, system, parameters)
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
        if progress is not None:
            body["return_progress"] = True
        started = time.monotonic()
        events = self._connection.stream("POST", "chat/completions", body=body)
        return ChatStream(events, model, progress, started=started)

    def complete(self, model: str, prompt: str | list[int], **parameters: Any) -> Reply:
        """Continue a text without applying the chat template.

        Parameters
        ----------
        model : str
            Name of the model.
        prompt : str or list of int
            A text, or token ids.
        **parameters
            Other fields of ``/v1/completions``.

        Returns
        -------
        Reply
            The text that follows `prompt`.
        """
        body = {**parameters, "model": model, "prompt": prompt}
        return Reply.from_json(self._post("completions", body), model)

    def embed(
        self, model: str, texts: str | list[str], **parameters: Any
    ) -> numpy.typing.NDArray[numpy.float32]:
        """Compute embeddings.

        Parameters
        ----------
        model : str
            Name of the model.
        texts : str or list of str
            One text, or several. More than 2,048 are sent in several requests.
        **parameters
            Other fields of ``/v1/embeddings``, such as ``dimensions``.

        Returns
        -------
        numpy.ndarray of float32
            Vectors of unit length, of shape ``(dimensions,)`` for one text and
            ``(len(texts), dimensions)`` for a list.
        """
        body = {**parameters, "model": model, "encoding_format": "base64"}
        rows = []
        for batch in batches(texts):
            reply = decoded(self._post("embeddings", {**body, "input": batch}), Embeddings)
            rows += vectors(reply, count_of(batch))
        matrix = stacked(rows)
        return matrix[0] if isinstance(texts, str) else matrix

    # ------------------------------------------------------------ server

    def health(self) -> Health:
        """Return the server's version, engines and devices, and hints to improve its setup."""
        return decoded(self._connection.request("GET", "health"), Health)

    def events(self) -> Iterator[dict[str, Any]]:
        """Watch changes of models and pulls.

        Yields
        ------
        dict
            First a ``snapshot`` of all models and pulls, then an event for each change.
        """
        yield from self._connection.stream("GET", "events")

    # ------------------------------------------------------------ widgets and other clients

    def table(self) -> ModelTable:
        """Return a widget with the table of models and the running pulls."""
        from ..widgets import ModelTable

        return ModelTable(self._connection)

    def pull_widget(self, name: str) -> PullProgress:
        """Return a widget that shows, pauses and resumes a pull. It does not start one.

        Parameters
        ----------
        name : str
            Name of the model, as given to `pull`.
        """
        from ..widgets import PullProgress

        return PullProgress(self._connection, name)

    def chat_widget(self, model: str = "") -> Chat:
        """Return a chat widget.

        Parameters
        ----------
        model : str
            Name of the model. By default, one is chosen in the widget.
        """
        from ..widgets import Chat

        return Chat(self._connection, model)

    def openai(self) -> openai.OpenAI:
        """Return an ``openai.OpenAI`` client for this server.

        Raises
        ------
        BackendUnavailable
            If the package is not installed.
        """
        try:
            import openai
        except ModuleNotFoundError:
            raise BackendUnavailable(
                "The openai package is not installed. Install it: pip install openai"
            ) from None
        return openai.OpenAI(
            base_url=self.server.url + "v1",
            api_key=self.server.key or "none",  # the package requires a value
            http_client=openai.DefaultHttpxClient(**http_options(self.server)),
        )

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        return self._connection.request("POST", path, body=body, timeout=None)
