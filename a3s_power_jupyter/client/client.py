"""Python client of the REST API."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..contract.errors import BackendUnavailable
from .address import Server, http_options
from .connection import Connection
from .discovery import find_server, server_at
from .health import Health
from .inference_methods import InferenceMethods
from .model_methods import ModelMethods
from .pull_methods import PullMethods
from .replies import decoded
from .search_methods import SearchMethods
from .source_methods import SourceMethods
from .token_methods import TokenMethods

if TYPE_CHECKING:
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


class Client(
    InferenceMethods, TokenMethods, ModelMethods, PullMethods, SearchMethods, SourceMethods
):
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
