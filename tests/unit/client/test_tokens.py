"""Tokens that users give to the client, and what it shows of them."""

from __future__ import annotations

import pytest

import a3s_power_jupyter
from a3s_power_jupyter.client.address import Server
from a3s_power_jupyter.client.discovery import server_at
from a3s_power_jupyter.contract.errors import InvalidParameter

URL = "http://127.0.0.1:9/"


@pytest.mark.parametrize("token", ["abcd1234\n", " abcd1234", "\tabcd1234\r\n"])
def test_whitespace_around_a_token_is_removed(token: str) -> None:
    assert server_at(URL, token, "a test").key == "abcd1234"


def test_a_token_in_the_url() -> None:
    assert server_at(f"{URL}?token=abcd1234%0A", None, "a test").key == "abcd1234"
    assert server_at(f"{URL}?token=abcd1234", " ", "a test").key == "abcd1234"


@pytest.mark.parametrize("token", ["hf_first\nsecond", "hf_first second", "hf_first\u200bsecond"])
def test_other_tokens_are_refused_without_quoting_them(token: str) -> None:
    with a3s_power_jupyter.connect(URL) as client:
        for call in (
            lambda: a3s_power_jupyter.connect(URL, token=token),
            lambda: client.pull("a/b:Q4_0", token=token),
            lambda: client.pull_in_background("a/b:Q4_0", token=token),
        ):
            with pytest.raises(InvalidParameter) as caught:
                call()
            assert caught.value.param == "token"
            assert "hf_first" not in str(caught.value)


def test_a_password_in_the_url_is_not_shown() -> None:
    url = "http://ada:open-sesame@127.0.0.1:9/"
    assert "open-sesame" not in repr(Server(url=url, found="a test"))
    with a3s_power_jupyter.connect(url) as client:
        assert "open-sesame" not in repr(client)
    with pytest.raises(InvalidParameter) as invalid:
        a3s_power_jupyter.connect(f"htp{url[4:]}")
    assert "open-sesame" not in str(invalid.value)
