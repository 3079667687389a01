"""Test that numbers and lists of upstreams are bounded or ignored."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import UpstreamError
from a3s_power_jupyter.contract.retry_after import parse_retry_after
from a3s_power_jupyter.contract.types import Upstream
from a3s_power_jupyter.handlers import metrics
from a3s_power_jupyter.handlers.forwarding import count_usage
from a3s_power_jupyter.remote.checks import _context_length
from a3s_power_jupyter.remote.responses import refusal

UPSTREAM = Upstream("http://host/v1", "m")
HUGE = 10**400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("000000000000000007", 7),
        (" 7 ", 7),
        ("1000000", 3600),
        ("9" * 5000, 3600),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u0663", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0),
        ("Fri, 21 Oct 2600 07:28:00 GMT", 3600),
        ("Fri, 21 Oct 99999999999 07:28:00 GMT", None),
        ("Fri, " + "9" * 5000, None),
    ],
)
def test_retry_after(value: str, seconds: int | None) -> None:
    assert parse_retry_after(value) == seconds
    assert refusal(429, {"retry-after": value}, b"").retry_after == seconds


def test_a_refused_key_and_a_missing_one_are_told_apart() -> None:
    refused = refusal(401, {}, b'{"error": "Bad key."}')
    assert refused.message.endswith("key: Bad key. Check upstream.api_key_env.")
    missing = refusal(401, {}, b'{"error": "No key."}', has_key=False)
    assert missing.message.startswith("The upstream wants a key: No key. Set upstream.api_key_env")


@pytest.mark.parametrize(
    "row",
    [[], "m", 1, None, {}, {"id": ["m"]}, {"id": {"m": 1}}, {"id": 1}, {"id": None}, {"id": HUGE}],
)
def test_rows_without_a_name_are_skipped(row: Any) -> None:
    models = {"data": [row, {"id": "m", "max_model_len": 4096}, row]}
    assert _context_length(UPSTREAM, models) == 4096
    with pytest.raises(UpstreamError, match="It has: none"):
        _context_length(UPSTREAM, {"data": [row]})


@pytest.mark.parametrize("length", [HUGE, 2**31, -1, 0, "4096", None, [], 1e300])
def test_context_lengths_out_of_range_are_ignored(length: Any) -> None:
    assert _context_length(UPSTREAM, {"data": [{"id": "m", "max_model_len": length}]}) is None


def test_few_and_short_names_of_other_models_are_shown() -> None:
    rows = [{"id": "x" * 10_000 + str(i)} for i in range(10_000)]
    with pytest.raises(UpstreamError) as caught:
        _context_length(UPSTREAM, {"data": rows})
    assert len(caught.value.message) < 3000


@pytest.mark.parametrize("tokens", [HUGE, 2**64, -1, -HUGE, 1e300, "5", None, [5], {}])
def test_usage_out_of_range_is_not_counted(tokens: Any) -> None:
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
    count_usage("numbers", {"usage": usage | {"prompt_tokens": 3}})
    before = metrics.PROMPT_TOKENS.labels("numbers")._value.get()
    count_usage("numbers", {"usage": usage})
    assert metrics.PROMPT_TOKENS.labels("numbers")._value.get() == before
    assert metrics.TOKENS.labels("numbers")._value.get() == 0
