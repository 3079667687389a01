"""Turn the messages of a chat into a prompt with the model's chat template."""

from __future__ import annotations

from typing import Any

from ..contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    ModelLoadFailed,
    PowerError,
    UnsupportedRequestFields,
)
from .rendering.protocol import RenderOptions, Template
from .rendering.renderer import RenderingFailed, renderer

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


class ChatTemplate:
    """A model's chat template. It runs in a process of its own (`rendering`).

    Parameters
    ----------
    num_ctx : int
        Context length of a request in tokens, which limits the length of a prompt.

    Attributes
    ----------
    supports_text : bool
        Whether the template renders message content that is a string.
    supports_parts : bool
        Whether the template renders message content that is a list of parts.

    Raises
    ------
    ModelLoadFailed
        If the template is not valid Jinja, or exceeds a limit when it renders a short message.
    """

    def __init__(self, source: str, *, bos_token: str, eos_token: str, num_ctx: int) -> None:
        if len(source) > MAX_TEMPLATE:
            raise ModelLoadFailed(
                f"The chat template has {len(source):,} characters; at most {MAX_TEMPLATE:,} are "
                f"possible. To use the model, {_ANOTHER_TEMPLATE}"
            )
        self._template = Template(source, bos_token, eos_token)
        self._num_ctx = num_ctx
        try:
            checked = renderer().check(self._template)
        except RenderingFailed as error:
            raise _load_error(error) from None
        except OSError as error:
            raise _not_started(error) from None
        self.supports_text = checked.supports_text
        self.supports_parts = checked.supports_parts

    def render(self, messages: list[dict[str, Any]], options: RenderOptions = _NO_OPTIONS) -> str:
        """Return the prompt.

        Raises
        ------
        InvalidParameter
            If the template rejects the messages, for example the order of their roles, or exceeds
            a limit of `rendering`, or if a variable of `template_kwargs` is not possible.
        ContextLengthExceeded
            If the prompt has more characters than the context can hold.
        """
        _check_kwargs(options.template_kwargs)
        max_chars = max(self._num_ctx * MAX_CHARS_PER_TOKEN, MIN_MAX_CHARS)
        try:
            return renderer().render(self._template, messages, options, max_chars)
        except RenderingFailed as error:
            raise self._request_error(error, max_chars) from None
        except OSError as error:
            raise _not_started(error) from None

    def _request_error(self, error: RenderingFailed, max_chars: int) -> PowerError:
        if error.failure == "too_long":
            return ContextLengthExceeded(
                f"The prompt has more than {max_chars:,} characters, which cannot fit into the "
                f"context of {self._num_ctx} tokens. Shorten the messages, or load the model with "
                "a larger num_ctx.",
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


def _load_error(error: RenderingFailed) -> ModelLoadFailed:
    problem = f"The chat template is not valid: {error.message}"
    if error.failure == "stopped":
        problem = f"The chat template could not render a short message: it {error.message}"
    return ModelLoadFailed(f"{problem.rstrip('.')}. To use the model, {_ANOTHER_TEMPLATE}")


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


def as_parts(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with their content as lists of parts."""
    return [{**message, "content": _parts(message["content"])} for message in messages]


def as_text(messages: list[dict[str, Any]], image_marker: str) -> list[dict[str, Any]]:
    """Return the messages with their content as strings, with a marker for each image."""
    return [{**message, "content": _text(message["content"], image_marker)} for message in messages]


def _text(content: str | list[dict[str, str]], image_marker: str) -> str:
    return "\n".join(part.get("text", image_marker) for part in _parts(content))


def _parts(content: str | list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
