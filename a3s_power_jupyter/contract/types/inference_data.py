"""Requests to an engine and the items of its replies."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

#: Inference routes, relative to the base URL of this server or of an upstream.
Route = Literal["chat/completions", "completions", "embeddings"]
FinishReason = Literal["stop", "length", "tool_calls"]


class Sampling(msgspec.Struct, frozen=True):
    """Sampling parameters of a request.

    An unset field takes its value from the model's `default_parameters`, or else from the engine.

    Attributes
    ----------
    logprobs : int
        Number of alternatives to return for each token.
    """

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    repeat_penalty: float | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    stop: tuple[str, ...] | UnsetType = UNSET
    logit_bias: dict[int, float] | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    json_schema: dict[str, Any] | UnsetType = UNSET


class ChatRequest(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation to continue.

    Attributes
    ----------
    messages : list of dict
        ``{"role": str, "content": str}``. The content of a message with images is a list of
        ``{"type": "text", "text": str}`` and ``{"type": "image"}`` parts.
    sampling : Sampling
        Sampling parameters.
    images : list of bytes
        JPEG, PNG or WebP file of each image part, in order.
    """

    messages: list[dict[str, Any]]
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    images: list[bytes] = []

    def __repr__(self) -> str:
        return f"ChatRequest({len(self.messages)} messages, {len(self.images)} images)"


class CompletionRequest(msgspec.Struct, frozen=True, tag="completion"):
    """A prompt to continue, as text or as token ids.

    Attributes
    ----------
    echo : bool
        Whether to return the prompt as part of the text.
    """

    prompt: str | list[int]
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    echo: bool = False


class EmbeddingRequest(msgspec.Struct, frozen=True, tag="embedding"):
    """Inputs to embed, each as text or as token ids.

    Attributes
    ----------
    prompt_name : str
        Name of one of the prompts in the model's files; None for the default prompt, if the model
        has one.
    """

    inputs: list[str | list[int]]
    prompt_name: str | None = None


Request = ChatRequest | CompletionRequest | EmbeddingRequest


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token with its log probability (natural logarithm) and the most likely alternatives.

    Attributes
    ----------
    bytes : list of int
        UTF-8 bytes of the token, which may be part of a character.
    top : list of tuple
        Text, bytes and log probability of each alternative.
    """

    token: str
    bytes: list[int]
    logprob: float
    top: list[tuple[str, list[int], float]]


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The prompt is processed and generation begins.

    Attributes
    ----------
    cached_tokens : int
        Tokens of the prompt that were in the prefix cache.
    """

    prompt_tokens: int
    cached_tokens: int


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """Generated text: whole characters, without any part of a stop string."""

    text: str
    logprobs: list[TokenLogprob] | None = None


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last item of a generation."""

    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class Embedded(msgspec.Struct, frozen=True, tag="embedded"):
    """The only item of the reply to an embedding request.

    Attributes
    ----------
    vectors : bytes
        Little-endian float32 array of shape (inputs, dimensions) in C order; rows have L2 norm 1.
    prompt_tokens : int
        Tokens of all inputs.
    """

    vectors: bytes
    dimensions: int
    prompt_tokens: int


Item = Started | Delta | Finished | Embedded
