"""Convert the bodies of ``POST /v1/responses`` to requests of the engines.

Reference: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from ...contract.errors import InvalidParameter
from ...contract.types import ChatRequest, Sampling
from ..chat.chat_request import chat_request
from ..chat.history import with_results
from ..chat.prompt_end import prompt_end
from ..chat.thinking import template_variables
from ..fields import missing_field, read_fields, read_keep_alive, read_logit_bias, read_stop
from .conversation import read_conversation
from .fields import ALIASES, LOGPROBS, MEANINGS, REFUSED, ResponseFields
from .items import Item, Lookup, read_items, with_own_ids
from .text_format import read_text_format
from .tools import ResponseTools, read_tools


class ResponseCall(msgspec.Struct, frozen=True):
    """A request for a response.

    Attributes
    ----------
    input : list of dict
        The items of this request, in their full form.
    text_format : dict
        As in a reply.
    """

    fields: ResponseFields
    request: ChatRequest
    input: list[dict[str, Any]]
    tools: ResponseTools
    text_format: dict[str, Any]
    keep_alive: float | None

    @property
    def effort(self) -> str | None:
        """How much reasoning is requested."""
        return self.fields.reasoning.effort or self.fields.reasoning_effort

    @property
    def summary(self) -> str | None:
        """The kind of summary of the thoughts that is requested."""
        return self.fields.reasoning.summary or self.fields.reasoning.generate_summary


def read_response(
    body: dict[str, Any], lookup: Lookup, carried: Sequence[dict[str, Any]] = ()
) -> ResponseCall:
    """Read the body of ``POST /v1/responses``.

    Parameters
    ----------
    lookup : callable
        Finds the stored item of an ``item_reference``.
    carried : sequence of dict
        The items before the input: those of the response ``previous_response_id``, and before it.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    ResponseNotFound
        If an item is not stored.
    """
    fields = read_fields(body, ResponseFields, aliases=ALIASES, meanings=MEANINGS, refused=REFUSED)
    if fields.background and not fields.store:
        raise InvalidParameter(
            "'background' requires 'store', because the response is requested later.",
            param="background",
        )
    items = with_own_ids(_items(body, fields, lookup), carried)
    everything = [*(Item(item, "previous_response_id") for item in carried), *items]
    messages, images = read_conversation(fields.instructions, everything)
    if not everything or not messages:
        raise InvalidParameter("'input' is empty.", param="input")
    end = prompt_end(
        with_results(messages), fields.continue_final_message, fields.add_generation_prompt
    )
    tools = read_tools(fields)
    sampling, text_format = _sampling(fields)
    request = chat_request(end, images, tools, sampling, _template_kwargs(fields))
    return ResponseCall(
        fields=fields,
        request=request,
        input=[item.value for item in items],
        tools=tools,
        text_format=text_format,
        keep_alive=read_keep_alive(fields.keep_alive),
    )


def _items(body: dict[str, Any], fields: ResponseFields, lookup: Lookup) -> list[Item]:
    if fields.input is not None:
        return read_items(fields.input, lookup)
    if fields.previous_response_id is None:
        raise missing_field("input", body)
    return []


def _sampling(fields: ResponseFields) -> tuple[Sampling, dict[str, Any]]:
    constraint, shown = read_text_format(fields)
    sampling = Sampling(
        constraint=constraint,
        temperature=fields.temperature,
        top_p=fields.top_p,
        presence_penalty=fields.presence_penalty,
        frequency_penalty=fields.frequency_penalty,
        max_tokens=fields.max_output_tokens,
        seed=fields.seed,
        stop=read_stop(fields.stop),
        logit_bias=read_logit_bias(fields.logit_bias),
        logprobs=fields.top_logprobs if has_logprobs(fields) else UNSET,
        **fields.sampling(),
    )
    return sampling, shown


def has_logprobs(fields: ResponseFields) -> bool:
    """Whether the reply has log probabilities."""
    return LOGPROBS in fields.include or fields.top_logprobs > 0


def _template_kwargs(fields: ResponseFields) -> dict[str, Any]:
    effort = fields.reasoning.effort or fields.reasoning_effort
    return template_variables(effort, fields.enable_thinking, fields.chat_template_kwargs)
