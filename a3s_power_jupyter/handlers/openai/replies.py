"""Build OpenAI's replies and chunks from the items of the engine.

Whole replies have iterators instead of long lists, for `json_reply.encode_pieces`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import msgspec

from ...contract.types import (
    Delta,
    Finished,
    GenerationItem,
    Reading,
    Started,
    Timings,
    TokenLogprob,
)
from .requests import GenerationCall

#: Fields of ``timings`` in the order of llama.cpp's server.
_TIMINGS = (
    "cache_n",
    "prompt_n",
    "prompt_ms",
    "prompt_per_token_ms",
    "prompt_per_second",
    "predicted_n",
    "predicted_ms",
    "predicted_per_token_ms",
    "predicted_per_second",
)

#: Makes an array from its items: ``list`` for a chunk, ``iter`` for a whole reply.
ArrayType = Callable[[Iterable[Any]], Any]


class _Token(msgspec.Struct, frozen=True, gc=False):
    """The log probabilities of a token, its lists encoded as JSON.

    The garbage collector would take long to look at the lists of a large reply.
    """

    text: str
    logprob: float
    bytes: msgspec.Raw
    top: msgspec.Raw
    offset: int


class _Choice:
    """One choice so far. `length` is that of its text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.tokens: list[_Token] = []
        self.length = 0
        self.finished: Finished | None = None

    @property
    def finish_reason(self) -> str | None:
        return self.finished.finish_reason if self.finished else None


class GenerationReply:
    """Collects the items of all choices of a request, and returns chunks or the whole reply."""

    id_prefix: ClassVar[str]
    object_name: ClassVar[str]
    chunk_object_name: ClassVar[str]

    def __init__(self, call: GenerationCall) -> None:
        self._call = call
        self._id = self.id_prefix + uuid.uuid4().hex
        self._created = int(time.time())
        self._choices = [_Choice() for _ in call.requests]

    def add(self, index: int, item: GenerationItem) -> None:
        """Collect an item of choice `index` for `result`."""
        choice = self._choices[index]
        choice.tokens += self._advance(choice, item)
        if isinstance(item, Delta):
            choice.texts.append(item.text)

    def chunk(self, index: int, item: GenerationItem) -> dict[str, Any] | None:
        """Return the chunk to stream for an item of choice `index`, or None if it has none."""
        choice = self._choices[index]
        piece = self._chunk_choice(choice, item, self._advance(choice, item))
        if piece is None:
            return None
        return self._chunk([{"index": index, **piece}]) | self._measured(item)

    def usage_chunk(self) -> dict[str, Any]:
        """Return the last chunk of a stream with ``include_usage``. It has no choices."""
        return self._chunk([]) | {"usage": self.usage(), "timings": self.timings()}

    def result(self) -> dict[str, Any]:
        """Return the whole reply. All choices must be finished."""
        choices = (
            {"index": i, **self._whole_choice(choice), "finish_reason": choice.finish_reason}
            for i, choice in enumerate(self._choices)
        )
        measured = {"usage": self.usage(), "timings": self.timings()}
        return self._head(self.object_name) | {"choices": choices, **measured}

    def usage(self) -> dict[str, Any]:
        """Return the token counts. A prompt is counted once, however many choices it has."""
        finished = [choice.finished for choice in self._choices if choice.finished]
        prompts = finished[:: self._call.n]
        prompt_tokens = sum(item.prompt_tokens for item in prompts)
        completion_tokens = sum(item.completion_tokens for item in finished)
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": sum(item.cached_tokens for item in prompts)},
        }

    def timings(self) -> dict[str, float]:
        """Return the sums of the counts and times of all choices, and the speeds of the sums."""
        parts = [choice.finished.timings for choice in self._choices if choice.finished]
        fields = Timings.__struct_fields__
        return _timings(Timings(*(sum(getattr(part, name) for part in parts) for name in fields)))

    def _measured(self, item: GenerationItem) -> dict[str, Any]:
        """Return the fields of llama.cpp's server for a chunk: progress and timings."""
        if isinstance(item, Reading):
            return {"prompt_progress": _progress(item)}
        if isinstance(item, Delta) and item.timings is not None:
            return {"timings": _timings(item.timings)}
        if all(choice.finished for choice in self._choices) and not self._call.include_usage:
            return {"timings": self.timings()}
        return {}

    def _head(self, object_name: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": object_name,
            "created": self._created,
            "model": self._call.model,
        }

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        chunk = self._head(self.chunk_object_name) | {"choices": choices}
        return chunk | {"usage": None} if self._call.include_usage else chunk

    def _advance(self, choice: _Choice, item: GenerationItem) -> list[_Token]:
        """Note the length and the end of a choice, and return the tokens of `item`."""
        tokens = []
        if isinstance(item, Finished):
            choice.finished = item
        elif isinstance(item, Delta):
            offset = choice.length
            for token in item.logprobs or ():
                tokens.append(
                    _Token(token.token, token.logprob, _raw(token.bytes), self._top(token), offset)
                )
                offset += len(token.token)
            choice.length += len(item.text)
        return tokens

    def _top(self, token: TokenLogprob) -> msgspec.Raw:
        raise NotImplementedError

    def _chunk_choice(
        self, choice: _Choice, item: GenerationItem, tokens: list[_Token]
    ) -> dict[str, Any] | None:
        raise NotImplementedError

    def _whole_choice(self, choice: _Choice) -> dict[str, Any]:
        raise NotImplementedError


class ChatReply(GenerationReply):
    id_prefix = "chatcmpl-"
    object_name = "chat.completion"
    chunk_object_name = "chat.completion.chunk"

    def _top(self, token: TokenLogprob) -> msgspec.Raw:
        names = ("token", "bytes", "logprob")
        return _raw([dict(zip(names, alternative, strict=True)) for alternative in token.top])

    def _chunk_choice(
        self, choice: _Choice, item: GenerationItem, tokens: list[_Token]
    ) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if isinstance(item, Started):
            delta = {"role": "assistant", "content": ""}
        elif isinstance(item, Delta):
            delta = {"content": item.text}
        logprobs = _chat_logprobs(tokens, list)
        return {"delta": delta, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def _whole_choice(self, choice: _Choice) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(choice.texts), "refusal": None}
        return {"message": message, "logprobs": _chat_logprobs(choice.tokens, iter)}


class CompletionReply(GenerationReply):
    id_prefix = "cmpl-"
    object_name = "text_completion"
    chunk_object_name = "text_completion"

    def _top(self, token: TokenLogprob) -> msgspec.Raw:
        return _raw({text: logprob for text, _bytes, logprob in token.top})

    def _chunk_choice(
        self, choice: _Choice, item: GenerationItem, tokens: list[_Token]
    ) -> dict[str, Any] | None:
        if isinstance(item, Started):
            return None
        text = item.text if isinstance(item, Delta) else ""
        logprobs = _completion_logprobs(tokens, list)
        return {"text": text, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def _whole_choice(self, choice: _Choice) -> dict[str, Any]:
        logprobs = _completion_logprobs(choice.tokens, iter)
        return {"text": "".join(choice.texts), "logprobs": logprobs}


def _timings(timings: Timings) -> dict[str, float]:
    return {name: getattr(timings, name) for name in _TIMINGS}


def _progress(reading: Reading) -> dict[str, float]:
    return {
        "total": reading.total,
        "cache": reading.cached,
        "processed": reading.processed,
        "time_ms": reading.time_ms,
    }


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _chat_logprobs(tokens: list[_Token], array_type: ArrayType) -> dict[str, Any] | None:
    if not tokens:
        return None
    content = (
        {
            "token": token.text,
            "logprob": token.logprob,
            "bytes": token.bytes,
            "top_logprobs": token.top,
        }
        for token in tokens
    )
    return {"content": array_type(content), "refusal": None}


def _completion_logprobs(tokens: list[_Token], array_type: ArrayType) -> dict[str, Any] | None:
    """Return the parallel lists of plain completions. The offsets are positions in the text."""
    if not tokens:
        return None
    return {
        "tokens": array_type(token.text for token in tokens),
        "token_logprobs": array_type(token.logprob for token in tokens),
        "top_logprobs": array_type(token.top for token in tokens),
        "text_offset": array_type(token.offset for token in tokens),
    }
