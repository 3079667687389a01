"""The rendering process: ``python -m a3s_power_jupyter.engine.rendering.main``.

It imports Jinja and none of the engines, so it starts in a tenth of a second and can be killed at
any time.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any

from ...ipc import harness
from .protocol import (
    COMMAND_DECODER,
    MEMORY_BYTES,
    TOO_DEEP,
    TOO_MUCH_MEMORY,
    Check,
    Checked,
    Command,
    Failed,
    Failure,
    Ready,
    Rendered,
    RenderOptions,
    Reply,
    Template,
)
from .sandbox import MAX_MESSAGE, compile_template

_PROBE = "a3s-power-probe"

#: Most characters of a prompt for `_PROBE`.
MAX_PROBE = 2**20


def main(channel: harness.Channel[Command]) -> None:
    """Carry out commands until stdin is closed."""
    _limit_memory()
    channel.emit(Ready())
    while True:
        channel.emit(_reply(channel.receive()))


def _reply(command: Command) -> Reply:
    if isinstance(command, Check):
        return check(command.template)
    return render(command.template, command.messages, command.options, command.max_chars)


def check(template: Template) -> Checked | Failed:
    """Compile a template, and find out which kinds of message content it renders."""
    try:
        compile_template(template.source)
    except Exception as error:
        return _failed(error, "invalid")
    supported = []
    for content in (_PROBE, [{"type": "text", "text": _PROBE}]):
        reply = render(template, [{"role": "user", "content": content}], RenderOptions(), MAX_PROBE)
        if isinstance(reply, Failed) and reply.failure == "too_long":
            return Failed("stopped", f"returned more than {MAX_PROBE:,} characters")
        if isinstance(reply, Failed) and reply.failure == "stopped":
            return reply
        # A template for strings prints a list of parts verbatim, including its keys.
        supported.append(
            isinstance(reply, Rendered) and _PROBE in reply.text and "'text'" not in reply.text
        )
    return Checked(supports_text=supported[0], supports_parts=supported[1])


def render(
    template: Template, messages: list[dict[str, Any]], options: RenderOptions, max_chars: int
) -> Rendered | Failed:
    """Return the prompt."""
    try:
        compiled = compile_template(template.source_for(options))
        variables = {
            **options.template_kwargs,
            "messages": messages,
            "tools": options.tools or None,
            "add_generation_prompt": options.add_generation_prompt,
            "bos_token": template.bos_token,
            "eos_token": template.eos_token,
        }
        return _joined(compiled.generate(variables), max_chars)
    except Exception as error:
        return _failed(error, "rejected")


def _joined(pieces: Iterable[str], max_chars: int) -> Rendered | Failed:
    kept = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > max_chars:
            return Failed("too_long")
        kept.append(piece)
    text = "".join(kept)
    text.encode()  # raises ValueError for half of a surrogate pair
    return Rendered(text)


def _failed(error: Exception, failure: Failure) -> Failed:
    if isinstance(error, MemoryError):
        return Failed("stopped", TOO_MUCH_MEMORY)
    if isinstance(error, RecursionError):
        return Failed("stopped", TOO_DEEP)
    text = str(error)[:MAX_MESSAGE] or type(error).__name__
    return Failed(failure, text.encode(errors="replace").decode())


def _limit_memory() -> None:
    """Make large allocations fail. On other systems, only `renderer` limits the memory."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
