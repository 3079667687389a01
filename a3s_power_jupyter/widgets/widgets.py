"""The widgets: little state of their own, for the view asks the server itself where it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import msgspec
import traitlets

from ..types import Model, PullStatus
from . import fallback
from .bridge import Bridge, Connection
from .fallback import Bundle

STATIC = Path(__file__).parent / "static"


class PowerWidget(anywidget.AnyWidget):
    """A view of one server.

    No key and no address ever gets into a trait: those are saved with the notebook. `instance`
    tells the view whether the page's own server is the one that the kernel uses; where it is, the
    view works while the kernel is busy, and after it was restarted.
    """

    _esm = STATIC / "widget.js"
    _css = STATIC / "widget.css"

    kind = traitlets.Unicode().tag(sync=True)
    instance = traitlets.Unicode().tag(sync=True)

    def __init__(self, connection: Connection, **traits: Any) -> None:
        self._connection = connection
        super().__init__(instance=_snapshot(connection)["instance"], **traits)
        self._bridge = Bridge(connection, self.send)
        self.on_msg(lambda _widget, message, _buffers: self._bridge.handle(message))

    def close(self) -> None:
        self._bridge.close()
        super().close()

    def fallback(self) -> Bundle:
        """HTML and text of what is shown, for saved notebooks and hosts without widgets.

        Raises
        ------
        PowerError
        """
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle: Any = super()._repr_mimebundle_(**options)  # without a widget manager None
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        return {**data, **self.fallback()}, metadata


class ModelTable(PowerWidget):
    """The models of a server, what can be done with each, and the pulls under way."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, kind="table")

    def fallback(self) -> Bundle:
        snapshot = _snapshot(self._connection)
        return fallback.models(msgspec.convert(snapshot["models"], list[Model]))


class PullProgress(PowerWidget):
    """One pull, by the name of its model.

    `status` is a `PullStatus` as JSON has it, set by the cell that pulls: the view of another
    host's page shows it, since such a kernel is busy and cannot be asked.
    """

    name = traitlets.Unicode().tag(sync=True)
    status = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, connection: Connection, name: str) -> None:
        super().__init__(connection, kind="pull", name=name)

    def fallback(self) -> Bundle:
        if self.status is not None:
            return fallback.pull(self.name, msgspec.convert(self.status, PullStatus))
        pulls = msgspec.convert(_snapshot(self._connection)["pulls"], list[PullStatus])
        return fallback.pull(self.name, next((p for p in pulls if p.name == self.name), None))


class Chat(PowerWidget):
    """A small conversation. `messages` are as in OpenAI's API; they can be read and set."""

    model = traitlets.Unicode().tag(sync=True)
    messages = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(self, connection: Connection, model: str = "") -> None:
        super().__init__(connection, kind="chat", model=model)

    def fallback(self) -> Bundle:
        return fallback.chat(self.model, self.messages)


def _snapshot(connection: Connection) -> dict[str, Any]:
    """How the server is now: its instance, models and pulls."""
    events = connection.stream("GET", "events")
    try:
        return next(iter(events))
    finally:
        events.close()
