"""A fake OpenAI-compatible server that fails on demand."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from support.hostile_text import CONTROLS, HOSTILE

KEY = "sk-key-of-the-upstream"
WEATHER = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
}


class Upstream:
    """A running server. The model in a request selects the reply.

    Attributes
    ----------
    bodies : list of dict
        The bodies of all requests.
    keys : list of str or None
        Their Authorization headers.
    first_seen : threading.Event
        Set by the test to make the model ``waits`` send its second event.
    gone : threading.Event
        Set when a client disconnects during a stream.
    """

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.first_seen = threading.Event()
        self.gone = threading.Event()
        self.url = ""


class _Handler(RequestHandler):
    def initialize(self, upstream: Upstream) -> None:
        self.upstream = upstream

    def prepare(self) -> None:
        self.upstream.keys.append(self.request.headers.get("Authorization"))
        if self.upstream.keys[-1] != f"Bearer {KEY}":
            self.fail(401, {"error": {"message": "Incorrect API key provided.", "code": "bad"}})

    def fail(self, status: int, body: Any, **headers: str) -> None:
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name.replace("_", "-"), value)
        self.finish(body)


class _Models(_Handler):
    def get(self) -> None:
        rows = [{"id": name, "max_model_len": 4096} for name in sorted(_ANSWERS)]
        rows += [{"id": ["a", "list"]}, {"id": 10**400}, {"id": None}, "text", None]
        self.finish({"object": "list", "data": rows})


class _Chat(_Handler):
    async def post(self) -> None:
        body = json.loads(self.request.body)
        self.upstream.bodies.append(body)
        await _ANSWERS[body["model"]](self, body)

    async def event(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "c1", "object": "chat.completion.chunk", "model": "x", "choices": [choice]}
        await self.send(f"data: {json.dumps(chunk)}\n\n")

    async def send(self, text: str) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.write(text)
        await self.flush()

    def on_connection_close(self) -> None:
        self.upstream.gone.set()


async def _echo(handler: _Chat, body: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [WEATHER]}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    if not body.get("stream"):
        handler.finish({"id": "c1", "model": body["model"], "choices": [choice], "usage": usage})
        return
    await handler.event({"role": "assistant", "reasoning_content": "Hm."})
    await handler.event({"content": "One"}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _hostile(handler: _Chat, body: dict[str, Any]) -> None:
    for start in range(0, len(HOSTILE), 7):
        await handler.event({"content": HOSTILE[start : start + 7]})
        await asyncio.sleep(0.005)
    await handler.event({}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _controls(handler: _Chat, body: dict[str, Any]) -> None:
    """Send control sequences of terminals, one character at a time."""
    for character in CONTROLS:
        await handler.event({"content": character})
    await handler.event({}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _waits(handler: _Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "first"})
    await asyncio.to_thread(handler.upstream.first_seen.wait, 30)
    await handler.event({"content": "second"}, "stop")
    await handler.send("data: [DONE]\n\n")


async def _endless(handler: _Chat, body: dict[str, Any]) -> None:
    try:
        while not handler.upstream.gone.is_set():
            await handler.event({"content": "x"})
            await asyncio.sleep(0.01)
    except StreamClosedError:
        handler.upstream.gone.set()


async def _drips(handler: _Chat, body: dict[str, Any]) -> None:
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


async def _breaks(handler: _Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "half an ans"})
    handler.request.connection.stream.close()  # type: ignore[attr-defined]


async def _ends_early(handler: _Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "half an ans"})


async def _error_event(handler: _Chat, body: dict[str, Any]) -> None:
    await handler.event({"content": "half"})
    await handler.send('data: {"error": {"message": "CUDA out of memory"}}\n\n')


async def _busy(handler: _Chat, body: dict[str, Any]) -> None:
    handler.fail(429, {"error": {"message": "Rate limit reached."}}, Retry_After="7")


async def _busy_for_ages(handler: _Chat, body: dict[str, Any]) -> None:
    handler.fail(429, {"error": {"message": "Rate limit reached."}}, Retry_After="9" * 5000)


async def _huge_usage(handler: _Chat, body: dict[str, Any]) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "One"}}
    usage = {"prompt_tokens": 10**400, "completion_tokens": -(10**400), "total_tokens": 2**64}
    if not body.get("stream"):
        handler.finish({"id": "c1", "choices": [choice], "usage": usage})
        return
    await handler.event({"content": "One"}, "stop")
    await handler.send(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n")


async def _html(handler: _Chat, body: dict[str, Any]) -> None:
    handler.fail(502, "<html>Bad Gateway</html>")


async def _no_json(handler: _Chat, body: dict[str, Any]) -> None:
    handler.finish("<html>Welcome</html>")


async def _too_long(handler: _Chat, body: dict[str, Any]) -> None:
    error = {"message": "The prompt is too long.", "code": "context_length_exceeded"}
    handler.fail(400, {"error": error})


async def _wrong(handler: _Chat, body: dict[str, Any]) -> None:
    handler.fail(422, {"detail": "temperature must be positive"})


async def _quotes_key(handler: _Chat, body: dict[str, Any]) -> None:
    if body.get("stream"):
        await handler.event({"content": "half"})
        await handler.send(f'data: {{"error": {{"message": "{KEY} is over its limit"}}}}\n\n')
    else:
        message = f"Invalid headers: {dict(handler.request.headers)}"
        handler.fail(500, {"error": {"message": message}})


async def _quotes_key_late(handler: _Chat, body: dict[str, Any]) -> None:
    """The limit on the length of messages falls into the key."""
    handler.fail(400, {"message": "word " * 98 + f" {KEY} is wrong"})


async def _no_gzip(handler: _Chat, body: dict[str, Any]) -> None:
    handler.set_header("Content-Encoding", "gzip")
    handler.finish("not gzip")


async def _unbounded(handler: _Chat, body: dict[str, Any]) -> None:
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


async def _json_bomb(handler: _Chat, body: dict[str, Any]) -> None:
    usage = '"usage": {"prompt_tokens": 3}'
    handler.finish('{"model": "x", ' + usage + ', "choices": [' + "{}," * 15_000_000 + "{}]}")


async def _silent(handler: _Chat, body: dict[str, Any]) -> None:
    await asyncio.sleep(3)


async def _redirects(handler: _Chat, body: dict[str, Any]) -> None:
    handler.redirect(f"{handler.upstream.url}/chat/completions", status=307)


_ANSWERS = {
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


@contextmanager
def run_upstream() -> Iterator[Upstream]:
    """Run the server in a thread for the duration of the block."""
    upstream = Upstream()
    started, loop = threading.Event(), asyncio.new_event_loop()

    async def serve(stopped: asyncio.Event) -> None:
        routes = [(r"/v1/models", _Models), (r"/v1/chat/completions", _Chat)]
        app = Application([(path, cls, {"upstream": upstream}) for path, cls in routes])
        server = HTTPServer(app)
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        upstream.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/v1"
        started.set()
        await stopped.wait()
        server.stop()
        await server.close_all_connections()

    stopped = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(stopped)))
    thread.start()
    try:
        assert started.wait(10)
        yield upstream
    finally:
        upstream.first_seen.set()
        upstream.gone.set()
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()
