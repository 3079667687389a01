"""Turn the messages of a chat into a prompt with the model's chat template."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..contract.errors import (
    InvalidParameter,
    ModelLoadFailed,
    PowerError,
    UnsupportedRequestFields,
)
from ..contract.types import ChatRequest
from .chat.format import ChatFormat
from .checks import prompt_too_long
from .rendering.calls import has_calls
from .rendering.contents import as_parts
from .rendering.process import RenderingFailed
from .rendering.protocol import RenderOptions, Template, Traits
from .rendering.renderer import renderer

log = logging.getLogger("a3s_power_jupyter.worker")

#: Most characters of a template, as of `LoadParameters.chat_template`.
MAX_TEMPLATE = 2**20

#: Most characters of a prompt for each token of the context, and for a small context. The longest
#: tokens of common vocabularies are runs of 128 spaces; `checks.TextLimit` knows those of a model.
MAX_CHARS_PER_TOKEN = 256
MIN_MAX_CHARS = 2**20

_NO_OPTIONS = RenderOptions()

#: Names that have another meaning in a template, or are fields of the request.
RESERVED = frozenset(
    {
        "messages", "tools", "add_generation_prompt", "continue_final_message", "bos_token",
        "eos_token", "chat_template", "tokenize", "raise_exception", "strftime_now", "namespace",
        "dict", "range", "cycler", "joiner", "lipsum", "loop", "self",
    }
)  # fmt: skip

_ANOTHER_TEMPLATE = "register the model with another template in default_parameters.chat_template."


class TemplateSources(NamedTuple):
    """The Jinja sources of a model's chat templates.

    Attributes
    ----------
    default : str
        The template for chats.
    tool_use : str or None
        The template for chats with tools, if the model has one of its own.
    problem : str
        Why the template could not be read from the model's files.
    """

    default: str
    tool_use: str | None = None
    problem: str = ""

    @classmethod
    def from_names(cls, named: Mapping[str, str]) -> TemplateSources | None:
        """Choose from named templates. A model may also have only one that is not the default."""
        tool_use = named.get("tool_use")
        default = named.get("default", tool_use)
        if default is None and len(named) == 1:
            (default,) = named.values()
        return None if default is None else cls(default, tool_use)


class ChatTemplate:
    """A model's chat templates. They run in a process of their own (`rendering`).

    A template that is not valid only fails when a chat needs it.

    Parameters
    ----------
    num_ctx : int
        Context length of a request in tokens, which limits the length of a prompt.

    Attributes
    ----------
    format : ChatFormat
        The syntax of the model's answers.
    supports_parts : bool
        Whether the template renders message content that is a list of parts.
    notes : tuple of str
        Messages for the user about the template.

    Raises
    ------
    ModelLoadFailed
        If the process cannot be started.
    """

    def __init__(
        self, sources: TemplateSources, *, bos_token: str, eos_token: str, num_ctx: int
    ) -> None:
        self._num_ctx = num_ctx
        self._default: Template | _Broken = _Broken(sources.problem)
        if not sources.problem:
            self._default = _learnt(Template(sources.default, bos_token, eos_token))
        self._tool_use = self._default
        if sources.tool_use is not None:
            self._tool_use = _learnt(Template(sources.tool_use, bos_token, eos_token))
        self.format = _joint_format(self._default, self._tool_use)
        self.supports_parts = self._default.traits.parts
        self.notes = _notes(self._default)

    def render(self, messages: list[dict[str, Any]], options: RenderOptions = _NO_OPTIONS) -> str:
        """Return the prompt.

        Raises
        ------
        InvalidParameter
            If the template rejects the messages, for example the order of their roles, or exceeds
            a limit of `rendering`, or if a variable of `template_kwargs` is not possible.
        ContextLengthExceeded
            If the prompt has more characters than the context can hold.
        UnsupportedRequestFields
            If the template is not valid.
        """
        _check_kwargs(options.template_kwargs)
        with_tools = bool(options.tools) or has_calls(messages)
        template = self._tool_use if with_tools else self._default
        if isinstance(template, _Broken):
            raise UnsupportedRequestFields(
                f"This model cannot chat. {template.problem} Use /v1/completions, or "
                f"{_ANOTHER_TEMPLATE}",
                param="messages",
            )
        max_chars = max(self._num_ctx * MAX_CHARS_PER_TOKEN, MIN_MAX_CHARS)
        try:
            return renderer().render(template, messages, options, max_chars)
        except RenderingFailed as error:
            raise self._request_error(error, max_chars) from None
        except OSError as error:
            raise _not_started(error) from None

    def _request_error(self, error: RenderingFailed, max_chars: int) -> PowerError:
        if error.failure == "too_long":
            return prompt_too_long(
                self._num_ctx,
                f"the prompt has more than {max_chars:,} characters, which cannot fit",
                "Shorten the messages, or load the model with a larger num_ctx.",
                param="messages",
            )
        if error.failure == "stopped":
            return InvalidParameter(
                f"The model's chat template could not render these messages: it {error.message}. "
                f"Send shorter messages, or {_ANOTHER_TEMPLATE}",
                param="messages",
            )
        return InvalidParameter(
            f"The model's chat template rejected these messages: {error.message}",
            param="messages",
        )


def _check_kwargs(kwargs: dict[str, Any]) -> None:
    """Raise `InvalidParameter` for a variable that would replace one of ours."""
    for name in kwargs:
        if name in RESERVED:
            raise InvalidParameter(
                f"chat_template_kwargs cannot set {name!r}, which has a meaning of its own in chat "
                "templates. Send messages and tools as fields of the request, and omit the rest.",
                param=f"chat_template_kwargs.{name}",
            )


class _Broken(NamedTuple):
    """A template that cannot be used."""

    problem: str
    traits: Traits = Traits()
    format: ChatFormat = ChatFormat()


def _learnt(template: Template) -> Template | _Broken:
    """Check a template, and learn what it renders."""
    if len(template.source) > MAX_TEMPLATE:
        return _Broken(
            f"The chat template has {len(template.source):,} characters; at most {MAX_TEMPLATE:,} "
            "are possible."
        )
    try:
        checked = renderer().check(template)
    except RenderingFailed as error:
        return _Broken(_problem(error))
    except OSError as error:
        raise _not_started(error) from None
    template = replace(template, traits=checked.traits, problem=checked.problem)
    try:
        learnt = renderer().learn(template)
    except RenderingFailed as error:
        log.warning("the syntax of tool calls is not known: the chat template %s", error.message)
        return template
    except OSError as error:
        raise _not_started(error) from None
    return replace(template, traits=learnt.traits, format=learnt.format)


def _joint_format(default: Template | _Broken, tool_use: Template | _Broken) -> ChatFormat:
    """Return the format of answers, with the thoughts that either template knows."""
    format_ = default.format if isinstance(tool_use, _Broken) else tool_use.format
    return replace(format_, reasoning=format_.reasoning or default.format.reasoning)


def _notes(template: Template | _Broken) -> tuple[str, ...]:
    if isinstance(template, _Broken):
        return (f"The model cannot chat. {template.problem} To chat, {_ANOTHER_TEMPLATE}",)
    if template.problem:
        problem = f"The chat template rejects a single message: {template.problem}".rstrip(".")
        return (f"{problem}. If no chat works, {_ANOTHER_TEMPLATE}",)
    if template.traits.system == "none":
        return (
            "The chat template has no system messages. They are put at the beginning of the "
            "user's first message.",
        )
    return ()


def _problem(error: RenderingFailed) -> str:
    problem = f"The chat template is not valid: {error.message}"
    if error.failure == "stopped":
        problem = f"The chat template could not render a short message: it {error.message}"
    return f"{problem.rstrip('.')}."


def _not_started(error: OSError) -> ModelLoadFailed:
    return ModelLoadFailed(f"Could not start the process that renders chat templates: {error}.")


def require_template(template: ChatTemplate | None) -> ChatTemplate:
    """Return the template.

    Raises
    ------
    UnsupportedRequestFields
        If the model has no template.
    """
    if template is None:
        raise UnsupportedRequestFields(
            "This model has no chat template. Use /v1/completions, or register the model with "
            "default_parameters.chat_template.",
            param="messages",
        )
    return template


def options_of(request: ChatRequest) -> RenderOptions:
    """Return what a request says about its prompt.

    With the tool choice "none", the tools are left out of the prompt, except if the history has
    calls: those are better understood with their tools, and the prompt still begins as before.
    """
    forbidden = request.tool_choice.mode == "none" and not has_calls(request.messages)
    return RenderOptions(
        tools=[] if forbidden else request.tools,
        template_kwargs=request.template_kwargs,
        add_generation_prompt=request.add_generation_prompt,
        continue_final_message=request.continue_final_message,
    )


def as_text(messages: list[dict[str, Any]], image_marker: str) -> list[dict[str, Any]]:
    """Return the messages with their content as strings, with a marker for each image."""
    return [{**message, "content": _text(message["content"], image_marker)} for message in messages]


def _text(content: str | list[dict[str, str]], image_marker: str) -> str:
    return "\n".join(part.get("text", image_marker) for part in as_parts(content))
