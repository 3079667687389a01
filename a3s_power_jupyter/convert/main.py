"""The process of one conversion: ``python -m a3s_power_jupyter.convert.main``.

The request comes in on stdin, events go out on what was stdout, the log is stderr. End of file on
stdin ends the process at once: what it has not finished is a temporary without a writer.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import BinaryIO

import msgspec

from ..contract.errors import ModelLoadFailed, PowerError
from ..engine.llamacpp import logs
from ..engine.main import dump_no_core, offer_to_oom_killer, take_over_stdio
from . import job
from .protocol import Convert, Done, Event, Failed, Progress, Refused, encode

log = logging.getLogger("a3s_power_jupyter.convert")


def main() -> None:
    commands, events = take_over_stdio()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    # Ctrl-C in the server's terminal goes to the whole process group; the server decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    offer_to_oom_killer()
    dump_no_core()
    logs.install()
    request = msgspec.json.decode(commands.readline(), type=Convert)
    threading.Thread(target=_end_with, args=(commands,), daemon=True).start()
    sending = threading.Lock()

    def send(event: Event) -> None:
        with sending:
            events.write(encode(event))
            events.flush()

    send(_outcome(request, lambda value: send(Progress(value))))
    sys.stderr.flush()
    os._exit(0)  # a thread waits for the end of stdin


def _outcome(request: Convert, progress: job.Told) -> Event:
    try:
        conversion = job.run(request, progress)
    except PowerError as error:
        return Failed(error.to_wire())
    except Exception as error:
        log.exception("the conversion failed")
        unexpected = ModelLoadFailed(
            f"The conversion to GGUF failed ({type(error).__name__}); the reason is in the "
            'server\'s log. Load the model with isq "none" to do without.'
        )
        return Failed(unexpected.to_wire())
    return Done() if conversion.refused is None else Refused(conversion.refused)


def _end_with(commands: BinaryIO) -> None:
    """End this process when the server has closed our stdin, or has ended."""
    commands.read()
    os._exit(0)


if __name__ == "__main__":
    main()
