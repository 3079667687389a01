"""The same conversation in each dialect, and the answers in one form."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import httpx2

from .servers import events_of

#: A turn: the text of the user, a call of a function, or its result.
Turn = tuple[str, ...]

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
QUESTION: list[Turn] = [("user", "What is the weather in Oslo?")]
ANSWERED: list[Turn] = [
    *QUESTION,
    ("call", "call_oslo0001", "get_weather", '{"city": "Oslo"}'),
    ("result", "call_oslo0001", "5 degrees in Oslo"),
]
MAX_TOKENS = 48


@dataclass
class Answer:
    """An answer, without what differs between dialects."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Dialect(ABC):
    """One dialect: its route, how it writes a conversation, and how its answers are read."""

    name: str
    path: str

    def ask(
        self, api: httpx2.Client, model: str, turns: list[Turn], *, stream: bool, **more: Any
    ) -> Answer:
        """Send a conversation, and read the answer, whole or streamed."""
        body = self.body(turns) | {"model": model, "stream": stream} | more
        with api.stream("POST", self.path, json=body) as reply:
            if not reply.is_success:
                reply.read()
                raise AssertionError(f"{self.name}: {reply.status_code} {reply.text}")
            if stream:
                return self.streamed(reply)
            reply.read()
            return self.whole(reply.json())

    @abstractmethod
    def body(self, turns: list[Turn]) -> dict[str, Any]:
        """Return the body for a greedy answer to a conversation with `TOOL`."""

    @abstractmethod
    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the field for an answer in JSON with this schema."""

    def choice(self, name: str) -> dict[str, Any]:
        """Return the field for a call of this function, or nothing if the API has none."""
        return {}

    @abstractmethod
    def whole(self, reply: dict[str, Any]) -> Answer: ...

    @abstractmethod
    def streamed(self, reply: httpx2.Response) -> Answer: ...


class ChatCompletions(Dialect):
    name = "chat completions"
    path = "v1/chat/completions"

    def body(self, turns: list[Turn]) -> dict[str, Any]:
        return {
            "messages": [self._message(*turn) for turn in turns],
            "tools": [{"type": "function", "function": TOOL}],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "stream_options": {"include_usage": True},
        }

    def _message(self, kind: str, *rest: str) -> dict[str, Any]:
        if kind == "user":
            return {"role": "user", "content": rest[0]}
        if kind == "result":
            return {"role": "tool", "tool_call_id": rest[0], "content": rest[1]}
        function = {"name": rest[1], "arguments": rest[2]}
        call = {"id": rest[0], "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        named = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}

    def choice(self, name: str) -> dict[str, Any]:
        return {"tool_choice": {"type": "function", "function": {"name": name}}}

    def whole(self, reply: dict[str, Any]) -> Answer:
        message = reply["choices"][0]["message"]
        return Answer(
            message["content"] or "",
            message.get("reasoning_content") or "",
            [_call(call["function"]) for call in message.get("tool_calls") or []],
            reply["usage"]["prompt_tokens"],
            reply["usage"]["completion_tokens"],
        )

    def streamed(self, reply: httpx2.Response) -> Answer:
        answer, calls = Answer(), []
        events: Any = events_of(reply)
        for event in events:
            for choice in event["choices"]:
                delta = choice["delta"]
                answer.text += delta.get("content") or ""
                answer.thoughts += delta.get("reasoning_content") or ""
                for part in delta.get("tool_calls") or []:
                    if part["index"] == len(calls):
                        calls.append({"name": part["function"]["name"], "arguments": ""})
                    calls[part["index"]]["arguments"] += part["function"]["arguments"]
            if usage := event.get("usage"):
                answer.prompt_tokens = usage["prompt_tokens"]
                answer.completion_tokens = usage["completion_tokens"]
        answer.calls = [_call(call) for call in calls]
        return answer


class Responses(Dialect):
    name = "responses"
    path = "v1/responses"

    def body(self, turns: list[Turn]) -> dict[str, Any]:
        return {
            "input": [self._item(*turn) for turn in turns],
            "tools": [{"type": "function", **TOOL}],
            "temperature": 0,
            "max_output_tokens": MAX_TOKENS,
        }

    def _item(self, kind: str, *rest: str) -> dict[str, Any]:
        if kind == "user":
            return {"role": "user", "content": rest[0]}
        if kind == "result":
            return {"type": "function_call_output", "call_id": rest[0], "output": rest[1]}
        call = {"call_id": rest[0], "name": rest[1], "arguments": rest[2]}
        return {"type": "function_call", **call}

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        named = {"name": "answer", "schema": schema, "strict": True}
        return {"text": {"format": {"type": "json_schema", **named}}}

    def choice(self, name: str) -> dict[str, Any]:
        return {"tool_choice": {"type": "function", "name": name}}

    def whole(self, reply: dict[str, Any]) -> Answer:
        answer = Answer()
        for item in reply["output"]:
            if item["type"] == "message":
                answer.text += "".join(part["text"] for part in item["content"])
            elif item["type"] == "reasoning":
                answer.thoughts += "".join(part["text"] for part in item.get("content") or [])
            else:
                assert item["type"] == "function_call"
                answer.calls.append(_call(item))
        answer.prompt_tokens = reply["usage"]["input_tokens"]
        answer.completion_tokens = reply["usage"]["output_tokens"]
        return answer

    def streamed(self, reply: httpx2.Response) -> Answer:
        text = thoughts = ""
        arguments: dict[int, str] = {}
        last: Any = None
        events: Any = events_of(reply)
        for last in events:
            kind = last["type"]
            if kind == "response.output_text.delta":
                text += last["delta"]
            elif kind == "response.reasoning_text.delta":
                thoughts += last["delta"]
            elif kind == "response.function_call_arguments.delta":
                index = last["output_index"]
                arguments[index] = arguments.get(index, "") + last["delta"]
        answer = self.whole(last["response"])
        assert (text, thoughts) == (answer.text, answer.thoughts)
        assert [json.loads(text) for text in arguments.values()] == [c[1] for c in answer.calls]
        return answer


class Messages(Dialect):
    name = "messages"
    path = "v1/messages"

    def body(self, turns: list[Turn]) -> dict[str, Any]:
        tool = {name: value for name, value in TOOL.items() if name != "parameters"}
        return {
            "messages": [self._message(*turn) for turn in turns],
            "tools": [tool | {"input_schema": TOOL["parameters"]}],
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }

    def _message(self, kind: str, *rest: str) -> dict[str, Any]:
        if kind == "user":
            return {"role": "user", "content": rest[0]}
        if kind == "result":
            result = {"type": "tool_result", "tool_use_id": rest[0], "content": rest[1]}
            return {"role": "user", "content": [result]}
        call = {"type": "tool_use", "id": rest[0], "name": rest[1], "input": json.loads(rest[2])}
        return {"role": "assistant", "content": [call]}

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}

    def choice(self, name: str) -> dict[str, Any]:
        return {"tool_choice": {"type": "tool", "name": name}}

    def whole(self, reply: dict[str, Any]) -> Answer:
        answer = Answer()
        for block in reply["content"]:
            if block["type"] == "text":
                answer.text += block["text"]
            elif block["type"] == "thinking":
                answer.thoughts += block["thinking"]
            else:
                assert block["type"] == "tool_use"
                answer.calls.append((block["name"], block["input"]))
        self._count(answer, reply["usage"])
        return answer

    def _count(self, answer: Answer, usage: dict[str, Any]) -> None:
        cached = usage.get("cache_read_input_tokens") or 0
        answer.prompt_tokens = usage["input_tokens"] + cached
        answer.completion_tokens = usage["output_tokens"]

    def streamed(self, reply: httpx2.Response) -> Answer:
        blocks: list[dict[str, Any]] = []
        usage: dict[str, Any] = {}
        events: Any = events_of(reply)
        for event in events:
            if event["type"] == "message_start":
                usage |= event["message"]["usage"]
            elif event["type"] == "message_delta":
                usage |= event["usage"]
            elif event["type"] == "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append({**event["content_block"], "json": ""})
            elif event["type"] == "content_block_delta":
                self._add(blocks[event["index"]], event["delta"])
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["json"] or "{}")
        return self.whole({"content": blocks, "usage": usage})

    def _add(self, block: dict[str, Any], delta: dict[str, Any]) -> None:
        if delta["type"] == "text_delta":
            block["text"] += delta["text"]
        elif delta["type"] == "thinking_delta":
            block["thinking"] += delta["thinking"]
        elif delta["type"] == "input_json_delta":
            block["json"] += delta["partial_json"]


class OllamaChat(Dialect):
    name = "Ollama chat"
    path = "api/chat"

    def body(self, turns: list[Turn]) -> dict[str, Any]:
        return {
            "messages": [self._message(*turn) for turn in turns],
            "tools": [{"type": "function", "function": TOOL}],
            "options": {"temperature": 0, "num_predict": MAX_TOKENS},
        }

    def _message(self, kind: str, *rest: str) -> dict[str, Any]:
        if kind == "user":
            return {"role": "user", "content": rest[0]}
        if kind == "result":
            return {"role": "tool", "content": rest[1]}
        function = {"name": rest[1], "arguments": json.loads(rest[2])}
        return {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {"format": schema}

    def whole(self, reply: dict[str, Any]) -> Answer:
        answer = self._part(reply)
        answer.prompt_tokens = reply["prompt_eval_count"]
        answer.completion_tokens = reply["eval_count"]
        return answer

    def _part(self, reply: dict[str, Any]) -> Answer:
        message = reply["message"]
        functions = [call["function"] for call in message.get("tool_calls") or []]
        calls = [(function["name"], function["arguments"]) for function in functions]
        return Answer(message["content"], message.get("thinking") or "", calls)

    def streamed(self, reply: httpx2.Response) -> Answer:
        lines = [json.loads(line) for line in reply.iter_lines()]
        assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
        parts = [self._part(line) for line in lines]
        return Answer(
            "".join(part.text for part in parts),
            "".join(part.thoughts for part in parts),
            [call for part in parts for call in part.calls],
            lines[-1]["prompt_eval_count"],
            lines[-1]["eval_count"],
        )


def _call(function: dict[str, str]) -> tuple[str, Any]:
    return function["name"], json.loads(function["arguments"])


DIALECTS: list[Dialect] = [ChatCompletions(), Responses(), Messages(), OllamaChat()]
