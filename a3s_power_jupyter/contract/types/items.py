"""Items of an engine's replies."""

from __future__ import annotations

from typing import Literal

import msgspec

FinishReason = Literal["stop", "length", "tool_calls"]


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token with its log probability (natural logarithm) and the most likely alternatives.

    Attributes
    ----------
    token : str
        Text of the token. That of a special token is not part of the answer.
    bytes : list of int
        UTF-8 bytes of the token in the text, which may be part of a character.
    logprob : float or None
        None for the first token of a prompt.
    top : list of tuple
        Text, bytes and log probability of each alternative.
    """

    token: str
    bytes: list[int]
    logprob: float | None
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


class ToolCallDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a call of a function. All parts of a call come before anything else of the answer.

    Attributes
    ----------
    index : int
        Position among the calls of the answer, from 0.
    id : str
        Identifier of the call; only in its first part.
    name : str
        Name of the function; only in the first part of the call.
    arguments : str
        A fragment of the arguments, which are JSON text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Delta(msgspec.Struct, frozen=True, tag="delta", omit_defaults=True):
    """Generated text: whole characters, without any part of a stop string.

    Attributes
    ----------
    text : str
        A part of the answer.
    tokens : int
        Tokens that were generated since the last `Delta`; 0 for the echoed prompt.
    timings : Timings or None
        The timings so far, for requests with `Sampling.timings_per_token`.
    reasoning : str
        A part of the model's thoughts.
    tool_calls : list of ToolCallDelta
        Parts of calls of functions.
    """

    text: str
    logprobs: list[TokenLogprob] | None = None
    tokens: int = 1
    timings: Timings | None = None
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last item of a generation.

    Attributes
    ----------
    reasoning_tokens : int
        The part of `completion_tokens` that are thoughts.
    stop : str or None
        The stop string that ended the answer.
    """

    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    timings: Timings
    reasoning_tokens: int = 0
    stop: str | None = None


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


class Ranked(msgspec.Struct, frozen=True, tag="ranked"):
    """The only item of the reply to a `RerankRequest`.

    Attributes
    ----------
    scores : list of float
        Logit of each document, in the order of the request. The higher, the more relevant; the
        sigmoid of a logit is between 0 and 1.
    prompt_tokens : int
        Tokens of all pairs of the query and a document.
    """

    scores: list[float]
    prompt_tokens: int


#: The items of a reply with text.
GenerationItem = Reading | Started | Delta | Finished
Item = GenerationItem | Embedded | Ranked
