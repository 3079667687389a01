"""Messages between a worker and its rendering process.

The process sends `Ready` once, and then one reply to each command.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.msgpack import Decoder

from ..chat.format import ChatFormat

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
    continue_final_message : bool
        Whether the prompt ends with the last message, for the model to continue it.
    """

    tools: list[dict[str, Any]] = []
    template_kwargs: dict[str, Any] = {}
    add_generation_prompt: bool = True
    continue_final_message: bool = False


#: Forms of the variables for tools.
ToolsAs = Literal["null", "empty_list", "text"]

#: Forms of the ids of calls.
Ids = Literal["any", "short", "named"]


class Traits(msgspec.Struct, frozen=True):
    """Which messages a template renders, and which it rejects or silently leaves out.

    `messages.adapt` changes the messages of a request accordingly.

    Attributes
    ----------
    text : bool
        Content that is a string.
    parts : bool
        Content that is a list of parts.
    system : str
        Where system messages are rendered: "anywhere"; "first", as the first message only;
        "before_user", as the first message of a chat that ends with the user's; or "none".
    tools_as : str
        The variable ``tools`` of a chat without tools: "null", or an "empty_list". With "text",
        there are also the variables ``functions``, the tools as JSON text, and ``datetime``.
    alternates : bool
        Whether messages of one role may not follow each other.
    begins_with_user : bool
        Whether the first message after the system's has to be the user's.
    drops_empty_answers : bool
        Whether a message of the assistant without content and calls has to be left out.
    results : bool
        Whether the results of calls are rendered if the calls themselves are not.
    answers_results : bool
        Whether the assistant has to answer between a result and the user's next message.
    ids : str
        Ids of calls: "any", "short" for nine letters and digits, or "named" for
        ``functions.NAME:INDEX``, from which the template takes the name.
    null_content : bool
        Whether a message with calls and no text has the content null, and not an empty string.
    splits_text : bool
        Whether the text before calls needs a message of its own.
    splits_calls : bool
        Whether each call needs a message of its own, followed by its result.
    thoughts_beside_text : bool
        Whether a message with calls may have both thoughts and text.
    """

    text: bool = True
    parts: bool = False
    system: Literal["anywhere", "first", "before_user", "none"] = "anywhere"
    tools_as: ToolsAs = "null"
    alternates: bool = False
    begins_with_user: bool = False
    drops_empty_answers: bool = False
    results: bool = False
    answers_results: bool = False
    ids: Ids = "any"
    null_content: bool = False
    splits_text: bool = False
    splits_calls: bool = False
    thoughts_beside_text: bool = True


class Template(msgspec.Struct, frozen=True):
    """A chat template, the variables that are the same for all requests, and what is learnt.

    `problem` is as in `Checked`.
    """

    source: str
    bos_token: str
    eos_token: str
    problem: str = ""
    traits: Traits = Traits()
    format: ChatFormat = ChatFormat()


class Check(msgspec.Struct, frozen=True, tag="check"):
    """Compile a template and render a short message. The reply is `Checked` or `Failed`."""

    template: Template


class Learn(msgspec.Struct, frozen=True, tag="learn"):
    """Learn what a template renders, by rendering made-up chats. The reply is `Learnt`."""

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


Command = Check | Learn | Render
COMMAND_DECODER: Decoder[Command] = Decoder(Command)


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The process has started."""


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """The template is valid.

    Attributes
    ----------
    traits : Traits
        Only the kinds of content that it renders.
    problem : str
        Why it rejects a message of the user alone; empty if it does not.
    """

    traits: Traits
    problem: str = ""


class Learnt(msgspec.Struct, frozen=True, tag="learnt"):
    """What the template renders, and the syntax of the model's answers."""

    traits: Traits
    format: ChatFormat


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The prompt."""

    text: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """There is no prompt. `message` is the text of the error, cut if it is long."""

    failure: Failure
    message: str = ""


Reply = Ready | Checked | Learnt | Rendered | Failed
REPLY_DECODER: Decoder[Reply] = Decoder(Reply)
