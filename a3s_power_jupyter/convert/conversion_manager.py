"""Find conversions in the store, and run the processes that create them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from ..contract.errors import ModelLoadFailed, PowerError, from_wire
from ..contract.types import Manifest
from ..engine.base import ProgressCallback
from ..ipc.child import Child, python_module
from ..ipc.environment import Environment, offline_environment
from ..store.conversions import Conversion, conversion_of
from ..store.model_store import ModelStore
from ..store.threads import StoreThreads
from .protocol import EVENT_DECODER, Convert, Done, Event, Failed, Progress, Refused

CONVERT_COMMAND = python_module("a3s_power_jupyter.convert.main")


class ConversionManager:
    """Convert the models of one store.

    Parameters
    ----------
    home : Path
        Folder of the store.
    store : ModelStore
        The store.
    threads : StoreThreads
        Threads for work on the store.
    stall_timeout : float
        Seconds without progress after which a conversion fails.
    log : logging.Logger
        Logger of the server.
    environment : callable
        Returns the environment variables of a process.
    """

    def __init__(
        self,
        home: Path,
        store: ModelStore,
        threads: StoreThreads,
        stall_timeout: float,
        log: logging.Logger,
        environment: Environment = offline_environment,
    ) -> None:
        self._home = home
        self._store = store
        self._threads = threads
        self._stall_timeout = stall_timeout
        self._log = log
        self._environment = environment

    async def find_or_convert(
        self, manifest: Manifest, kind: str, progress: ProgressCallback, memory_limit: int
    ) -> Conversion:
        """Return the conversion of a model, converting it if necessary.

        Cancelling the task stops the conversion.

        Parameters
        ----------
        manifest : Manifest
            A model of format safetensors.
        kind : str
            One of `contract.parameters.GGML_KINDS`.
        progress : callable
            Receives values from 0 to 1.
        memory_limit : int
            Bytes that the process may use; 0 for no limit.

        Returns
        -------
        Conversion
            Without a blob if the model cannot be converted; `refused` is the reason.

        Raises
        ------
        PowerError
            If the conversion fails. The next call tries again.
        """
        found = await self._find(manifest, kind)
        if found is not None:
            return found
        paths = await self._threads.files.run(self._store.resolve, manifest)
        request = Convert(str(self._home), manifest, tuple(map(str, paths)), kind)
        try:
            reason = await self._run_process(request, progress, memory_limit)
        except BaseException:
            # A process that is ended cannot remove its temporary files, which may be large.
            with suppress(PowerError):
                await self._threads.home.run(self._store.remove_abandoned)
            raise
        if reason is not None:
            return Conversion((), kind, 0, refused=reason)
        found = await self._find(manifest, kind)
        if found is None:
            raise ModelLoadFailed(
                f"The conversion of {manifest.name!r} was deleted before it could be loaded. "
                "Try again."
            )
        return found

    async def _find(self, manifest: Manifest, kind: str) -> Conversion | None:
        conversion = conversion_of(manifest, kind)
        return await self._threads.home.run(self._store.find_conversion, conversion)

    async def _run_process(
        self, request: Convert, progress: ProgressCallback, memory_limit: int
    ) -> str | None:
        """Run a conversion process.

        Returns
        -------
        str or None
            The reason if the model cannot be converted.
        """
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        name = request.manifest.name
        try:
            child: Child[Convert, Event] = Child(
                f"the conversion of {name}",
                CONVERT_COMMAND,
                self._environment(),
                EVENT_DECODER,
                events.put_nowait,
                lambda: events.put_nowait(None),
                self._log,
            )
        except OSError as error:
            raise ModelLoadFailed(
                f"Could not start a process to convert {name!r}: {error}."
            ) from None
        child.lower_priority()
        if memory_limit:
            child.limit_memory(memory_limit)
        child.send(request)
        progress(0.0)
        try:
            while True:
                event = await asyncio.wait_for(events.get(), self._stall_timeout)
                if event is None:
                    raise ModelLoadFailed(
                        f"The process converting {name!r} exited: {child.exit_reason()}. The next "
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
                f"The conversion of {name!r} was stopped because it made no progress for "
                f"{self._stall_timeout:g} seconds. The next request tries again."
            ) from None
        finally:
            await child.stop()
