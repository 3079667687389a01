"""Detect the engines and devices of this machine in a worker process."""

from __future__ import annotations

import asyncio
import logging

from ..contract.types import EngineStatus
from ..engine.protocol import REPLY_DECODER, Command, Probe, Probed, Reply
from ..ipc.child import Child, offline_environment
from .worker import WORKER_COMMAND

#: Seconds to wait for the worker. Importing a GPU build of an engine from a cold disk is slow.
PROBE_TIMEOUT = 120.0


class MachineProbe:
    """Probes the machine on first use and caches the result, because devices do not change."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._probing: asyncio.Task[Probed] | None = None

    async def get(self) -> Probed:
        """Return the engines and devices. A failed probe is reported in the engine's status."""
        if self._probing is None:
            self._probing = asyncio.ensure_future(_probe(self._log))
        return await asyncio.shield(self._probing)


async def _probe(log: logging.Logger) -> Probed:
    replies: asyncio.Queue[Reply | None] = asyncio.Queue()
    try:
        child: Child[Command, Reply] = Child(
            "the probe of this machine",
            WORKER_COMMAND,
            offline_environment(),
            REPLY_DECODER,
            replies.put_nowait,
            lambda: replies.put_nowait(None),
            log,
        )
    except OSError as error:
        return _failed(f"the worker process could not be started: {error}")
    try:
        child.send(Probe())
        reply = await asyncio.wait_for(replies.get(), PROBE_TIMEOUT)
    except TimeoutError:
        return _failed(f"no answer within {PROBE_TIMEOUT:g} seconds")
    finally:
        await child.stop()
    return reply if isinstance(reply, Probed) else _failed(child.exit_reason())


def _failed(reason: str) -> Probed:
    status = EngineStatus(available=False, reason=f"Could not probe the engine: {reason}.")
    return Probed(engines={"llama.cpp": status}, devices=[])
