"""Convert Anthropic's requests to those of the engines.

Reference: https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidParameter
from ...contract.types import ChatRequest, Constraint, Sampling
from ..chat.chat_request import chat_request
from ..chat.history import with_results
from ..chat.prompt_end import prompt_end
from ..chat.schemas import schema_constraint
from ..chat.thinking import template_variables
from ..fields import read_fields, read_keep_alive, read_stop, wrong_value
from .fields import MEANINGS, REFUSED, MessageFields
from .messages import read_messages
from .tools import read_tools

#: The variable of chat templates for the most tokens of thoughts.
_BUDGET = "thinking_budget"


class MessageCall(msgspec.Struct, frozen=True):
    """A request for a message.

    Attributes
    ----------
    keep_alive : float or None
        Seconds, as for `parse_keep_alive`.
    hides_thoughts : bool
        Whether the reply has thoughts without their text.
    """

    model: str
    request: ChatRequest
    stream: bool
    keep_alive: float | None
    hides_thoughts: bool = False


def read_message_call(body: dict[str, Any]) -> MessageCall:
    """Read the body of ``POST /v1/messages``, or of ``POST /v1/messages/count_tokens``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, MessageFields, meanings=MEANINGS, refused=REFUSED)
    messages, images = read_messages(fields.system, fields.messages)
    end = prompt_end(with_results(messages))
    tools = read_tools(fields)
    request = chat_request(end, images, tools, _sampling(fields), _template_kwargs(fields))
    return MessageCall(
        model=fields.model,
        request=request,
        stream=fields.stream,
        keep_alive=read_keep_alive(fields.keep_alive),
        hides_thoughts=fields.thinking is not None and fields.thinking.display == "omitted",
    )


def _sampling(fields: MessageFields) -> Sampling:
    return Sampling(
        constraint=_constraint(fields),
        temperature=fields.temperature,
        top_p=fields.top_p,
        presence_penalty=fields.presence_penalty,
        frequency_penalty=fields.frequency_penalty,
        max_tokens=fields.max_tokens,
        seed=fields.seed,
        stop=read_stop(fields.stop_sequences),
        **fields.sampling(),
    )


def _constraint(fields: MessageFields) -> Constraint | UnsetType:
    """Return the schema of the answer, which has an older field of its own."""
    given = {
        "output_config.format": fields.output_config.format,
        "output_format": fields.output_format,
    }
    found = {name: value for name, value in given.items() if value is not None}
    if len(found) > 1:
        raise InvalidParameter(
            "'output_config.format' and 'output_format' both constrain the answer. Send one of "
            "them.",
            param="output_format",
        )
    for name, value in found.items():
        if value.get("type") != "json_schema":
            kind = value.get("type")
            raise wrong_value(f"{name}.type", "'json_schema'", kind, is_choice=True)
        return schema_constraint(value.get("schema"), f"{name}.schema")
    return UNSET


def _template_kwargs(fields: MessageFields) -> dict[str, Any]:
    """Return ``chat_template_kwargs`` with what other fields say about thoughts."""
    thinking = fields.thinking
    thinks = None if thinking is None else thinking.type != "disabled"
    given = fields.chat_template_kwargs
    if thinks and thinking is not None and thinking.budget_tokens is not None:
        given = {_BUDGET: thinking.budget_tokens, **given}
    return template_variables(fields.output_config.effort, thinks, given)
