"""The widgets. They hold little state, because the views request data from the server."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anywidget
import msgspec
import traitlets
from IPython.core.getipython import get_ipython

from ..contract.errors import ConnectionLost, ModelNotFound, PowerError, PullStateNotFound
from ..contract.types import Model, PullStatus
from . import fallback
from .bridge import Bridge, Connection
from .fallback import Bundle

STATIC = Path(__file__).parent / "static"
#: MIME type for which the JupyterLab extension shows the widget, or its HTML without a kernel.
SAVED_VIEW = "application/vnd.a3s-power.widget+json"

#: Seconds to wait for the server while a cell displays a widget.
TIMEOUT = 30.0

_log = logging.getLogger("a3s_power_jupyter.widgets")


class PowerWidget(anywidget.AnyWidget):
    """Base class of the widgets.

    Traits never contain a key or the address of a server, because they are saved with the notebook.

    Attributes
    ----------
    kind : str
        Name of the view.
    instance : str
        Id of the kernel's server, which changes when the server restarts. A view on a page of the
        same server sends its requests there, so it works while the kernel is busy and after the
        kernel restarts. Other views send their requests through the kernel.

    Raises
    ------
    PowerError
        If the server does not respond.
    """

    _esm = STATIC / "modelsWidget.js"
    _css = STATIC / "views.css"

    kind = traitlets.Unicode().tag(sync=True)
    instance = traitlets.Unicode().tag(sync=True)

    _bridge: Bridge | None = None  # None if the constructor failed

    def __init__(self, connection: Connection, **traits: Any) -> None:
        self._connection = connection
        super().__init__(instance=_snapshot(connection).instance, **traits)
        bridge = self._bridge = Bridge(connection, self.send)
        self.on_msg(lambda _widget, message, _buffers: bridge.handle(message))

    def open(self) -> None:
        """Create the widget in the front end, if there is one."""
        if _has_front_end():
            super().open()

    def close(self) -> None:
        """Close the widget and cancel the requests of its views."""
        if self._bridge is not None:
            self._bridge.close()
        super().close()

    def fallback(self) -> Bundle:
        """Return HTML and plain text for saved notebooks and front ends without widgets.

        Returns
        -------
        dict of str to str
            Content by MIME type.

        Raises
        ------
        PowerError
            If the server does not respond.
        msgspec.DecodeError
            If the reply cannot be decoded.
        """
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.comm is None:
            return self._fallback_or_notice(), {}
        bundle: Any = super()._repr_mimebundle_(**options)  # None without a widget manager
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        saved = {SAVED_VIEW: {"kind": self.kind}, **self._fallback_or_notice()}
        return {**data, **saved}, metadata

    def _fallback_or_notice(self) -> Bundle:
        """Return a notice if the server does not respond; the view reconnects when it is back."""
        try:
            return self.fallback()
        except (PowerError, msgspec.DecodeError) as error:
            # Not a warning: warnings are saved as output, and the message may contain the address.
            _log.info("Displaying a widget without its server: %s", error)
            return fallback.NO_RESPONSE


class ModelTable(PowerWidget):
    """Table of the models and running pulls, with buttons to load, unload, pin and delete."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, kind="table")

    def fallback(self) -> Bundle:
        snapshot = _snapshot(self._connection)
        self.instance = snapshot.instance  # changes when the server restarts
        return fallback.models(snapshot.models)


class PullProgress(PowerWidget):
    """Progress of one pull, with buttons to pause, resume and cancel it.

    Attributes
    ----------
    name : str
        Name of the model.
    status : dict or None
        JSON form of `PullStatus`, set by ``%power pull`` for views that send their requests through
        the kernel, which cannot respond while it runs the cell.
    """

    name = traitlets.Unicode().tag(sync=True)
    status = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, connection: Connection, name: str) -> None:
        status = _pull_status(connection, name)
        # The server normalizes the name, which may be another form of the reference.
        super().__init__(connection, kind="pull", name=name if status is None else status.name)

    def fallback(self) -> Bundle:
        if self.status is not None:
            return fallback.pull(self.name, msgspec.convert(self.status, PullStatus))
        return fallback.pull(self.name, _pull_status(self._connection, self.name))


class Chat(PowerWidget):
    """Chat with a model.

    Attributes
    ----------
    model : str
        Name of the model; an empty string until one is chosen in the widget.
    messages : list of dict
        The conversation in the format of OpenAI's API. It can be read and set. The chat adds fields
        of its own: ``attachments`` to questions, and ``measurements`` to answers.
    parameters : dict
        Parameters of the next requests: ``system`` (the system prompt), ``temperature``,
        ``max_tokens``, ``top_p`` and ``seed``. Those that are missing have the model's defaults.
    answer : dict or None
        The answer that is being generated, or that was interrupted: its ``content`` and
        ``reasoning_content`` so far, and which page generates it. None if there is none. Setting
        `messages` in the kernel removes it.
    """

    _esm = STATIC / "chatWidget.js"

    model = traitlets.Unicode().tag(sync=True)
    messages = traitlets.List(traitlets.Dict()).tag(sync=True)
    parameters = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    _is_changed_by_page = False

    def __init__(self, connection: Connection, model: str = "") -> None:
        super().__init__(connection, kind="chat", model=model)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Apply a change made in a page."""
        self._is_changed_by_page = True
        try:
            super().set_state(sync_data)
        finally:
            self._is_changed_by_page = False

    def fallback(self) -> Bundle:
        return fallback.chat(self.model, self.messages, self.answer)

    @traitlets.observe("messages")
    def _drop_answer(self, _change: object) -> None:
        if not self._is_changed_by_page:
            self.set_trait("answer", None)


class _Snapshot(msgspec.Struct):
    """The fields of the first event of ``/v1/events`` that widgets use."""

    instance: str
    models: list[Model]


def _snapshot(connection: Connection) -> _Snapshot:
    events = connection.stream("GET", "events", timeout=TIMEOUT)
    try:
        for event in events:
            return msgspec.convert(event, _Snapshot)
    finally:
        events.close()
    raise ConnectionLost("The server closed the connection before it sent the models. Try again.")


def _pull_status(connection: Connection, name: str) -> PullStatus | None:
    """Return the status of a pull, or None if there is no pull of this name."""
    try:
        path = f"models/pull/{quote(name, safe='')}/status"
        reply = connection.request("GET", path, timeout=TIMEOUT)
        return msgspec.json.decode(reply, type=PullStatus)
    except (PullStateNotFound, ModelNotFound):  # ModelNotFound for a name that is not valid
        return None


def _has_front_end() -> bool:
    """Return whether a front end runs the cell, not nbclient (nbconvert, papermill).

    nbclient saves the state and the code of every widget in the notebook, where viewers without a
    kernel would show an unusable widget instead of the HTML. Its requests do not allow input.
    """
    request: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    allows_input: bool = request.get("content", {}).get("allow_stdin", True)
    # Voilà also runs cells without input, but it displays the widgets.
    return allows_input or os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")
