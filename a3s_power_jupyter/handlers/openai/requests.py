"""Convert OpenAI's requests to those of the engines.

Reference: https://platform.openai.com/docs/api-reference (chat, completions, embeddings).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.parameters import MAX_INPUTS
from ...contract.types import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Sampling,
)
from ..chat.chat_request import chat_request
from ..chat.history import with_results
from ..chat.prompt_end import prompt_end
from ..fields import read_keep_alive, read_logit_bias, read_stop, wrong_value
from ..texts import read_texts, read_truncate
from .constraints import read_constraint
from .fields import (
    ChatFields,
    CompletionFields,
    EmbeddingFields,
    GenerationFields,
    read_fields,
)
from .messages import read_messages
from .template_variables import read_template_kwargs
from .tools import read_tools

#: Most choices in one request: the number of prompts times ``n``.
MAX_CHOICES = MAX_INPUTS


class GenerationCall(msgspec.Struct, frozen=True):
    """A request for text.

    Attributes
    ----------
    requests : list of ChatRequest or CompletionRequest
        One for each choice of the reply: `n` for the first prompt, `n` for the second, and so on.
    keep_alive : float or None
        Seconds, as for `parse_keep_alive`.
    legacy_functions : bool
        Whether a call is returned as ``function_call`` instead of ``tool_calls``.
    """

    model: str
    requests: list[ChatRequest | CompletionRequest]
    n: int
    stream: bool
    include_usage: bool
    keep_alive: float | None
    legacy_functions: bool = False

    @property
    def has_tools(self) -> bool:
        """Whether answers can have calls of functions."""
        chats = [request for request in self.requests if isinstance(request, ChatRequest)]
        return any(chat.tools and chat.tool_choice.mode != "none" for chat in chats)


class EmbeddingCall(msgspec.Struct, frozen=True):
    """A request for embeddings. `dimensions` is None for those of the model."""

    model: str
    request: EmbeddingRequest
    base64: bool
    dimensions: int | None
    keep_alive: float | None


def read_chat(body: dict[str, Any]) -> GenerationCall:
    """Read the body of ``POST /v1/chat/completions``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, ChatFields)
    if fields.top_logprobs and not fields.logprobs:
        raise InvalidParameter("'top_logprobs' requires 'logprobs'.", param="top_logprobs")
    messages, images = read_messages(fields.messages, fields.images)
    end = prompt_end(
        with_results(messages),
        _known(fields.continue_final_message),
        _known(fields.add_generation_prompt),
    )
    tools = read_tools(fields)
    max_tokens = fields.max_completion_tokens
    sampling = msgspec.structs.replace(
        _sampling(fields),
        max_tokens=fields.max_tokens if max_tokens is UNSET else max_tokens,
        logprobs=(fields.top_logprobs or 0) if fields.logprobs else UNSET,
    )
    request = chat_request(end, images, tools, sampling, read_template_kwargs(fields))
    call = _generation(fields, [request])
    return msgspec.structs.replace(call, legacy_functions=tools.legacy)


def read_completion(body: dict[str, Any]) -> GenerationCall:
    """Read the body of ``POST /v1/completions``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, CompletionFields)
    if fields.best_of is not UNSET and fields.best_of > fields.n:
        raise UnsupportedRequestFields(
            "'best_of' is not supported. Request several choices with 'n'.", param="best_of"
        )
    if fields.logprobs is True:
        raise wrong_value("logprobs", "the number of alternatives for each token", True)
    logprobs = UNSET if fields.logprobs is False else fields.logprobs
    sampling = msgspec.structs.replace(_sampling(fields), logprobs=logprobs)
    if fields.echo and fields.suffix:
        raise InvalidParameter("'echo' cannot be combined with 'suffix'.", param="echo")
    return _generation(
        fields,
        [
            CompletionRequest(prompt, sampling, fields.echo, fields.suffix)
            for prompt in read_texts(fields.prompt, "prompt")
        ],
    )


def read_embedding(body: dict[str, Any]) -> EmbeddingCall:
    """Read the body of ``POST /v1/embeddings``.

    Raises
    ------
    UnsupportedRequestFields
        If a field requests something unsupported.
    InvalidParameter
        If a field is missing or has an invalid value.
    InvalidKeepAlive
        If ``keep_alive`` is not a duration.
    """
    fields = read_fields(body, EmbeddingFields)
    inputs = read_texts(fields.input, "input")
    if any(not text for text in inputs):
        raise InvalidParameter("'input' must not contain empty strings.", param="input")
    if not fields.allow_token_ids and any(isinstance(text, list) for text in inputs):
        raise InvalidParameter(
            "'input' has token ids, which give wrong vectors if they are those of another model, "
            "such as OpenAI's. Send texts: LangChain does with check_embedding_ctx_length=False. "
            "For ids of this model's own tokenizer, set allow_token_ids to true.",
            param="input",
        )
    return EmbeddingCall(
        model=fields.model,
        request=EmbeddingRequest(inputs, fields.prompt_name, read_truncate(fields.truncate)),
        base64=fields.encoding_format == "base64",
        dimensions=None if fields.dimensions is UNSET else fields.dimensions,
        keep_alive=read_keep_alive(fields.keep_alive),
    )


def _generation(
    fields: GenerationFields,
    requests: list[ChatRequest] | list[CompletionRequest],
) -> GenerationCall:
    if len(requests) * fields.n > MAX_CHOICES:
        raise InvalidParameter(f"More than {MAX_CHOICES} choices in one request.", param="n")
    return GenerationCall(
        model=fields.model,
        requests=[_nth(request, i) for request in requests for i in range(fields.n)],
        n=fields.n,
        stream=fields.stream,
        include_usage=fields.stream_options.include_usage,
        keep_alive=read_keep_alive(fields.keep_alive),
    )


def _known(value: bool | UnsetType) -> bool | None:
    return None if value is UNSET else value


def _nth(request: ChatRequest | CompletionRequest, i: int) -> ChatRequest | CompletionRequest:
    """Return `request` for choice `i`."""
    sampling = msgspec.structs.replace(request.sampling, choice=i)
    return msgspec.structs.replace(request, sampling=sampling)


def _sampling(fields: GenerationFields) -> Sampling:
    return Sampling(
        constraint=read_constraint(fields),
        temperature=fields.temperature,
        top_p=fields.top_p,
        presence_penalty=fields.presence_penalty,
        frequency_penalty=fields.frequency_penalty,
        max_tokens=fields.max_tokens,
        seed=fields.seed,
        stop=read_stop(fields.stop),
        logit_bias=read_logit_bias(fields.logit_bias),
        return_progress=fields.stream and fields.return_progress,
        timings_per_token=fields.stream and fields.timings_per_token,
        **fields.sampling(),
    )
