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
    return_progress : bool
        Whether to return `Reading` items.
    timings_per_token : bool
        Whether each `Delta` has the timings so far.
    choice : int
        Index among the choices for the same prompt. It is added to the seed, so that they differ.
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
    return_progress: bool = False
    timings_per_token: bool = False
    choice: int = 0


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


class Timings(msgspec.Struct, frozen=True):
    """How long a request took in the engine, named as in the replies of llama.cpp's server.

    Speeds are 0 where there is nothing to measure, such as for an answer of one token.

    Attributes
    ----------
    prompt_n : int
        Prompt tokens that were computed.
    prompt_ms : float
        Milliseconds from the moment the engine began with the prompt to the first sampled token.
    predicted_n : int
        Generated tokens.
    predicted_ms : float
        Milliseconds from the first to the last sampled token.
    cache_n : int
        Prompt tokens that were in the prefix cache.
    """

    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float
    cache_n: int = 0

    @property
    def prompt_per_token_ms(self) -> float:
        """Milliseconds for each computed token of the prompt."""
        return self.prompt_ms / self.prompt_n if self.prompt_n else 0.0

    @property
    def prompt_per_second(self) -> float:
        """Computed tokens of the prompt in a second."""
        return self.prompt_n * 1000 / self.prompt_ms if self.prompt_ms else 0.0

    @property
    def predicted_per_token_ms(self) -> float:
        """Milliseconds for each generated token."""
        return self.predicted_ms / self.predicted_n if self.predicted_n else 0.0

    @property
    def predicted_per_second(self) -> float:
        """Generated tokens in a second."""
        return self.predicted_n * 1000 / self.predicted_ms if self.predicted_ms else 0.0


class Reading(msgspec.Struct, frozen=True, tag="reading"):
    """Progress in reading a prompt, for requests with `Sampling.return_progress`.

    It comes at most twice a second, and once when the prompt is read.

    Attributes
    ----------
    processed : int
        Tokens that are read, including the cached ones.
    total : int
        Tokens of the prompt.
    cached : int
        Tokens that were in the prefix cache.
    time_ms : float
        Milliseconds since the engine began with the prompt.
    """

    processed: int
    total: int
    cached: int
    time_ms: float


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The prompt is processed and generation begins.

    Attributes
    ----------
    cached_tokens : int
        Tokens of the prompt that were in the prefix cache.
    """

    prompt_tokens: int
    cached_tokens: int


class Delta(msgspec.Struct, frozen=True, tag="delta", omit_defaults=True):
    """Generated text: whole characters, without any part of a stop string.

    Attributes
    ----------
    tokens : int
        Tokens that were generated since the last `Delta`; 0 for the echoed prompt.
    timings : Timings or None
        The timings so far, for requests with `Sampling.timings_per_token`.
    """

    text: str
    logprobs: list[TokenLogprob] | None = None
    tokens: int = 1
    timings: Timings | None = None


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last item of a generation."""

    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    timings: Timings


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


#: The items of a reply with text.
GenerationItem = Reading | Started | Delta | Finished
Item = GenerationItem | Embedded
