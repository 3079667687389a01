"""Test that errors say the field, what is allowed, and what it is."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.contract.parameters import DefaultParameters, check


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1)]
    name: str = ""


Ratio = Annotated[float, Meta(ge=0.0, le=2.0)]


def error_of(type_: Any, value: object) -> InvalidParameter:
    """Return the error about the field ``x`` of this type with this value."""
    body = msgspec.defstruct("Body", [("x", type_, msgspec.field(default=UNSET))])
    with pytest.raises(InvalidParameter) as raised:
        check({"x": value}, body)
    return raised.value


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        (Ratio, 9, "x must be between 0 and 2, not 9."),
        (Ratio, 2.5, "x must be between 0 and 2, not 2.5."),
        (Ratio, "hot", "x must be a number between 0 and 2, not 'hot'."),
        (Ratio, True, "x must be a number between 0 and 2, not true."),
        (Ratio, [], "x must be a number between 0 and 2, not an empty list."),
        (Annotated[float, Meta(ge=0.01)], 0, "x must be at least 0.01, not 0."),
        (Annotated[float, Meta(gt=0)], 0, "x must be greater than 0, not 0."),
        (Annotated[float, Meta(gt=0, lt=1)], 1, "x must be greater than 0 and less than 1, not 1."),
        (Annotated[int, Meta(multiple_of=8)], 9, "x must be a multiple of 8, not 9."),
        (Annotated[int, Meta(multiple_of=8)], "9", "x must be an integer that is a multiple of 8, "
         "not '9'."),
        (Annotated[int, Meta(ge=1, le=2**31 - 1)], 0, "x must be at least 1, not 0."),
        (Annotated[int, Meta(ge=1, le=2**31 - 1)], 2**31, "x must be between 1 and 2147483647, "
         "not 2147483648."),
        (int, 1.5, "x must be an integer, not 1.5."),
        (int | UnsetType, "1", "x must be an integer, not '1'."),
        (bool, 1, "x must be true or false, not 1."),
        (bool, "yes", "x must be true or false, not 'yes'."),
        (str, 5, "x must be a string, not 5."),
        (str | list[str], {}, "x must be a string or a list, not an object."),
        (str | int | float, {}, "x must be a string or a number, not an object."),
        (dict[str, int], [1], "x must be an object, not a list."),
        (Literal[0, 1, 2], 3, "x must be 0, 1 or 2, not 3."),
        (Literal["auto", "none"], "Atuo", "x must be 'auto' or 'none', not 'Atuo'. "
         "Did you mean 'auto'?"),
        (Literal["auto", "none"] | None, 5, "x must be 'auto' or 'none', not 5."),
        (Color, "gren", "x must be 'red' or 'green', not 'gren'. Did you mean 'green'?"),
        (Annotated[str, Meta(min_length=1)], "", "x must not be empty."),
        (Annotated[str, Meta(max_length=2)], "abc", "x must have at most 2 characters, not 3."),
        (Annotated[str, Meta(pattern="^a")], "b", "x must match the pattern ^a."),
        (bool | Annotated[str, Meta(max_length=2)], "abc", "x must have at most 2 characters, "
         "not 3."),
        (Annotated[list[int], Meta(max_length=1)], [1, 2], "x must have at most 1 elements, "
         "not 2."),
        (Annotated[list[int], Meta(min_length=2)], [1], "x must have at least 2 elements, not 1."),
        (Annotated[dict[str, int], Meta(max_length=0)], {"a": 1}, "x must have at most 0 fields, "
         "not 1."),
        (tuple[int, str], [1], "x must have 2 elements, not 1."),
    ],
)  # fmt: skip
def test_errors_of_all_kinds(type_: Any, value: object, message: str) -> None:
    error = error_of(type_, value)
    assert error.message == message
    assert error.param == "x"


@pytest.mark.parametrize(
    ("type_", "value", "message", "param"),
    [
        (list[Ratio], [1, 3], "x[1] must be between 0 and 2, not 3.", "x[1]"),
        (str | list[str], ["a", 5], "x[1] must be a string, not 5.", "x[1]"),
        (dict[str, Ratio], {"17": 1, "18": -1}, "x.18 must be between 0 and 2, not -1.", "x[...]"),
        (list[Inner], [{"size": 0}], "x[0].size must be at least 1, not 0.", "x[0].size"),
        (Inner | None, {"size": "2"}, "x.size must be an integer of at least 1, not '2'.",
         "x.size"),
        (Inner, {}, "'x.size' is missing.", "x.size"),
        (Inner, {"sise": 1}, "Unknown parameter 'sise' in 'x'. Did you mean 'size'?", "x.sise"),
    ],
)  # fmt: skip
def test_the_path_to_the_value(type_: Any, value: object, message: str, param: str) -> None:
    error = error_of(type_, value)
    assert (error.message, error.param) == (message, param)


def test_the_value_as_a_whole() -> None:
    with pytest.raises(InvalidParameter) as raised:
        check([], DefaultParameters, at="default_parameters")
    assert raised.value.message == "default_parameters must be an object, not an empty list."
    with pytest.raises(InvalidParameter, match=r"^The value must be an object, not 5\.$"):
        check(5, DefaultParameters)


@pytest.mark.parametrize("value", ["\x1b[31m" + "x" * 20, "p" * 5000, 10**500, 1e300, ["y" * 900]])
def test_a_value_is_quoted_without_control_sequences_and_only_if_it_is_short(value: Any) -> None:
    message = error_of(Ratio, value).message
    assert len(message) < 150
    assert "\x1b" not in message


def test_texts_and_secrets_are_not_quoted() -> None:
    prompt = error_of(list[dict[str, str]], "my private prompt")
    assert prompt.message == "x must be a list, not a string."
    body = msgspec.defstruct("Body", [("hub_token", str | None, None)])
    with pytest.raises(InvalidParameter) as raised:
        check({"hub_token": 123456789}, body)
    assert raised.value.message == "hub_token must be a string, not an integer."
