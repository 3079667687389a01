"""The answers of the fake OpenAI-compatible server, by the name of the model."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError

from support.hostile_text import CONTROLS, HOSTILE

if TYPE_CHECKING:
    from support.upstream_server import Chat

KEY = "sk-key-of-the-upstream"
WEATHER = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
}


async def _echo(handler: Chat, body: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [WEATHER]}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    if not body.get("stream"):
        handler.finish({"id": "c1", "model": body["model"], "choices": [choice], "usage": usage})
        return
    await handler.event({"role": "assistant", "reasoning_content": "Hm."})
    await handler.event({"content": "One"}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _hostile(handler: Chat, body: dict[str, Any]) -> None:
    for start in range(0, len(HOSTILE), 7):
        await handler.event({"content": HOSTILE[start : start + 7]})
        await asyncio.sleep(0.005)
    await handler.event({}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _controls(handler: Chat, body: dict[str, Any]) -> None:
    """Send control sequences of terminals, one character at a time."""
    for character in CONTROLS:
        await handler.event({"content": character})
    await handler.event({}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _waits(handler: Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "first"})
    await asyncio.to_thread(handler.upstream.first_seen.wait, 30)
    await handler.event({"content": "second"}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _endless(handler: Chat, body: dict[str, Any]) -> None:
    try:
        while not handler.upstream.gone.is_set():
            await handler.event({"content": "x"})
            await asyncio.sleep(0.01)
    except StreamClosedError:
        handler.upstream.gone.set()


async def _drips(handler: Chat, body: dict[str, Any]) -> None:
    """Send a head that never ends."""
    stream = handler.detach()
    try:
        await stream.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.upstream.gone.is_set():
            await stream.write(b"x")
            await asyncio.sleep(0.05)
    except StreamClosedError:
        handler.upstream.gone.set()
    finally:
        stream.close()


async def _breaks(handler: Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "half an ans"})
    handler.request.connection.stream.close()  # type: ignore[attr-defined]


async def _ends_early(handler: Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "half an ans"})


async def _error_event(handler: Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "half"})
    await handler.send('data: {"error": {"message": "CUDA out of memory"}}\n\n')


async def _busy(handler: Chat, body: dict[str, Any]) -> None:
    handler.fail(429, {"error": {"message": "Rate limit reached."}}, Retry_After="7")


async def _busy_for_ages(handler: Chat, body: dict[str, Any]) -> None:
    handler.fail(429, {"error": {"message": "Rate limit reached."}}, Retry_After="9" * 5000)


async def _huge_usage(handler: Chat, body: dict[str, Any]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "One"}}
    usage = {"prompt_tokens": 10**400, "completion_tokens": -(10**400), "total_tokens": 2**64}
    if not body.get("stream"):
        handler.finish({"id": "c1", "choices": [choice], "usage": usage})
        return
    await handler.event({"content": "One"}, "stop")
    await handler.send(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n")


async def _html(handler: Chat, body: dict[str, Any]) -> None:
    handler.fail(502, "<html>Bad Gateway</html>")


async def _no_json(handler: Chat, body: dict[str, Any]) -> None:
    handler.finish("<html>Welcome</html>")


async def _too_long(handler: Chat, body: dict[str, Any]) -> None:
    error = {"message": "The prompt is too long.", "code": "context_length_exceeded"}
    handler.fail(400, {"error": error})


async def _wrong(handler: Chat, body: dict[str, Any]) -> None:
    handler.fail(422, {"detail": "temperature must be positive"})


async def _quotes_key(handler: Chat, body: dict[str, Any]) -> None:
    if body.get("stream"):
        await handler.event({"content": "half"})
        await handler.send(f'data: {{"error": {{"message": "{KEY} is over its limit"}}}}\n\n')
    else:
        message = f"Invalid headers: {dict(handler.request.headers)}"
        handler.fail(500, {"error": {"message": message}})


async def _quotes_key_late(handler: Chat, body: dict[str, Any]) -> None:
    """Send a message that the limit on its length cuts within the key."""
    handler.fail(400, {"message": "word " * 98 + f" {KEY} is wrong"})


async def _no_gzip(handler: Chat, body: dict[str, Any]) -> None:
    handler.set_header("Content-Encoding", "gzip")
    handler.finish("not gzip")


async def _unbounded(handler: Chat, body: dict[str, Any]) -> None:
    """Send `body["head"]`, and then `body["piece"]` without end."""
    handler.set_status(body.get("status", 200))
    handler.set_header("Content-Type", body.get("type", "application/json"))
    if "length" in body:
        handler.set_header("Content-Length", body["length"])
    handler.write(body.get("head", ""))
    with suppress(StreamClosedError):
        while not handler.upstream.gone.is_set():
            handler.write(body["piece"])
            await handler.flush()
            await asyncio.sleep(body.get("pause", 0))


async def _json_bomb(handler: Chat, body: dict[str, Any]) -> None:
    usage = '"usage": {"prompt_tokens": 3}'
    handler.finish('{"model": "x", ' + usage + ', "choices": [' + "{}," * 15_000_000 + "{}]}")


async def _silent(handler: Chat, body: dict[str, Any]) -> None:
    await asyncio.sleep(3)


async def _redirects(handler: Chat, body: dict[str, Any]) -> None:
    handler.redirect(f"{handler.upstream.url}/chat/completions", status=307)


ANSWERS = {
    "echo": _echo,
    "hostile": _hostile,
    "controls": _controls,
    "waits": _waits,
    "endless": _endless,
    "drips": _drips,
    "breaks": _breaks,
    "ends_early": _ends_early,
    "error_event": _error_event,
    "busy": _busy,
    "busy_for_ages": _busy_for_ages,
    "huge_usage": _huge_usage,
    "html": _html,
    "no_json": _no_json,
    "too_long": _too_long,
    "wrong": _wrong,
    "quotes_key": _quotes_key,
    "quotes_key_late": _quotes_key_late,
    "no_gzip": _no_gzip,
    "unbounded": _unbounded,
    "json_bomb": _json_bomb,
    "silent": _silent,
    "redirects": _redirects,
}
