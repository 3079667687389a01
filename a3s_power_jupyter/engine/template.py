"""Chat templates: Jinja that came with the model, so it runs sandboxed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import InvalidParameter, ModelLoadFailed


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


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
