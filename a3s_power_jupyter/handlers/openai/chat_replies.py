"""Build OpenAI's replies and chunks of chats: texts, thoughts and calls of functions."""

from __future__ import annotations

from typing import Any

import msgspec

from ...contract.types import Delta, GenerationItem, Started, TokenLogprob, ToolCallDelta
from ..chat.answer import Call
from ..json_reply import raw_json
from .replies import ArrayType, Choice, GenerationReply, Token


class ChatReply(GenerationReply):
    id_prefix = "chatcmpl-"
    object_name = "chat.completion"
    chunk_object_name = "chat.completion.chunk"

    def _top(self, token: TokenLogprob) -> msgspec.Raw:
        names = ("token", "bytes", "logprob")
        return raw_json([dict(zip(names, alternative, strict=True)) for alternative in token.top])

    def _chunk_choices(
        self, choice: Choice, item: GenerationItem, tokens: list[Token]
    ) -> list[dict[str, Any]]:
        reason = self._finish_reason(choice)
        choices = [
            {"delta": delta, "logprobs": None, "finish_reason": reason}
            for delta in self._deltas(item)
        ]
        choices[0]["logprobs"] = _logprobs(tokens, list)
        return choices

    def _deltas(self, item: GenerationItem) -> list[dict[str, Any]]:
        """Return the changes of the message, each for a chunk of its own."""
        if isinstance(item, Started):
            # Without tools, clients may expect a string.
            return [{"role": "assistant", "content": None if self._call.has_tools else ""}]
        if not isinstance(item, Delta):
            return [{}]
        deltas: list[dict[str, Any]] = []
        if item.reasoning:
            deltas.append(_thoughts(item.reasoning))
        if item.text:
            deltas.append({"content": item.text})
        for part in item.tool_calls:
            deltas += self._call_deltas(part)
        return deltas or [{"content": ""}]

    def _call_deltas(self, part: ToolCallDelta) -> list[dict[str, Any]]:
        """Return the chunks for a part of a call: as OpenAI's, the first one has no arguments."""
        legacy = self._call.legacy_functions
        deltas: list[dict[str, Any]] = []
        if part.name:
            function = {"name": part.name, "arguments": ""}
            first = {"index": part.index, "id": part.id, "type": "function", "function": function}
            deltas.append({"function_call": function} if legacy else {"tool_calls": [first]})
        if part.arguments:
            rest = {"arguments": part.arguments}
            later = {"index": part.index, "function": rest}
            deltas.append({"function_call": rest} if legacy else {"tool_calls": [later]})
        return deltas

    def _whole_choice(self, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text}
        message["refusal"] = None
        if thoughts := choice.reasoning:
            message |= _thoughts(thoughts)
        calls = [_whole_call(call) for call in choice.ordered_calls]
        if calls:
            message["content"] = message["content"] or None
            message |= self._calls(calls)
        return {"message": message, "logprobs": _logprobs(choice.tokens, iter)}

    def _calls(self, calls: list[dict[str, Any]]) -> dict[str, Any]:
        if self._call.legacy_functions:
            return {"function_call": calls[0]["function"]}
        return {"tool_calls": calls}

    def _finish_reason(self, choice: Choice) -> str | None:
        reason = super()._finish_reason(choice)
        legacy = reason == "tool_calls" and self._call.legacy_functions
        return "function_call" if legacy else reason


def _thoughts(text: str) -> dict[str, str]:
    """Return thoughts under both of the names that clients look for."""
    return {"reasoning_content": text, "reasoning": text}


def _whole_call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _logprobs(tokens: list[Token], array_type: ArrayType) -> dict[str, Any] | None:
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
