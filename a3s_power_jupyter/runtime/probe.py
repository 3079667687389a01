"""Detect the engines and devices of this machine in a worker process."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from ..contract.types import Device, EngineStatus
from ..engine.protocol import REPLY_DECODER, Command, Probe, Probed, Reply
from ..ipc.child import Child
from ..ipc.environment import Environment, offline_environment
from .clock import Clock, SystemClock
from .worker import WORKER_COMMAND

#: Seconds to wait for the worker. Importing a GPU build of an engine from a cold disk is slow.
PROBE_TIMEOUT = 120.0

#: Seconds after a failed probe until the next one. They double after each failure.
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0


class MachineProbe:
    """Probes the machine on first use and keeps the result, because devices do not change.

    A failed probe is repeated on a later use, after a pause.

    Parameters
    ----------
    log : logging.Logger
        Logger of the server.
    environment : callable
        Returns the environment variables of the process.
    clock : Clock
        Measures the pauses.
    """

    def __init__(
        self,
        log: logging.Logger,
        environment: Environment = offline_environment,
        clock: Clock | None = None,
    ) -> None:
        self._log = log
        self._environment = environment
        self._clock = clock or SystemClock()
        self._probing: asyncio.Task[Probed | str] | None = None
        self._pause = FIRST_PAUSE
        self._next = 0.0

    async def get(self) -> Probed:
        """Return the engines and devices. A failed probe is reported in the engine's status."""
        if self._probing is None or self._is_due(self._probing):
            self._probing = asyncio.ensure_future(self._probe())
        result = await asyncio.shield(self._probing)
        return result if isinstance(result, Probed) else _failed(result)

    async def gpus(self) -> list[Device]:
        """Return the GPUs, as they were when the machine was first probed.

        Nothing is probed on a machine without a driver of a GPU with memory of its own.
        """
        if not has_gpu_driver():
            return []
        probed = await self.get()
        return [device for device in probed.devices if device.kind == "gpu"]

    def _is_due(self, probing: asyncio.Task[Probed | str]) -> bool:
        """Whether the last probe has failed and the pause after it is over."""
        if not probing.done() or self._clock.monotonic() < self._next:
            return False
        return probing.cancelled() or not isinstance(probing.result(), Probed)

    async def _probe(self) -> Probed | str:
        result = await self._run_process()
        if isinstance(result, str):
            self._log.warning("Power: could not detect the engines and devices: %s", result)
            self._next = self._clock.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return result

    async def _run_process(self) -> Probed | str:
        """Return the reply of a worker, or why there is none."""
        reply = await ask(Probe(), "the probe of this machine", self._environment, self._log)
        return reply if isinstance(reply, (Probed, str)) else f"the reply was {reply}"


async def ask(
    command: Command, what: str, environment: Environment, log: logging.Logger
) -> Reply | str:
    """Send a command to a new worker, and return its only reply, or why there is none.

    Parameters
    ----------
    what : str
        Name of the process in the log.
    """
    replies: asyncio.Queue[Reply | None] = asyncio.Queue()
    try:
        child: Child[Command, Reply] = Child(
            what,
            WORKER_COMMAND,
            environment(),
            REPLY_DECODER,
            replies.put_nowait,
            lambda: replies.put_nowait(None),
            log,
        )
    except OSError as error:
        return f"the worker process could not be started: {error}"
    try:
        child.send(command)
        reply = await asyncio.wait_for(replies.get(), PROBE_TIMEOUT)
    except TimeoutError:
        return f"the worker process did not answer within {PROBE_TIMEOUT:g} seconds"
    finally:
        await child.stop()
    return f"the worker process ended: {child.exit_reason()}" if reply is None else reply


def has_gpu_driver() -> bool:
    """Whether there is a driver for GPUs of NVIDIA or AMD."""
    drivers = (Path("/proc/driver/nvidia/version"), Path("/dev/kfd"))
    return shutil.which("nvidia-smi") is not None or any(path.exists() for path in drivers)


def _failed(reason: str) -> Probed:
    status = EngineStatus(available=False, reason=f"Could not probe the engine: {reason}.")
    return Probed(engines={"llama.cpp": status}, devices=[])
