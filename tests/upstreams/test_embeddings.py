"""Embeddings of real servers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.ports import free_port
from support.servers import error_code

from .conftest import Far, register
from .kinds import CONTEXT, Models, Running, llama_cpp, llama_cpp_python

TEXTS = ["The cat sleeps.", "A cat is asleep.", "Stocks fell sharply on Monday."]


def start_llama_cpp(folder: Path, port: int, models: Models) -> AbstractContextManager[Running]:
    pooled = str(models.pooled)
    return llama_cpp(folder, port, models, model_path=pooled, embedding=True, n_ubatch=512)


def start_llama_cpp_python(
    folder: Path, port: int, models: Models
) -> AbstractContextManager[Running]:
    return llama_cpp_python(folder, port, models, model=str(models.pooled), embedding="true")


#: How each server is started for embeddings.
STARTS: dict[str, Any] = {"llama.cpp": start_llama_cpp, "llama-cpp-python": start_llama_cpp_python}


def vector(server: Running, text: str) -> list[float]:
    """Return the vector of the server itself, with the length 1."""
    with server.client() as client:
        reply = client.post("embeddings", json={"model": server.model, "input": text})
    found = reply.raise_for_status().json()["data"][0]["embedding"]
    norm = math.sqrt(sum(x * x for x in found))
    return [x / norm for x in found]


def dot(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


@pytest.fixture(scope="module", params=STARTS)
def embedder(
    request: pytest.FixtureRequest,
    api: httpx2.Client,
    models: Models,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    port = free_port()
    with STARTS[request.param](tmp_path_factory.mktemp("embedder"), port, models) as server:
        register(api, "embedder", server.url, server.model)
        yield server


def test_vectors_of_several_texts_are_in_order(api: httpx2.Client, embedder: Running) -> None:
    expected = [vector(embedder, text) for text in TEXTS]
    openai = api.post("v1/embeddings", json={"model": "embedder", "input": TEXTS})
    rows = openai.raise_for_status().json()["data"]
    ollama = api.post("api/embed", json={"model": "embedder", "input": TEXTS})
    vectors = ollama.raise_for_status().json()["embeddings"]
    for number, text in enumerate(expected):
        row = rows[number]["embedding"]
        assert dot(row, text) / math.sqrt(dot(row, row)) == pytest.approx(1, abs=1e-3)
        assert dot(vectors[number], text) == pytest.approx(1, abs=1e-3)
        assert dot(vectors[number], vectors[number]) == pytest.approx(1, abs=1e-5)
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2])


@pytest.mark.parametrize("path", ["v1/embeddings", "api/embed"])
def test_a_text_that_is_too_long(
    api: httpx2.Client, embedder: Running, path: str, request: pytest.FixtureRequest
) -> None:
    reply = api.post(path, json={"model": "embedder", "input": "word " * (CONTEXT + 100)})
    if "llama-cpp-python" in request.node.name:
        assert reply.is_success, reply.text  # of its beginning
    else:
        assert (reply.status_code, error_code(reply)) == (400, "context_length_exceeded")


def test_servers_without_embeddings(far: Far) -> None:
    """All servers but ours embed only if they are started for it."""
    reply = far.post("v1/embeddings", {"input": TEXTS})
    if far.kind.embeddings is None:
        rows = reply.raise_for_status().json()["data"]
        assert len({len(row["embedding"]) for row in rows}) == 1
    else:
        assert error_code(reply) == far.kind.embeddings, reply.text
