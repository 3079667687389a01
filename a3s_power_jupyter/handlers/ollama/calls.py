"""What Ollama's requests for text ask the server to do."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.errors import InvalidParameter
from ...contract.text import quoted
from ...contract.types import ChatRequest, CompletionRequest
from ..chat.thinking import thinking_variables
from ..fields import read_keep_alive
from .fields import GenerationFields

#: How much a model is to think.
EFFORTS = ("low", "medium", "high", "max")


class Call(msgspec.Struct, frozen=True):
    """A request for text.

    Attributes
    ----------
    model : str
        The name that the client used; the reply has the same one.
    requests : list of ChatRequest or CompletionRequest
        One, or none if the model is only to be loaded, or unloaded if `keep_alive` is 0.
    keep_alive : float or None
        Seconds, as for `parse_keep_alive`.
    thinks : bool
        Whether the model has to be able to think.
    """

    model: str
    requests: list[ChatRequest | CompletionRequest]
    stream: bool
    keep_alive: float | None
    thinks: bool


def make_call(fields: GenerationFields, *requests: ChatRequest | CompletionRequest) -> Call:
    """Return the call with the fields that all requests for text have.

    Raises
    ------
    InvalidParameter
        If there is ``top_logprobs`` without ``logprobs``.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    if fields.top_logprobs and not fields.logprobs:
        raise InvalidParameter("'top_logprobs' requires 'logprobs'.", param="top_logprobs")
    return Call(
        model=fields.model,
        requests=[*requests],
        stream=fields.stream,
        keep_alive=read_keep_alive(fields.keep_alive),
        thinks=fields.think is not UNSET and bool(fields.think),
    )


def template_kwargs(fields: GenerationFields) -> dict[str, Any]:
    """Return what ``think`` says to the chat template.

    Raises
    ------
    InvalidParameter
        If it is an unknown word.
    """
    think = fields.think
    if think is UNSET or think == "":
        return {}
    if isinstance(think, bool):
        return thinking_variables(None, think)
    if think not in EFFORTS:
        raise InvalidParameter(
            f"'think' must be true, false or one of {', '.join(map(repr, EFFORTS))}, not "
            f"{quoted(think)}.",
            param="think",
        )
    return thinking_variables(think, True)
