"""The server's side of conversions: found in the store, or made by a process of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ..contract.errors import ModelLoadFailed, from_wire
from ..contract.types import Manifest
from ..ipc.child import Child, offline_environment, python_module
from ..store.conversions import Conversion, conversion_of
from ..store.model_store import ModelStore
from .protocol import EVENT_DECODER, Convert, Done, Event, Failed, Progress, Refused

CONVERT_COMMAND = python_module("a3s_power_jupyter.convert.main")

#: The ISQ kinds that are llama.cpp's own, and run on it.
GGML_KINDS = frozenset({"Q4_0", "Q4K", "Q6K", "Q8_0"})


class Conversions:
    """Conversions of the models of one store.

    Parameters
    ----------
    stall_timeout
        Seconds that a conversion may be without progress.
    """

    def __init__(
        self, home: Path, store: ModelStore, stall_timeout: float, log: logging.Logger
    ) -> None:
        self._home = home
        self._store = store
        self._stall_timeout = stall_timeout
        self._log = log

    async def find_or_make(
        self, manifest: Manifest, kind: str, progress: Callable[[float], None]
    ) -> Conversion:
        """The conversion of a model; `refused` says why there is none. Cancelling ends it.

        Raises
        ------
        PowerError
            It failed, and the next load tries again.
        """
        found = await asyncio.to_thread(self._store.find_conversion, conversion_of(manifest, kind))
        if found is not None:
            return found
        paths = await asyncio.to_thread(self._store.resolve, manifest)
        request = Convert(str(self._home), manifest, tuple(map(str, paths)), kind)
        reason = await self._make(request, progress)
        if reason is not None:
            return Conversion((), kind, 0, refused=reason)
        found = await asyncio.to_thread(self._store.find_conversion, conversion_of(manifest, kind))
        if found is None:
            raise ModelLoadFailed("The conversion was removed as soon as it was made. Try again.")
        return found

    async def _make(self, request: Convert, progress: Callable[[float], None]) -> str | None:
        """Run the process to its end; why the model is not converted, or None."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        name = request.manifest.name
        try:
            child: Child[Convert, Event] = Child(
                f"the conversion of {name}",
                CONVERT_COMMAND,
                offline_environment(),
                EVENT_DECODER,
                events.put_nowait,
                lambda: events.put_nowait(None),
                self._log,
            )
        except OSError as error:
            raise ModelLoadFailed(f"No process could be started for {name!r}: {error}.") from None
        child.lower_priority()  # it must not slow the notebook down
        child.send(request)
        progress(0.0)
        try:
            while True:
                event = await asyncio.wait_for(events.get(), self._stall_timeout)
                if event is None:
                    raise ModelLoadFailed(
                        f"The conversion of {name!r} ended: {child.exit_reason()}. The next "
                        "request tries again."
                    )
                if isinstance(event, Progress):
                    progress(event.value)
                elif isinstance(event, Failed):
                    raise from_wire(event.error)
                elif isinstance(event, Refused):
                    return event.reason
                elif isinstance(event, Done):
                    return None
        except TimeoutError:
            raise ModelLoadFailed(
                f"The conversion of {name!r} made no progress for {self._stall_timeout:g} seconds "
                "and was stopped."
            ) from None
        finally:
            await child.stop()
