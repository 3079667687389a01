"""Register remote models and send them chat requests."""

from __future__ import annotations

from typing import Any

import httpx2

from support.servers import Server, events_of

MESSAGES = [{"role": "user", "content": "hi"}]


def register(server: Server, url: str, *models: str, **more: Any) -> None:
    with server.api() as api:
        for model in models:
            body = {
                "name": f"far/{model}",
                "format": "remote",
                "upstream": {"base_url": url, "model": model, "api_key_env": "UPSTREAM_KEY"},
                **more,
            }
            reply = api.post("v1/models", json=body)
            assert reply.status_code == 201, reply.text


def ask(server: Server, model: str, **more: Any) -> httpx2.Response:
    body = {"model": f"far/{model}", "messages": MESSAGES, **more}
    with server.api() as api:
        return api.post("v1/chat/completions", json=body)


def stream(server: Server, model: str) -> list[dict[str, Any]]:
    reply = ask(server, model, stream=True)
    assert reply.status_code == 200, reply.text
    return [*events_of(reply)]  # type: ignore[list-item]
