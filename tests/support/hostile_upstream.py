"""An OpenAI-compatible server that replies with any bytes."""

from __future__ import annotations

from typing import Any, Literal

from support.hostile_http import HostileRequest, HostileServer, as_json, reply

MODEL = "m"

#: Requests for the list of models, a chat, its stream, and embeddings.
Kind = Literal["models", "chat", "stream", "embeddings"]

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def models() -> dict[str, Any]:
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 4096}]}


def chat() -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "One", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [choice],
        "usage": USAGE,
    }


def chunk() -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": "One"}, "finish_reason": "stop"}
    return {
        "id": "c1", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice],
        "usage": USAGE,
    }  # fmt: skip


def embeddings() -> dict[str, Any]:
    row = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    return {"object": "list", "model": MODEL, "data": [row], "usage": USAGE}


def events(*lines: bytes) -> bytes:
    """Return a reply with an event stream, which ends with the connection."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head + b"".join(lines)


def event(value: object) -> bytes:
    return b"data: " + as_json(value) + b"\n\n"


DONE = b"data: [DONE]\n\n"


class HostileUpstream(HostileServer):
    def kind(self, request: HostileRequest) -> Kind:
        if request.command == "GET":
            return "models"
        if request.path.endswith("/embeddings"):
            return "embeddings"
        return "stream" if b'"stream":true' in request.body else "chat"

    def good(self, kind: Kind, request: HostileRequest) -> bytes:
        match kind:
            case "models":
                return reply(as_json(models()))
            case "chat":
                return reply(as_json(chat()))
            case "embeddings":
                return reply(as_json(embeddings()))
        return events(event(chunk()), DONE)
