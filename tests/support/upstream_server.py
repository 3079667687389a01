"""A fake OpenAI-compatible server that fails on demand."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from support.upstream_answers import ANSWERS, KEY


class Upstream:
    """A running server. The model in a request selects the reply.

    Attributes
    ----------
    bodies : list of dict
        The bodies of all requests.
    keys : list of str or None
        Their Authorization headers.
    first_seen : threading.Event
        Set by the test to make the model ``waits`` send its second event, and ``says`` the rest.
    gone : threading.Event
        Set when a client disconnects during a stream.
    says : str
        The answer of the model ``says``.
    waits_after : str
        The part of that text after which it waits for `first_seen`; empty for none.
    finish_reason : str
        How that answer ends.
    """

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.first_seen = threading.Event()
        self.gone = threading.Event()
        self.says = ""
        self.waits_after = ""
        self.finish_reason = "stop"
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
        rows = [{"id": name, "max_model_len": 4096} for name in sorted(ANSWERS)]
        rows += [{"id": ["a", "list"]}, {"id": 10**400}, {"id": None}, "text", None]
        self.finish({"object": "list", "data": rows})


class Chat(_Handler):
    async def post(self) -> None:
        body = json.loads(self.request.body)
        self.upstream.bodies.append(body)
        await ANSWERS[body["model"]](self, body)

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


@contextmanager
def run_upstream(port: int = 0) -> Iterator[Upstream]:
    """Run the server in a thread for the duration of the block; at its end, connections break."""
    upstream = Upstream()
    started, loop = threading.Event(), asyncio.new_event_loop()

    async def serve(stopped: asyncio.Event) -> None:
        routes = [(r"/v1/models", _Models), (r"/v1/chat/completions", Chat)]
        app = Application([(path, cls, {"upstream": upstream}) for path, cls in routes])
        server = HTTPServer(app)
        sockets = bind_sockets(port, "127.0.0.1")
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
