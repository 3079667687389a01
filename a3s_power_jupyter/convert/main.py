"""The conversion process: ``python -m a3s_power_jupyter.convert.main``.

It can be killed at any time. An unfinished conversion is a temporary file, which garbage collection
removes.
"""

from __future__ import annotations

import logging

from ..contract.errors import ModelLoadFailed, PowerError
from ..engine.base import ProgressCallback, first_line
from ..engine.llamacpp.backend import install_log
from ..ipc import harness
from . import job
from .protocol import REQUEST_DECODER, Convert, Done, Event, Failed, Progress, Refused

log = logging.getLogger("a3s_power_jupyter.convert")


def main(channel: harness.Channel[Convert]) -> None:
    """Convert the model of the first request and emit the outcome."""
    install_log()
    request = channel.receive()
    channel.emit(_convert(request, lambda value: channel.emit(Progress(value))))


def _convert(request: Convert, progress: ProgressCallback) -> Event:
    try:
        conversion = job.run(request, progress)
    except PowerError as error:
        return Failed(error.to_wire())
    except Exception as error:
        log.exception("the conversion failed")
        unexpected = ModelLoadFailed(
            f"Converting the model to GGUF failed: {type(error).__name__}: {first_line(error)}. "
            "Check the model's files, or load it with isq \"none\". The notebook server's log has "
            "the traceback."
        )
        return Failed(unexpected.to_wire())
    return Done() if conversion.refused is None else Refused(conversion.refused)


if __name__ == "__main__":
    harness.run(main, REQUEST_DECODER, log_level=logging.WARNING)
