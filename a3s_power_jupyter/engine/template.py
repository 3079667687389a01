"""Render chat templates in a sandbox, because they are Jinja code from the model's author."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..contract.errors import InvalidParameter, ModelLoadFailed, UnsupportedRequestFields

_PROBE = "a3s-power-probe"


class ChatTemplate:
    """A model's chat template.

    The environment has the same options, `tojson`, `raise_exception` and `strftime_now` as
    `transformers.PreTrainedTokenizer.apply_chat_template`.

    Raises
    ------
    ModelLoadFailed
        If the template is not valid Jinja.
    """

    def __init__(self, source: str, *, bos_token: str, eos_token: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ModelLoadFailed(
                f"The chat template is not valid: {error}. Register the model with another "
                "template in default_parameters.chat_template."
            ) from None
        self._bos, self._eos = bos_token, eos_token

    @cached_property
    def supports_parts(self) -> bool:
        """Whether the template renders message content that is a list of parts."""
        return self._renders([{"type": "text", "text": _PROBE}])

    @cached_property
    def supports_text(self) -> bool:
        """Whether the template renders message content that is a string."""
        return self._renders(_PROBE)

    def _renders(self, content: Any) -> bool:
        try:
            text = self.render([{"role": "user", "content": content}])
        except InvalidParameter:
            return False
        # A template for strings prints a list of parts verbatim, including its keys.
        return _PROBE in text and "'text'" not in text

    def render(self, messages: list[dict[str, Any]]) -> str:
        """Return the prompt for the assistant's next message.

        Raises
        ------
        InvalidParameter
            If the template rejects the messages, for example the order of their roles.
        """
        try:
            return self._template.render(
                messages=messages,
                add_generation_prompt=True,
                bos_token=self._bos,
                eos_token=self._eos,
            )
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise InvalidParameter(
                f"The model's chat template rejected these messages: {error}",
                param="messages",
            ) from None


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


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
