"""Chat templates: Jinja that came with the model, so it runs sandboxed."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..contract.errors import InvalidParameter, ModelLoadFailed

_PROBE = "a3s-power-probe"


class ChatTemplate:
    """Renders messages as `transformers.PreTrainedTokenizer.apply_chat_template` does: the same
    environment options, `tojson`, `raise_exception` and `strftime_now`.

    Raises
    ------
    ModelLoadFailed
        The template is no valid Jinja.
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
                "one in default_parameters.chat_template."
            ) from None
        self._bos, self._eos = bos_token, eos_token

    @cached_property
    def takes_parts(self) -> bool:
        """Whether it writes the texts of a content that is a list of parts, and not the list."""
        return self._writes([{"type": "text", "text": _PROBE}])

    @cached_property
    def takes_text(self) -> bool:
        """Whether it writes a content that is a string."""
        return self._writes(_PROBE)

    def _writes(self, content: Any) -> bool:
        try:
            text = self.render([{"role": "user", "content": content}])
        except InvalidParameter:
            return False
        return _PROBE in text and "'text'" not in text

    def render(self, messages: list[dict[str, Any]]) -> str:
        """The prompt that asks for the assistant's next message.

        Raises
        ------
        InvalidParameter
            The template refuses these messages (roles in an order it does not know, ...).
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
                f"The model's chat template does not take these messages: {error}",
                param="messages",
            ) from None


def as_parts(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages in which every content is a list of parts."""
    return [{**message, "content": _parts(message["content"])} for message in messages]


def as_text(messages: list[dict[str, Any]], mark: str) -> list[dict[str, Any]]:
    """Messages in which every content is a string, with `mark` for an image."""
    return [
        {
            **message,
            "content": "\n".join(part.get("text", mark) for part in _parts(message["content"])),
        }
        for message in messages
    ]


def _parts(content: str | list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
