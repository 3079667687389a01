"""Build OpenAI's replies and chunks of completions from the items of the engine.

`chat_replies` has those of chats.

Whole replies have iterators instead of long lists, for `json_reply.encode_pieces`.
"""

from __future__ import annotations

import time
import uuid
from codecs import getincrementaldecoder
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
from ..chat.answer import Answer
from ..json_reply import raw_json
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

#: Character in place of bytes that are not a whole character.
REPLACED = "\ufffd"

#: Makes an array from its items: ``list`` for a chunk, ``iter`` for a whole reply.
ArrayType = Callable[[Iterable[Any]], Any]


class Token(msgspec.Struct, frozen=True, gc=False):
    """The log probabilities of a token, its lists encoded as JSON.

    The garbage collector would take long to look at the lists of a large reply.
    """

    text: str
    logprob: float | None
    bytes: msgspec.Raw
    top: msgspec.Raw
    offset: int


class Choice(Answer):
    """One choice so far. `length` is that of the text of all tokens with log probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[Token] = []
        self.length = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def advance(self, token: TokenLogprob) -> int:
        """Return the position of a token in the text, and add the token to `length`.

        A stream may hold back the text of a token, so its deltas do not tell where the token is.
        """
        offset = self.length
        self.length += len(self._decoder.decode(bytes(token.bytes)))
        return offset


class GenerationReply:
    """Collects the items of all choices of a request, and returns chunks or the whole reply."""

    id_prefix: ClassVar[str]
    object_name: ClassVar[str]
    chunk_object_name: ClassVar[str]

    def __init__(self, call: GenerationCall) -> None:
        self._call = call
        self._id = self.id_prefix + uuid.uuid4().hex
        self._created = int(time.time())
        self._choices = [Choice() for _ in call.requests]

    def add(self, index: int, item: GenerationItem) -> None:
        """Collect an item of choice `index` for `result`."""
        choice = self._choices[index]
        choice.tokens += self._advance(choice, item)
        choice.add(item)

    def chunks(self, index: int, item: GenerationItem) -> list[dict[str, Any]]:
        """Return the chunks to stream for an item of choice `index`."""
        choice = self._choices[index]
        pieces = self._chunk_choices(choice, item, self._advance(choice, item))
        chunks = [self._chunk([{"index": index, **piece}]) for piece in pieces]
        if chunks:
            chunks[-1] |= self._measured(item)
        return chunks

    def usage_chunk(self) -> dict[str, Any]:
        """Return the last chunk of a stream with ``include_usage``. It has no choices."""
        return self._chunk([]) | {"usage": self.usage(), "timings": self.timings()}

    def result(self) -> dict[str, Any]:
        """Return the whole reply. All choices must be finished."""
        choices = (
            {
                "index": i,
                **self._whole_choice(choice),
                "finish_reason": self._finish_reason(choice),
            }
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
            "completion_tokens_details": {
                "reasoning_tokens": sum(item.reasoning_tokens for item in finished)
            },
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

    def _advance(self, choice: Choice, item: GenerationItem) -> list[Token]:
        """Note the end of a choice, and return the tokens of `item`."""
        if isinstance(item, Finished):
            choice.finished = item
        if not isinstance(item, Delta):
            return []
        return [
            Token(
                self._name(token.token, token.bytes),
                token.logprob,
                raw_json(token.bytes),
                self._top(token),
                choice.advance(token),
            )
            for token in item.logprobs or ()
        ]

    def _name(self, text: str, raw: list[int]) -> str:
        """Return the name of a token in the reply."""
        return text

    def _finish_reason(self, choice: Choice) -> str | None:
        return choice.finished.finish_reason if choice.finished else None

    def _top(self, token: TokenLogprob) -> msgspec.Raw:
        raise NotImplementedError

    def _chunk_choices(
        self, choice: Choice, item: GenerationItem, tokens: list[Token]
    ) -> list[dict[str, Any]]:
        """Return the choice of each chunk to stream for `item`."""
        raise NotImplementedError

    def _whole_choice(self, choice: Choice) -> dict[str, Any]:
        raise NotImplementedError


class CompletionReply(GenerationReply):
    id_prefix = "cmpl-"
    object_name = "text_completion"
    chunk_object_name = "text_completion"

    def _name(self, text: str, raw: list[int]) -> str:
        """Return the text of a token, or its bytes if they are not whole characters.

        OpenAI names such tokens ``bytes:`` and their bytes. As text, they would be equal.
        """
        return "bytes:" + "".join(map(r"\x{:02x}".format, raw)) if REPLACED in text else text

    def _top(self, token: TokenLogprob) -> msgspec.Raw:
        """Return the alternatives and the token itself, as OpenAI does."""
        if token.logprob is None:
            return raw_json(None)
        found = {self._name(text, raw): logprob for text, raw, logprob in reversed(token.top)}
        found.setdefault(self._name(token.token, token.bytes), token.logprob)
        return raw_json(dict(sorted(found.items(), key=lambda item: -item[1])))

    def _chunk_choices(
        self, choice: Choice, item: GenerationItem, tokens: list[Token]
    ) -> list[dict[str, Any]]:
        if isinstance(item, Started):
            return []
        text = item.text if isinstance(item, Delta) else ""
        logprobs = _completion_logprobs(tokens, list)
        reason = self._finish_reason(choice)
        return [{"text": text, "logprobs": logprobs, "finish_reason": reason}]

    def _whole_choice(self, choice: Choice) -> dict[str, Any]:
        logprobs = _completion_logprobs(choice.tokens, iter)
        return {"text": choice.text, "logprobs": logprobs}


def _timings(timings: Timings) -> dict[str, float]:
    return {name: getattr(timings, name) for name in _TIMINGS}


def _progress(reading: Reading) -> dict[str, float]:
    return {
        "total": reading.total,
        "cache": reading.cached,
        "processed": reading.processed,
        "time_ms": reading.time_ms,
    }


def _completion_logprobs(tokens: list[Token], array_type: ArrayType) -> dict[str, Any] | None:
    """Return the parallel lists of plain completions. The offsets are positions in the text."""
    if not tokens:
        return None
    return {
        "tokens": array_type(token.text for token in tokens),
        "token_logprobs": array_type(token.logprob for token in tokens),
        "top_logprobs": array_type(token.top for token in tokens),
        "text_offset": array_type(token.offset for token in tokens),
    }
