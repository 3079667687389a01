"""Test converting the values that clients send in place of the expected ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import LoadParameters, check
from a3s_power_jupyter.contract.types import RegisterBody


class Inner(msgspec.Struct, frozen=True):
    size: int = 1


class Outer(msgspec.Struct, frozen=True):
    count: int = 0
    share: float = 0.0
    either: int | float = 0
    choice: int | str = 0
    name: str | None = "unset"
    numbers: list[int] = []
    inner: Inner = Inner()
    inners: list[Inner] = []
    anything: Any = None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"count": 256.0}, Outer(count=256)),
        ({"count": -0.0}, Outer(count=0)),
        ({"choice": 2.0}, Outer(choice=2)),
        ({"numbers": [1.0, 2]}, Outer(numbers=[1, 2])),
        ({"inner": {"size": 3.0}}, Outer(inner=Inner(3))),
        ({"inners": [{"size": 3.0}, {"size": None}]}, Outer(inners=[Inner(3), Inner(1)])),
        ({"count": None, "share": None, "inner": None, "numbers": None, "name": None}, Outer()),
        ({"inner": {"size": None}}, Outer()),
    ],
)
def test_values_are_converted(given: dict[str, Any], expected: Outer) -> None:
    assert check(given, Outer) == expected


def test_floats_and_unknown_values_stay_as_they_are() -> None:
    read = check({"share": 1.0, "either": 2.0, "anything": {"a": [3.0, None]}}, Outer)
    assert [type(value) for value in (read.share, read.either)] == [float, float]
    assert repr(read.anything) == "{'a': [3.0, None]}"


@pytest.mark.parametrize("value", [0.5, float("inf"), float("nan"), "1", True, [], {}])
def test_other_values_are_no_integers(value: Any) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check({"count": value}, Outer)
    assert caught.value.param == "count"


def test_management_routes_are_lenient_and_refuse_unknown_fields() -> None:
    assert check({"num_ctx": 4096.0, "num_gpu": None}, LoadParameters).num_ctx == 4096
    assert check({"name": "a", "copy": None}, RegisterBody).copy is False
    with pytest.raises(InvalidParameter, match="Did you mean 'num_ctx'"):
        check({"num_ctxx": 1}, LoadParameters)
    with pytest.raises(InvalidParameter, match="Unknown parameter"):
        check({"num_ctxx": None}, LoadParameters)
