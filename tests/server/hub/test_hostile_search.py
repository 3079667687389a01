"""Searches of a hub that replies with any bytes end with an error or a valid answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import PowerError
from a3s_power_jupyter.hub.http.hub_requests import Limits
from a3s_power_jupyter.hub.resolve.hub_api import HubApi
from a3s_power_jupyter.hub.search.contents import look
from a3s_power_jupyter.hub.search.protocol import Answer, Look, Search
from a3s_power_jupyter.hub.search.searching import search
from a3s_power_jupyter.service.fits import Machine
from a3s_power_jupyter.service.variants import variants_of
from support.hostile_http import (
    REDIRECTS,
    WRONG,
    HostileRequest,
    as_json,
    mutations,
    reply,
    running,
)
from support.hostile_hub import CONTENT, REPO, HostileHub, revision, tree
from support.model_files import gguf

LIMITS = Limits(attempts=1, timeout=2.0, deadline=5.0, wait=0.0)
LISTED = [{"id": REPO, "tags": ["gguf", "license:mit"], "downloads": 5, "gguf": {"total": 9}}]
QUERY = Search("", "all", "downloads", 20)
LOOK = Look(REPO, REPO, "main")


class HostileSearch(HostileHub):
    """Also lists repositories, and sends ranges of a file."""

    content = CONTENT

    def kind(self, request: HostileRequest) -> Any:
        return "list" if request.path.startswith("/api/models?") else super().kind(request)

    def good(self, kind: Any, request: HostileRequest) -> bytes:
        if kind == "list":
            return reply(as_json(LISTED))
        if kind == "tree":
            entries = tree()
            entries[0]["size"] = entries[0]["lfs"]["size"] = len(self.content)
            return reply(as_json(entries))
        if kind == "bytes":
            first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
            return reply(self.content[first : last + 1], "206 Partial Content")
        return super().good(kind, request)


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileSearch]:
    with running(HostileSearch()) as server:
        yield server


@pytest.fixture(autouse=True)
def _good_again(hostile: HostileSearch) -> Iterator[None]:
    yield
    hostile.replies.clear()
    hostile.content = CONTENT


def ask(hostile: HostileSearch, question: Search | Look) -> Answer | PowerError:
    """Return the answer, which can be sent, or the error."""
    hub = HubApi(hostile.url, "hf_secret", limits=LIMITS)
    try:
        answer = search(hub, question) if isinstance(question, Search) else look(hub, question)
    except PowerError as error:
        failure = error
    else:
        msgspec.msgpack.encode(answer)
        return answer
    assert "hf_secret" not in failure.message
    return failure


def test_good_replies(hostile: HostileSearch) -> None:
    found = ask(hostile, QUERY)
    assert not isinstance(found, PowerError)
    looked: Any = ask(hostile, LOOK)
    [candidate] = looked.contents.candidates
    assert (candidate.reference, looked.contents.problem) == (f"{REPO}:Q4_0", None)


@pytest.mark.parametrize("kind", ["list", "revision", "tree", "bytes"])
def test_replies_that_are_not_http_or_json(hostile: HostileSearch, kind: str) -> None:
    for wrong in (*WRONG, *REDIRECTS):
        hostile.replies[kind] = wrong
        answer: Any = ask(hostile, QUERY if kind == "list" else LOOK)
        if kind == "bytes" and not isinstance(answer, PowerError):
            assert answer.contents.problem
        elif not isinstance(answer, PowerError):
            assert getattr(answer, "models", ()) == ()


@pytest.mark.parametrize(("kind", "good"), [("list", LISTED), ("revision", revision())])
def test_json_of_other_types(hostile: HostileSearch, kind: str, good: Any) -> None:
    for changed in mutations(good):
        hostile.replies[kind] = reply(as_json(changed))
        ask(hostile, QUERY if kind == "list" else LOOK)


def test_links_to_other_hosts_are_not_followed(hostile: HostileSearch) -> None:
    link = b'Link: <http://169.254.169.254/latest?cursor=abc>; rel="next"\r\n'
    hostile.replies["list"] = reply(as_json(LISTED), headers=link)
    found: Any = ask(hostile, QUERY)
    assert found.next == "abc"


def test_a_hub_that_sends_a_byte_at_a_time_is_not_asked_for_each(hostile: HostileSearch) -> None:
    hostile.replies["bytes"] = reply(b"G", "206 Partial Content")
    looked: Any = ask(hostile, LOOK)
    assert looked.contents.problem.startswith(f"The hub sends 1 instead of {len(CONTENT)} bytes")


@pytest.mark.parametrize("value", [2**31 - 1, 10**6])
def test_impossible_headers_have_no_memory(hostile: HostileSearch, value: int) -> None:
    """Numbers that overflow in products are refused, and all others can be sent."""
    names = ("block_count", "embedding_length", "context_length", "attention.head_count",
             "attention.head_count_kv", "attention.key_length", "attention.value_length",
             "feed_forward_length", "attention.key_length_mla")  # fmt: skip
    for count in (3, 7, len(names)):
        keys = {f"llama.{name}": value for name in names[:count]}
        hostile.content = gguf({"general.architecture": "llama", **keys})
        looked: Any = ask(hostile, LOOK)
        for num_ctx in (16, 2**24):
            found = variants_of(looked.contents.candidates, Machine(10**10), [], num_ctx)
            assert len(msgspec.json.encode(found)) < 1000
