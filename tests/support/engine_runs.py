"""Run requests on an engine in this process."""

from __future__ import annotations

from typing import Any

from a3s_power_jupyter.contract.types import ChatRequest, Delta, Finished, Request, Sampling
from a3s_power_jupyter.engine.base import Engine


def chat(content: str, **sampling: Any) -> ChatRequest:
    """Return a chat request with greedy sampling, unless a temperature is given."""
    messages = [{"role": "user", "content": content}]
    return ChatRequest(messages, Sampling(**{"temperature": 0.0, **sampling}))


def run(engine: Engine[Any], *requests: Request) -> list[list[Any]]:
    """Submit all requests, then step the engine; return the items of each request."""
    for id_, request in enumerate(requests):
        engine.submit(engine.prepare(id_, request))
    outputs: list[Any] = []
    while not engine.idle:
        outputs += engine.step()
    return [[item for at, item in outputs if at == id_] for id_ in range(len(requests))]


def text_of(items: list[Any]) -> str:
    return "".join(item.text for item in items if isinstance(item, Delta))


def finished(items: list[Any]) -> Finished:
    assert isinstance(items[-1], Finished)
    return items[-1]
