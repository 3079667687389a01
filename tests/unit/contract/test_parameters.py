"""Checks of the parameters that users set."""

from __future__ import annotations

import math

import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidISQ, InvalidKeepAlive, InvalidParameter
from a3s_power_jupyter.contract.parameters import (
    DefaultParameters,
    LoadParameters,
    canonical_isq,
    check_default_parameters,
    parse_keep_alive,
)


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


@pytest.mark.parametrize("value", ["", "-", "m", "5 m", "5x", "1h30", "forever", True, math.nan])
def test_invalid_keep_alive(value: str | float) -> None:
    with pytest.raises(InvalidKeepAlive) as caught:
        parse_keep_alive(value, param="a.b")
    assert caught.value.param == "a.b"


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
        ({"num_ctx": 8}, "default_parameters.num_ctx", ">= 16"),
        ({"num_ctx": "a"}, "default_parameters.num_ctx", "`int`"),
        ({"tensor_split": [1, -1]}, "default_parameters.tensor_split[1]", ">= 0"),
        ([], "default_parameters", "`object`"),
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
