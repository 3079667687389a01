"""Read the results of ranking, which an upstream may have sent in any form, and display them."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

from a3s_power_jupyter.client.ranking import Match, Ranking, Results, batches, matches, ranking
from a3s_power_jupyter.contract.errors import InvalidParameter, UpstreamError


def results(*pairs: tuple[Any, Any]) -> Results:
    import msgspec

    rows = [{"index": index, "relevance_score": score} for index, score in pairs]
    return msgspec.json.decode(json.dumps({"results": rows}), type=Results)


def test_matches_are_sorted_by_score() -> None:
    found = matches(results((1, 0.1), (0, 0.1), (2, 0.9)), 0, ["a", "b", "c"])
    assert ranking(found, None) == (Match(2, 0.9, "c"), Match(0, 0.1, "a"), Match(1, 0.1, "b"))
    assert ranking(found, 1).documents == ["c"]
    assert len(ranking(found, -1)) == 3


@pytest.mark.parametrize(
    "pairs", [[(0, 1), (0, 2)], [(2, 1)], [(-1, 1)], [(0, float("inf"))], [(0, float("nan"))]]
)
def test_results_that_cannot_be_used_are_an_upstream_error(pairs: list[tuple[Any, Any]]) -> None:
    reply = Results([])
    for index, score in pairs:
        [row] = results((index, 0)).results
        row.relevance_score = float(score)
        reply.results.append(row)
    with pytest.raises(UpstreamError, match="The reply cannot be used"):
        matches(reply, 0, ["a", "b"])


def test_many_documents_are_sent_in_several_requests() -> None:
    documents = [str(i) for i in range(5000)]
    parts = list(batches(documents))
    assert [start for start, _ in parts] == [0, 2048, 4096]
    assert [text for _, part in parts for text in part] == documents
    assert list(batches([])) == [(0, [])]
    assert list(batches(text for text in numpy.array(["a", "b"]))) == [(0, ["a", "b"])]
    assert matches(results((1, 0.5)), 2048, ["a", "b"]) == [Match(2049, 0.5, "b")]


@pytest.mark.parametrize("documents", ["text", ["a", None], [{"text": "a"}], [b"a"]])
def test_documents_that_are_not_texts_are_refused(documents: Any) -> None:
    with pytest.raises(InvalidParameter, match="must be a list of texts"):
        list(batches(documents))


def test_displays_are_tables_of_escaped_text() -> None:
    found = Ranking([Match(3, 0.98765, "<b>bold</b>\n\x1b[31m red"), Match(0, 0.5, "x" * 999)])
    head, row, _ = repr(found).splitlines()
    assert head == " Score  Index  Document"
    assert row.startswith("0.9877      3  <b>bold</b>")
    assert "\x1b" not in repr(found)
    html = found._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in html
    assert len(html) < 1500
    assert repr(Ranking()) == "No documents."
    assert "No documents." in Ranking()._repr_html_()
