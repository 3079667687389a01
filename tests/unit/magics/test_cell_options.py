"""Test the variables that the options of ``%%power`` name."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.error import UsageError
from pydantic import BaseModel

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.magics.cell_options import parameters_of, tools_of
from a3s_power_jupyter.magics.parser import cell_parser
from a3s_power_jupyter.magics.spelling import in_options


class Person(BaseModel):
    name: str


def weather(city: str) -> str:
    return city


def clock() -> str:
    return "now"


VARIABLES = {"Person": Person, "weather": weather, "clock": clock, "schema": {}, "_": weather}


def notebook() -> list[Any]:
    return [clock]


def parsed(options: str) -> Any:
    return cell_parser().parse_args(options.split())


@pytest.mark.parametrize(
    ("options", "tools"),
    [
        ("", []),
        ("--tools weather", [weather]),
        ("--tools clock,weather", [clock, weather]),
        ("--tools notebook,weather", [clock, weather]),
        ("--tools notebook --allow read", [clock]),
        ("--tools weather --tools clock,,weather,", [weather, clock]),
    ],
)
def test_tools_are_functions_of_the_notebook(options: str, tools: list[Any]) -> None:
    assert tools_of(parsed(options), VARIABLES, notebook) == tools


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--tools wether", "--tools: 'wether' is not defined. Did you mean 'weather'?"),
        ("--tools nothing_like_it", "is not defined. Define it in a cell above."),
        ("--tools weather,schema", "--tools: schema is of type dict, not a function."),
        ("--tools weather()", "'weather()' is not defined. Did you mean 'weather'?"),
        ("--tools __import__('os')", "is not defined"),
        ("--tool-choice required", "--tool-choice needs --tools"),
        ("--tools weather --allow all", "--allow all needs --tools notebook."),
        ("--json-schema schem", "--json-schema: 'schem' is not defined. Did you mean 'schema'?"),
        ("--json-schema weather", "needs a dict or a class, .* weather is of type function"),
    ],
)
def test_names_that_are_wrong_are_usage_errors(options: str, message: str) -> None:
    read: Any = tools_of if options.startswith("--tool") else parameters_of
    with pytest.raises(UsageError) as raised:
        read(parsed(options), VARIABLES, *([notebook] if read is tools_of else []))
    start, _, end = message.partition(" .* ")
    assert start in str(raised.value)
    assert end in str(raised.value)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ("", {}),
        ("--json-schema Person --seed 3", {"schema": Person, "seed": 3}),
        ("--json-schema schema", {"schema": {}}),
        ("--stop a", {"stop": "a"}),
        ("--stop a --stop b", {"stop": ["a", "b"]}),
        ("--think", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("--no-think", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("--effort high", {"reasoning_effort": "high"}),
        ("--tools clock --tool-choice required", {"tool_choice": "required"}),
    ],
)
def test_options_are_fields_of_the_request(options: str, parameters: dict[str, Any]) -> None:
    assert parameters_of(parsed(options), VARIABLES) == parameters


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-tokens", "0"], "--max-tokens must be"),
        (["--max-rounds", "0"], "--max-rounds must be at least 1, not 0."),
        (["--stop", ""], "--stop must not be empty."),
        (["--stop", "a", "--stop", ""], "--stop number 2 must not be empty."),
        (["--stop", "a" * 5000], "--stop must have at most 4,096 characters, not 5,000."),
        (["--stop", "a"] * 65, "--stop can be given 64 times at most, not 65."),
    ],
)
def test_a_value_out_of_range_is_an_error(words: list[str], message: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        parameters_of(cell_parser().parse_args(words), VARIABLES)
    assert in_options(str(raised.value)).startswith(message)


def test_a_choice_that_is_not_a_tool_is_an_error() -> None:
    assert tools_of(parsed("--tools clock --tool-choice clock"), VARIABLES, notebook) == [clock]
    with pytest.raises(InvalidParameter, match=r"one of the tools.*: clock"):
        tools_of(parsed("--tools clock --tool-choice weather"), VARIABLES, notebook)


def test_a_function_with_the_name_of_the_notebooks_tools_is_a_usage_error() -> None:
    for variables in ({"notebook": clock}, {"notebook": Person}):
        with pytest.raises(UsageError, match="another name"):
            tools_of(parsed("--tools notebook"), variables, notebook)
    assert tools_of(parsed("--tools notebook"), {"notebook": 1}, notebook) == [clock]
