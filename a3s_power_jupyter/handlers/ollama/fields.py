"""The fields of Ollama's requests that are read: their types and ranges.

Source: https://docs.ollama.com/api. `tests/unit/handlers/test_ollama_fields.py` compares them with
the types of the installed ``ollama`` package.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...contract.parameters import NaturalInt
from ...contract.types import Constraint, Sampling
from ..chat.contents import MAX_MESSAGES
from ..chat.schemas import any_object, schema_constraint
from ..fields import Refused, wrong_value
from ..sampler_fields import Alternatives
from .options import Options

#: Values that request nothing.
_NOTHING: tuple[Any, ...] = ("", [], {}, False, 0)

_TEMPLATE = (
    "Register the model with a Jinja template as default_parameters.chat_template, or send the "
    "whole prompt with raw."
)
_IMAGES = "Only text is generated."

#: Fields without which the answer would be another one.
REFUSED: Refused = {
    "template": (_NOTHING, _TEMPLATE),
    "context": (_NOTHING, "Send the conversation as messages to /api/chat."),
    "width": (_NOTHING, _IMAGES),
    "height": (_NOTHING, _IMAGES),
    "steps": (_NOTHING, _IMAGES),
    "_debug_render_only": (_NOTHING, "Use /v1/chat/template."),
}

#: What the fields of `Sampling` are called.
PARAM_NAMES = {
    **{name: f"options.{name}" for name in Options.__struct_fields__},
    "max_tokens": "options.num_predict",
}

Model = Annotated[str, Meta(min_length=1)]


class GenerationFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of ``/api/chat`` and ``/api/generate``."""

    model: Model
    stream: bool = True
    format: Any = None
    options: Options = msgspec.field(default_factory=Options)
    keep_alive: str | int | float | None = None
    think: bool | Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    logprobs: bool = False
    top_logprobs: Alternatives = 0

    def sampling(self) -> Sampling:
        """Return the sampling parameters, with the constraint of ``format``.

        Raises
        ------
        InvalidParameter
            If ``format`` is neither ``"json"`` nor a schema.
        """
        return Sampling(
            constraint=self._constraint(),
            logprobs=self.top_logprobs if self.logprobs else UNSET,
            **self.options.sampling(),
        )

    def _constraint(self) -> Constraint | UnsetType:
        if self.format in (None, "", {}):
            return UNSET
        if self.format == "json":
            return any_object("format")
        if not isinstance(self.format, dict):
            allowed = "'json' or an object with a JSON schema"
            raise wrong_value("format", allowed, self.format, is_choice=True)
        return schema_constraint(self.format, "format")


class ChatFields(GenerationFields, frozen=True, kw_only=True):
    """Fields of ``/api/chat``. The last one is OpenAI's, which some clients of Ollama send."""

    messages: Annotated[list[dict[str, Any]], Meta(max_length=MAX_MESSAGES)] = []
    tools: Any = None
    tool_choice: Any = None


class GenerateFields(GenerationFields, frozen=True, kw_only=True):
    prompt: str = ""
    suffix: str = ""
    system: str = ""
    raw: bool = False
    images: list[str] = []


class EmbedFields(msgspec.Struct, frozen=True, kw_only=True):
    model: Model
    input: str | list[str] = []
    truncate: bool | Annotated[str, Meta(max_length=64)] = True
    dimensions: NaturalInt = 0  # as many as the model has
    keep_alive: str | int | float | None = None


class EmbeddingsFields(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of ``/api/embeddings``, the older route."""

    model: Model
    prompt: str = ""
    keep_alive: str | int | float | None = None
