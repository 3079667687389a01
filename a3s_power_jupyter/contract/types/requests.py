"""Requests to an engine."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .sampling import Sampling

#: Inference routes, relative to the base URL of this server or of an upstream.
Route = Literal["chat/completions", "completions", "embeddings", "rerank"]

#: What to leave out of a text to embed or to rank that is too long.
Truncate = Literal["none", "start", "end"]


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether an answer may, must or must not call a function.

    Attributes
    ----------
    name : str or None
        The function to call, with the mode ``required``; None for any of them.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


class ChatRequest(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation to continue.

    Attributes
    ----------
    messages : list of dict
        ``{"role": str, "content": str}``. The roles are ``system``, ``user``, ``assistant`` and
        ``tool``. The content of a message with images is a list of
        ``{"type": "text", "text": str}`` and ``{"type": "image"}`` parts. An assistant's message
        may have ``tool_calls``, as in OpenAI's API and with the arguments as JSON text, and
        ``reasoning_content``. A tool's message has the ``tool_call_id`` that it answers, if any.
    sampling : Sampling
        Sampling parameters.
    images : list of bytes
        JPEG, PNG or WebP file of each image part, in order.
    tools : list of dict
        Functions that the model may call, as in OpenAI's API. Each has ``parameters``, a JSON
        schema.
    tool_choice : ToolChoice
        Whether the model has to call a function. It has no effect without `tools`.
    parallel_tool_calls : bool
        Whether the answer may have more than one call.
    template_kwargs : dict
        Variables for the model's chat template.
    add_generation_prompt : bool
        Whether the prompt ends with the start of an assistant's message.
    continue_final_message : bool
        Whether the answer continues the last message instead of starting a new one.
    """

    messages: list[dict[str, Any]]
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    images: list[bytes] = []
    tools: list[dict[str, Any]] = []
    tool_choice: ToolChoice = msgspec.field(default_factory=ToolChoice)
    parallel_tool_calls: bool = True
    template_kwargs: dict[str, Any] = {}
    add_generation_prompt: bool = True
    continue_final_message: bool = False

    def __repr__(self) -> str:
        return f"ChatRequest({len(self.messages)} messages, {len(self.images)} images)"


class CompletionRequest(msgspec.Struct, frozen=True, tag="completion"):
    """A prompt to continue, as text or as token ids.

    Attributes
    ----------
    echo : bool
        Whether to return the prompt as part of the text. With `Sampling.logprobs`, its tokens have
        log probabilities, too.
    suffix : str
        Text after the answer, for models with fill-in-the-middle.
    """

    prompt: str | list[int]
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    echo: bool = False
    suffix: str = ""


class EmbeddingRequest(msgspec.Struct, frozen=True, tag="embedding"):
    """Inputs to embed, each as text or as token ids.

    Attributes
    ----------
    prompt_name : str
        Name of one of the prompts in the model's files; None for the default prompt, if the model
        has one.
    truncate : Truncate
        Which part of an input that is too long is left out; with ``"none"``, it is refused.
    """

    inputs: list[str | list[int]]
    prompt_name: str | None = None
    truncate: Truncate = "none"


class RerankRequest(msgspec.Struct, frozen=True, tag="rerank"):
    """Documents to score by how well each answers a query.

    Attributes
    ----------
    truncate : Truncate
        Which part of a document is left out if it does not fit beside the query; with ``"none"``,
        the request is refused.
    document_tokens : int or None
        Tokens after which each document is cut off; None for no such limit.
    """

    query: str
    documents: list[str]
    truncate: Truncate = "none"
    document_tokens: int | None = None


Request = ChatRequest | CompletionRequest | EmbeddingRequest | RerankRequest
