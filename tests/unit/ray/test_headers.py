"""Test which headers are passed on, and where the token is found."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.ray.headers import has_token, reply_headers, request_headers

AUTH = b"authorization"


def test_headers_of_one_connection_and_cookies_are_not_passed_on() -> None:
    given = [
        (b"Connection", b"close, X-Mine"),
        (b"X-Mine", b"1"),
        (b"Cookie", b"username=x"),
        (b"Content-Length", b"3"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Type", b"application/json"),
        (b"Authorization", b"Bearer t"),
    ]
    kept = [(b"content-type", b"application/json"), (AUTH, b"Bearer t")]
    assert request_headers(given) == kept
    reply = [(b"Set-Cookie", b"a=b"), (b"Content-Length", b"3"), (b"Retry-After", b"2")]
    assert reply_headers(reply) == [(b"content-length", b"3"), (b"retry-after", b"2")]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([(AUTH, b"Bearer secret")], ""),
        ([(AUTH, b"token secret")], ""),
        ([(b"x-api-key", b" secret")], ""),
        ([(AUTH, b"Bearer other"), (b"x-api-key", b"secret")], ""),
        ([], "a=1&token=secret"),
        ([], "a=1&" * 1000 + "token=secret"),
    ],
)
def test_the_token_is_found(headers: list[tuple[bytes, bytes]], query: str) -> None:
    assert has_token(headers, query, "secret")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([], ""),
        ([(AUTH, b"Bearer secret2")], ""),
        ([(AUTH, b"Basic secret")], ""),
        ([(AUTH, b"Bearer \xff")], "token=%ff"),
        ([(b"x-api-key", b"")], "token="),
    ],
)
def test_other_credentials_are_not_the_token(
    headers: list[tuple[bytes, bytes]], query: str
) -> None:
    assert not has_token(headers, query, "secret")
