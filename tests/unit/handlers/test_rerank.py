"""Read requests to rank documents, and write the replies."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.types import Ranked, RerankRequest
from a3s_power_jupyter.handlers.rerank import read_rerank, rerank_reply, sigmoid

BODY: dict[str, Any] = {"model": "m", "query": "q", "documents": ["a", {"text": "b", "n": 1}, ""]}


def read(**fields: Any) -> Any:
    return read_rerank(BODY | fields)


def test_documents_are_texts_or_objects_with_a_text() -> None:
    call = read()
    assert call.request == RerankRequest("q", ["a", "b", ""])
    assert (call.top_n, call.return_documents, call.keep_alive) == (3, False, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"truncate": True}, ("end", None)),
        ({"truncation": True}, ("end", None)),
        ({"truncate": "START"}, ("start", None)),
        ({"truncate": None}, ("none", None)),
        ({"max_tokens_per_doc": 4096}, ("none", 4096)),
        ({"max_tokens_per_doc": 8.0, "truncate": "end"}, ("end", 8)),
    ],
)
def test_what_is_left_out_of_documents(fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    request = read(**fields).request
    assert (request.truncate, request.document_tokens) == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"query": ["a"]}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": "a"}, "documents"),
        ({"documents": ["a"] * 2049}, "documents"),
        ({"documents": ["a", 1]}, "documents[1]"),
        ({"documents": [{"title": "a"}]}, "documents[0].text"),
        ({"documents": ["a", None]}, "documents[1]"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": -2}, "top_n"),
        ({"truncate": "middle"}, "truncate"),
        ({"truncate": "start", "max_tokens_per_doc": 5}, "truncate"),
    ],
)
def test_invalid_fields(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as info:
        read(**fields)
    assert info.value.param == param


@pytest.mark.parametrize(
    ("field", "harmless", "value"),
    [
        ("rank_fields", ["text"], ["title"]),
        ("instruction", "", "Find code"),
        ("texts", [], ["a"]),
        ("return_embeddings", False, True),
        ("truncate_prompt_tokens", -1, 100),
        ("use_activation", True, False),
    ],
)
def test_fields_that_would_change_the_scores(field: str, harmless: Any, value: Any) -> None:
    assert read(**{field: harmless}) == read()
    with pytest.raises(UnsupportedRequestFields) as info:
        read(**{field: value})
    assert info.value.param == field


def test_results_are_sorted_by_score() -> None:
    reply = rerank_reply(read(return_documents=True), Ranked([0.0, 2.0, 2.0], 9))
    assert [(r["index"], r["document"]) for r in reply["results"]] == [
        (1, {"text": "b", "n": 1}),
        (2, {"text": ""}),
        (0, {"text": "a"}),
    ]
    assert reply["results"][2]["relevance_score"] == 0.5
    assert reply["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


@pytest.mark.parametrize(("top_n", "results"), [(1, 1), (2, 2), (100, 3), (-1, 3), (None, 3)])
def test_the_number_of_results(top_n: int | None, results: int) -> None:
    assert len(rerank_reply(read(top_n=top_n), Ranked([1.0, 2.0, 3.0], 9))["results"]) == results


def test_raw_scores_are_logits() -> None:
    [first, *_] = rerank_reply(read(raw_scores=True), Ranked([-8.5, -9.0, -10.0], 9))["results"]
    assert first == {"index": 0, "relevance_score": -8.5}


@pytest.mark.parametrize("x", [-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0])
def test_the_sigmoid_is_from_0_to_1_for_any_logit(x: float) -> None:
    assert 0 <= sigmoid(x) <= 1
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)
