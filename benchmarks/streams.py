"""Stream replies and take the time of their tokens."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx2
import psutil

from llm_servers import Target

#: Logit bias against the end tokens of SmolLM2, so that all answers have the same length.
NO_END = {"0": -100, "2": -100, "4": -100}


@dataclass(frozen=True)
class Reply:
    """A streamed reply.

    Attributes
    ----------
    first : float
        Seconds from the request to the first text.
    gaps : list of float
        Seconds between two pieces of text.
    """

    text: str
    first: float
    gaps: list[float]


async def stream(api: httpx2.AsyncClient, target: Target, body: dict[str, Any]) -> Reply:
    """Send a completion, or a chat if the body has messages.

    Raises
    ------
    httpx2.HTTPError
        If the request fails. Its notes name the server and say how far the reply had come.
    """
    path = "v1/chat/completions" if "messages" in body else "v1/completions"
    lines: list[tuple[float, str]] = []
    began = time.perf_counter()
    try:
        async with api.stream(
            "POST", path, json={"model": target.model, "stream": True, **body}
        ) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                lines.append((time.perf_counter(), line))
    except httpx2.HTTPError as error:
        seconds = time.perf_counter() - began
        state = "running" if psutil.pid_exists(target.pid) else "ended"
        error.add_note(
            f"From {target.url}{path} of {target.model!r}, process {target.pid} ({state}), "
            f"after {seconds:.1f} s and {len(lines)} lines."
        )
        raise
    # The lines are decoded afterwards, because the clients and the server share the cores.
    pieces = [(at, text) for at, line in lines if (text := _text(line))]
    times = [at for at, _ in pieces]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return Reply("".join(text for _, text in pieces), times[0] - began, gaps)


def _text(line: str) -> str:
    """Return the text of a chunk."""
    if not line.startswith("data: {"):
        return ""
    chunk = json.loads(line.removeprefix("data: "))
    if "error" in chunk:
        raise RuntimeError(chunk["error"])
    if not chunk.get("choices"):
        return ""
    choice = chunk["choices"][0]
    return choice.get("text") or choice.get("delta", {}).get("content") or ""
