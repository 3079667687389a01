"""What clients see of the use of a model: requests, speed and caches."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from support.servers import Server
from support.waiting import wait_until

CLIENTS = 16


@contextmanager
def watching(server: Server, name: str) -> Iterator[list[tuple[float, dict[str, Any]]]]:
    """Collect the times and the models of the events of one model in a thread."""
    seen: list[tuple[float, dict[str, Any]]] = []
    ready, end = threading.Event(), threading.Event()

    def watch() -> None:
        with server.api() as api, api.stream("GET", "v1/events") as response:
            for line in response.iter_lines():
                event = json.loads(line.removeprefix("data: ")) if line[:5] == "data:" else {}
                if event.get("type") == "snapshot":
                    ready.set()
                if event.get("model", {}).get("id") == name:
                    seen.append((time.monotonic(), event["model"]))
                if end.is_set():
                    return

    with ThreadPoolExecutor(1) as threads:
        watcher = threads.submit(watch)
        assert ready.wait(60)
        yield seen
        end.set()
        with server.api() as api:
            api.post(f"v1/models/{name}/unpin").raise_for_status()  # an event, which ends `watch`
        watcher.result()


def ask_for(server: Server, name: str, seconds: float) -> int:
    """Send short requests one after the other; return their number."""
    body = {"model": name, "prompt": "One, two,", "temperature": 0, "max_tokens": 3}
    end, count = time.monotonic() + seconds, 0
    with server.api() as api:
        while time.monotonic() < end:
            api.post("v1/completions", json=body, timeout=300).raise_for_status()
            count += 1
    return count


def test_many_short_requests_make_few_events(server: Server, smollm2: str) -> None:
    with server.api() as api:
        api.post(f"v1/models/{smollm2}/load", json={}).raise_for_status()
    with watching(server, smollm2) as seen:
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            counts = list(clients.map(lambda _: ask_for(server, smollm2, 6.0), range(CLIENTS)))
        wait_until(lambda: seen and seen[-1][1]["state"] == "loaded")
        seconds = time.monotonic() - began
        events = [model for _, model in seen]
    assert sum(counts) > 4 * seconds
    assert 2 <= len(events) <= seconds + 12  # a burst, and then one a second
    busy = [model for model in events if model["state"] == "busy"]
    assert all(model["requests_running"] + model["requests_waiting"] <= CLIENTS for model in busy)
    assert any(model["requests_running"] > 0 for model in busy)
    assert any(model["requests_waiting"] > 0 for model in busy)
    assert any(model.get("tokens_per_second", 0) > 0 for model in busy)
    last = events[-1]
    assert (last["requests_running"], last["requests_waiting"]) == (0, 0)
    assert "tokens_per_second" not in last
    assert 0 < last["cache_tokens"] <= last["cache_capacity"]


def test_a_model_has_no_use_until_it_is_loaded(server: Server, smollm2: str) -> None:
    with server.api() as api:
        api.post(f"v1/models/{smollm2}/unload").raise_for_status()
        wait_until(lambda: api.get(f"v1/models/{smollm2}").json()["state"] == "unloaded")
        model = api.get(f"v1/models/{smollm2}").json()
        assert f'power_model_cache_tokens{{model="{smollm2}"}}' not in api.get("metrics").text
    fields = {"requests_running", "requests_waiting", "tokens_per_second", "cache_tokens"}
    assert not fields & model.keys()


def test_metrics_of_the_caches(server: Server, smollm2: str) -> None:
    prompt = "A sentence about a fish, which is long enough to be found again. " * 3
    body = {"model": smollm2, "prompt": prompt, "max_tokens": 1}
    with server.api() as api:
        for _ in range(2):
            api.post("v1/completions", json=body).raise_for_status()
        label = f'{{model="{smollm2}"}}'
        wait_until(lambda: f"power_model_cache_tokens{label}" in api.get("metrics").text)
        text = api.get("metrics").text
    metrics = {
        line.split(" ")[0]: float(line.split(" ")[1])
        for line in text.splitlines()
        if line.startswith("power_")
    }
    assert metrics[f"power_inference_cached_prompt_tokens_total{label}"] > 10
    assert metrics[f"power_model_cache_capacity_tokens{label}"] >= 128
