"""Run the checks of a client, and print the result of each as a line of JSON.

The programs run in the environment of the client, without the packages of this project. Address,
token and models are environment variables, which `test_clients.py` sets.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

URL = os.environ["POWER_URL"]
TOKEN = os.environ["POWER_TOKEN"]

#: A model that chats, one whose template has examples of calls, one for embeddings, and one to rank
#: documents.
CHAT, CALLER, EMBEDDER, RANKER = "chat", "caller", "embedder", "ranker"

#: A model of the hub.
PULLED = "hf.co/org/tiny-GGUF:Q4_K_M"

QUESTION = "What is the weather in Oslo?"

_checks: list[Callable[[], Any]] = []


def check(function: Callable[[], Any]) -> Callable[[], Any]:
    """Register a check. It fails by raising an exception."""
    _checks.append(function)
    return function


def weather(city: str) -> str:
    """Return the result of the tool ``get_weather``."""
    return f"3 degrees in {city}"


def require(condition: object, found: object) -> None:
    """Raise an error that shows what was found, unless the condition holds."""
    if not condition:
        raise AssertionError(repr(found))


def run() -> None:
    """Run all registered checks."""
    for function in _checks:
        began, problem = time.perf_counter(), None
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(function())
            else:
                function()
        except Exception:
            problem = traceback.format_exc()
        seconds = round(time.perf_counter() - began, 2)
        result = {"check": function.__name__, "problem": problem, "seconds": seconds}
        print(json.dumps(result), flush=True)
