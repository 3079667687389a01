"""Tokens are checked where they enter, and no spelling of a secret remains in a text."""

from __future__ import annotations

import io
import json
import logging
from urllib.parse import quote

import pytest

from a3s_power_jupyter.contract.errors import HubError, InvalidParameter
from a3s_power_jupyter.contract.redaction import Redactor, clean_token, redact_logs

SECRET = "hf_abc/+DEF=ghi"


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{}\r\n", "{}\u00a0", "\u2003{}\x0b", "{}"])
def test_whitespace_around_a_token_is_removed(around: str) -> None:
    assert clean_token(around.format(SECRET), "The token") == SECRET


@pytest.mark.parametrize("text", [None, "", " ", "\r\n"])
def test_an_empty_token_is_no_token(text: str | None) -> None:
    assert clean_token(text, "The token") is None


@pytest.mark.parametrize("inside", ["\n", " ", "\r\n", "\t", "\0", "\x7f", "\u200b", "é", "\u2028"])
def test_a_token_with_other_characters_is_refused_without_quoting_it(inside: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        clean_token(f"hf_first{inside}second", "The hub token", param="token")
    assert caught.value.param == "token"
    assert caught.value.message.startswith("The hub token contains")
    assert not {"hf_first", "second"} & set(caught.value.message.split())
    assert "hf_first" not in repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"Illegal header value b'Bearer {SECRET}\\n'",
        repr(f"Bearer {SECRET}"),
        json.dumps({"key": SECRET}),
        f"http://host/?key={quote(SECRET, safe='')}",
        f"{SECRET}{SECRET}",
    ],
)
def test_every_spelling_of_a_secret_is_removed(text: str) -> None:
    redacted = Redactor(f" {SECRET}\n")(text)
    assert "hf_abc" not in redacted
    assert "ghi" not in redacted


def test_escaped_secrets_are_removed() -> None:
    secret = "with\nline 'quote' \\ é"
    for text in (repr(secret), repr(secret.encode()), json.dumps(secret), quote(secret)):
        assert "line" not in Redactor(secret)(text)


@pytest.mark.parametrize(
    "url", ["http://ada:s3cr@t@host/v1", "see https://s3cr@host.", "a://s3cr@b"]
)
def test_credentials_in_urls_are_removed(url: str) -> None:
    assert "s3cr" not in Redactor()(url)
    assert "host" in Redactor()(url) or url.endswith("@b")


def test_other_texts_are_unchanged() -> None:
    text = "No model a@b.c at http://host:80/v1?x=1, mail me@example.org, 'abc'."
    assert Redactor("abc", "", None)(text) == text  # a value of three characters is not a secret


def test_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "value-of-a-key")
    monkeypatch.setenv("PLAIN_KEYBOARD", "value-of-others")
    monkeypatch.setenv("SHORT_TOKEN", "short")
    text = "value-of-a-key value-of-others short"
    assert Redactor()(text) == "[redacted] value-of-others short"


def test_errors_and_tracebacks_are_redacted() -> None:
    redactor = Redactor()
    error = HubError(f"rejected {SECRET}")
    redactor.add(SECRET)
    redactor.clean(error)
    assert (error.message, str(error)) == ("rejected [redacted]",) * 2
    stream, logger = io.StringIO(), logging.Logger("test")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    redact_logs(redactor, logger)
    try:
        raise ValueError(f"Illegal header value b'Bearer {SECRET}'")
    except ValueError:
        logger.exception("Failed with %s", SECRET)
    assert "ERROR Failed with [redacted]" in stream.getvalue()
    assert "Bearer [redacted]" in stream.getvalue()
    assert SECRET not in stream.getvalue()
