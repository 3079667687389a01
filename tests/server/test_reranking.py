"""Rank documents with a tiny cross-encoder, on a real server and through a second model on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import a3s_power_jupyter as power
from a3s_power_jupyter.contract.errors import ContextLengthExceeded, UnsupportedRequestFields
from a3s_power_jupyter.handlers.rerank import sigmoid
from support.rest_document import load_document, problem_of
from support.servers import TOKEN, error_code, run_server
from support.tiny_rerankers import DOCUMENTS, QUERY, logits, tiny

BODY: dict[str, Any] = {"model": "bert", "query": QUERY, "documents": DOCUMENTS}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rerankers") / "bert"
    return tiny(folder, "BertConfig", types=True, max_position_embeddings=64)


@pytest.fixture(scope="module")
def api(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A server with a cross-encoder, and with a remote model that is the same one."""
    folder = tmp_path_factory.mktemp("reranking")
    environ = {"OWN_KEY": TOKEN}
    with run_server(folder, headless=True, environ=environ) as server, server.api() as api:
        register(api, name="bert", path=str(directory))
        upstream = {"base_url": f"{server.url}v1", "model": "bert", "api_key_env": "OWN_KEY"}
        register(api, name="far", format="remote", upstream=upstream)
        yield api


def register(api: httpx2.Client, **body: Any) -> None:
    reply = api.post("v1/models", json=body)
    assert reply.status_code == 201, reply.text
    assert "rerank" in reply.json()["capabilities"]


@pytest.fixture
def client(api: httpx2.Client) -> Iterator[power.Client]:
    with power.connect(str(api.base_url), TOKEN) as client:
        yield client


def test_results_of_the_client(client: power.Client, directory: Path) -> None:
    expected = logits(directory, QUERY, DOCUMENTS)
    for model in ("bert", "far"):
        found = client.rerank(model, QUERY, DOCUMENTS)
        assert [match.index for match in found] == sorted(
            range(len(DOCUMENTS)), key=lambda i: -expected[i]
        )
        for match in found:
            assert match.document == DOCUMENTS[match.index]
            assert match.score == pytest.approx(sigmoid(float(expected[match.index])), abs=1e-5)
        [best, second] = client.rerank(model, QUERY, DOCUMENTS, top_n=2, raw_scores=True)
        assert best.score == pytest.approx(max(expected), abs=1e-4)
        assert (best.index, second.index) == (found[0].index, found[1].index)


@pytest.mark.parametrize("path", ["v1/rerank", "v2/rerank", "rerank", "reranking"])
def test_paths_of_clients(api: httpx2.Client, path: str) -> None:
    body = {**BODY, "top_n": 1, "return_documents": True, "max_tokens_per_doc": 40, "priority": 0}
    response = api.post(path, json=body)
    assert problem_of(load_document(), "/v1/rerank", "POST", response) is None
    reply = response.json()
    [result] = reply["results"]
    assert result["document"]["text"] == DOCUMENTS[result["index"]]
    assert reply["usage"]["prompt_tokens"] == reply["usage"]["total_tokens"] > len(DOCUMENTS)
    assert response.headers["X-Power-Ignored"] == "priority"


def test_errors(api: httpx2.Client, client: power.Client) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 40
    reply = api.post("v2/rerank", json=BODY | {"documents": ["a", long]})
    assert (reply.status_code, error_code(reply)) == (400, "context_length_exceeded")
    assert problem_of(load_document(), "/v1/rerank", "POST", reply) is None
    error = reply.json()
    assert error["error"]["param"] == "documents[1]"
    assert error["message"] == error["detail"] == error["error"]["message"]
    for model in ("bert", "far"):
        with pytest.raises(ContextLengthExceeded):
            client.rerank(model, QUERY, ["a", long])
    with pytest.raises(UnsupportedRequestFields, match="only ranks documents"):
        client.embed("bert", "a")
    with pytest.raises(UnsupportedRequestFields, match="only ranks documents"):
        client.complete("bert", "a")
    assert len(client.rerank("bert", QUERY, ["a", long], truncate=True)) == 2
