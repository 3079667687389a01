"""The cohere package: rerank, with both versions of its client."""

from __future__ import annotations

from typing import Any

import cohere
from checks import RANKER, TOKEN, URL, check, require, run

QUERY = "What does the fox do?"
DOCUMENTS = ["The fox jumps over the dog.", "Five dozen liquor jugs.", "x"]


def best(client: Any) -> list[int]:
    reply = client.rerank(model=RANKER, query=QUERY, documents=DOCUMENTS, top_n=2)
    scores = [result.relevance_score for result in reply.results]
    require(len(scores) == 2 and scores == sorted(scores, reverse=True), reply)
    return [result.index for result in reply.results]


@check
def rerank() -> None:
    second = best(cohere.ClientV2(api_key=TOKEN, base_url=URL.rstrip("/")))
    require(best(cohere.Client(api_key=TOKEN, base_url=URL.rstrip("/"))) == second, second)


@check
def errors() -> None:
    try:
        best(cohere.ClientV2(api_key="wrong", base_url=URL.rstrip("/"), max_retries=0))
    except cohere.UnauthorizedError:
        return
    raise AssertionError("A wrong key was accepted.")


run()
