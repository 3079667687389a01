"""Test that msgspec's errors are put into plain words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, UnsetType

from a3s_power_jupyter.contract.field_errors import describe, literal_values


@pytest.mark.parametrize(
    ("type_", "value", "described"),
    [
        (int, "1", "must be an integer, not a string"),
        (int, 1.5, "must be an integer, not a number"),
        (float, None, "must be a number, not null"),
        (bool, 1, "must be true or false, not an integer"),
        (str | list[str], {}, "must be a string or a list, not an object"),
        (int | UnsetType, [], "must be an integer, not a list"),
        (Annotated[int, Meta(ge=1)], 0, "must be an integer of at least 1"),
        (Annotated[float, Meta(le=2.0)], 2.5, "must be a number of at most 2"),
        (Annotated[float, Meta(ge=0.01)], 0.0, "must be a number of at least 0.01"),
        (Annotated[int, Meta(le=2**63 - 1)], 2**63, f"must be an integer of at most {2**63 - 1}"),
        (Annotated[str, Meta(min_length=1)], "", "must not be empty"),
        (Annotated[str, Meta(max_length=2)], "abc", "must have at most 2 characters"),
        (Annotated[list[int], Meta(max_length=1)], [1, 2], "must have at most 1 elements"),
        (Annotated[list[int], Meta(min_length=2)], [1], "must have at least 2 elements"),
        (Literal["a"], "b", None),
    ],
)
def test_errors_of_msgspec(type_: Any, value: object, described: str | None) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, type_)
    assert describe(str(raised.value)) == described


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (Literal[2, 0, 1] | UnsetType, "0, 1 or 2"),
        (Literal["a"], "'a'"),
        (int | UnsetType, None),
    ],
)
def test_the_values_of_a_literal(type_: Any, expected: str | None) -> None:
    assert literal_values(type_) == expected
