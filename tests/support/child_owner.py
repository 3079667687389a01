"""A stand-in for the server: starts a child, sends it commands, and waits to be killed.

The arguments are values of `Misbehave.how`. Prints the child's process id, and that of the process
that the child has started, if any.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from a3s_power_jupyter.ipc.child import Child
from a3s_power_jupyter.ipc.environment import offline_environment
from support import echo_child
from support.echo_child import ECHO_DECODER, Command, Echo, Misbehave


async def main(*misbehavior: str) -> None:
    messages: asyncio.Queue[Echo] = asyncio.Queue()
    child: Child[Command, Echo] = Child(
        "the child",
        [sys.executable, str(Path(echo_child.__file__))],
        offline_environment(),
        ECHO_DECODER,
        messages.put_nowait,
        lambda: None,
        logging.getLogger("test"),
    )
    pids = [str(child.pid)]
    for how in misbehavior:
        child.send(Misbehave(how))
        if how == "start":
            pids.append((await messages.get()).text)
    sys.stdout.write(" ".join(pids) + "\n")
    sys.stdout.flush()
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
