"""A server that is stopped tells the clients of the requests that it ends."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support.servers import Server, run_server
from support.waiting import wait_until

LONG: dict[str, Any] = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Tell a long story."}],
    "max_tokens": 4_000,
    "ignore_eos": True,
}
OLLAMA = {"model": "smollm2", "prompt": "Once", "options": {"num_predict": 4_000}}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("v1/chat/completions", LONG),
    "streamed chat": ("v1/chat/completions", LONG | {"stream": True}),
    "streamed message": ("v1/messages", LONG | {"stream": True}),
    "streamed response": (
        "v1/responses",
        {"model": "smollm2", "input": "Tell a long story.", "stream": True},
    ),
    "ollama": ("api/generate", OLLAMA | {"stream": False}),
    "streamed ollama": ("api/generate", OLLAMA),
}


STREAMED = {name for name in REQUESTS if name.startswith("streamed")}


def send(server: Server, name: str, begun: set[str]) -> tuple[int, str]:
    """Send a request, note its first event, and return the status and the last event."""
    path, body = REQUESTS[name]
    last = ""
    with server.api() as api, api.stream("POST", path, json=body) as reply:
        for line in filter(None, reply.iter_lines()):
            begun.add(name)
            last = line
    return reply.status_code, last.removeprefix("data: ")


def test_requests_in_progress_get_an_error(tmp_path: Path, smollm2_path: Path) -> None:
    begun: set[str] = set()
    with ThreadPoolExecutor() as threads, run_server(tmp_path, headless=True) as server:
        with server.api() as api:
            body = {"name": "smollm2", "path": str(smollm2_path)}
            body["default_parameters"] = {"num_parallel": len(REQUESTS)}
            api.post("v1/models", json=body).raise_for_status()
            sent = {name: threads.submit(send, server, name, begun) for name in REQUESTS}
            model = "v1/models/smollm2"
            wait_until(lambda: api.get(model).json().get("requests_running") == len(REQUESTS))
            wait_until(lambda: begun == STREAMED)
        server.process.terminate()
        replies = {name: request.result() for name, request in sent.items()}
        server.process.wait()
    for name, (status, last) in replies.items():
        assert status == (200 if name in STREAMED else 503), name
        assert "the server is shutting down" in json.dumps(json.loads(last)), name
