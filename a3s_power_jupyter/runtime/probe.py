"""What engines and devices this machine has, asked of a worker process once."""

from __future__ import annotations

import asyncio
import os
import subprocess

import msgspec

from ..contract.types import EngineStatus
from ..engine.registry import Probe
from ..ipc.child import offline_environment
from .worker import WORKER_COMMAND

#: Seconds; importing a GPU build of an engine on a cold disk takes a while.
PROBE_TIMEOUT = 120.0


class MachineProbe:
    """Asks when first awaited, and keeps the answer: a machine's devices do not change."""

    def __init__(self) -> None:
        self._asking: asyncio.Task[Probe] | None = None

    async def get(self) -> Probe:
        if self._asking is None:
            self._asking = asyncio.ensure_future(asyncio.to_thread(_ask))
        return await asyncio.shield(self._asking)


def _ask() -> Probe:
    try:
        answer = subprocess.run(
            [*WORKER_COMMAND, "--probe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=offline_environment(),
            cwd=os.sep,
            timeout=PROBE_TIMEOUT,
            check=True,
        ).stdout
        return msgspec.json.decode(answer, type=Probe)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        # An engine that cannot even be imported is an answer too.
        reason = f"asking the engine failed: {type(error).__name__}"
        if isinstance(error, subprocess.CalledProcessError):
            lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
            reason += f": {lines[-1]}" if lines else ""
        return Probe(
            engines={"llama.cpp": EngineStatus(available=False, reason=reason)}, devices=[]
        )
