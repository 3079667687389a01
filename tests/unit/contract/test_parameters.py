"""Checks of the parameters that users set."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidISQ, InvalidKeepAlive, InvalidParameter
from a3s_power_jupyter.contract.parameters import (
    MAX_KEEP_ALIVE,
    DefaultParameters,
    LoadParameters,
    canonical_isq,
    check,
    check_default_parameters,
    parse_keep_alive,
)
from a3s_power_jupyter.contract.text import MAX_QUOTED
from a3s_power_jupyter.contract.types import PullRequest, RegisterBody

LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5m", 300.0), ("1h30m", 5400.0), ("1.5s", 1.5), ("250ms", 0.25), ("1d", 86400.0),
        ("300", 300.0), (300, 300.0), (0, 0.0), ("0", 0.0), (1.5, 1.5), (" 5m ", 300.0),
        (-1, math.inf), ("-1", math.inf), ("-1m", math.inf), (-0.5, math.inf),
    ],
)  # fmt: skip
def test_keep_alive(value: str | float, seconds: float) -> None:
    assert parse_keep_alive(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "", "-", "--1", "m", "5 m", "5x", "1h30", "forever", True, math.nan, math.inf, -math.inf,
        2**63, 10**400, 1e300, "9" * 20, "9" * 40_000 + "x", "1" * 40_000, "1s" * 40_000,
        " " * 65 + "5m", "999999999999999999d",
    ],
)  # fmt: skip
def test_invalid_keep_alive(value: str | float) -> None:
    with pytest.raises(InvalidKeepAlive) as caught:
        parse_keep_alive(value, param="a.b")
    assert caught.value.param == "a.b"
    assert len(caught.value.message) < 2 * MAX_QUOTED


@given(st.text("0123456789.-smhd \u0663\u00b2", max_size=80) | st.floats() | st.integers())
def test_every_keep_alive_is_a_duration_or_refused(value: str | float) -> None:
    try:
        seconds = parse_keep_alive(value)
    except InvalidKeepAlive:
        return
    assert seconds == math.inf or 0 <= seconds <= MAX_KEEP_ALIVE


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("q4_k", "Q4K"), ("Q4K", "Q4K"), (" q8_0 ", "Q8_0"), ("hqq4", "HQQ4"), ("NONE", "none")],
)
def test_isq_spellings(written: str, canonical: str) -> None:
    assert canonical_isq(written) == canonical


def test_an_unknown_isq_kind_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidISQ, match="Q4_0, Q4K, Q6K, Q8_0, HQQ4, HQQ8, none"):
        canonical_isq("Q5_K")


def test_default_parameters() -> None:
    assert check_default_parameters(None) == DefaultParameters()
    given = {"isq": "q4_k", "num_ctx": 512, "keep_alive": "5m", "stop": ["a"], "temperature": 0}
    parameters = check_default_parameters(given)
    assert (parameters.isq, parameters.num_ctx, parameters.top_k) == ("Q4K", 512, UNSET)
    assert repr(DefaultParameters(num_ctx=512)) == "DefaultParameters(num_ctx=512)"


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ({"num_ct": 1}, "default_parameters.num_ct", "Did you mean 'num_ctx'"),
        ({"xyzzy": 1}, "default_parameters.xyzzy", "Use one of: chat_template, "),
        ({"num_ctx": 8}, "default_parameters.num_ctx", "must be between 16 and 16777216, not 8"),
        (
            {"num_ctx": "a"},
            "default_parameters.num_ctx",
            "must be an integer between 16 and 16777216, not 'a'",
        ),
        (
            {"tensor_split": [1, -1]},
            "default_parameters.tensor_split[1]",
            "must be between 0 and 1000000000, not -1",
        ),
        ([], "default_parameters", "must be an object, not an empty list"),
    ],
)
def test_invalid_default_parameters(given: object, param: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        check_default_parameters(given)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("num_ctx", "trained", "expected"),
    [(UNSET, 0, 8192), (UNSET, 2048, 2048), (UNSET, 131072, 8192), (32768, 2048, 32768)],
)
def test_context_length(num_ctx: int, trained: int, expected: int) -> None:
    assert LoadParameters(num_ctx=num_ctx).context_length(trained) == expected


UPSTREAM = {"base_url": "http://host/v1", "model": "m"}


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        ({LONG: 1}, LoadParameters),
        ({"isq": "Q4K", LONG: 1}, DefaultParameters),
        ({"kv_cache_type": LONG}, LoadParameters),
        ({"chat_template": LONG * 2}, LoadParameters),
        ({"tensor_split": [1e308] * 2}, LoadParameters),
        ({"tensor_split": [10**400]}, LoadParameters),
        ({"num_ctx": 10**400}, LoadParameters),
        ({"stop": LONG}, DefaultParameters),
        ({"stop": [LONG]}, DefaultParameters),
        ({"temperature": 10**400}, DefaultParameters),
        ({"seed": 2**63}, DefaultParameters),
        ({"name": "m", "path": LONG}, RegisterBody),
        ({"name": "m", "mmproj": LONG}, RegisterBody),
        ({"name": "m", "upstream": UPSTREAM | {"base_url": LONG}}, RegisterBody),
        ({"name": "m", "upstream": UPSTREAM | {"model": LONG}}, RegisterBody),
        ({"name": "m", "upstream": UPSTREAM | {"api_key_env": LONG}}, RegisterBody),
        ({"name": "m", "upstream": UPSTREAM | {LONG: 1}}, RegisterBody),
        ({"name": "m", "token": LONG}, PullRequest),
    ],
)
def test_long_fields_are_refused_without_being_quoted(given: Any, type_: type) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check(given, type_)
    assert len(caught.value.message) < 4 * MAX_QUOTED
    assert len(caught.value.param or "") <= MAX_QUOTED


def test_a_long_isq_kind_is_refused() -> None:
    with pytest.raises(InvalidISQ) as caught:
        canonical_isq(LONG)
    assert len(caught.value.message) < 2 * MAX_QUOTED


@pytest.mark.parametrize("value", [3, -1, "two", 1.5])
def test_an_error_names_the_values_that_a_field_may_have(value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check({"mirostat": value}, DefaultParameters, at="default_parameters")
    assert caught.value.param == "default_parameters.mirostat"
    assert caught.value.message == f"default_parameters.mirostat must be 0, 1 or 2, not {value!r}."
