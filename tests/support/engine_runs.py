"""Run requests on an engine in this process."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, TypeVar

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Delta, Finished, Request, Sampling
from a3s_power_jupyter.engine.base import Engine
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings

E = TypeVar("E", bound=Engine[Any])


def chat(content: str, **sampling: Any) -> ChatRequest:
    """Return a chat request with greedy sampling, unless a temperature is given."""
    messages = [{"role": "user", "content": content}]
    return ChatRequest(messages, Sampling(**{"temperature": 0.0, **sampling}))


def load_directory(
    engine: type[E],
    directory: Path,
    prompt_cache: PromptCacheSettings | None = None,
    **parameters: Any,
) -> E:
    """Load a model directory, without its code."""
    files = [p for p in sorted(directory.rglob("*")) if p.is_file() and p.suffix != ".py"]
    load = Load(
        "safetensors",
        tuple(map(str, files)),
        LoadParameters(**parameters),
        names=tuple(str(path.relative_to(directory)) for path in files),
        prompt_cache=prompt_cache,
    )
    loaded = engine.load(load, lambda _value: None)
    assert isinstance(loaded, engine)
    return loaded


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


def decoded(text: bytes) -> str:
    """Decode an answer as an engine does: without half a character at its end."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(text)


def finished(items: list[Any]) -> Finished:
    assert isinstance(items[-1], Finished)
    return items[-1]
