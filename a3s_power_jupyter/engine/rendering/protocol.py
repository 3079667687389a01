"""Messages between a worker and its rendering process.

The process sends `Ready` once, and then one reply to each command.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.msgpack import Decoder

#: Memory of the rendering process. A request of 32 MiB takes up to 500 MB: the messages and the
#: prompt with up to four bytes per character, and the frames of both.
MEMORY_BYTES = 2**30

#: Why there is no prompt: the template is not valid Jinja, it raised an error about the messages,
#: its output exceeds `max_chars`, or it was stopped at another limit.
Failure = Literal["invalid", "rejected", "too_long", "stopped"]

#: Messages of `Failed` with the failure "stopped" complete "The chat template ...".
TOO_MUCH_MEMORY = f"needed more than {MEMORY_BYTES >> 30} GiB of memory"
TOO_DEEP = "is nested or calls itself too deeply"


class RenderOptions(msgspec.Struct, frozen=True):
    """What a request says about its prompt, besides the messages.

    Attributes
    ----------
    tools : list of dict
        The tools that the model may call, in OpenAI's form.
    template_kwargs : dict
        Further variables of the template, such as ``enable_thinking``.
    add_generation_prompt : bool
        Whether the prompt ends with the beginning of the assistant's next message.
    """

    tools: list[dict[str, Any]] = []
    template_kwargs: dict[str, Any] = {}
    add_generation_prompt: bool = True


class Template(msgspec.Struct, frozen=True):
    """A model's chat templates and the variables that are the same for all requests.

    Attributes
    ----------
    tool_source : str or None
        The template for chats with tools, if the model has one of its own.
    """

    source: str
    bos_token: str
    eos_token: str
    tool_source: str | None = None

    def source_for(self, options: RenderOptions) -> str:
        """Return the template for a request."""
        if options.tools and self.tool_source is not None:
            return self.tool_source
        return self.source


class Check(msgspec.Struct, frozen=True, tag="check"):
    """Compile a template and render a short message. The reply is `Checked` or `Failed`."""

    template: Template


class Render(msgspec.Struct, frozen=True, tag="render"):
    """Render a template. The reply is `Rendered` or `Failed`.

    The template is part of every command, so a process that was started anew needs no other
    command first.
    """

    template: Template
    messages: list[dict[str, Any]]
    options: RenderOptions
    max_chars: int


Command = Check | Render
COMMAND_DECODER: Decoder[Command] = Decoder(Command)


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The process has started."""


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """The template is valid.

    Attributes
    ----------
    supports_text : bool
        Whether it renders message content that is a string.
    supports_parts : bool
        Whether it renders message content that is a list of parts.
    """

    supports_text: bool
    supports_parts: bool


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The prompt."""

    text: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """There is no prompt. `message` is the text of the error, cut if it is long."""

    failure: Failure
    message: str = ""


Reply = Ready | Checked | Rendered | Failed
REPLY_DECODER: Decoder[Reply] = Decoder(Reply)
