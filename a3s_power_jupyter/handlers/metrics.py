"""Prometheus metrics; they join what Jupyter Server shows at ``/metrics``.

A process has one registry, so these are the process's, however many servers run in it.
"""

from __future__ import annotations

import math

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

REQUESTS = Counter("power_requests", "Requests answered.", ["method", "path", "status"])
REQUEST_DURATION = Histogram(
    "power_request_duration_seconds",
    "Seconds from a request's first byte to the end of its reply, event streams included.",
    ["method", "path"],
    buckets=_SECONDS,
)
ACTIVE_REQUESTS = Gauge("power_active_requests", "Inference requests that are being served.")
REQUESTS_WAITING = Gauge("power_requests_waiting", "Inference requests waiting for their turn.")
TOKENS = Counter("power_inference_tokens", "Tokens generated.", ["model"])
PROMPT_TOKENS = Counter("power_inference_prompt_tokens", "Tokens of prompts.", ["model"])
TTFT = Histogram(
    "power_ttft_seconds",
    "Seconds from a request to its first generated text, a load on the way included.",
    buckets=_SECONDS,
)
INFERENCE_DURATION = Histogram(
    "power_inference_duration_seconds", "Seconds of an inference request.", buckets=_SECONDS
)
MODELS_LOADED = Gauge("power_models_loaded", "Models in memory.")
MODEL_MEMORY = Gauge("power_model_memory_bytes", "Bytes of memory that a model takes.", ["model"])
LOAD_DURATION = Histogram(
    "power_model_load_duration_seconds", "Seconds it took to load a model.", buckets=_SECONDS
)
EVICTIONS = Counter("power_evictions", "Models that left memory, and why.", ["reason"])
PULL_BYTES = Counter("power_pull_bytes", "Bytes that pulls downloaded.")
GPU_MEMORY = Gauge(
    "power_gpu_memory_bytes", "Bytes of a GPU's memory that models take.", ["device"]
)


def observe_request(method: str, path: str, status: int, seconds: float) -> None:
    """Count a finished request; `path` is the template of its route."""
    REQUESTS.labels(method, path, str(status)).inc()
    REQUEST_DURATION.labels(method, path).observe(seconds)


class RuntimeMetrics:
    """What the runtime tells of itself; it gets this object handed in and never imports it."""

    def __init__(self) -> None:
        self._loaded: set[str] = set()

    def waiting(self, requests: int) -> None:
        """`requests` wait now, over all models."""
        REQUESTS_WAITING.set(requests)

    def loaded(self, model: str, seconds: float, memory: int | None) -> None:
        """`model` is in memory after `seconds`; it takes `memory` bytes, if that is known."""
        if model not in self._loaded:
            self._loaded.add(model)
            MODELS_LOADED.inc()
        LOAD_DURATION.observe(seconds)
        MODEL_MEMORY.labels(model).set(math.nan if memory is None else memory)

    def unloaded(self, model: str) -> None:
        """`model` is out of memory, whatever the reason, a death of its worker included."""
        if model in self._loaded:
            self._loaded.remove(model)
            MODELS_LOADED.dec()
            MODEL_MEMORY.remove(model)

    def evicted(self, reason: str) -> None:
        """A model went: ``idle``, ``room``, ``asked``, ``died`` (`runtime.interfaces.Observer`)."""
        EVICTIONS.labels(reason).inc()

    def gpu_memory(self, device: str, used: int) -> None:
        """`used` bytes of `device` are taken by models now."""
        GPU_MEMORY.labels(device).set(used)

    def pulled(self, received: int) -> None:
        """`received` bytes of a model came from the hub."""
        PULL_BYTES.inc(received)
