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
#: What the model ``agent`` thinks before each answer.
THOUGHTS = (
    "The user asks about tomorrow. I **should** look at the forecast before I answer, and then say "
    "whether it rains."
)
#: What it does if the question is not JSON.
FORECAST = [[["weather", {"city": "Paris", "days": 2}]]]
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


async def _slow(handler: Chat, body: dict[str, Any]) -> None:
    await asyncio.sleep(0.1)
    await _echo(handler, body)


async def _calls(handler: Chat, body: dict[str, Any]) -> None:
    """Think, and call a function in small pieces."""
    function = {"name": "weather", "arguments": ""}
    first = {"index": 0, "id": "a", "type": "function", "function": function}
    await handler.event({"role": "assistant", "content": None})
    thoughts = {"reasoning_content": "Hm.", "reasoning": "Hm."}
    await handler.event({**thoughts, "reasoning_details": [{"text": "Hm."}]})
    await handler.event({"tool_calls": [first]})
    for part in ('{"city": "Pa', 'ris"}'):
        await handler.event({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
    await handler.event({"function_call": {"name": "weather", "arguments": "{}"}})
    await handler.event({}, "tool_calls")
    await handler.send("data: [DONE]\n\n")


async def _agent(handler: Chat, body: dict[str, Any]) -> None:
    """Think, and make the calls that the question lists, before an answer.

    The question is JSON: a list with a list of ``[name, arguments]`` for each round. The answer
    quotes the last message. Any other question is about the weather.
    """
    messages = body["messages"]
    asked = max(i for i, message in enumerate(messages) if message["role"] == "user")
    question = messages[asked]["content"]
    rounds = json.loads(question) if question.startswith("[") else FORECAST
    number = sum(message["role"] == "assistant" for message in messages[asked:])
    if number < len(rounds) and body.get("tools"):
        text, calls, reason = None, rounds[number], "tool_calls"
    else:
        text, calls, reason = f"The end: {messages[-1]['content']}", [], "stop"
        if rounds is FORECAST:
            text = "Yes, take an **umbrella**: it will rain, at 11 degrees."
    await _send_answer(handler, body, THOUGHTS, text, calls, reason)


async def _hostile_agent(handler: Chat, body: dict[str, Any]) -> None:
    """Attack with thoughts, the name of a tool and its arguments, and then with the answer."""
    calls: list[list[Any]] = [["leak", {HOSTILE: HOSTILE}], [HOSTILE, {}], ["leak", HOSTILE]]
    if body["messages"][-1]["role"] == "tool":
        await _send_answer(handler, body, HOSTILE, HOSTILE, [], "stop")
    else:
        await _send_answer(handler, body, HOSTILE, HOSTILE, calls, "tool_calls")


async def _send_answer(
    handler: Chat,
    body: dict[str, Any],
    thoughts: str,
    text: str | None,
    calls: list[list[Any]],
    reason: str,
) -> None:
    """Send an answer whole, or in small pieces as OpenAI's API streams it."""
    functions = [{"name": name, "arguments": json.dumps(arguments)} for name, arguments in calls]
    if not body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": text}
        message["reasoning_content"] = thoughts
        if functions:
            message["tool_calls"] = [
                {"id": f"call_{i}", "type": "function", "function": function}
                for i, function in enumerate(functions)
            ]
        choice = {"index": 0, "message": message, "finish_reason": reason}
        usage = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
        handler.finish({"id": "c1", "model": "x", "choices": [choice], "usage": usage})
        return
    for start in range(0, len(thoughts), 7):
        await handler.event({"reasoning_content": thoughts[start : start + 7]})
        await asyncio.sleep(0.005)
    for start in range(0, len(text or ""), 7):
        await handler.event({"content": (text or "")[start : start + 7]})
    for i, function in enumerate(functions):
        arguments = function["arguments"]
        first = {"id": f"call_{i}", "type": "function", "function": {**function, "arguments": ""}}
        await handler.event({"tool_calls": [{"index": i, **first}]})
        for start in range(0, len(arguments), 7):
            part = {"index": i, "function": {"arguments": arguments[start : start + 7]}}
            await handler.event({"tool_calls": [part]})
    await handler.event({}, reason)
    await handler.send("data: [DONE]\n\n")


async def _odd_arguments(handler: Chat, body: dict[str, Any]) -> None:
    """Call a function with arguments that are not an object."""
    await _send_answer(handler, body, "", None, [["weather", [1, "Paris"]]], "tool_calls")


async def _odd_chunks(handler: Chat, body: dict[str, Any]) -> None:
    """Send chunks of other forms than those of the API."""
    await handler.event({"content": "half"})
    await handler.event({"content": {"text": 5}, "tool_calls": [None]})
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


async def _late(handler: Chat, body: dict[str, Any]) -> None:
    """Send nothing, also no head, for 30 seconds or until the test wants the answer."""
    for _ in range(300):
        if handler.upstream.first_seen.is_set():
            break
        await asyncio.sleep(0.1)
    await _echo(handler, body)


async def _says(handler: Chat, body: dict[str, Any]) -> None:
    """Answer with the text that the test has set, and wait where the test has said."""
    upstream = handler.upstream
    first, mark, rest = upstream.says.partition(upstream.waits_after or "\0")
    if mark:
        await handler.event({"content": first + mark})
        await asyncio.to_thread(upstream.first_seen.wait, 30)
        if upstream.gone.is_set():
            return
        await handler.event({"content": rest}, upstream.finish_reason)
        await handler.send("data: [DONE]\n\n")
        return
    await _send_answer(handler, body, "Hm.", upstream.says, [], upstream.finish_reason)


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
    error["param"] = "messages"
    handler.fail(400, {"error": error})


async def _too_long_for_a_stream(handler: Chat, body: dict[str, Any]) -> None:
    """Begin a stream before the prompt is read, as llama-cpp-python's server does."""
    if body.get("stream"):
        handler.set_header("Content-Type", "text/event-stream")
        handler.finish()
        return
    message = "This model's maximum context length is 1024 tokens. However, you requested 9047."
    error = {"message": message, "type": "invalid_request_error", "param": "messages"}
    handler.fail(400, {"error": error | {"code": "context_length_exceeded"}})


async def _fails_in_streams(handler: Chat, body: dict[str, Any]) -> None:
    if body.get("stream"):
        handler.set_header("Content-Type", "text/event-stream")
        handler.finish()
        return
    await _echo(handler, body)


async def _prose(handler: Chat, body: dict[str, Any]) -> None:
    """Ignore all but the messages."""
    await _send_answer(handler, body, "", "It is sunny.", [], "stop")


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
    handler.redirect(f"{handler.upstream.url}/chat/completions?key=1#part", status=307)


ANSWERS = {
    "echo": _echo,
    "agent": _agent,
    "calls": _calls,
    "hostile_agent": _hostile_agent,
    "odd_arguments": _odd_arguments,
    "odd_chunks": _odd_chunks,
    "hostile": _hostile,
    "controls": _controls,
    "waits": _waits,
    "late": _late,
    "says": _says,
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
    "too_long_for_a_stream": _too_long_for_a_stream,
    "fails_in_streams": _fails_in_streams,
    "prose": _prose,
    "wrong": _wrong,
    "quotes_key": _quotes_key,
    "quotes_key_late": _quotes_key_late,
    "no_gzip": _no_gzip,
    "unbounded": _unbounded,
    "json_bomb": _json_bomb,
    "silent": _silent,
    "slow": _slow,
    "redirects": _redirects,
}
