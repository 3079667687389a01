"""The widgets: little state of their own, for the view asks the server itself where it can."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anywidget
import msgspec
import traitlets

from ..contract.errors import ConnectionLost, ModelNotFound, PowerError, PullStateNotFound
from ..contract.types import Model, PullStatus
from . import fallback, host
from .bridge import Bridge, Connection
from .fallback import Bundle

STATIC = Path(__file__).parent / "static"
#: Seconds without a word after which a server counts as gone; a cell waits for it meanwhile.
PATIENCE = 30.0

_log = logging.getLogger("a3s_power_jupyter.widgets")


class PowerWidget(anywidget.AnyWidget):
    """A view of one server.

    No key and no address ever gets into a trait: those are saved with the notebook. `instance`
    tells the view whether the page's own server is the one that the kernel uses; where it is, the
    view works while the kernel is busy, and after it was restarted.

    Raises
    ------
    PowerError
        The server does not answer.
    """

    _esm = STATIC / "modelsWidget.js"
    _css = STATIC / "views.css"

    kind = traitlets.Unicode().tag(sync=True)
    instance = traitlets.Unicode().tag(sync=True)

    _bridge: Bridge | None = None  # of one that could not be made, and is closed all the same

    def __init__(self, connection: Connection, **traits: Any) -> None:
        self._connection = connection
        super().__init__(instance=_snapshot(connection).instance, **traits)
        bridge = self._bridge = Bridge(connection, self.send)
        self.on_msg(lambda _widget, message, _buffers: bridge.handle(message))

    def open(self) -> None:
        """Tell the front end of the widget, unless nobody sees it; then it is HTML and text."""
        if host.shows_widgets():
            super().open()

    def close(self) -> None:
        if self._bridge is not None:
            self._bridge.close()
        super().close()

    def fallback(self) -> Bundle:
        """HTML and text of what is shown, for saved notebooks and hosts without widgets.

        Raises
        ------
        PowerError, msgspec.DecodeError
        """
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.comm is None:
            return self._fallback(), {}
        bundle: Any = super()._repr_mimebundle_(**options)  # without a widget manager None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, **self._fallback()}, metadata

    def _fallback(self) -> Bundle:
        """The view finds a server that was gone for a while; so it is shown in any case."""
        try:
            return self.fallback()
        except (PowerError, msgspec.DecodeError) as error:
            # It may name the server's address, which is not to be saved: a warning is, as output.
            _log.info("a widget is shown without its server: %s", error)
            return fallback.UNKNOWN


class ModelTable(PowerWidget):
    """The models of a server, what can be done with each, and the pulls under way."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, kind="table")

    def fallback(self) -> Bundle:
        snapshot = _snapshot(self._connection)
        self.instance = snapshot.instance  # another one, if it was restarted
        return fallback.models(snapshot.models)


class PullProgress(PowerWidget):
    """One pull, by the name of its model.

    `status` is a `PullStatus` as JSON has it, set by the cell that pulls: the view of another
    host's page shows it, since such a kernel is busy and cannot be asked.
    """

    name = traitlets.Unicode().tag(sync=True)
    status = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, connection: Connection, name: str) -> None:
        known = _pull(connection, name)
        # The server calls it so; it may have been asked for by another form of the reference.
        super().__init__(connection, kind="pull", name=name if known is None else known.name)

    def fallback(self) -> Bundle:
        if self.status is not None:
            return fallback.pull(self.name, msgspec.convert(self.status, PullStatus))
        return fallback.pull(self.name, _pull(self._connection, self.name))


class Chat(PowerWidget):
    """A small conversation. `messages` are as in OpenAI's API; they can be read and set."""

    _esm = STATIC / "chatWidget.js"

    model = traitlets.Unicode().tag(sync=True)
    messages = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, connection: Connection, model: str = "") -> None:
        super().__init__(connection, kind="chat", model=model)

    def fallback(self) -> Bundle:
        return fallback.chat(self.model, self.messages)


class _Snapshot(msgspec.Struct):
    """How a server is; the first event of its stream. Its pulls are the view's business."""

    instance: str
    models: list[Model]


def _snapshot(connection: Connection) -> _Snapshot:
    """
    Raises
    ------
    PowerError, msgspec.DecodeError
    """
    events = connection.stream("GET", "events", timeout=PATIENCE)
    try:
        for event in events:
            return msgspec.convert(event, _Snapshot)
    finally:
        events.close()
    raise ConnectionLost("The server ended before it said which models it has; try again.")


def _pull(connection: Connection, name: str) -> PullStatus | None:
    """How a pull does; None where nothing was pulled by that name."""
    try:
        path = f"models/pull/{quote(name, safe='')}/status"
        reply = connection.request("GET", path, timeout=PATIENCE)
        return msgspec.json.decode(reply, type=PullStatus)
    except (PullStateNotFound, ModelNotFound):  # the latter of what can be no name of a pull
        return None
