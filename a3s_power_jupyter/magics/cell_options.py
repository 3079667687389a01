"""The options of ``%%power``, and the variables that they name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from IPython.core.error import UsageError
from msgspec import UNSET, Meta, UnsetType

from ..client.tools import tool_choice
from ..contract.parameters import (
    MAX_STOPS,
    PositiveInt,
    Probability,
    Seed,
    StopString,
    Temperature,
    check,
    close_matches,
    parse_keep_alive,
)

#: The name in ``--tools`` of the functions that read and change the notebook.
NOTEBOOK = "notebook"


def parameters_of(arguments: argparse.Namespace, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Client.stream` for the options of a cell.

    Raises
    ------
    UsageError
        If the variable of ``--json-schema`` is neither a schema nor a type.
    InvalidParameter
        If a value is out of range.
    """
    names = ("temperature", "max_tokens", "top_p", "seed", "stop", "keep_alive")
    options = {name: getattr(arguments, name) for name in names}
    if options["stop"] and len(options["stop"]) == 1:
        [options["stop"]] = options["stop"]
    parameters = {name: value for name, value in options.items() if value is not None}
    _check_options({**parameters, "max_rounds": arguments.max_rounds})
    if arguments.json_schema is not None:
        schema = _variable("--json-schema", arguments.json_schema, variables)
        if not isinstance(schema, (dict, type)):
            raise UsageError(
                "--json-schema needs a dict or a class, such as a Pydantic model; "
                f"{arguments.json_schema} is {_kind(schema)}."
            )
        parameters["schema"] = schema
    if arguments.think is not None:
        parameters["chat_template_kwargs"] = {"enable_thinking": arguments.think}
    if arguments.effort is not None:
        parameters["reasoning_effort"] = arguments.effort
    if arguments.tool_choice is not None:
        parameters["tool_choice"] = arguments.tool_choice
    return parameters


def tools_of(
    arguments: argparse.Namespace,
    variables: Mapping[str, Any],
    notebook: Callable[[], Iterable[Callable[..., Any]]],
) -> list[Callable[..., Any]]:
    """Return the functions of ``--tools``.

    Parameters
    ----------
    notebook : callable
        Returns the functions that the name ``notebook`` means.

    Raises
    ------
    UsageError
        If a name is not that of a function, or ``--tool-choice`` or ``--allow`` has nothing to
        refer to.
    InvalidParameter
        If ``--tool-choice`` is not one of the functions.
    """
    names = [name.strip() for names in arguments.tools for name in names.split(",")]
    tools: list[Callable[..., Any]] = []
    if arguments.allow is not None and NOTEBOOK not in names:
        raise UsageError(f"--allow {arguments.allow} needs --tools {NOTEBOOK}.")
    for name in dict.fromkeys(filter(None, names)):
        if name == NOTEBOOK:
            if callable(variables.get(name)):
                raise UsageError(
                    f"--tools {NOTEBOOK} means the notebook tools. Give your function "
                    f"{NOTEBOOK}() another name."
                )
            tools += notebook()
            continue
        tool = _variable("--tools", name, variables)
        if not callable(tool):
            raise UsageError(f"--tools: {name} is {_kind(tool)}, not a function.")
        tools.append(tool)
    if arguments.tool_choice is not None:
        if not tools:
            raise UsageError("--tool-choice needs --tools with the functions to choose from.")
        tool_choice(arguments.tool_choice, tools)
    return tools


def _variable(option: str, name: str, variables: Mapping[str, Any]) -> Any:
    if name in variables:
        return variables[name]
    near = close_matches(name, [known for known in variables if not known.startswith("_")])
    hint = f"Did you mean {near[0]!r}?" if near else "Define it in a cell above."
    raise UsageError(f"{option}: {name!r} is not defined. {hint}")


def _kind(value: Any) -> str:
    return f"of type {type(value).__name__}"


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


_Stop = Annotated[StopString, Meta(min_length=1)]


class _Options(msgspec.Struct, rename=_option):
    """The limits of the options, checked here so that a mistake does not load the model first."""

    temperature: Temperature | UnsetType = UNSET
    max_tokens: PositiveInt | UnsetType = UNSET
    top_p: Probability | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=MAX_STOPS)] | UnsetType = UNSET
    keep_alive: str | UnsetType = UNSET
    max_rounds: PositiveInt | UnsetType = UNSET


def _check_options(parameters: dict[str, Any]) -> None:
    given = {_option(field): value for field, value in parameters.items()}
    options = check(given, _Options)
    if options.keep_alive is not UNSET:
        parse_keep_alive(options.keep_alive)
