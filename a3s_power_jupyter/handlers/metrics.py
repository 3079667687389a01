"""Prometheus metrics, shown at Jupyter Server's ``/metrics``.

A process has one registry, so several servers in one process share the metrics.
"""

from __future__ import annotations

import math

from msgspec import UNSET, UnsetType
from prometheus_client import Counter, Gauge, Histogram

from ..contract.types import Delta, Finished, GenerationItem, Started

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter("power_requests", "Requests answered.", ["method", "path", "status"])
REQUEST_DURATION = Histogram(
    "power_request_duration_seconds",
    "Seconds from the first byte of a request to the end of its reply, including event streams.",
    ["method", "path"],
    buckets=_SECONDS,
)
ACTIVE_REQUESTS = Gauge("power_active_requests", "Inference requests in progress.")
REQUESTS_WAITING = Gauge("power_requests_waiting", "Inference requests waiting for a model.")
TOKENS = Counter("power_inference_tokens", "Generated tokens.", ["model"])
PROMPT_TOKENS = Counter("power_inference_prompt_tokens", "Prompt tokens.", ["model"])
CACHED_TOKENS = Counter(
    "power_inference_cached_prompt_tokens",
    "Prompt tokens that were in the prefix cache, a part of all prompt tokens.",
    ["model"],
)
TTFT = Histogram(
    "power_ttft_seconds",
    "Seconds from a request to its first generated text, including a load of the model.",
    buckets=_SECONDS,
)
INFERENCE_DURATION = Histogram(
    "power_inference_duration_seconds",
    "Duration of an inference request in seconds.",
    buckets=_SECONDS,
)
MODELS_LOADED = Gauge("power_models_loaded", "Models in memory.")
MODEL_MEMORY = Gauge("power_model_memory_bytes", "Memory of a model in bytes.", ["model"])
CACHE_TOKENS = Gauge("power_model_cache_tokens", "Tokens in a model's KV cache.", ["model"])
CACHE_CAPACITY = Gauge(
    "power_model_cache_capacity_tokens", "Tokens that fit a model's KV cache.", ["model"]
)
PROMPT_CACHE = Gauge(
    "power_model_prompt_cache_bytes",
    "Memory of a model's conversations outside of the KV cache, in bytes.",
    ["model"],
)
LOAD_DURATION = Histogram(
    "power_model_load_duration_seconds", "Duration of a model's load in seconds.", buckets=_SECONDS
)
EVICTIONS = Counter("power_evictions", "Unloaded models, by reason.", ["reason"])
PULL_BYTES = Counter("power_pull_bytes", "Bytes downloaded by pulls.")
UPSTREAM_FAILURES = Counter(
    "power_upstream_failures",
    "Requests that an upstream of a remote model did not answer, by error code.",
    ["model", "code"],
)
GPU_MEMORY = Gauge(
    "power_gpu_memory_bytes", "Memory of a GPU used by models, in bytes.", ["device"]
)


class TokenCounts:
    """Counts the tokens of a request's answers as they come, also of those that are not finished.

    The upstream of a remote model may tell its counts at the end only.
    """

    def __init__(self, model: str) -> None:
        self._prompt = PROMPT_TOKENS.labels(model)
        self._cached = CACHED_TOKENS.labels(model)
        self._generated = TOKENS.labels(model)
        self._started: dict[int, Started] = {}
        self._tokens: dict[int, int] = {}

    def add(self, index: int, item: GenerationItem) -> None:
        """Count an item of the answer with this index."""
        if isinstance(item, Started):
            self._started[index] = item
            self._count_prompt(item.prompt_tokens, item.cached_tokens)
        elif isinstance(item, Delta):
            self._count_generated(index, item.tokens)
        elif isinstance(item, Finished):
            started = self._started.get(index, Started(0, 0))
            self._count_prompt(
                item.prompt_tokens - started.prompt_tokens,
                item.cached_tokens - started.cached_tokens,
            )
            self._count_generated(index, item.completion_tokens - self._tokens.get(index, 0))

    def _count_prompt(self, tokens: int, cached: int) -> None:
        self._prompt.inc(max(0, tokens))
        self._cached.inc(max(0, cached))

    def _count_generated(self, index: int, tokens: int) -> None:
        self._tokens[index] = self._tokens.get(index, 0) + tokens
        self._generated.inc(max(0, tokens))


def observe_request(method: str, path: str, status: int, seconds: float) -> None:
    """Count a finished request. `path` is the template of its route, not its URL.

    Clients can invent methods, so those outside HTTP's usual ones share a label.
    """
    method = method if method in _METHODS else "other"
    REQUESTS.labels(method, path, str(status)).inc()
    REQUEST_DURATION.labels(method, path).observe(seconds)


class RuntimeMetrics:
    """The metrics of the service. Implements `service.observer.Metrics`."""

    def __init__(self) -> None:
        self._loaded: set[str] = set()

    def waiting(self, requests: int) -> None:
        """Set the number of waiting requests of all models."""
        REQUESTS_WAITING.set(requests)

    def loaded(self, model: str, seconds: float, memory: int | None) -> None:
        """Count a load that took `seconds`. `memory` is in bytes, None if unknown."""
        if model not in self._loaded:
            self._loaded.add(model)
            MODELS_LOADED.inc()
        LOAD_DURATION.observe(seconds)
        MODEL_MEMORY.labels(model).set(math.nan if memory is None else memory)

    def unloaded(self, model: str) -> None:
        """Count `model` as unloaded, for example because its worker died."""
        if model in self._loaded:
            self._loaded.remove(model)
            MODELS_LOADED.dec()
            MODEL_MEMORY.remove(model)
            for gauge in (CACHE_TOKENS, CACHE_CAPACITY, PROMPT_CACHE):
                gauge.remove(model)

    def cache(
        self,
        model: str,
        tokens: int,
        capacity: int | UnsetType,
        prompt_cache_bytes: int | UnsetType,
    ) -> None:
        """Set the use of the caches of a loaded model, as in its Model object."""
        CACHE_TOKENS.labels(model).set(tokens)
        if capacity is not UNSET:
            CACHE_CAPACITY.labels(model).set(capacity)
        if prompt_cache_bytes is not UNSET:
            PROMPT_CACHE.labels(model).set(prompt_cache_bytes)

    def evicted(self, reason: str) -> None:
        """Count an unload by reason (`runtime.interfaces.Observer.evicted`)."""
        EVICTIONS.labels(reason).inc()

    def gpu_memory(self, device: str, used: int) -> None:
        """Set the bytes of `device` that models use."""
        GPU_MEMORY.labels(device).set(used)

    def pulled(self, received: int) -> None:
        """Count bytes received from the hub."""
        PULL_BYTES.inc(received)

    def upstream_failed(self, model: str, code: str) -> None:
        """Count a request that an upstream of `model` did not answer."""
        UPSTREAM_FAILURES.labels(model, code).inc()
