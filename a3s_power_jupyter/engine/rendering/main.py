"""The rendering process: ``python -m a3s_power_jupyter.engine.rendering.main``.

It imports Jinja and none of the engines, so it starts in a tenth of a second and can be killed at
any time.
"""

from __future__ import annotations

import logging
import sys

from ...ipc import harness
from .prompt import check, learn, prompt
from .protocol import (
    COMMAND_DECODER,
    MEMORY_BYTES,
    TOO_DEEP,
    TOO_MUCH_MEMORY,
    Check,
    Command,
    Failed,
    Learn,
    Ready,
    Rendered,
    Reply,
)
from .sandbox import TemplateFailed


def main(channel: harness.Channel[Command]) -> None:
    """Carry out commands until stdin is closed."""
    _limit_memory()
    channel.emit(Ready())
    while True:
        channel.emit(reply(channel.receive()))


def reply(command: Command) -> Reply:
    """Carry out one command."""
    try:
        return _reply(command)
    except TemplateFailed as error:
        return Failed(error.failure, error.message)
    except MemoryError:
        return Failed("stopped", TOO_MUCH_MEMORY)
    except RecursionError:
        return Failed("stopped", TOO_DEEP)


def _reply(command: Command) -> Reply:
    if isinstance(command, Check):
        return check(command.template)
    if isinstance(command, Learn):
        return learn(command.template)
    return Rendered(prompt(command.template, command.messages, command.options, command.max_chars))


def _limit_memory() -> None:
    """Make large allocations fail. On other systems, only `renderer` limits the memory."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
