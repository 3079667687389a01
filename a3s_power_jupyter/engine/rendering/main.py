"""The rendering process: ``python -m a3s_power_jupyter.engine.rendering.main``.

It imports Jinja and none of the engines, so it starts in a tenth of a second and can be killed at
any time.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

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
    Reply,
    Template,
)

#: Most characters of an error's text.
MAX_MESSAGE = 300

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
    return render(command.template, command.messages, command.max_chars)


def check(template: Template) -> Checked | Failed:
    """Compile a template, and find out which kinds of message content it renders."""
    try:
        _compiled(template.source)
    except Exception as error:
        return _failed(error, "invalid")
    supported = []
    for content in (_PROBE, [{"type": "text", "text": _PROBE}]):
        reply = render(template, [{"role": "user", "content": content}], MAX_PROBE)
        if isinstance(reply, Failed) and reply.failure == "too_long":
            return Failed("stopped", f"returned more than {MAX_PROBE:,} characters")
        if isinstance(reply, Failed) and reply.failure == "stopped":
            return reply
        # A template for strings prints a list of parts verbatim, including its keys.
        supported.append(
            isinstance(reply, Rendered) and _PROBE in reply.text and "'text'" not in reply.text
        )
    return Checked(supports_text=supported[0], supports_parts=supported[1])


def render(template: Template, messages: list[dict[str, Any]], max_chars: int) -> Rendered | Failed:
    """Return the prompt for the assistant's next message."""
    try:
        pieces = _compiled(template.source).generate(
            messages=messages,
            add_generation_prompt=True,
            bos_token=template.bos_token,
            eos_token=template.eos_token,
        )
        return _joined(pieces, max_chars)
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


@lru_cache(maxsize=4)
def _compiled(source: str) -> jinja2.Template:
    """Compile a template for the sandbox.

    The environment has the same options, tags, filters and functions as that of
    `transformers.PreTrainedTokenizer.apply_chat_template`, for which the templates are written.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    return environment.from_string(source)


class _Generation(Extension):
    """The tag ``generation``, which marks the answers of the assistant for training."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Dict:
    """Makes dictionaries, without giving access to the type itself."""

    fromkeys = staticmethod(dict.fromkeys)

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)


class _Namespace(Namespace):
    """A namespace without special methods, which Python would call outside of the sandbox."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # an attribute may be called "self"
        namespace, *values = args
        attributes = dict(*values, **kwargs)
        for name in attributes:
            _check_attribute(name)
        Namespace.__init__(namespace, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_attribute(name)
        super().__setitem__(name, value)


def _check_attribute(name: object) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"An attribute of a namespace cannot be called {name!r}.")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: object) -> NoReturn:
    raise jinja2.TemplateError(str(message)[:MAX_MESSAGE])


def _limit_memory() -> None:
    """Make large allocations fail. On other systems, only `renderer` limits the memory."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
