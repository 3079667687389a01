"""Build OpenAI's replies and chunks from the items of the engine."""

from __future__ import annotations

import base64
import math
import sys
import time
import uuid
from array import array
from typing import Any, ClassVar

from ...contract.errors import InvalidParameter
from ...contract.types import Delta, Embedded, Finished, Started, TokenLogprob
from .requests import EmbeddingCall, GenerationCall

GenerationItem = Started | Delta | Finished


class _Choice:
    """The text of one choice so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.length = 0
        self.logprobs: list[TokenLogprob] = []
        self.offsets: list[int] = []
        self.finished: Finished | None = None

    def add(self, delta: Delta) -> None:
        offset = self.length
        for token in delta.logprobs or ():
            self.offsets.append(offset)
            self.logprobs.append(token)
            offset += len(token.token)
        self.texts.append(delta.text)
        self.length += len(delta.text)

    @property
    def text(self) -> str:
        return "".join(self.texts)

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

    def add(self, index: int, item: GenerationItem) -> dict[str, Any] | None:
        """Add an item of choice `index`.

        Returns
        -------
        dict or None
            The chunk to stream, or None if OpenAI's API has no chunk for the item.
        """
        choice = self._choices[index]
        if isinstance(item, Delta):
            choice.add(item)
        elif isinstance(item, Finished):
            choice.finished = item
        piece = self._chunk_choice(choice, item)
        return None if piece is None else self._chunk([{"index": index, **piece}])

    def usage_chunk(self) -> dict[str, Any]:
        """Return the last chunk of a stream with ``include_usage``. It has no choices."""
        return self._chunk([]) | {"usage": self.usage()}

    def result(self) -> dict[str, Any]:
        """Return the whole reply. All choices must be finished."""
        choices = [
            {"index": i, **self._whole_choice(choice), "finish_reason": choice.finish_reason}
            for i, choice in enumerate(self._choices)
        ]
        return self._head(self.object_name) | {"choices": choices, "usage": self.usage()}

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

    def _chunk_choice(self, choice: _Choice, item: GenerationItem) -> dict[str, Any] | None:
        raise NotImplementedError

    def _whole_choice(self, choice: _Choice) -> dict[str, Any]:
        raise NotImplementedError


class ChatReply(GenerationReply):
    id_prefix = "chatcmpl-"
    object_name = "chat.completion"
    chunk_object_name = "chat.completion.chunk"

    def _chunk_choice(self, choice: _Choice, item: GenerationItem) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        logprobs = None
        if isinstance(item, Started):
            delta = {"role": "assistant", "content": ""}
        elif isinstance(item, Delta):
            delta = {"content": item.text}
            logprobs = _chat_logprobs(item.logprobs)
        return {"delta": delta, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def _whole_choice(self, choice: _Choice) -> dict[str, Any]:
        message = {"role": "assistant", "content": choice.text, "refusal": None}
        return {"message": message, "logprobs": _chat_logprobs(choice.logprobs)}


class CompletionReply(GenerationReply):
    id_prefix = "cmpl-"
    object_name = "text_completion"
    chunk_object_name = "text_completion"

    def _chunk_choice(self, choice: _Choice, item: GenerationItem) -> dict[str, Any] | None:
        if isinstance(item, Started):
            return None
        text, logprobs = "", None
        if isinstance(item, Delta):
            text = item.text
            new = len(choice.logprobs) - len(item.logprobs or ())
            logprobs = _completion_logprobs(choice.logprobs[new:], choice.offsets[new:])
        return {"text": text, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def _whole_choice(self, choice: _Choice) -> dict[str, Any]:
        return {
            "text": choice.text,
            "logprobs": _completion_logprobs(choice.logprobs, choice.offsets),
        }


def _chat_logprobs(tokens: list[TokenLogprob] | None) -> dict[str, Any] | None:
    if not tokens:
        return None
    content = [
        {
            "token": token.token,
            "logprob": token.logprob,
            "bytes": token.bytes,
            "top_logprobs": [
                {"token": text, "logprob": logprob, "bytes": data}
                for text, data, logprob in token.top
            ],
        }
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _completion_logprobs(tokens: list[TokenLogprob], offsets: list[int]) -> dict[str, Any] | None:
    """Return the parallel lists of plain completions. `offsets` are positions in the text."""
    if not tokens:
        return None
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{text: lp for text, _, lp in token.top} for token in tokens],
        "text_offset": offsets,
    }


def embedding_reply(call: EmbeddingCall, embedded: Embedded) -> dict[str, Any]:
    """Return the reply of ``POST /v1/embeddings``.

    Raises
    ------
    InvalidParameter
        If the request asks for more dimensions than the model has.
    """
    available = embedded.dimensions
    dimensions = available if call.dimensions is None else call.dimensions
    if dimensions > available:
        raise InvalidParameter(
            f"The model has {available} dimensions. Request at most as many, not {dimensions}.",
            param="dimensions",
        )
    vectors, size = embedded.vectors, 4 * available
    rows = [vectors[start : start + size] for start in range(0, len(vectors), size)]
    data = [
        {"object": "embedding", "index": i, "embedding": _vector(row, dimensions, call.base64)}
        for i, row in enumerate(rows)
    ]
    usage = {"prompt_tokens": embedded.prompt_tokens, "total_tokens": embedded.prompt_tokens}
    return {"object": "list", "data": data, "model": call.model, "usage": usage}


def _vector(row: bytes, dimensions: int, as_base64: bool) -> list[float] | str:
    """Return the first `dimensions` numbers of `row`, which is little-endian float32.

    A shortened vector is normalized again, as in OpenAI's API.
    """
    if 4 * dimensions == len(row):
        return base64.b64encode(row).decode() if as_base64 else _from_little_endian(row).tolist()
    numbers = _from_little_endian(row[: 4 * dimensions])
    norm = math.sqrt(sum(x * x for x in numbers)) or 1.0
    numbers = array("f", (x / norm for x in numbers))
    return base64.b64encode(_to_little_endian(numbers)).decode() if as_base64 else numbers.tolist()


def _from_little_endian(data: bytes) -> array[float]:
    numbers = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _to_little_endian(numbers: array[float]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
