"""Test requests about tokens with the routes of several servers, as upstreams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import UnsupportedRequestFields, UpstreamError
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    DetokenizeRequest,
    RenderRequest,
    Sampling,
    TokenizeRequest,
    TokenRequest,
)
from a3s_power_jupyter.contract.types.tokens import pack_tokens
from a3s_power_jupyter.remote.tokens import answer_remotely

CHAT = ChatRequest([{"role": "user", "content": "Hi"}], Sampling(max_tokens=5))


class LlamaCpp:
    """Has llama.cpp's routes, with a token for each character and BOS 0."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, route: str, body: dict[str, Any]) -> dict[str, Any] | None:
        self.sent.append((route, body))
        answer = getattr(self, route.replace("-", "_"), None)
        return None if answer is None else answer(body)

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        bos = [0] if body.get("add_special") and "content" in body else []
        return {"tokens": [*bos, *map(ord, body.get("content", ""))]}

    def detokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"content": "".join(map(chr, body["tokens"]))}

    def apply_template(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": f"<{body['messages'][0]['content']}>"}


class Vllm(LlamaCpp):
    apply_template = None  # type: ignore[assignment]

    def tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        text = body.get("prompt", "<Hi>")
        tokens = [*([0] if body.get("add_special_tokens") else []), *map(ord, text)]
        return {"count": len(tokens), "max_model_len": 64, "tokens": tokens, "token_strs": None}

    def detokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": "".join(map(chr, body["tokens"]))}


def ask(upstream: LlamaCpp, request: TokenRequest) -> Any:
    return asyncio.run(answer_remotely(upstream, request))


@pytest.mark.parametrize(("upstream", "num_ctx"), [(LlamaCpp(), 0), (Vllm(), 64)])
def test_texts_and_tokens(upstream: LlamaCpp, num_ctx: int) -> None:
    found = ask(upstream, TokenizeRequest("ab"))
    assert (found.tokens, found.num_ctx) == (pack_tokens([0, 97, 98]), num_ctx)
    found = ask(upstream, TokenizeRequest("ab", add_special=False, parse_special=False))
    assert found.tokens == pack_tokens([97, 98])
    assert upstream.sent[-1][1]["parse_special"] is False
    assert ask(upstream, DetokenizeRequest(found.tokens)).text == "ab"


def test_a_chat_is_tokenized_or_rendered_first() -> None:
    vllm = ask(Vllm(), RenderRequest(CHAT))
    assert (vllm.prompt, vllm.prompt_tokens) == ("<Hi>", 4)
    upstream = LlamaCpp()
    llama = ask(upstream, RenderRequest(CHAT))
    assert (llama.prompt, llama.prompt_tokens) == ("<Hi>", 5)
    assert upstream.sent[0][1] == {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("upstream", "request_"),
    [
        (lambda *_: asyncio.sleep(0), TokenizeRequest("a")),
        (lambda *_: asyncio.sleep(0), DetokenizeRequest(b"")),
        (lambda *_: asyncio.sleep(0), RenderRequest(CHAT)),
        (Vllm(), TokenizeRequest("a", with_pieces=True)),
        (LlamaCpp(), RenderRequest(ChatRequest(CHAT.messages, images=[b"x"]))),
    ],
)
def test_what_an_upstream_cannot_do_is_refused(upstream: Any, request_: TokenRequest) -> None:
    with pytest.raises(UnsupportedRequestFields):
        ask(upstream, request_)


@pytest.mark.parametrize("reply", [{}, {"tokens": ["a"]}, {"tokens": [2**31]}, {"tokens": 1}])
def test_a_reply_of_another_form_is_an_error(reply: Any) -> None:
    with pytest.raises(UpstreamError):
        ask(lambda *_: asyncio.sleep(0, reply), TokenizeRequest("a"))  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", [{}, {"content": None}, {"text": "a"}])
def test_a_reply_without_a_text_is_an_error(reply: Any) -> None:
    with pytest.raises(UpstreamError):
        ask(lambda *_: asyncio.sleep(0, reply), DetokenizeRequest(pack_tokens([1])))  # type: ignore[arg-type]
