"""Test the bodies and replies of the routes about tokens."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import InvalidKeepAlive, InvalidParameter
from a3s_power_jupyter.contract.types import RenderRequest, Tokenized, TokenizeRequest
from a3s_power_jupyter.contract.types.tokens import pack_tokens
from a3s_power_jupyter.handlers.json_reply import encode_pieces
from a3s_power_jupyter.handlers.tokens import read_detokenize, read_tokenize, tokenize_reply

USER = {"role": "user", "content": "Hi"}


def read(**body: Any) -> Any:
    return read_tokenize({"model": "m", **body})


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({"prompt": "a"}, TokenizeRequest("a")),
        ({"text": "a", "content": None}, TokenizeRequest("a", param="text")),
        ({"content": "a"}, TokenizeRequest("a", add_special=False, param="content")),
        ({"content": "a", "add_special": True}, TokenizeRequest("a", param="content")),
        ({"prompt": "a", "add_special_tokens": False}, TokenizeRequest("a", add_special=False)),
        ({"prompt": "", "parse_special": False}, TokenizeRequest("", parse_special=False)),
        ({"prompt": "a", "content": "a"}, TokenizeRequest("a")),
        ({"prompt": "a", "return_token_strs": True}, TokenizeRequest("a", with_pieces=True)),
    ],
)
def test_texts_have_the_defaults_of_the_server_with_their_name(
    body: dict[str, Any], request_: TokenizeRequest
) -> None:
    assert read(**body).request == request_


def test_a_chat_is_read_as_for_a_completion() -> None:
    call = read(messages=[USER], add_generation_prompt=False, with_pieces=True, keep_alive="1m")
    assert isinstance(call.request, RenderRequest)
    assert call.request.chat.messages == [USER]
    assert not call.request.chat.add_generation_prompt
    assert call.request.with_pieces
    assert call.keep_alive == 60


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": [USER]}, "messages"),
        ({"prompt": "a", "content": "b"}, "content"),
        ({"prompt": ["a"]}, "prompt"),
        ({"content": 1}, "content"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [USER], "with_pieces": "perhaps"}, "with_pieces"),
    ],
)
def test_mistakes_name_the_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(**body)
    assert caught.value.param == param


def test_tokens_are_32_bit_integers() -> None:
    request, keep_alive = read_detokenize({"model": "m", "tokens": [1.0, 2**31 - 1, -1]})
    assert request.tokens == pack_tokens([1, 2**31 - 1, -1])
    assert keep_alive is None
    for tokens in ([2**31], ["a"], "a", [1.5], [True]):
        with pytest.raises(InvalidParameter) as caught:
            read_detokenize({"model": "m", "tokens": tokens})
        assert str(caught.value.param).startswith("tokens")
    with pytest.raises(InvalidKeepAlive):
        read_detokenize({"model": "m", "tokens": [], "keep_alive": "soon"})


def reply(found: Tokenized, **body: Any) -> Any:
    return msgspec.json.decode(b"".join(encode_pieces(tokenize_reply(read(**body), found))))


def test_replies_have_the_fields_of_both_servers() -> None:
    found = Tokenized(pack_tokens([5, 6]), 128, [b"a", b"\xc3"])
    plain = {"count": 2, "max_model_len": 128, "tokens": [5, 6], "token_strs": None}
    assert reply(found, prompt="a") == plain
    assert reply(found, prompt="a", return_token_strs=True) == {
        **plain,
        "token_strs": ["a", "\ufffd"],
    }
    assert reply(found, content="a", with_pieces=True) == {
        **plain,
        "tokens": [{"id": 5, "piece": "a"}, {"id": 6, "piece": [195]}],
    }
