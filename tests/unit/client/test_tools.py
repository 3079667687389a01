"""Test functions as tools: their schemas, their calls and their results."""

from __future__ import annotations

import _thread
import asyncio
import dataclasses
import datetime
import enum
import functools
import re
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy
import pytest
from pydantic import BaseModel, Field

from a3s_power_jupyter.client.calls import ToolCall
from a3s_power_jupyter.client.tools import Toolbox, ToolResult, definitions, tool_choice
from a3s_power_jupyter.contract.errors import InvalidParameter


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    city: str
    country: str | None = None


def weather(
    place: Place,
    days: Annotated[int, Field(ge=1, description="Number of days.")] = 3,
    unit: Unit = Unit.CELSIUS,
    detail: Literal["short", "long"] = "short",
) -> str:
    """Return the weather forecast.

    Parameters
    ----------
    place
        Where.
    """
    return f"{type(place).__name__} {place.city} {days} {unit} {detail}"


def call(function: Callable[..., Any], arguments: str, max_result: int = 20_000) -> ToolResult:
    box = Toolbox([function], max_result=max_result)
    return box.call(ToolCall("1", box.definitions[0]["function"]["name"], arguments))


def test_the_signature_gives_the_schema_and_the_docstring_the_description() -> None:
    (definition,) = definitions([weather])
    assert definition["type"] == "function"
    function = definition["function"]
    assert function["name"] == "weather"
    assert function["description"].startswith("Return the weather forecast.\n\nParameters")
    schema = function["parameters"]
    assert schema["required"] == ["place"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["days"] == {
        "type": "integer", "minimum": 1, "default": 3, "description": "Number of days.",
    }  # fmt: skip
    assert properties["detail"]["enum"] == ["short", "long"]
    assert schema["$defs"]["Unit"]["enum"] == ["celsius", "kelvin"]
    assert "title" not in properties["days"]


def test_tools_in_the_format_of_openai_are_unchanged() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": True, "strict": True}}
    assert definitions([tool]) == [tool]


def test_functions_without_parameters_and_methods_are_tools() -> None:
    class Counter:
        def count(self, to: int) -> int:
            return to

    (now,) = definitions([datetime_now])
    assert now["function"]["parameters"]["properties"] == {}
    assert call(datetime_now, "").text == "now"
    assert call(Counter().count, '{"to": 3}').text == "3"


def datetime_now() -> str:
    return "now"


def only_positional(a: int, /) -> None: ...


def every(*values: int) -> None: ...


def opaque(value: threading.Thread) -> None: ...


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        (only_positional, "only positional"),
        (every, "only positional"),
        (opaque, "cannot be described as a JSON schema.*Thread"),
        (lambda x: x, "has no name"),
        (functools.partial(weather, Place(city="Paris")), "has no name"),
        (3, "not int"),
        ("weather", "not str"),
        (Place, "not the class Place"),
        ({"name": "f"}, "needs the form"),
        ({"type": "function", "function": {"name": "f"}}, "without a function"),
    ],
)
def test_what_is_no_tool_is_an_error(tool: Any, reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason) as raised:
        Toolbox([tool], max_result=10)
    assert "pydantic.dev" not in str(raised.value)


def test_two_tools_with_one_name_are_an_error() -> None:
    with pytest.raises(InvalidParameter, match="Two tools"):
        Toolbox([weather, weather], max_result=10)


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (None, None),
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
        (weather, {"type": "function", "function": {"name": "weather"}}),
        ({"type": "allowed_tools"}, {"type": "allowed_tools"}),
    ],
)
def test_tool_choice_may_be_a_function_or_its_name(choice: Any, field: Any) -> None:
    assert tool_choice(choice, [weather]) == field


def test_tool_choice_names_the_tools() -> None:
    with pytest.raises(InvalidParameter, match=r"one of the tools.*weather"):
        tool_choice("wether", [weather])


def test_arguments_are_converted_to_the_types_of_the_signature() -> None:
    arguments = '{"place": {"city": "Paris"}, "days": 2, "unit": "kelvin"}'
    result = call(weather, arguments)
    assert result.text == "Place Paris 2 Unit.KELVIN short"
    assert not result.failed
    assert result.message == {"role": "tool", "tool_call_id": "1", "content": result.text}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{}", "place: Missing required"),
        ('{"place": {"city": 1}}', "place.city: "),
        ('{"place": {"city": "a"}, "days": 0}', "days: .*greater than or equal to 1"),
        ('{"place": {"city": "a"}, "nope": 0}', "nope: "),
        ('{"place": {"ci', "Invalid JSON"),
        ("[1]", "."),
        ("__import__('os').system('true')", "Invalid JSON"),
        ("[" * 10_000, "Invalid JSON"),
    ],
)
def test_arguments_that_do_not_match_are_the_result(arguments: str, reason: str) -> None:
    result = call(weather, arguments)
    assert result.failed
    assert result.text.startswith("Invalid arguments: ")
    assert re.search(reason, result.text)
    assert "pydantic.dev" not in result.text


def test_an_exception_is_the_result() -> None:
    def divide(by: int) -> float:
        return 1 / by

    result = call(divide, '{"by": 0}')
    assert (result.text, result.failed) == ("ZeroDivisionError: division by zero", True)
    assert isinstance(result.error, ZeroDivisionError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_a_result(error: type[BaseException]) -> None:
    def interrupted() -> None:
        raise error

    with pytest.raises(error):
        call(interrupted, "{}")


@dataclasses.dataclass
class Point:
    x: float
    day: datetime.date


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (None, "null"),
        (1.5, "1.5"),
        (float("nan"), "NaN"),
        ([1, {"a": (2, 3)}], '[1,{"a":[2,3]}]'),
        (Point(1.0, datetime.date(2026, 1, 2)), '{"x":1.0,"day":"2026-01-02"}'),
        (Place(city="Paris"), '{"city":"Paris","country":null}'),
        (numpy.arange(3), "[0,1,2]"),
        (numpy.int64(7), "7"),
        (b"\xff", '"_w=="'),
        ({"é": "ü"}, '{"é":"ü"}'),
        (object, "\"<class 'object'>\""),
        ("half \ud800 character", "half ? character"),
    ],
)
def test_results_that_are_not_strings_are_json(value: Any, text: str) -> None:
    def value_of() -> Any:
        return value

    result = call(value_of, "{}")
    assert result.text == text
    assert not result.failed


def test_a_result_that_json_cannot_hold_is_an_error() -> None:
    def cyclic() -> list[Any]:
        return CYCLE

    assert call(cyclic, "{}").failed


def test_a_large_result_is_cut_with_a_notice() -> None:
    def large() -> str:
        return "x" * 1_000_000

    text = call(large, "{}", max_result=1000).text
    assert text == "x" * 1000 + "\n[cut: the first 1,000 of 1,000,000 characters]"


def test_unknown_tools_are_answered_and_only_given_functions_are_called() -> None:
    box = Toolbox([weather], max_result=1000)
    for name in ("wether", "__import__", "eval", "Toolbox.call", ""):
        result = box.call(ToolCall("1", name, '{"code": "1"}'))
        assert result.failed
        assert f"There is no tool {name!r}." in result.text
        assert "The tools are: weather." in result.text
    assert "Did you mean 'weather'?" in box.call(ToolCall("1", "wether", "{}")).text


def test_a_call_can_be_declined() -> None:
    def delete() -> None:
        raise AssertionError

    asked: list[ToolCall] = []
    result = Toolbox([delete], max_result=100).call(
        ToolCall("1", "delete", "{}"), lambda call: bool(asked.append(call))
    )
    assert result.failed
    assert "not allow" in result.text
    assert [str(call) for call in asked] == ["delete()"]


async def test_async_functions_are_awaited_while_a_loop_is_running() -> None:
    """A kernel's main thread runs an event loop, too."""

    async def slow(to: int) -> int:
        await asyncio.sleep(0.001)
        return to + 1

    async def failing() -> None:
        raise LookupError("nothing found")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    assert call(slow, '{"to": 1}').text == "2"
    assert call(failing, "{}").text == "LookupError: nothing found"
    assert call(cancelled, "{}").failed


def test_an_interrupt_cancels_an_async_function() -> None:
    ended = threading.Event()

    async def endless() -> None:
        threading.Timer(0.05, _thread.interrupt_main).start()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call(endless, "{}")
    assert ended.wait(30)
    assert time.monotonic() - started < 50
